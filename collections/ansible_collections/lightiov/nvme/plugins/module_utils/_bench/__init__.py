# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LightIOV beside what a user would pick instead, measured on one drive.

On the hypervisor: `visit.py` measures one contender (`contenders/`, one small file each) on the drive (`drive.py`),
in a VM that is made of the hypervisor's own kernel and programs (`vm.py`, `initramfs.py`), or on the host itself.
On the machine that runs Ansible: `plan.py` says what is to be measured yet, `summary.py` makes medians and intervals of
what was, `report.py` and `plots.py` show them. Nothing here needs more than Python's library, but plots.
"""
