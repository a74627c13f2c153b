# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter lightiov.nvme.guest_packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable

DOCUMENTATION = r"""
name: guest_packages
short_description: Files of the guest driver's packages
version_added: 0.2.0
author:
  - LightIOV contributors (@lightiov)
description:
  - Names the Debian package of the guest driver for each kernel, on the host that builds or installs it, and among
    those that the machine which runs Ansible keeps of a hypervisor.
positional: version, directory, cache
options:
  _input:
    description: Kernel releases.
    type: list
    elements: str
    required: true
  version:
    description: Version of the packages.
    type: str
    required: true
  directory:
    description: Where they are on the host.
    type: path
    required: true
  cache:
    description: Where the machine that runs Ansible keeps what the hypervisor has built.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Show which package a hypervisor builds for its own kernel
  ansible.builtin.debug:
    msg: >-
      {{ [ansible_facts.kernel]
         | lightiov.nvme.guest_packages('0.2.0+0123456789ab', '/usr/local/src/lightiov', '/var/cache/guest/hv1') }}
"""

RETURN = r"""
_value:
  description: For each kernel C(kernel), and its file as C(path) on the host and as C(cached).
  type: list
  elements: dict
"""


def guest_packages(kernels: Iterable[str], version: str, directory: str, cache: str) -> list[dict[str, str]]:
    return [
        {"kernel": kernel, "path": f"{directory}/{name}", "cached": f"{cache}/{name}"}
        for kernel in kernels
        for name in (f"lightiov-guest-{kernel}_{version}_amd64.deb",)
    ]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., list[dict[str, str]]]]:
        return {"guest_packages": guest_packages}
