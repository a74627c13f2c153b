# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules that go through libvirt take, said once."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - python3-libvirt
options:
  uri:
    description:
      - Connection to libvirt.
    type: str
    default: qemu:///system
  timeout:
    description:
      - Seconds to wait for the guest of a running domain to give up one mdev.
    type: int
    default: 60
"""
