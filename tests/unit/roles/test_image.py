# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of images are made where there are none, and a host that has them is asked once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from playing import play

from lab.paths import PROJECT

VERSION = yaml.safe_load((PROJECT / "galaxy.yml").read_text())["version"]
KERNEL = "6.12.57+deb13-amd64"
PLAYBOOK = """
- hosts: hv1
  gather_facts: false
  check_mode: true
  tasks:
    - ansible.builtin.import_role: {name: lightiov.nvme.image}
    - ansible.builtin.debug: {msg: "{{ __lightiov_image_result }}"}
"""


def test_a_host_without_role_native_is_refused(tmp_path: Path) -> None:
    """As with --skip-tags native."""
    last = play(tmp_path, PLAYBOOK, lightiov_image_driver=True, lightiov_vms=[], lightiov_vm_image="/debian.raw")[-1]
    assert last["failed"]
    assert last["msg"].startswith("The images of hv1 get no guest driver, because role native, which builds it, has ")


def test_a_host_that_has_the_copies_gets_no_packages(tmp_path: Path) -> None:
    image, cache = tmp_path / "debian.raw", tmp_path / "cache/guest/hv1"
    image.write_bytes(b"image")
    cache.mkdir(parents=True)
    (cache / f"lightiov-guest-{KERNEL}_{VERSION}+aaaa_amd64.deb").write_bytes(b"package")
    variables = {
        "ansible_python_interpreter": sys.executable,
        "lightiov_image_driver": True,
        "lightiov_cache": str(tmp_path / "cache"),
        "lightiov_guest_kernels": [KERNEL],
        "lightiov_vm_directory": str(tmp_path),
        "lightiov_vm_image": str(image),
        "lightiov_vms": [{"name": "vm1", "tenant": "blue", "disks": []}],
        "__lightiov_native_pack": {"stdout_lines": ["whole", "aaaa"]},
    }

    def did() -> tuple[dict[str, Any], list[str]]:
        *done, last = play(tmp_path, PLAYBOOK, **variables)
        acted = [one["action"].split(".")[-1] for one in done if not one.get("skipped")]
        return last["msg"], [action for action in acted if action in {"copy", "guest_image"}]

    made, acted = did()
    assert (made["changed"], acted) == (True, ["guest_image", "copy", "guest_image"])
    [copy] = made["images"].values()
    Path(copy["path"]).touch()
    found, acted = did()
    assert (found["changed"], found["images"], acted) == (False, made["images"], ["guest_image"])
