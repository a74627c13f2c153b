# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has for VMs: what it told, with what its lightiov_resources say otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._mdev import check_tenant
from ansible_collections.lightiov.nvme.plugins.module_utils._size import parse_size

OF_HOSTS = ("memory_mib", "vcpus", "cordon", "controllers")
OF_CONTROLLERS = ("tenant", "kind", "cordon", "queue_pairs", "windows", "namespaces")


def described(name: str, host: Mapping[str, Any]) -> dict[str, Any]:
    """The host for `resources.parse`."""
    found = host.get("found")
    said = _settings(host.get("settings"), f"The lightiov_resources of host {name}", OF_HOSTS)
    of_controllers = _by_controller(name, said)
    controllers = []
    for controller in (found or {}).get("controllers") or []:
        of = of_controllers.get(str(controller.get("serial")), {})
        where = _where(name, controller.get("serial"))
        cordons = _by_text(of.get("namespaces"), where, "namespaces")
        merged = {**controller, **{key: of[key] for key in of if key not in ("tenant", "namespaces")}}
        # The driver's `tenant` is who has it now, which placements tell better.
        merged["reserved_tenant"] = check_tenant(str(of["tenant"]), where) if of.get("tenant") else ""
        if of.get("windows") is not None:
            windows = f"The windows of controller {controller.get('serial')} of host {name}"
            merged["windows"] = parse_size(of["windows"], windows, "leave windows out")
        merged["namespaces"] = [
            {**one, "cordon": next((cordons[key] for key in _names(one) if key in cordons), "none")}
            for one in controller.get("namespaces") or []
        ]
        controllers.append(merged)
    return {
        **(found or {}),
        **{key: said[key] for key in said if key != "controllers"},
        "controllers": controllers,
        "groups": host.get("groups") or [],
        "address_pool": host.get("address_pool"),
        "reachable": bool(found),
        "asked": host.get("asked", True),
    }


def strangers(name: str, host: Mapping[str, Any]) -> Iterable[str]:
    """What is said of things that the host does not have: they may come, or their names be wrong."""
    if not host.get("found"):
        return
    there = {str(one.get("serial")): one for one in host["found"].get("controllers") or []}
    said = _settings(host.get("settings"), f"The lightiov_resources of host {name}", OF_HOSTS)
    for serial, of in _by_controller(name, said).items():
        if serial not in there:
            yield (
                f"The lightiov_resources of host {name} name controller {serial}, which is not LightIOV's there: "
                "correct the serial number, or list it in lightiov_controllers"
            )
            continue
        known = {text for one in there[serial].get("namespaces") or [] for text in _names(one)}
        for namespace in _by_text(of.get("namespaces"), _where(name, serial), "namespaces"):
            if namespace not in known:
                yield (
                    f"The lightiov_resources of host {name} name namespace {namespace} of controller {serial}, which "
                    "does not have it: correct its number or identity"
                )


def _names(namespace: Mapping[str, Any]) -> tuple[str, ...]:
    """Its identity before its number, which another may have later."""
    return tuple(str(namespace[key]) for key in ("id", "listed", "nsid") if namespace.get(key))


def _by_controller(name: str, said: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    listed = _by_text(said.get("controllers"), f"The lightiov_resources of host {name}", "controllers")
    return {serial: _settings(of, _where(name, serial), OF_CONTROLLERS) for serial, of in listed.items()}


def _where(name: str, serial: object) -> str:
    return f"The lightiov_resources of controller {serial} of host {name}"


def _by_text(value: object, where: str, key: str) -> dict[str, Any]:
    """YAML takes a serial number that is made of digits for a number."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise LightiovError(f"{where} have {value!r} as {key}, which is not a mapping: write them by their names")
    return {str(one): of for one, of in value.items()}


def _settings(value: object, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise LightiovError(f"{where} are {value!r}, which is not a mapping: write them with their values")
    for key in value:
        if key not in known:
            raise LightiovError(f"{where} have the unknown key {key!r}: choose from {', '.join(known)}")
    return value
