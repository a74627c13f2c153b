# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import uuid

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import canonical, mdev_uuid
from hypothesis import given
from hypothesis import strategies as st

names = st.text(min_size=1).filter(lambda text: "/" not in text)


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_uuid_depends_on_every_name_and_on_nothing_else(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (mdev_uuid(*one) == mdev_uuid(*other)) == (one == other)


@given(names, names, names)
def test_uuid_is_of_version_5_and_canonical(serial: str, vm: str, disk: str) -> None:
    made = mdev_uuid(serial, vm, disk)
    assert uuid.UUID(made).version == 5
    assert canonical(made.upper()) == made


@given(st.integers(min_value=0))
def test_a_name_of_digits_is_its_text(number: int) -> None:
    # YAML has made numbers of them.
    assert mdev_uuid(number, number, number) == mdev_uuid(str(number), str(number), str(number))


@pytest.mark.parametrize("serial", ["", "a/b", None, True, 1.5])
def test_unusable_names_are_refused(serial: object) -> None:
    with pytest.raises(LightiovError):
        mdev_uuid(serial, "vm", "disk")


def test_what_is_no_uuid_is_refused() -> None:
    with pytest.raises(LightiovError, match="'vm1'"):
        canonical("vm1")
