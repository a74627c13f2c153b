# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment leaves on every hypervisor, for now and for the next boot."""

from __future__ import annotations

from testinfra.host import Host


def test_module_is_loaded_and_built_by_dkms(hypervisor: Host) -> None:
    assert hypervisor.file("/sys/module/lightiov_host").is_directory
    kernel = hypervisor.check_output("uname -r")
    assert f"{kernel}, x86_64: installed" in hypervisor.check_output("dkms status lightiov-host")
    assert hypervisor.file("/etc/modules-load.d/lightiov-host.conf").contains("lightiov_host")


def test_only_listed_controllers_belong_to_lightiov(hypervisor: Host, serials: list[str]) -> None:
    bound = hypervisor.check_output("cat /sys/bus/pci/drivers/lightiov/*:*/lightiov/serial").split()
    assert sorted(bound) == sorted(serials)
    assert hypervisor.check_output("driverctl list-overrides").count("lightiov") == len(serials)


def test_other_controllers_keep_the_stock_driver(hypervisor: Host) -> None:
    assert hypervisor.run_test("grep -q 'LIOV.B' /sys/class/nvme/nvme*/serial").rc == 0


def test_liov_is_installed(hypervisor: Host) -> None:
    assert hypervisor.run("/usr/local/sbin/liov --version").rc == 0


def test_no_queue_has_two_owners(hypervisor: Host) -> None:
    queues = hypervisor.check_output("cat /sys/bus/mdev/devices/*/queues").splitlines()
    hardware = [line.split()[1] for line in queues]
    assert len(hardware) == len(set(hardware)) > 0


def test_what_was_compiled_for_the_labs_hosts_was_found(hypervisor: Host) -> None:
    statistics = dict(line.split("\t") for line in hypervisor.check_output("ccache --print-stats").splitlines())
    assert int(statistics["remote_storage_hit"]) > 0
