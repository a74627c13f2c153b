# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The VMs of all hypervisors as hosts, from what the inventory says of the hypervisors."""

from __future__ import annotations

DOCUMENTATION = r"""
name: guests
short_description: VMs of the hypervisors as hosts
version_added: 0.2.0
author:
  - LightIOV contributors (@lightiov)
description:
  - Makes a host of each VM in C(lightiov_vms) of the hypervisors in group C(lightiov_hosts), as
    P(lightiov.nvme.fleet_guests#filter) finds them. A VM whose C(state) is V(absent) is left out.
  - The VMs have the variables that C(lightiov.nvme.deploy) gives to those that it enters, and join C(lightiov_guests),
    a group for each hypervisor, C(lightiov_on_HOST), and a group for each tenant, C(lightiov_tenant_NAME). What Ansible
    does not allow in the name of a group is an underscore there, so names that differ in nothing else share a group.
  - Placements that C(lightiov.nvme.plan) has written take the place of C(lightiov_vms), as in C(lightiov.nvme.deploy).
  - Reads what the machine that runs Ansible has. No connection is made, so a hypervisor that is off is a hypervisor
    like any other.
notes:
  - The playbooks of this collection do without it. It is for C(--limit) with a group, and for plays of your own that
    enter VMs.
  - The name of its file ends in C(lightiov_guests.yml) or C(lightiov_guests.yaml). Ansible reads the files of a
    directory in the order of their names, so it has to come after those that list the hypervisors.
  - Variables of hypervisors are taken from the inventory, from files beside it and from C(--extra-vars), not from
    beside a playbook. They may be templates of the hypervisor's own variables, but not of other hosts'.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [lightiov.nvme.guests]
seealso:
  - plugin: lightiov.nvme.fleet_guests
    plugin_type: filter
"""

EXAMPLES = r"""
# inventories/mine/lightiov_guests.yml, beside the hosts.yml that lists the hypervisors:
# ansible-playbook -i inventories/mine lightiov.nvme.verify --limit hv1,lightiov_on_hv1
# ansible -i inventories/mine lightiov_tenant_shop -m ansible.builtin.ping
plugin: lightiov.nvme.guests
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.group import to_safe_group_name
from ansible.inventory.helpers import get_group_vars, sort_groups
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import Templar
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources
from ansible_collections.lightiov.nvme.plugins.module_utils._fleet import (
    GUEST_DEPENDS_ON,
    guests,
    host_variables,
    refusals,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._partition.wish import by_hand
from yaml import YAMLError  # type: ignore[import-untyped]

HYPERVISORS = "lightiov_hosts"
GUESTS = "lightiov_guests"


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    NAME = "lightiov.nvme.guests"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith((f"{GUESTS}.yml", f"{GUESTS}.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        group = inventory.groups.get(HYPERVISORS)
        hypervisors = {host.name: host for host in group.get_hosts()} if group else {}
        if not hypervisors:
            raise AnsibleParserError(
                f"No host is in {HYPERVISORS} when {path} is read: give it a name that comes after those of the files "
                "that list the hypervisors"
            )
        variables = {name: self._variables(host) for name, host in hypervisors.items()}
        found = guests(variables, variables)
        if wrong := refusals(found, hypervisors):
            raise AnsibleParserError(" ".join(wrong))
        inventory.add_group(GUESTS)
        for guest in found:
            if guest["vm"]["state"] != "absent":
                self._add(guest)

    def _add(self, guest: Mapping[str, Any]) -> None:
        name = self.inventory.add_host(guest["name"])
        for kind, value in (("on", guest["hypervisor"]), ("tenant", guest["vm"]["tenant"])):
            group = to_safe_group_name(f"lightiov_{kind}_{value}", force=True, silent=True)
            if group not in self.inventory.groups:
                self.inventory.add_group(group)
                self.inventory.add_child(GUESTS, group)
            self.inventory.add_child(group, name)
        for key, value in host_variables(guest).items():
            self.inventory.set_variable(name, key, value)

    def _variables(self, host: Any) -> dict[str, Any]:
        """What the VMs of a hypervisor are made from; of one whose variables cannot be had, no VM is."""
        try:
            return self._known(host)
        except (AnsibleError, OSError, RuntimeError, TypeError, ValueError, YAMLError) as error:
            self.display.warning(f"The VMs of {host.name} are left out: {error}")
            return {}

    def _known(self, host: Any) -> dict[str, Any]:
        raw = combine_vars(self._inventory_variables(host), self._vars)
        raw.update(inventory_hostname=host.name, group_names=sorted(group.name for group in host.get_groups()))
        templar = Templar(loader=self.loader, variables=raw)
        names = (*GUEST_DEPENDS_ON, "lightiov_placements")
        known = {name: templar.template(raw[name]) for name in names if name in raw}
        placements = Path(known.get("lightiov_placements") or Path(raw["inventory_dir"], "placements")).expanduser()
        file = placements / f"{host.name}.yml"
        if file.is_file():
            # The plan has written it, without templates, and in its tens of thousands of lines speed counts.
            known.update(yaml_load(file.read_text(encoding="utf-8")))
        elif "lightiov_vms" in known:
            known["lightiov_vms"] = by_hand(known["lightiov_vms"])
        return known

    def _inventory_variables(self, host: Any) -> dict[str, Any]:
        """As Ansible puts them together: groups before the host, the inventory's file before files beside it."""
        sources, groups = self.inventory.processed_sources, sort_groups(host.get_groups())
        found: dict[str, Any] = get_group_vars(groups)
        for more in (
            get_vars_from_inventory_sources(self.loader, sources, groups, "all"),
            host.get_vars(),
            get_vars_from_inventory_sources(self.loader, sources, [host], "all"),
        ):
            found = combine_vars(found, more)
        return found
