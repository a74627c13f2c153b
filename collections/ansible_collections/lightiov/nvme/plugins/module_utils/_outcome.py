# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run has to say at its end: of the disks that it has looked at, and of what it did not get right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import driver_name
from ansible_collections.lightiov.nvme.plugins.module_utils._vms import vm_disks

Variables = Mapping[str, Any]

HEADINGS = ("HOST", "VM", "CONTROLLER", "HARDWARE QUEUES", "NAMESPACE", "WINDOW", "VERIFIED I/O")
# What calls of lightiov.nvme.mdev returned that may take disks away.
RELEASING = ("__lightiov_mdevs_gone", "__lightiov_mdevs_made")
BACK = (
    "To have a disk back, list it again under its VM and name, with this host, controller, namespace and size, before "
    "another disk gets the place. To have the data erased, add erase to lightiov_allow when another disk gets it."
)
# What Ansible says where the words of the program, or of the item, say more.
EMPTY = ("non-zero return code", "One or more items failed", "MODULE FAILURE")


def first_error(result: Variables) -> str:
    """The first thing that went wrong in a task, in one line."""
    for item in result.get("results") or ():
        if item.get("failed") or item.get("unreachable"):
            return first_error(item)
    message = _one_line(result.get("msg"))
    if message and not message.startswith(EMPTY):
        return message
    for output in ("stderr", "module_stderr", "stdout", "module_stdout"):
        words = [line for line in str(result.get(output) or "").splitlines() if line.strip()]
        if words:
            return _one_line(words[-1])
    return message or "failed without a word"


def disk_rows(names: Iterable[str], hostvars: Mapping[str, Variables]) -> list[list[str]]:
    """Of each disk of the hypervisors that were looked at, with a heading if there is any."""
    rows = [
        _disk_row(name, disk, seen, hostvars)
        for name in names
        if "__lightiov_mdev_info" in hostvars[name]
        for seen in [_Seen.of(hostvars[name])]
        for disk in vm_disks(hostvars[name]["lightiov_vms"])
        if disk["state"] != "absent"
    ]
    return [list(HEADINGS), *rows] if rows else []


def queue_faults(name: str, hostvars: Mapping[str, Variables]) -> list[str]:
    """A sentence for each disk of a hypervisor without the queues that it should have.

    Those of VMs that failed have been named already.
    """
    states = _Seen.of(hostvars[name]).states
    disks = [disk for disk in vm_disks(hostvars[name]["lightiov_vms"]) if disk["state"] != "absent"]
    # A VM that has not been off since the version before still has one for each disk.
    formers: dict[str, Variables] = {}
    for disk in disks:
        if disk["former"] in states:
            formers.setdefault(disk["uuid"], states[disk["former"]])
    faults = []
    for disk in disks:
        if disk["vm"] in hostvars and hostvars[disk["vm"]].get("__lightiov_failure"):
            continue
        mdev = states.get(disk["uuid"]) or states.get(disk["former"]) or formers.get(disk["uuid"]) or {}
        inside = _found(disk, hostvars)
        expected = "closed" if disk["state"] == "stopped" else "ready" if inside else "open"
        used = mdev.get("used", 0)
        wanted = inside.get("queue_pairs_used", disk["queue_pairs"])
        if not _is_as_expected(mdev, expected, used, wanted):
            faults.append(
                f"The disk {disk['name']} of {disk['vm']} on {name} is {mdev.get('state') or 'absent'} with {used} of "
                f"{wanted} queue pairs in use, and should be {expected}: the kernel logs of VM and host say why; "
                "`ansible-playbook lightiov.nvme.deploy` repairs what is missing."
            )
    return faults


def _is_as_expected(mdev: Variables, expected: str, used: int, wanted: int) -> bool:
    state = mdev.get("state")
    # A VM that was not entered may be without a driver.
    if expected != "ready":
        return state == expected or (expected, state) == ("open", "ready")
    return state == "ready" and used == wanted and mdev["window"] is not None and mdev["interrupts"] > 0


def outcome(names: Iterable[str], lost: Iterable[str], hostvars: Mapping[str, Variables]) -> list[str]:
    """What failed, what was left out for it, what waits for somebody, and where the data is of disks that went; in the
    order of the inventory."""
    names, lost = list(names), set(lost)
    failed, left, waiting, kept = [], [], [], []
    for name in names:
        variables = hostvars[name]
        hypervisor = variables.get("lightiov_hypervisor")
        title = f"{name} on {hypervisor}" if hypervisor else name
        if variables.get("__lightiov_failure"):
            failed.append(f"{title}: {variables['__lightiov_failure']}")
        elif name in lost:
            failed.append(f"{title}: failed, or could not be reached any more; its messages above say more")
        elif hypervisor in names and _failed_early(hostvars[hypervisor], hypervisor in lost):
            left.append(f"{title}: not looked at, because {hypervisor} failed")
        waiting += [f"{title}: {sentence}" for sentence in variables.get("__lightiov_waiting") or ()]
        kept += [f"{title}: {_kept(disk)}" for result in RELEASING for disk in _released(variables.get(result))]
    return (
        _section("FAILED", failed)
        + _section("LEFT OUT", left)
        + _section("WAITING", waiting)
        + _section("DATA THAT IS KEPT", [*kept, BACK] if kept else [])
    )


def _released(result: Variables | None) -> Iterable[Mapping[str, Any]]:
    return (result or {}).get("released") or ()


def _kept(disk: Mapping[str, Any]) -> str:
    place = f"namespace {disk['namespace']} of controller {disk['controller']}"
    if disk["bytes"] is None:
        return f"disk {disk['disk']} of VM {disk['vm']} is gone, and its data is kept in {place}"
    return (
        f"disk {disk['disk']} of VM {disk['vm']} is gone, and its data is kept in {place}, {disk['bytes']} bytes from "
        f"byte {disk['first']} on"
    )


def _failed_early(hypervisor: Variables, lost: bool) -> bool:
    """Whether a hypervisor failed before its VMs could be entered."""
    return not hypervisor.get("__lightiov_prepared") and (lost or bool(hypervisor.get("__lightiov_failure")))


@dataclass(frozen=True)
class _Seen:
    """The mdevs that a hypervisor has, by UUID: their states, and by name what it knows of their disks."""

    states: Variables
    disks: Variables

    @classmethod
    def of(cls, hypervisor: Variables) -> _Seen:
        """Ansible makes a variable anew each time that it is looked at, so it is done once."""
        found = hypervisor["__lightiov_mdev_info"]
        return cls(found.get("states") or {}, found.get("disks") or {})


def _disk_row(host: str, disk: Mapping[str, Any], seen: _Seen, hostvars: Mapping[str, Variables]) -> list[str]:
    uuid = next((one for one in (disk["uuid"], disk["former"]) if one in seen.states), "")
    mdev: Variables = seen.states.get(uuid) or {}
    found = _found(disk, hostvars)
    return [
        host,
        disk["vm"],
        disk["controller"],
        " ".join(map(str, mdev.get("hw_qids") or ())),
        _namespace(disk, seen.disks.get(uuid) or {}),
        mdev.get("window") or "-",
        found.get("finding") or ("off" if disk["state"] == "stopped" else "-"),
    ]


def _found(disk: Variables, hostvars: Mapping[str, Variables]) -> Variables:
    """What the check in its VM said of it, if the VM was entered."""
    if disk["vm"] not in hostvars:  # whose get() does not return a default
        return {}
    found: Variables = (hostvars[disk["vm"]].get("__lightiov_found") or {}).get(disk["name"]) or {}
    return found


def _namespace(disk: Variables, has: Mapping[str, Variables]) -> str:
    """By its number too, where the inventory names its identity, and with the size of a part of it."""
    listed = str(disk["namespace"])
    known = has.get(driver_name(disk["name"])) or has.get("")
    shown = f"{known['nsid']} ({listed})" if known and not listed.isdecimal() else listed
    return f"{shown}: {disk['size']}" if disk["size"] else shown


def _section(title: str, entries: list[str]) -> list[str]:
    return [title, *entries] if entries else []


def _one_line(text: object) -> str:
    return " ".join(str(text or "").split())
