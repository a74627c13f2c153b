# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What fio, the kernel and perf say, as they have said it."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils._bench import counters, fio, rocksdb, sysbench, watch
from ansible_collections.lightiov.nvme.plugins.module_utils._bench.workloads import WORKLOADS
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host

# fio 3.33 in a VM, without what nobody looks at.
FIO = """\
randread-qd8 : Saving output of prerun in randread-qd8.prerun.txt
{
  "fio version" : "fio-3.33",
  "time" : "Mon Nov 30 06:31:25 2026",
  "jobs" : [
    {
      "jobname" : "randread-qd8",
      "error" : 0,
      "read" : {
        "io_bytes" : 55967744,
        "bw_bytes" : 13988438,
        "iops" : 3413.396651,
        "total_ios" : 13657,
        "slat_ns" : { "min" : 7291, "mean" : 84679.393278 },
        "lat_ns" : {
          "min" : 96365,
          "max" : 34691654,
          "mean" : 2243152.702576,
          "N" : 13664,
          "percentile" : {
            "50.000000" : 1155072,
            "90.000000" : 5275648,
            "99.000000" : 11468800,
            "99.900000" : 24772608
          }
        }
      },
      "write" : {
        "io_bytes" : 0,
        "bw_bytes" : 0,
        "iops" : 0.000000,
        "total_ios" : 0,
        "lat_ns" : { "min" : 0, "max" : 0, "mean" : 0.000000, "N" : 0 }
      }
    }
  ]
}
"""
INTERRUPTS = """\
           CPU0       CPU1
  4:          0          2   IO-APIC   4-edge      ttyS0
 24:          0          0  PCI-MSIX-0000:00:01.0   0-edge      virtio0-config
 25:          0         26  PCI-MSIX-0000:00:01.0   1-edge      virtio0-virtqueues
 27:       1867          0  PCI-MSIX-0000:00:02.0   1-edge      virtio1-req.0
 28:          0       1481  PCI-MSIX-0000:00:02.0   2-edge      virtio1-req.1
LOC:       3023       3353   Local timer interrupts
ERR:          0
MIS:          0
"""
STAT = "cpu  1000 50 300 4000 200 30 20 100 400 40\ncpu0 1 2 3 4 5 6 7 8 9 10\nctxt 5\n"
HISTOGRAM = """\
# event histogram
#
# trigger info: hist:keys=isa,exit_reason:vals=hitcount:sort=hitcount:size=512 if common_pid == 41 [active]
#

{ isa:          2, exit_reason:        123 } hitcount:          7
{ isa:          2, exit_reason:       1024 } hitcount:         20
{ isa:          2, exit_reason:        120 } hitcount:        153
{ isa:          2, exit_reason:        555 } hitcount:          1

Totals:
    Hits: 181
    Entries: 4
    Dropped: 0
"""


def test_fio() -> None:
    assert fio.parse(FIO) == {
        "iops": 3413.396651,
        "bytes_per_second": 13988438.0,
        "mean_us": pytest.approx(2243.15, abs=0.01),
        "p50_us": 1155.072,
        "p99_us": 11468.8,
    }


def test_fio_that_reads_and_writes_has_the_latency_of_what_it_does_most() -> None:
    said = json.loads(FIO[FIO.index("{\n") :])
    [job] = said["jobs"]
    job["write"] = {**job["read"], "iops": 1000.0, "total_ios": 5, "lat_ns": {"mean": 1, "percentile": {}}}
    found = fio.parse(json.dumps(said, indent=1))
    assert found["iops"] == pytest.approx(4413.4, abs=0.1)
    assert found["p99_us"] == 11468.8


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("fio: io_uring_queue_init failed\n", "said: fio: io_uring_queue_init failed"),
        (FIO.replace('"error" : 0', '"error" : 95'), "error 95"),
        (FIO.replace("13657", "0"), "no I/O at all"),
        ("", "said: nothing"),
        (FIO[:300], "did not do its job"),
    ],
)
def test_fio_that_fails(said: str, sentence: str) -> None:
    with pytest.raises(LightiovError, match=re.escape(sentence)):
        fio.parse(said)


def test_guests_time_is_not_the_hosts() -> None:
    # user 1000, nice 50, system 300, irq 30, softirq 20; of these, guests had 400 and 40.
    assert counters.cpu_seconds(STAT) == {"guest": 4.4, "outside": 9.6, "steal": 1.0, "idle": 42.0}


def test_interrupts_by_name_and_by_number() -> None:
    assert counters.interrupts(INTERRUPTS, re.compile(r"virtio\d+-req")) == 1867 + 1481
    assert counters.interrupts(INTERRUPTS, ["27", "24", "4"]) == 1869
    assert counters.interrupts(INTERRUPTS, []) == 0


def test_exits_by_reason() -> None:
    assert counters.exit_reasons(HISTOGRAM) == {
        "I/O port": 7,
        "page fault or MMIO": 20,
        "HLT": 153,
        "reason 0x22b": 1,
    }


def test_a_histogram_that_is_not_whole() -> None:
    with pytest.raises(LightiovError, match="not whole"):
        counters.exit_reasons(HISTOGRAM.replace("Dropped: 0", "Dropped: 3"))


def test_exits_are_traced_although_the_kernel_has_dropped_the_trigger_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = tmp_path / watch.EXIT_EVENT.lstrip("/")
    event.mkdir(parents=True)
    (event / "hist").write_text(HISTOGRAM)
    asked = []

    def wait(_seconds: float) -> None:
        asked.append((event / "trigger").read_text())
        # In the place of a file that refuses what it is told.
        (event / "trigger").unlink()
        (event / "trigger").mkdir()

    monkeypatch.setattr(watch.time, "sleep", wait)
    assert watch.exit_reasons(Host(tmp_path), [7, 8], 0.1)["HLT"] == 153
    assert asked == ["hist:keys=isa,exit_reason:size=512 if common_pid == 7 || common_pid == 8"]


# db_bench 7.8, without most of its histograms and of its progress.
DB_BENCH = """\
DB path: [/run/mnt/db]
... finished 100 ops                              \rreadrandomwriterandom :      30.753 micros/op 64729 ops/sec 3.028 \
seconds 195998 operations;   25.7 MB/s ( reads:89999 writes:9999 total:100000 found:89999)

Microseconds per read:
Count: 195998 Average: 30.7602  StdDev: 1212.98
Min: 0  Median: 1.8378  Max: 148838
Percentiles: P50: 1.84 P75: 2.77 P99: 8.89 P99.9: 5133.47 P99.99: 69375.31
------------------------------------------------------
[       0,       1 ]    35370  18.046%  18.046% ####

Microseconds per write:
Count: 10998 Average: 156.0965  StdDev: 3504.37
Min: 3  Median: 5.0241  Max: 244159
Percentiles: P50: 5.02 P75: 5.96 P99: 466.29 P99.9: 21429.71 P99.99: 167006.00
"""


def test_db_bench() -> None:
    found = rocksdb.parse(DB_BENCH)
    assert (found["iops"], found["mean_us"], found["p50_us"], found["p99_us"]) == (64729, 30.7602, 1.84, 8.89)
    assert found.keys() == set(fio.MEASURES)
    # It ends when it should, however slow.
    assert "--ops_between_duration_checks=10" in rocksdb.run(3)
    with pytest.raises(LightiovError, match="said last: open error: No space left on device"):
        rocksdb.parse("open error: No space left on device\n")


# sysbench 1.0, with a part of its histogram.
SYSBENCH = """\
4 files, 8MiB each
Latency histogram (values are in milliseconds)
       value  ------------- distribution ------------- count
       0.021 |                                         1
       0.045 |*************                            127
       0.056 |**************************************** 403
       0.144 |**************                           144
     108.685 |*                                        6

File operations:
    reads/s:                      3645.74
    writes/s:                     2431.05
    fsyncs/s:                     2430.72

General statistics:
    total time:                          3.0045s

Latency (ms):
         min:                                    0.02
         avg:                                    0.46
         max:                                  163.47
         99th percentile:                        5.28
         sum:                                11848.15

Threads fairness:
    events (avg/stddev):           6391.0000/447.84
"""


def test_sysbench() -> None:
    found = sysbench.parse(SYSBENCH)
    assert found["iops"] == pytest.approx(3645.74 + 2431.05)
    assert (found["mean_us"], found["p50_us"], found["p99_us"]) == (460, 56, 5280)
    assert found.keys() == set(fio.MEASURES)
    with pytest.raises(LightiovError, match="said last: FATAL: Cannot open file"):
        sysbench.parse("FATAL: Cannot open file\n")


def test_applications_work_where_their_files_are() -> None:
    for workload in (WORKLOADS["rocksdb"], WORKLOADS["sysbench"]):
        prepare, command = workload.prepare("/dev/vda1", "/run"), workload.command("/dev/vda1", "/run", 3, False)
        assert "mount /dev/vda1 /run/mnt && cd /run/mnt && " + workload.programs[0] in prepare
        assert command[-1].startswith("echo > /run/started; cd /run/mnt && exec " + workload.programs[0])


def test_perf(tmp_path: Path) -> None:
    output = tmp_path / "perf.txt"
    assert watch.counted(output) == []
    output.write_text("# started on Mon Nov 30 06:32:26 2026\n\n<not supported>,,instructions:H,0,100.00,,\n")
    assert watch.counted(output) == []
    output.write_text("# started on Mon Nov 30 06:32:26 2026\n\n123456,,instructions:H,2000,100.00,,\n")
    assert watch.counted(output) == [123456]


def capability(of: int, then: int, *words: int) -> bytes:
    return struct.pack(f"<{1 + len(words)}I", of | 1 << 16 | then << 20, *words)


def configuration(*capabilities: tuple[int, bytes], controller: tuple[int, int] = counters.EMULATED) -> bytes:
    """Of a controller with these extended capabilities, each behind its offset."""
    config = bytearray(4096)
    struct.pack_into("<HH", config, 0, *controller)
    for where, one in capabilities:
        config[where : where + len(one)] = one
    return bytes(config)


COUNTED = (counters.COUNTERS | 0x18 << 20, 5, 4, 3, 2)


def test_what_the_drive_counts() -> None:
    other, vendors = capability(0x0E, 0x140), capability(counters.VENDOR_SPECIFIC, 0x180, 0x1234 | 0x10 << 20, 9, 9)
    ours = capability(counters.VENDOR_SPECIFIC, 0, *COUNTED)
    found = counters.drive_counters(configuration((0x100, other), (0x140, vendors), (0x180, ours)))
    assert found == {"sq_doorbells": 5, "cq_doorbells": 4, "commands": 3, "messages": 2}


@pytest.mark.parametrize(
    "config",
    [
        b"",
        bytes(64),
        configuration(),
        configuration((0x100, capability(0x0E, 0x100))),
        configuration((0x100, capability(0x0E, 0xFFF))),
        configuration((0x100, capability(counters.VENDOR_SPECIFIC, 0, *COUNTED)), controller=(0x144D, 0xA80A)),
    ],
    ids=["none", "not root", "no capability", "in a circle", "beyond the end", "another's capability of that ID"],
)
def test_hardware_counts_nothing(config: bytes) -> None:
    assert counters.drive_counters(config) == {}


def test_what_an_io_costs() -> None:
    cpu = {"guest": 1.0, "outside": 2.0, "steal": 0.0, "idle": 5.0}
    before = watch.Look(10.0, cpu, {"exits": 100}, 7, {"sq_doorbells": (1 << 32) - 1500})
    later = {"guest": 2.0, "outside": 2.5, "steal": 0.5, "idle": 7.0}
    after = watch.Look(12.0, later, {"exits": 4100}, 2007, {"sq_doorbells": 500})
    found = watch.per_io(before, after, 1000)
    assert found == {"host_interrupts": 1.0, "outside_us": 250.0, "exits": 2.0, "sq_doorbells": 1.0}
    assert watch.steal(before, after) == 0.125
