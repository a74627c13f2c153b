# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that measure are told, said once."""

from __future__ import annotations


class ModuleDocFragment:
    # The drive.
    DOCUMENTATION = r"""
options:
  serial:
    description: Serial number of the spare controller, which is with the stock driver.
    type: str
    required: true
  namespace:
    description: Number of the namespace.
    type: int
    default: 1
notes:
  - All data of the namespace is lost. Refused are a controller that is in use or LightIOV's, and a namespace that is
    neither blank nor labelled by an earlier benchmark.
attributes:
  diff_mode:
    description: There is nothing to show.
    support: none
  platform:
    description: Target systems that the module was made for.
    platforms: linux
    support: full
"""

    # The VMs.
    VM = r"""
options:
  vcpus:
    description: CPUs of a VM.
    type: int
    default: 2
  memory_mib:
    description: Memory of a VM in MiB.
    type: int
    default: 512
  kernel_arguments:
    description: More arguments for the kernel of a VM.
    type: str
    default: ""
  packages:
    description: Directory on the host with packages of the guest driver. Without it LightIOV cannot be measured.
    type: path
  version:
    description: Version of the packages.
    type: str
    default: ""
"""
