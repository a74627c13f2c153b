# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mdevs of the version before, one for each disk, become disks of the VM's one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._boot_order import UNIT, device_unit
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._tenants import RECORD
from ansible_collections.lightiov.nvme.plugins.module_utils._uuids import mdev_uuid
from fake_host import FakeHost
from mdev_calls import A, B, act, disk, extents, make, one

NGUID = "eui.0123456789abcdef0025385b01400c1d"
VM = mdev_uuid("S1", "vm1")
DATA, LOG = (mdev_uuid("S1", "vm1", name) for name in ("data", "log"))
WANTED = one(VM, disks=[disk("1"), disk("2", "log")])


def former(name: str, namespaces: str) -> dict[str, Any]:
    attributes = {"serial": "S1", "label": f"lightiov.nvme:vm1/{name}", "tenant": "blue", "queue_pairs": "2"}
    pairs = [{key: value} for key, value in {**attributes, "namespaces": namespaces}.items()]
    return {"mdev_type": "lightiov-passthrough", "start": "auto", "attrs": pairs}


@pytest.fixture
def before(fake: FakeHost) -> FakeHost:
    """Its host module has been replaced since."""
    fake.add_controller(A, "S1", driver="lightiov", ids={1: NGUID})
    fake.write_json(f"/etc/mdevctl.d/{A}/{DATA}", former("data", f"1={NGUID}"))
    fake.write_json(f"/etc/mdevctl.d/{A}/{LOG}", former("log", "2"))
    fake.boot()
    assert fake.mdevs(A) == sorted([DATA, LOG])
    return fake


def opened(fake: FakeHost, *uuids: str, state: str = "ready") -> None:
    for uuid in uuids:
        fake.write(f"{fake.device(A)}/{uuid}/state", f"{state}\n")


def test_closed_ones_are_replaced_without_consent(host: Host, before: FakeHost) -> None:
    assert act(host, WANTED, remove=False) == [
        *(("stop", uuid) for uuid in sorted([DATA, LOG])),
        ("define", VM),
        ("start", VM),
        *(("convert", uuid) for uuid in sorted([DATA, LOG])),
    ]
    assert before.mdevs(A) == [VM]
    assert extents(before, VM) == [f"nsid=1,eui={NGUID[4:]},name=data", "nsid=2,name=log"]
    assert [one["id"] for one in before.extents(VM)] == [DATA, LOG]
    made = make(host, WANTED)
    assert (made.steps, made.warnings) == ([], [])


@pytest.mark.parametrize("open_ones", [[DATA, LOG], [LOG]])
@pytest.mark.parametrize("force", [False, True])
def test_a_vm_keeps_them_until_all_are_closed(host: Host, before: FakeHost, open_ones: list[str], force: bool) -> None:
    opened(before, *open_ones)
    (warning,) = make(host, WANTED, remove=False, force=force).warnings
    assert f"mdev {VM} (vm1) takes the place of" in warning and "stop the VM and deploy once more" in warning
    assert act(host, WANTED, remove=False, force=force) == []
    assert before.mdevs(A) == sorted([DATA, LOG])
    before.boot()
    assert before.mdevs(A) == sorted([DATA, LOG])
    assert [action for action, _name in act(host, WANTED)] == ["stop", "stop", "define", "start", "convert", "convert"]
    assert make(host, WANTED).steps == []


def test_meanwhile_a_boot_waits_for_them(host: Host, before: FakeHost) -> None:
    before.install("systemctl")
    opened(before, LOG)
    act(host, WANTED)
    assert [uuid for uuid in (VM, DATA, LOG) if device_unit(uuid) in before.read(UNIT)] == [DATA, LOG]
    opened(before, LOG, state="closed")
    act(host, WANTED)
    assert [uuid for uuid in (VM, DATA, LOG) if device_unit(uuid) in before.read(UNIT)] == [VM]


def test_what_is_added_meanwhile_is_not_erased_yet(host: Host, before: FakeHost) -> None:
    before.write_json(RECORD, {"S1": {"3": "red", NGUID: "blue", "2": "blue"}})
    opened(before, LOG)
    more = one(VM, disks=[disk("1"), disk("2", "log"), disk("3", "more")])
    assert make(host, more, erase=True).steps == []
    opened(before, LOG, state="closed")
    assert ("erase", "3") in act(host, more, erase=True)


def test_cut_short_anywhere_it_is_completed(host: Host, before: FakeHost) -> None:
    steps = len(make(host, WANTED).steps)
    for number in range(steps):
        for step in make(host, WANTED).steps[:1]:
            step.run()
        before.boot()
        assert set(before.mdevs(A)) in ({DATA, LOG}, {VM}), number
    act(host, WANTED)
    assert (before.mdevs(A), make(host, WANTED).steps) == ([VM], [])


def test_check_mode_and_phases_foresee_it(host: Host, before: FakeHost) -> None:
    assert act(host, WANTED, phase="shrink") == []
    planned = [(step.action, step.object) for step in make(host, WANTED, phase="grow", predict=True).steps]
    assert [action for action, _name in planned if action != "record"] == [
        "stop",
        "stop",
        "define",
        "start",
        "convert",
        "convert",
    ]


def test_one_that_is_no_longer_listed_is_a_removal(host: Host, before: FakeHost) -> None:
    with pytest.raises(LightiovError, match=rf"removed, 1 of them: {LOG} \(vm1/log\)"):
        make(host, one(VM), remove=False)
    opened(before, LOG)
    with pytest.raises(LightiovError, match=f"mdev {LOG} has to be stopped, but a VM has it open"):
        make(host, one(VM))
    with pytest.raises(LightiovError, match=f"mdev {LOG} has to be stopped"):
        make(host, remove=False, absent=frozenset({VM, DATA, LOG}))


def test_one_that_is_to_be_elsewhere_is_stopped_as_it_would_have_been(host: Host, before: FakeHost) -> None:
    moved = one(VM, disks=[disk("1"), disk("3", "log")])
    assert ("add", VM) not in act(host, moved, remove=False)
    assert (before.mdevs(A), make(host, moved).steps) == ([VM], [])


def test_it_cannot_become_a_part(host: Host, before: FakeHost) -> None:
    with pytest.raises(LightiovError, match=r"Disk data of mdev .* is the whole namespace 1 .* leave its size out"):
        make(host, one(VM, disks=[disk("1", size="100 MiB"), disk("2", "log")]))


def test_another_namespace_with_the_number_is_refused(host: Host, before: FakeHost) -> None:
    before.change_hardware(A, ids={"1": NGUID.replace("0123", "3210")})
    before.boot()
    with pytest.raises(LightiovError, match=f"namespace 1 of .* when that was {NGUID}, and now it is"):
        make(host, WANTED)


class TestUnderTheFormerModule:
    @pytest.fixture
    def old(self, before: FakeHost) -> FakeHost:
        before.change_hardware(A, old=True)
        before.boot()
        return before

    def test_closed_ones_wait_for_the_new_one(self, host: Host, old: FakeHost) -> None:
        snapshot = old.snapshot()
        with pytest.raises(LightiovError, match=r"host module that is loaded is an older one.*reload"):
            make(host, WANTED)
        assert old.snapshot() == snapshot
        assert [one.until for one in make(host, WANTED, predict=True).unmet] == ["reload"]

    def test_open_ones_run_on(self, host: Host, old: FakeHost) -> None:
        opened(old, DATA, LOG)
        assert act(host, WANTED) == []
        assert (sorted(old.mdevs(A)), make(host, WANTED).steps) == (sorted([DATA, LOG]), [])
        old.change_hardware(A, old=False)
        old.boot()
        act(host, WANTED)
        assert (old.mdevs(A), make(host, WANTED).steps) == ([VM], [])


def test_a_wrong_disk_that_runs_is_not_pulled_out_from_under_a_vm(host: Host, before: FakeHost) -> None:
    """The first version told no serial numbers, so drives that changed places were not noticed."""
    for uuid in (DATA, LOG):
        content = before.definition(A, uuid)
        pairs = [pair for pair in content["attrs"] if not {"serial", "label"} & set(pair)]
        before.write_json(f"/etc/mdevctl.d/{A}/{uuid}", {**content, "attrs": pairs})
        for attribute in ("serial", "label"):
            before.write(f"{before.device(A)}/{uuid}/{attribute}", "\n")
    assert make(host, WANTED, remove=False).steps != []
    before.add_controller(B, "S2", driver="lightiov")
    opened(before, DATA)
    states = {path: text for path, text in before.snapshot().items() if DATA in path}
    before.change_hardware(A, serial="S2")
    before.change_hardware(B, serial="S1", ids={"1": NGUID})
    for address, serial in ((A, "S2"), (B, "S1")):
        before.write(f"{before.device(address)}/lightiov/serial", f"{serial}\n")
    assert states
    with pytest.raises(LightiovError, match=f"mdev {DATA} has to be stopped, but a VM has it open"):
        make(host, WANTED)
