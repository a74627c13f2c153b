# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a complaint of the kernel."""

from __future__ import annotations

import pytest

from lab import kernel_log


@pytest.mark.parametrize(
    "message",
    [
        "WARNING: CPU: 0 PID: 1 at drivers/vfio/vfio_main.c:1234",
        "BUG: unable to handle page fault for address: 0000000000000008",
        "BUG kmalloc-8 (Tainted: G           OE     ): Poison overwritten",
        "BUG: KFENCE: use-after-free read in liov_close+0x10/0x20",
        "BUG: KASAN: slab-out-of-bounds in liov_open",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 131s!",
        "Oops: general protection fault, probably for non-canonical address",
        "DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0x1000",
        "DMAR: DRHD: handling fault status reg 2",
        "INFO: task qemu-system-x86:812 blocked for more than 120 seconds.",
        "INFO: possible recursive locking detected",
        "WARNING: possible circular locking dependency detected",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "refcount_t: underflow; use-after-free.",
        "list_del corruption. prev->next should be ffff888, but was dead",
        "UBSAN: shift-out-of-bounds in namespace.c:12:3",
        "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    ],
)
@pytest.mark.parametrize("speaker", ["", "[ T1037]", "[    C0]"])
def test_complaints(message: str, speaker: str) -> None:
    line = f"[   12.345678]{speaker} {message}"
    assert kernel_log.problems(f"{line}\n") == [line]


@pytest.mark.parametrize(
    "line",
    [
        "[    0.000000] Command line: root=/dev/vda slub_debug=FZP kfence.sample_interval=100",
        "[    0.512345] DMAR: Intel(R) Virtualization Technology for Directed I/O",
        "[    3.100000] DMAR: Host address width 48",
        "[    9.123456] lightiov 0000:01:00.0: tenant red refused: the controller serves tenant blue",
        "[  165.973283] pcieport 0000:00:05.0: pciehp: Slot(2): Button press: will power off in 5 sec",
        "[    0.100000] kmemleak: Kernel memory leak detector initialized (mem pool available: 15000)",
    ],
)
def test_ordinary_lines(line: str) -> None:
    assert kernel_log.problems(line) == []


def test_only_the_kernel_counts() -> None:
    console = "GRUB loading BUG: not the kernel's\n[    1.000000] all is well\nWARNING: nor is this\n"
    assert kernel_log.kernel_lines(console) == ["[    1.000000] all is well"]
    assert kernel_log.problems(console) == []


@pytest.mark.parametrize(
    "console",
    [
        "[    1.000000] Kernel panic - not syncing: VFS: Unable to mount root fs",
        "Gave up waiting for root file system device.\n(initramfs) ",
        "You are in emergency mode.",
    ],
)
def test_boots_that_will_never_end(console: str) -> None:
    assert kernel_log.FATAL.search(console)
