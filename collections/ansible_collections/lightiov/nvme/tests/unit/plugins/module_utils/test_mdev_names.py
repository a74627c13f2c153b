# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks on namespaces by their names in lightiov_namespaces."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._host_resources import describe
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_record import recorded
from fake_host import FakeHost
from mdev_calls import U1, U2, A, act, definition, disk, extents, make, one, run
from namespace_calls import act as act_namespaces
from namespace_calls import one as namespace


@pytest.fixture
def drive(fake: FakeHost) -> FakeHost:
    fake.add_controller(A, "S1", namespaces=1, driver="lightiov")
    return fake


def named(uuid: str = U1, name: str = "db1-data", **options: Any) -> dict[str, Any]:
    return one(uuid, disks=[disk(name, **options)])


def identity(host: Host, name: str = "db1-data") -> str:
    return recorded(host)["S1"][name].identity


def test_is_the_one_that_was_made_by_that_name(host: Host, drive: FakeHost) -> None:
    act_namespaces(host, namespace("log"), namespace("db1-data"))
    act(host, named(), named(U2, "log", size="100 MiB"))
    assert definition(drive, U1)["extent"].endswith(f"nsid=3,eui={identity(host).partition('.')[2]},name=data")
    assert extents(drive, U2) == [f"nsid=2,eui={identity(host, 'log').partition('.')[2]},first=0,count=25600,name=data"]
    # By its identity it is the same disk.
    assert act(host, one(U1, disks=[disk(identity(host))]), named(U2, "log", size="100 MiB")) == []


def test_one_that_is_to_come_leaves_all_as_it_is_until_then(host: Host, drive: FakeHost) -> None:
    act(host, one(U1, disks=[disk("1")]))
    before = drive.snapshot()
    both = [disk("1"), disk("db1-data", "more")]
    made = make(host, one(U1, disks=both), predict=True)
    assert [(unmet.until, unmet.object) for unmet in made.unmet] == [("namespace", "S1/db1-data")]
    assert made.unmet[0].sentence == (
        f"mdev {U1} (vm1) wants namespace db1-data, which LightIOV has not made on controller S1: list it in "
        "lightiov_namespaces, which makes it"
    )
    assert run(make(host, one(U1, disks=both), phase="shrink")) == []
    assert drive.snapshot() == before
    act_namespaces(host, namespace("db1-data"))
    assert [action for action, _name in act(host, one(U1, disks=both), phase="grow")] == ["define", "add"]


def test_one_that_nobody_makes_is_refused(host: Host, drive: FakeHost) -> None:
    act_namespaces(host, namespace("log"))
    with pytest.raises(
        LightiovError, match=r" wants namespace db1-data, .*: choose from log, or list it in lightiov_n"
    ):
        make(host, named())


def test_host_tells_the_plan_of_it(host: Host, drive: FakeHost) -> None:
    act_namespaces(host, namespace("db1-data"))
    [first, second] = describe(host)["controllers"][0]["namespaces"]
    assert "listed" not in first
    assert (second["id"], second["listed"]) == (identity(host), "db1-data")
