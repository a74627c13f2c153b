# SPDX-License-Identifier: GPL-3.0-or-later
"""How quickly the planner plans, and how tightly; run by `make bench-fleet`."""

from __future__ import annotations

import argparse
import gc
import math
import resource
import statistics
import time
from dataclasses import replace

import matplotlib as mpl

from lab.paths import PROJECT

mpl.use("Agg")

from ansible_collections.lightiov.nvme.plugins.module_utils._partition.intent import Disk, Intent, Shape
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.ledger import ControllerState, HostState
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.moves import moves_from
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.planner import Planner
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.resources import Controller, Host, Namespace
from matplotlib import pyplot

from bench import bound, rivals, workload
from bench.fleet_goals import Figures, Speed, Stranded, above, growth, judge
from bench.leftover import leftover

BUILD = PROJECT / "build"
SIZES = (125, 250, 500, 1000)
LARGE = 10_000
ADDED = 1000
FILL = 0.95
# More of a shape are not counted.
ENOUGH = 200
# So many that the rounding to whole hosts is a fraction of a percent of them.
QUALITY_HOSTS = 400
# Fewer, since for each of them it is sought what would empty it.
FILLED_HOSTS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="a million VMs on 10,000 hosts, too")
    parser.add_argument("--quality-hosts", type=int, default=QUALITY_HOSTS)
    parser.add_argument("--filled-hosts", type=int, default=FILLED_HOSTS)
    options = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    disks = many_disks()
    curve = [speed(count, workload.VMS_PER_HOST) for count in SIZES]
    print(f"A plan grows with n log n to the power of {growth(curve):.2f}")
    if options.large:
        curve.append(speed(LARGE, 100))
    draw(curve)
    needed, fewest = quality(options.quality_hosts)
    wrong = judge(Figures(curve, disks, needed, fewest, filled(options.filled_hosts)))
    if wrong:
        raise SystemExit("\n".join(wrong))


def speed(count: int, each: int) -> Speed:
    hosts, intent = workload.hosts(count), workload.vms(count * each)
    more = {f"new{name}": shape for name, shape in workload.vms(ADDED, seed=2).shapes.items()}
    tenants = sorted({shape.tenant for shape in intent.shapes.values()})
    more = {
        name: Shape(tenants[at % len(tenants)], *list(vars(shape).values())[1:])
        for at, (name, shape) in enumerate(more.items())
    }
    planner = Planner(hosts, Intent({**intent.shapes, **more}, {}))
    # What is planned first is what is asked for first.
    gc.collect()
    started = time.process_time()
    planner.intent = intent
    plan = planner.run()
    seconds = time.process_time() - started
    planner.intent = Intent({**intent.shapes, **more}, {})
    times = []
    for name in more:
        started = time.process_time()
        planner.add(name)
        times.append((time.process_time() - started) * 1000)
    p99 = statistics.quantiles(times, n=100)[98]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    vms = len(intent.shapes)
    print(
        f"{count:6,} hosts {vms:9,} VMs: {seconds:6.1f} s, {seconds / vms / math.log2(vms) * 1e6:5.1f} us per n log n; "
        f"one more VM {statistics.median(times):.2f} ms, p99 {p99:.2f} ms, {len(plan.unplaced)} unplaced, "
        f"peak {peak:.1f} GiB"
    )
    return Speed(count, vms, seconds, p99, peak)


def many_disks() -> float:
    """Milliseconds."""
    controllers = tuple(Controller(f"S{slot}", 64, (Namespace("1", 1 << 40, 1),)) for slot in range(16))
    disks = tuple(Disk(f"d{number}", 1 << 30) for number in range(12))
    shape = Shape("blue", "passthrough", 1024, 1, disks, 2, 2, disks_apart=True)
    planner = Planner([Host("hv", 1 << 20, 100, controllers)], Intent({"vm": shape}, {}))
    started = time.process_time()
    placed = planner.add("vm")
    took = (time.process_time() - started) * 1000
    print(f"12 disks apart on 16 alike controllers: {took:.2f} ms, {bool(placed)=}")
    return took


def quality(count: int) -> tuple[int, float]:
    """Hosts that a mixed fleet needs, and the linear program's bound."""
    intent = workload.vms(count * workload.VMS_PER_HOST * 9 // 10)
    plenty = workload.hosts(count * 2)
    fewest = bound.fewest_hosts(plenty[0], intent)
    planner = Planner(plenty, intent)
    planner.run()
    needed = {
        "LightIOV": rivals.used(planner.ledger),
        "first-fit": rivals.used(rivals.first_fit(plenty, intent)),
        "best-fit": rivals.used(rivals.best_fit(plenty, intent)),
    }
    print(f"{len(intent.shapes):,} VMs need at least {fewest:.2f} hosts (linear program):")
    for name, hosts in needed.items():
        whole = math.ceil(fewest)
        over = f"{above(hosts, fewest):.2%} above {fewest:.2f}, {above(hosts, whole):.2%} above {whole}"
        print(f"  {name:10} {hosts} hosts, {over}")
    names = list(needed)
    figure, axes = pyplot.subplots()
    axes.bar(names, [needed[name] for name in names])
    axes.axhline(fewest, color="black", linestyle="--", label="linear program")
    axes.set(ylabel="hosts", title=f"hosts that {len(intent.shapes):,} VMs need")
    axes.legend()
    figure.savefig(BUILD / "fleet-quality.png", dpi=120)
    return needed["LightIOV"], fewest


def filled(count: int) -> Stranded:
    """What is left of a fleet at 95 %, and whether anything can still use it."""
    # With memory and CPUs to spare, so that what is left of controllers is the planner's doing.
    hosts = [replace(host, memory=host.memory * 2, vcpus=host.vcpus * 2) for host in workload.hosts(count)]
    intent = workload.vms(count * workload.VMS_PER_HOST * 2)
    planner = Planner(hosts, intent)
    states = [(host, state) for host in planner.ledger.hosts for state in host.controllers]
    has = sum(one.extents.size for _host, state in states for one in state.namespaces)
    pairs = sum(state.spec.queue_pairs for _host, state in states)
    left = has * (1 - FILL)
    free = has
    placed = []
    for name in planner.order(intent.shapes):
        if planner.add(name):
            placed.append(intent.shapes[name])
            free -= intent.shapes[name].bytes
        if free <= left:
            break
    idle = [state for host, state in states if not _usable(host, state)]
    least_pairs, least_bytes = leftover(hosts[0].controllers[0], placed)
    stranded = Stranded(
        bytes=sum(one.extents.free for state in idle for one in state.namespaces) / has,
        queue_pairs=sum(state.queue_pairs for state in idle) / pairs,
        mix_bytes=least_bytes / has,
        mix_queue_pairs=least_pairs / pairs,
    )
    print(f"At {1 - free / has:.1%} fill, {stranded.bytes:.2%} of bytes are stranded, ", end="")
    print(f"and {stranded.queue_pairs:.2%} of queue pairs")
    print(
        f"  on the fewest controllers that have room for these VMs, {stranded.mix_bytes:.2%} of bytes and "
        f"{stranded.mix_queue_pairs:.2%} of queue pairs would be, however they are packed"
    )
    tenant = next(iter(intent.shapes.values())).tenant
    for kind in workload.KINDS:
        print(
            f"  of {kind.name:8} {_more(planner, workload.shape(kind, tenant, kind.disk)):4} more fit (up to {ENOUGH})"
        )
    names = [host.spec.name for host in planner.ledger.hosts]
    emptied = sum(moves_from(planner, name) is not None for name in names)
    print(f"  hosts of which each, by itself, could be emptied: {emptied} of {len(names)}")
    return stranded


def _usable(host: HostState, state: ControllerState) -> bool:
    """Whether a VM of the smallest kind, of the right tenant, could still have something of the controller."""
    least = min(workload.KINDS, key=lambda kind: kind.disk)
    return (
        host.memory >= least.memory << 10
        and host.vcpus >= least.vcpus
        and state.spare >= least.queue_pairs
        and any(one.extents.largest >= least.disk << 30 for one in state.namespaces)
    )


def _more(planner: Planner, shape: Shape) -> int:
    names = [f"more{number}" for number in range(ENOUGH)]
    was = planner.intent
    planner.intent = Intent({**was.shapes, **dict.fromkeys(names, shape)}, {})
    added = []
    for name in names:
        if not planner.add(name):
            break
        added.append(name)
    for name in added:
        planner.release(name)
    planner.intent = was
    return len(added)


def draw(curve: list[Speed]) -> None:
    vms = [one.vms for one in curve]
    seconds = [one.seconds for one in curve]
    scale = seconds[0] / vms[0] / math.log2(vms[0])
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    left.loglog(vms, seconds, marker="o", label="plan from nothing")
    left.loglog(vms, [scale * n * math.log2(n) for n in vms], linestyle="--", label="n log n")
    left.set(xlabel="VMs", ylabel="seconds")
    left.legend()
    right.semilogx(vms, [one.p99 for one in curve], marker="o")
    right.set(xlabel="VMs", ylabel="milliseconds", title="one more VM, 99th percentile", ylim=(0, None))
    figure.tight_layout()
    figure.savefig(BUILD / "fleet-speed.png", dpi=120)
    print(f"Curves: {BUILD.name}/fleet-speed.png, {BUILD.name}/fleet-quality.png")


if __name__ == "__main__":
    main()
