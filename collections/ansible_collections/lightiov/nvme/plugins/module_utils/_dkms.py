# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One DKMS package from source to loaded module: plan and act."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _source_tree as source_tree
from ansible_collections.lightiov.nvme.plugins.module_utils._dkms_package import (
    SETTING,
    Package,
    active_versions,
    build_log,
    versions,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, read, write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils._kernel import (
    KernelModule,
    has_headers,
    headers_package,
    module_info,
    newest_kernel,
    running_kernel,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
MODULE = re.compile(r"[A-Za-z0-9_]+")
VALUE = re.compile(r"[^\s\"'#\\]*")
# Made by dkms, or given to it; with openssl it makes them by itself.
SIGNING_KEY = "/var/lib/dkms/mok.key"


@dataclass(frozen=True)
class Wanted:
    """What the module's options ask for, sound in itself."""

    name: str
    version: str
    present: bool
    src: Path
    conf: str
    exclude: tuple[str, ...]
    module: str
    parameters: dict[str, str]
    load: bool
    # When a loaded module that is not as wanted is reloaded: always, unused or never.
    reload: str
    kernels: tuple[str, ...]

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Wanted:
        name, version = options["name"], options["version"] or ""
        for what, text in (("name", name), ("version", version)):
            if text and not NAME.fullmatch(text):
                raise LightiovError(
                    f"{text!r} is no {what} of a DKMS package: use letters, digits, dots, underscores, plus and hyphens"
                )
        module = options["module"] or name.replace("-", "_")
        if not MODULE.fullmatch(module):
            raise LightiovError(f"{module!r} is no name of a kernel module: use letters, digits and underscores")
        return cls(
            name=name,
            version=version,
            present=options["state"] == "present",
            src=Path(options["src"] or ""),
            conf=options["conf"],
            exclude=tuple(options["exclude"]),
            module=module,
            parameters={key: _parameter(module, key, value) for key, value in options["parameters"].items()},
            load=options["load"],
            reload=options["reload"],
            kernels=tuple(options["kernels"] or ()),
        )

    def source(self) -> dict[str, Path]:
        return source_tree.files(self.src, self.exclude, self.conf)

    @property
    def options(self) -> str:
        return "".join(f"options {self.module} {key}={value}\n" for key, value in sorted(self.parameters.items()))

    @property
    def options_file(self) -> str:
        return f"/etc/modprobe.d/{self.name}.conf"

    @property
    def former_file(self) -> str:
        """The options that the module was loaded with, once they have changed. It goes with the boot."""
        return f"/run/lightiov/{self.name}.conf"

    @property
    def load_file(self) -> str:
        return f"/etc/modules-load.d/{self.name}.conf"


def _parameter(module: str, name: str, value: Any) -> str:
    text = ("N", "Y")[value] if isinstance(value, bool) else str(value)
    if not MODULE.fullmatch(name) or not VALUE.fullmatch(text):
        raise LightiovError(
            f"The kernel module {module} cannot have the parameter {name}={text}: "
            "use a plain name and a value without spaces, quotes and backslashes"
        )
    return text


@dataclass(frozen=True)
class State:
    """Of one kernel."""

    # Whether the wanted version is built, and whether it is what the kernel loads.
    built: bool
    installed: bool
    # Whether what the kernel loads has a signature.
    signed: bool
    # Of the kernel that runs, whether the module is loaded and is the wanted one; of another, whether it will be.
    loaded: bool
    current: bool


@dataclass(frozen=True)
class Former:
    """What a host goes by before a change, to be put back if the new module does not load."""

    host: Host
    wanted: Wanted
    package: Package
    active: dict[str, str]
    options: str | None
    loaded: bool

    @classmethod
    def of(cls, host: Host, wanted: Wanted, package: Package, loaded: bool) -> Former:
        active, options = active_versions(host, wanted.name), host.read(wanted.options_file)
        return cls(host, wanted, package, active, options and f"{options}\n", loaded)

    @property
    def replaced(self) -> dict[str, str]:
        return {kernel: version for kernel, version in self.active.items() if version != self.package.version}

    @property
    def dropped(self) -> dict[str, str]:
        """Parameters that the module was loaded with, and is not to have: sysfs shows values, but no defaults."""
        settings = [line.split()[2:] for line in (self.host.read(self.wanted.former_file) or "").splitlines()]
        pairs = [setting.partition("=") for words in settings for setting in words]
        return {name: value for name, _equals, value in pairs if name not in self.wanted.parameters}

    def plan_record(self, result: Plan) -> None:
        """Before the options change under a loaded module: if it stays, or this run ends then, the next has to know."""
        path = self.host.path(self.wanted.former_file)
        if self.loaded and self.options and not path.exists():
            result.add("write", self.wanted.former_file, partial(write_atomically, path, self.options))

    def load_or_put_back(self, module: KernelModule) -> None:
        self.host.path(self.wanted.former_file).unlink(missing_ok=True)
        try:
            module.load()
        except LightiovError as error:
            if not self.loaded and not self.replaced:
                raise
            try:
                self._put_back(module)
            except LightiovError as second:
                raise LightiovError(f"{error}; nor was the former module put back: {second}") from error
            raise LightiovError(f"{error}; the former module was put back") from error

    def _put_back(self, module: KernelModule) -> None:
        for kernel, version in self.replaced.items():
            Package(self.host, self.wanted.name, version).install(kernel)
        options = self.host.path(self.wanted.options_file)
        if self.options:
            write_atomically(options, self.options)
        else:
            options.unlink(missing_ok=True)
        if self.package.version not in self.active.values():
            self.package.discard()
        module.load()


def plan(host: Host, wanted: Wanted, predict: bool) -> Plan:
    return _plan_present(host, wanted, predict) if wanted.present else _plan_absent(host, wanted, predict)


def _plan_present(host: Host, wanted: Wanted, predict: bool) -> Plan:
    """Build beside what is installed, then switch, then remove what was: whatever fails, a module is there."""
    result = Plan(predict=predict)
    package = Package(host, wanted.name, _version(wanted, result))
    module = KernelModule(host, wanted.module)
    running = running_kernel(host)
    kernels = list(dict.fromkeys(wanted.kernels or (running, newest_kernel(host))))
    if host.runner.find("dkms") is None:
        result.refuse(
            f"{package} cannot be built, because dkms is not installed: install the package dkms", until="packages"
        )

    info = {kernel: module_info(host, kernel, wanted.module) for kernel in {running, *kernels}}
    source_changed = _source_changed(wanted, package)
    installed = [kernel for kernel in kernels if not source_changed and info[kernel] and package.active(kernel)]
    unbuilt = [kernel for kernel in kernels if source_changed or not package.built(kernel)]
    waiting = _without_headers(host, wanted, unbuilt, result)
    building = [kernel for kernel in unbuilt if kernel not in waiting]
    installing = [kernel for kernel in kernels if kernel in building or kernel not in (*installed, *waiting)]

    _check_parameters(wanted, package, [kernel for kernel in kernels if kernel not in unbuilt])
    former = Former.of(host, wanted, package, module.loaded)
    if building and source_changed:
        result.add("copy", str(package.source), partial(package.copy, wanted.source()))
    if building and not package.added:
        result.add("add", str(package), package.add)
    for kernel in building:
        result.add("build", str(package), partial(package.build, kernel), kernel=kernel)
    for kernel in installing:
        result.add("install", str(package), partial(_install, wanted, package, kernel), kernel=kernel)
    if (former.options or "") != wanted.options:
        former.plan_record(result)
    options_changed = _plan_file(host, wanted.options_file, wanted.options, result)
    _plan_file(host, wanted.load_file, f"{wanted.module}\n" if wanted.load else "", result)

    loaded = module.loaded
    outdated = loaded and (
        running in installing
        or options_changed
        or not module.is_installed_one(info[running])
        or not module.has_parameters(wanted.parameters)
        or module.has_any_of(former.dropped)
    )
    reload = (
        outdated and wanted.load and (wanted.reload == "always" or (wanted.reload == "unused" and not module.uses()))
    )
    if reload:
        _plan_unload(module, result, "take reload out of lightiov_allow to leave it until then", until="")
    if reload or (wanted.load and not loaded):
        result.add("load", wanted.module, partial(former.load_or_put_back, module))
    # What a kernel has that waits is better than nothing.
    kept = {package.version, *(former.active[kernel] for kernel in waiting if kernel in former.active)}
    for version in versions(host, wanted.name):
        if version not in kept:
            _plan_remove(Package(host, wanted.name, version), result)

    loads = host.path(wanted.load_file).exists()
    before = {
        kernel: State(
            built=kernel not in unbuilt,
            installed=kernel in installed,
            signed="sig_id" in info[kernel],
            loaded=loaded if kernel == running else loads and bool(info[kernel]),
            current=loaded and not outdated if kernel == running else kernel in installed,
        )
        for kernel in kernels
    }
    signs = host.path(SIGNING_KEY).exists() or host.runner.find("openssl") is not None
    after = {
        kernel: State(
            built=kernel not in waiting,
            installed=kernel not in waiting,
            signed=signs if kernel in building else before[kernel].signed,
            loaded=wanted.load or (kernel == running and loaded),
            current=kernel not in waiting and (reload or not outdated or kernel != running),
        )
        for kernel in kernels
    }
    for kernel in waiting:
        after[kernel] = before[kernel]
    result.before = {
        "versions": versions(host, wanted.name),
        "kernels": {kernel: vars(state) for kernel, state in before.items()},
        "options": former.options or "",
        "loaded_at_boot": loads,
    }
    result.after = {
        "versions": sorted(kept),
        "kernels": {kernel: vars(state) for kernel, state in after.items()},
        "options": wanted.options,
        "loaded_at_boot": wanted.load,
    }
    result.returned = {
        "version": package.version,
        "kernels": [kernel for kernel in kernels if kernel not in waiting],
        "states": result.after["kernels"],
        "loaded": loaded or wanted.load,
        "reload_needed": outdated and not reload,
        "waiting": list(waiting.values()),
    }
    return result


def _version(wanted: Wanted, result: Plan) -> str:
    """Has what names the content of the source, so that another content is built beside what is installed."""
    if not wanted.src.is_dir():
        result.refuse(
            f"{wanted.name} has no source, because {wanted.src} is not a directory: copy the source there",
            until="source",
        )
        return wanted.version
    if not (wanted.src / wanted.conf).is_file():
        raise LightiovError(
            f"{wanted.name} cannot be built, because {wanted.src} has no file {wanted.conf}: "
            "name the file that becomes dkms.conf in 'conf'"
        )
    settings = dict(SETTING.findall((wanted.src / wanted.conf).read_text(encoding="utf-8")))
    for key, value in (("PACKAGE_NAME", wanted.name), ("PACKAGE_VERSION", source_tree.VERSION)):
        if settings.get(key) != value:
            raise LightiovError(
                f"{wanted.name} cannot be built, because {wanted.conf} has {key}={settings.get(key)}: "
                f'make it {key}="{value}"'
            )
    return f"{wanted.version}+{source_tree.digest(wanted.source())[:12]}"


def _source_changed(wanted: Wanted, package: Package) -> bool:
    """Compares the trees themselves rather than their names, so that an edited copy is put right as well."""
    copied = source_tree.files(package.source)
    return not copied or source_tree.digest(wanted.source()) != source_tree.digest(copied, package.version)


def _without_headers(host: Host, wanted: Wanted, unbuilt: list[str], result: Plan) -> dict[str, str]:
    """Kernels that must wait for their headers, and what that means. The running one and named ones must not."""
    running, newest = running_kernel(host), newest_kernel(host)
    waiting = {}
    for kernel in unbuilt:
        if has_headers(host, kernel):
            continue
        remedy = f"install the package {headers_package(host, kernel)}"
        if kernel == running or wanted.kernels or result.predict:
            if kernel == running and has_headers(host, newest):
                remedy += f", or boot kernel {newest}, which has its headers"
            result.refuse(
                f"{wanted.name} cannot be built for kernel {kernel}, because its headers are missing: {remedy}",
                until="packages",
            )
        else:
            waiting[kernel] = (
                f"Kernel {kernel}, which boots next, has no current module {wanted.module}, because its headers are "
                f"missing: {remedy} and deploy again before a reboot"
            )
    return waiting


def _check_parameters(wanted: Wanted, package: Package, kernels: Sequence[str]) -> None:
    module = KernelModule(package.host, wanted.module)
    for kernel in kernels:
        module.check_parameters(wanted.parameters, package.info(kernel))


def _install(wanted: Wanted, package: Package, kernel: str) -> None:
    # Which parameters it has is known once it is built.
    _check_parameters(wanted, package, [kernel])
    package.install(kernel)


def _plan_file(host: Host, name: str, text: str, result: Plan) -> bool:
    """Make a configuration file have this text, or be gone if the text is empty; whether that changes it."""
    path = host.path(name)
    if (read(path) or "") == text.strip() and path.exists() == bool(text):
        return False
    if not text:
        result.add("delete", name, path.unlink)
        return True

    result.add("write", name, partial(write_atomically, path, text))
    return True


def _plan_unload(module: KernelModule, result: Plan, alternative: str, until: str) -> None:
    uses = module.uses()
    if uses:
        result.refuse(
            f"The kernel module {module.name} has to be unloaded, but {' and '.join(uses)}: "
            f"stop the VMs that use it, or {alternative}",
            until,
        )
    result.add("unload", module.name, module.unload)


def _plan_remove(package: Package, result: Plan) -> None:
    if package.added:
        result.add("remove", str(package), package.remove)
    if package.source.exists():
        result.add("delete", str(package.source), package.discard)


def _plan_absent(host: Host, wanted: Wanted, predict: bool) -> Plan:
    result = Plan(predict=predict)
    module = KernelModule(host, wanted.module)
    found = versions(host, wanted.name)
    loaded = module.loaded
    unload = loaded and wanted.load
    if unload:
        devices = module.devices()
        if devices:
            result.refuse(
                f"The kernel module {wanted.module} cannot be unloaded, because {', '.join(devices)} are bound to it: "
                "release them with lightiov.nvme.controller",
                until="controller",
            )
        _plan_unload(module, result, "set load to false to leave it until the next boot", until="mdev")
    for version in found:
        _plan_remove(Package(host, wanted.name, version), result)
    files = [
        name
        for name in (wanted.options_file, wanted.load_file, build_log(wanted.name))
        if _plan_file(host, name, "", result)
    ]
    if any(Package(host, wanted.name, version).added for version in found) and host.runner.find("dkms") is None:
        result.refuse(f"{wanted.name} cannot be removed, because dkms is not installed: install the package dkms")
    result.before = {"versions": found, "files": files, "loaded": loaded}
    result.after = {"versions": [], "files": [], "loaded": loaded and not unload}
    result.returned = {"loaded": loaded and not unload, "reload_needed": False}
    return result
