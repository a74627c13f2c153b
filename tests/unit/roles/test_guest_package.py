# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM installs the package that its own hypervisor has built, and no other host's."""

from __future__ import annotations

import json
from pathlib import Path

from playing import play

from lab.paths import COLLECTION

ROLES = COLLECTION / "roles"
KERNEL = "6.12.57+deb13-amd64"
# hv2 has another version of the source. All four have one kernel.
SHOW = f"""
- hosts: hv1
  gather_facts: false
  tasks:
    - ansible.builtin.add_host: {{name: hv2, __lightiov_native_pack: {{stdout_lines: [other, bbbb]}}}}
    - ansible.builtin.add_host: {{name: vm1, lightiov_hypervisor: hv1}}
    - ansible.builtin.add_host: {{name: vm2, lightiov_hypervisor: hv2}}
- hosts: hv1:hv2
  gather_facts: false
  vars_files: ["{ROLES}/devices/vars/main.yml", "{ROLES}/native/vars/main.yml", common.yml]
  tasks:
    - ansible.builtin.set_fact: {{files: "{{{{ __lightiov_guest_packages | map(attribute='cached') }}}}"}}
- hosts: vm1:vm2
  gather_facts: false
  vars_files: ["{ROLES}/devices/vars/main.yml", "{ROLES}/guest/vars/main.yml", common.yml]
  tasks:
    - ansible.builtin.set_fact: {{files: ["{{{{ __lightiov_guest_package.cached }}}}"]}}
- hosts: hv1
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg:
          hv1: "{{{{ hostvars.hv1.files }}}}"
          hv2: "{{{{ hostvars.hv2.files }}}}"
          vm1: "{{{{ hostvars.vm1.files }}}}"
          vm2: "{{{{ hostvars.vm2.files }}}}"
"""
COMMON = {
    "lightiov_cache": "~/cache",
    "__lightiov_version": "0.2.0",
    "__lightiov_host_module": {"kernels": [KERNEL]},
    "__lightiov_guest_state": {"stdout_lines": [KERNEL, "absent", "", "other"]},
}


def test_package_is_that_of_the_vms_own_hypervisor(tmp_path: Path) -> None:
    (tmp_path / "common.yml").write_text(json.dumps(COMMON))
    found = play(tmp_path, SHOW, __lightiov_native_pack={"stdout_lines": ["whole", "aaaa"]})[-1]["msg"]
    cache = Path("~/cache").expanduser()
    first = [f"{cache}/guest/hv1/lightiov-guest-{KERNEL}_0.2.0+aaaa_amd64.deb"]
    second = [f"{cache}/guest/hv2/lightiov-guest-{KERNEL}_0.2.0+bbbb_amd64.deb"]
    assert found == {"hv1": first, "vm1": first, "hv2": second, "vm2": second}
