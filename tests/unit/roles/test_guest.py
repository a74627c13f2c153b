# SPDX-License-Identifier: GPL-3.0-or-later
"""What role guest does with a VM's driver; the VM's tools are fakes that keep what is installed and loaded in files."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from playing import play, play_on

from lab.paths import COLLECTION

ROLE = COLLECTION / "roles/guest"
MAIN = """
- hosts: vm1
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: lightiov.nvme.guest}
"""
PACKAGE = """
- hosts: all
  gather_facts: false
  tasks:
    - block:
        - ansible.builtin.include_role: {name: lightiov.nvme.guest, tasks_from: package}
          vars:
            __lightiov_guest_kernel: "6.12"
            __lightiov_guest_version: new
            __lightiov_guest_loaded: "{{ vm.loaded != '' }}"
            __lightiov_guest_current: "{{ vm.loaded == vm.installed }}"
            __lightiov_guest_archives: "{{ vm.archives }}"
      rescue:
        - ansible.builtin.import_role: {name: lightiov.nvme.report, tasks_from: keep}
    - ansible.builtin.debug:
        msg: "{{ ['hv1'] | lightiov.nvme.outcome([], hostvars) }}"
"""
DPKG = """
name=${2##*/lightiov-guest-6.12_}
echo "${name%_amd64.deb}" >installed
rm -f half-configured
"""
DPKG_QUERY = r"""
status=installed
if [ -e half-configured ]; then status=half-configured; fi
echo "$3" | sed "s/\${db:Status-Status}/$status/; s/\${Version}/$(cat installed)/"
"""
MODPROBE = """
if [ "$1" = --remove ]; then
    if [ -e used ]; then exit 1; fi
    exec rm -f loaded
fi
if [ -e loaded ]; then exit 0; fi
if grep -qxf bad installed; then
    echo "modprobe: ERROR: could not insert 'lightiov_guest': Key was rejected by service" >&2
    exit 1
fi
cp installed loaded
"""


class Vm:
    """With the driver of before, installed and loaded; the hypervisor has built both packages."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for folder in ("bin", "archives", "cache/guest/host1"):
            (directory / folder).mkdir(parents=True)
        for version in ("former", "new"):
            self.package(version).touch()
        for file, text in (("installed", "former\n"), ("loaded", "former\n"), ("bad", "none\n")):
            (directory / file).write_text(text)
        for name, text in (("dpkg", DPKG), ("dpkg-query", DPKG_QUERY), ("modprobe", MODPROBE)):
            tool = directory / "bin" / name
            tool.write_text(f"#!/bin/sh\ncd {directory}\n{text}")
            tool.chmod(0o755)

    def package(self, version: str) -> Path:
        return self.directory / f"cache/guest/host1/lightiov-guest-6.12_{version}_amd64.deb"

    @property
    def has(self) -> dict[str, str]:
        """What is installed, and what is loaded."""
        files = {name: self.directory / name for name in ("installed", "loaded")}
        return {name: file.read_text().strip() if file.exists() else "" for name, file in files.items()}

    def deploy(self) -> list[str]:
        """What the run says at its end."""
        variables: dict[str, Any] = {
            "ansible_python_interpreter": sys.executable,
            "lightiov_hypervisor": "host1",
            "lightiov_cache": str(self.directory / "cache"),
            "vm": {**self.has, "archives": str(self.directory / "archives")},
        }
        return play(self.directory, PACKAGE, **variables)[-1]["msg"]


@pytest.fixture
def vm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vm:
    made = Vm(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    return made


def test_vm_whose_hypervisor_has_built_no_driver_is_not_waited_for(tmp_path: Path) -> None:
    """As with --skip-tags native or image."""
    vm = {"name": "vm1", "tenant": "blue", "disks": []}
    variables = {"lightiov_hypervisor": "hv1", "lightiov_vm": vm, "lightiov_guest_timeout": 1}
    last = play_on(tmp_path, MAIN, {"hv1": {}, "vm1": variables})["vm1"][-1]
    assert last["failed"]
    assert last["msg"].startswith("vm1 gets no guest driver, because role native has not run on hv1, which builds it: ")


def test_new_driver_takes_the_place_of_the_former(vm: Vm) -> None:
    assert vm.deploy() == []
    assert vm.has == {"installed": "new", "loaded": "new"}


def test_package_that_was_not_configured_is_installed_again(vm: Vm) -> None:
    half = vm.directory / "half-configured"
    for file in (half, vm.directory / "installed"):
        file.write_text("new\n")
    assert vm.deploy() == []
    assert not half.exists()


def test_driver_that_does_not_load_gives_way_to_the_former(vm: Vm) -> None:
    (vm.directory / "bad").write_text("new\n")
    [heading, line] = vm.deploy()
    assert heading == "FAILED"
    assert "hv1 has its former guest driver former again, because new does not load: its kernel log says why; " in line
    assert vm.has == {"installed": "former", "loaded": "former"}


def test_vm_that_is_left_without_a_driver_is_said_to_be(vm: Vm) -> None:
    (vm.directory / "bad").write_text("new\n")
    vm.package("former").unlink()
    # The second time it has had no other before.
    for _run in (1, 2):
        [heading, line] = vm.deploy()
        assert heading == "FAILED"
        assert "hv1 has no guest driver loaded, and so none of its disks, because the one that is installed " in line
        assert "(modprobe: ERROR: could not insert 'lightiov_guest': Key was rejected by service): its kernel " in line
        assert vm.has == {"installed": "new", "loaded": ""}


def test_driver_in_use_stays_and_is_reported_until_the_vm_has_restarted(vm: Vm) -> None:
    (vm.directory / "used").touch()
    for _run in (1, 2):
        [heading, line] = vm.deploy()
        assert heading == "WAITING"
        assert "hv1 goes on with the guest driver that it has loaded, because its disks are in use: restart " in line
        assert vm.has == {"installed": "new", "loaded": "former"}
    (vm.directory / "loaded").write_text("new\n")
    assert vm.deploy() == []
