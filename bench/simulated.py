# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan and a deployment of many hosts cost the machine that runs Ansible; run by `make bench-apply`.

The hosts are recordings: a connection answers in their place. Nothing is changed anywhere, and a core's seconds are
counted, so that other work on the machine does not show.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_difference import disks_told
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev_state import MdevState
from ansible_collections.lightiov.nvme.plugins.module_utils._vms import vm_disks, vm_mdevs

from lab.paths import PROJECT

BUILD = PROJECT / "build"
CALLBACKS = PROJECT / "bench/callbacks"
# What Ansible's environment has for hosts whose connection is `recorded`.
REPLAYED = {"ANSIBLE_CONNECTION_PLUGINS": str(PROJECT / "bench/recorded/connection"), "ANSIBLE_PIPELINING": "1"}
SIZES = (25, 50, 100, 200)
VMS_PER_HOST = 50
# How many a host has in the second curve, of so many hosts.
CROWDS = (10, 100, 300)
CROWDED_HOSTS = 2
CROWD = "deploy again"
# Of a fact or a variable of a host, in bytes.
LARGEST = 100 << 10
# Work that is done for each host and each pair of hosts grows with 1 and with 2.
STEEPEST = 1.3
# What no recording can tell, and what measures it.
ELSEWHERE = {
    "make bench-hundreds": "300 VMs and their mdevs on a host of the lab: made, found unchanged, rebooted, removed",
    "make bench-setup": "an mdev from opening to the first read, beside a whole device by VFIO, and pinned GiB/s",
    "make bench-starts": "a VM from virsh start to disk and log-in",
    "make bench-lab": "make deploy and make test, by part",
}
KERNEL = "6.12.57+deb13-amd64"
GIB = 1 << 30
NAMESPACE = {"nsid": "1", "id": "", "bytes": 8192 * GIB}
PROBE = {
    "iommu_announced": "intel",
    "iommu": True,
    "interrupt_remapping": True,
    "kernel": KERNEL,
    "headers": [],
    "metapackages": [],
    "kvm": True,
    "modules_load": True,
    "apt": True,
    "missing": [],
    "libvirt": "",
    "boot": "1",
    "iommu_tried": "",
    "vms": [],
}
STATISTICS = {
    "commands": 9,
    "doorbell_faults": 1,
    "interrupts": 512,
    "iommu_mappings": 256,
    "mmio": 88,
    "pinned_bytes": 536870912,
    "queue_resets": 0,
    "queues_created": 2,
    "resets": 1,
    "revocations": 0,
}


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    hosts: int
    cpu: float
    wall: float
    peak_mib: int
    tasks: int
    plays: dict[str, float]
    # Bytes of the variables that a host keeps, the largest first.
    variables: dict[str, int]
    # Seconds that tasks of each role took, on all hosts.
    roles: dict[str, float] = field(default_factory=dict)
    vms_per_host: int = VMS_PER_HOST

    @property
    def vms(self) -> int:
        return self.hosts * self.vms_per_host


class Fleet:
    """An inventory of hosts that are recordings, and whose VMs are in group variables."""

    def __init__(self, directory: Path, hosts: int, vms: int = VMS_PER_HOST) -> None:
        self.directory = directory
        self.vms = vms
        self.names = [f"hv{number}" for number in range(hosts)]
        listed = [
            {
                "name": f"vm[0001:{hosts * vms:04}]",
                "tenant": "shop",
                "memory_mib": 1024,
                "vcpus": 1,
                "queue_pairs": 2,
                "disks": [{"name": "data", "size": "20 GiB"}],
            }
        ]
        self._write(
            "inventory/hosts.yml",
            {
                "lightiov_hosts": {
                    "hosts": {
                        name: {
                            "recording": str(directory / f"recordings/{name}.json"),
                            "lightiov_controllers": [{"serial": serial} for serial in self._serials(name)],
                        }
                        for name in self.names
                    },
                    "vars": {
                        "ansible_connection": "recorded",
                        "ansible_python_interpreter": "/usr/bin/python3",
                        "lightiov_vms": listed,
                        "lightiov_plan_strategy": "spread",
                        "lightiov_vm_image": "/var/lib/libvirt/images/base.qcow2",
                        "lightiov_cache": str(directory / "cache"),
                        # What is done inside VMs is another machine's work, a connection for each.
                        "lightiov_guest_install": "none",
                        "lightiov_guest_kernels": [],
                    },
                },
                "lightiov_guests": {},
            },
        )
        for name in self.names:
            self._record(name, [])

    def run(self, playbook: str, *options: str) -> Cost:
        report = self.directory / "report.json"
        report.unlink(missing_ok=True)
        environment = {
            **os.environ,
            **REPLAYED,
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "measured",
            "MEASURED_REPORT": str(report),
        }
        before, started = _children(), time.monotonic()
        with (self.directory / f"{playbook}.log").open("w") as log:
            done = subprocess.run(
                ["ansible-playbook", "--inventory", self.directory / "inventory", f"playbooks/{playbook}", *options],
                cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False,
            )  # fmt: skip
        cpu, wall = _children() - before, time.monotonic() - started
        if done.returncode or not report.exists():
            raise SystemExit(Path(log.name).read_text()[-4000:])
        found = json.loads(report.read_text())
        figures = (found[one] for one in ("peak_mib", "tasks", "plays", "variables", "roles"))
        return Cost(len(self.names), cpu, wall, *figures, vms_per_host=self.vms)

    def deployed(self) -> None:
        """From now on the hosts answer as if the plan had been carried out."""
        for name in self.names:
            placed = yaml.safe_load((self.directory / f"inventory/placements/{name}.yml").read_text())
            self._record(name, placed["lightiov_vms"])

    def _serials(self, name: str) -> list[str]:
        return [f"S{name}{slot}" for slot in range(4)]

    def _record(self, name: str, vms: list[dict[str, Any]]) -> None:
        # Room for its share of the VMs, and some.
        queue_pairs = max(64, self.vms)
        controllers = [
            {
                "serial": serial,
                "model": "Model",
                "tenant": "",
                "queue_pairs": queue_pairs,
                "vectors": queue_pairs,
                "numa_node": 0,
                "namespaces": [NAMESPACE],
                "address": f"0000:{slot:02x}:00.0",
                "driver": "lightiov",
            }
            for slot, serial in enumerate(self._serials(name))
        ]
        # Modules that act return no parameters, for they are long.
        quiet = {"actions": [], "unmet": [], "invocation": {}}
        room = {"memory_mib": max(64, self.vms) << 10, "vcpus": max(64, self.vms)}
        placed = [_placed(number, vm) for number, vm in enumerate(vms)]
        resources = {**room, "nodes": {}, "generation": 0, "digest": "", "placed": placed}
        states = [_mdev(number, one) for number, one in enumerate(vm_mdevs(vms))]
        mdevs = [one.to_dict() for one in states]
        disks = disks_told(mdevs)
        domains = [_domain(one) for one in states]
        modules = {
            "ping": {"ping": "pong"},
            "stat": {"stat": {"exists": True}},
            "host_info": {**resources, "controllers": controllers},
            "generation": {"generation": 1, "invocation": {}},
            "controller": {**quiet, "controllers": controllers},
            "mdev": {**quiet, "mdevs": [_made(one) for one in mdevs], "disks": disks},
            "mdev_info": {"mdevs": mdevs, "disks": disks, "states": {one.uuid: one.in_short() for one in states}},
            "domain": {**quiet, "domains": domains, "ran": [one["name"] for one in domains], "waiting": []},
            "domain_mdev": quiet,
            "dkms_module": {**quiet, "kernels": [KERNEL], "waiting": [], "reload_needed": False},
        }
        self._write(f"recordings/{name}.json", {"modules": modules, "scripts": {"probe.py": json.dumps(PROBE)}})

    def _write(self, file: str, content: object) -> None:
        path = self.directory / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


def _mdev(number: int, wanted: dict[str, Any]) -> MdevState:
    disks = [
        {
            "id": wanted["uuid"],
            "name": one["name"],
            "nsid": 1,
            "identity": "",
            "first": number << 20,
            "count": 1 << 20,
            "read_only": False,
            "size": 20 * GIB,
            "asked": False,
            "gone": False,
        }
        for one in wanted["disks"]
    ]
    return MdevState(
        **{**wanted, "disks": disks},
        address="0000:00:00.0",
        type="lightiov-passthrough",
        marked=True,
        active=True,
        defined=True,
        autostart=True,
        state="ready",
        queues=[{"index": at, "hw_qid": at + 1, "vector": at, "entries": 1024} for at in range(wanted["queue_pairs"])],
        window={"base": "0x10000000000", "size": "0x40000000"},
        statistics=STATISTICS,
    )


def _made(mdev: dict[str, Any]) -> dict[str, Any]:
    """What the module that makes it tells of it."""
    looked_at = ("marked", "state", "queues", "window", "statistics")
    return {key: value for key, value in mdev.items() if key not in looked_at}


def _domain(mdev: MdevState) -> dict[str, Any]:
    return {"name": mdev.label, "state": "running", "autostart": True, "mdevs": [mdev.uuid], "live": [mdev.uuid]}


def _placed(number: int, vm: dict[str, Any]) -> dict[str, Any]:
    keys = ("name", "controller", "namespace", "queue_pairs")
    places = [
        {**{key: disk[key] for key in keys}, "first": number * 20 * GIB, "bytes": 20 * GIB} for disk in vm_disks([vm])
    ]
    return {"vm": vm["name"], "tenant": vm["tenant"], "disks": places}


def _children() -> float:
    """Seconds of a core that programs have used which have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def exponent(costs: list[Cost], of: Any = lambda cost: cost.cpu) -> float:
    """Of the number of VMs, from the two largest fleets: there are more hosts, or more on each."""
    small, large = costs[-2:]
    if min(of(small), of(large)) <= 0:
        return 0.0
    return math.log(of(large) / of(small)) / math.log(large.vms / small.vms)


def measure(hosts: int, vms: int = VMS_PER_HOST) -> dict[str, Cost]:
    with tempfile.TemporaryDirectory(prefix="lightiov-") as directory:
        fleet = Fleet(Path(directory), hosts, vms)
        costs = {"plan": fleet.run("plan.yml")}
        fleet.deployed()
        costs["deploy --check"] = fleet.run("deploy.yml", "--check")
    return costs


def measure_crowd(vms: int) -> Cost:
    """A deployment that finds nothing to do, checks of the queues included, of hosts with so many VMs each."""
    with tempfile.TemporaryDirectory(prefix="lightiov-") as directory:
        fleet = Fleet(Path(directory), CROWDED_HOSTS, vms)
        fleet.run("plan.yml")
        fleet.deployed()
        return fleet.run("deploy.yml")


def show(name: str, cost: Cost) -> None:
    in_all = sum(cost.roles.values()) or 1
    print(
        f"{name:14} {cost.hosts:4} hosts, {cost.vms_per_host:3} VMs on each: {cost.cpu:7.1f} s of a core, "
        f"{1000 * cost.cpu / cost.vms:5.0f} ms a VM, {cost.wall:7.1f} s in all, "
        f"peak {cost.peak_mib:5} MiB, {cost.tasks / cost.cpu:6.1f} tasks a second of a core",
        flush=True,
    )
    largest = [f"{name} {size >> 10} KiB" for name, size in cost.variables.items() if size > LARGEST / 20]
    print(f"{'':14} variables of a host: {', '.join(largest) or 'all small'}", flush=True)
    shares = [f"{role} {100 * seconds / in_all:.0f} %" for role, seconds in cost.roles.items() if seconds > in_all / 50]
    print(f"{'':14} {', '.join(shares)}", flush=True)


def judge(name: str, costs: list[Cost]) -> list[str]:
    """What is not as it should be."""
    print(f"{name}: grows with the number of VMs to the power of {exponent(costs):.2f}")
    wrong = [f"{name}: {one} has {size} bytes a host" for one, size in costs[-1].variables.items() if size > LARGEST]
    for play in costs[-1].plays:
        power = exponent(costs, lambda cost: cost.plays.get(play, 0.0))  # noqa: B023 - called here only
        print(f"  {play:40} {costs[-1].plays[play]:7.1f} s of a core, power {power:.2f}")
        # Of what takes no time, the power says nothing.
        if power > STEEPEST and costs[-1].plays[play] > 5:
            wrong.append(f"{name}: play {play!r} grows with the number of VMs to the power of {power:.2f}")
    return wrong


def draw(curves: dict[str, list[Cost]]) -> None:
    import matplotlib as mpl  # noqa: PLC0415 - the measurements do without

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(15, 4))
    crowds = curves.pop(CROWD, [])
    middle.plot([cost.vms_per_host for cost in crowds], [cost.cpu / cost.hosts for cost in crowds], marker="o")
    middle.set(xlabel="VMs on each host", ylabel="seconds of a core a host", xlim=(0, None), ylim=(0, None))
    for name, costs in curves.items():
        hosts = [cost.hosts for cost in costs]
        left.loglog(hosts, [cost.cpu for cost in costs], marker="o", label=name)
        left.loglog(hosts, [costs[0].cpu / hosts[0] * n for n in hosts], color="gray", linestyle="--")
        right.plot(hosts, [cost.peak_mib for cost in costs], marker="o", label=name)
    left.set(xlabel="hosts", ylabel="seconds of a core (dashed: in proportion)")
    right.set(xlabel="hosts", ylabel="peak of memory, MiB", ylim=(0, None))
    left.legend()
    figure.tight_layout()
    figure.savefig(BUILD / "apply-control-node.png", dpi=120)
    print(f"Curves: {BUILD.name}/apply-control-node.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="*", default=SIZES)
    parser.add_argument("--vms", type=int, default=VMS_PER_HOST, help="a host")
    parser.add_argument("--no-picture", action="store_true")
    parser.add_argument("--crowds", type=int, nargs="*", default=CROWDS, help="VMs on each host of the second curve")
    options = parser.parse_args()
    curves: dict[str, list[Cost]] = {}
    for vms in options.crowds:
        curves.setdefault(CROWD, []).append(measure_crowd(vms))
        show(CROWD, curves[CROWD][-1])
    for hosts in options.hosts:
        for name, cost in measure(hosts, options.vms).items():
            show(name, cost)
            curves.setdefault(name, []).append(cost)
    wrong = [one for name, costs in curves.items() if len(costs) > 1 for one in judge(name, costs)]
    if not options.no_picture:
        BUILD.mkdir(exist_ok=True)
        draw(curves)
    print("The hosts were recordings. What happens on real ones and in VMs is measured by")
    for command, what in ELSEWHERE.items():
        print(f"  {command:20} {what}")
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
