# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One DKMS package from source to loaded module: plan and act."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _source_tree as source_tree
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host, read, write_atomically
from ansible_collections.lightiov.nvme.plugins.module_utils._kernel import (
    KernelModule,
    has_headers,
    headers_package,
    newest_kernel,
    running_kernel,
)
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
MODULE = re.compile(r"[A-Za-z0-9_]+")
VALUE = re.compile(r"[^\s\"'#\\]*")
# Below /lib/modules/KERNEL, whatever dkms.conf says: Debian, Fedora.
INSTALL_DIRECTORIES = ("updates", "extra")
SETTING = re.compile(r"^\s*(PACKAGE_NAME|PACKAGE_VERSION)=[\"']?([^\"'\s]*)", re.MULTILINE)


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
    reload: bool
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

    @property
    def package(self) -> str:
        return f"{self.name}/{self.version}"

    @property
    def options_file(self) -> str:
        return f"/etc/modprobe.d/{self.name}.conf"

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
class Package:
    """One version of a DKMS package on a host, read from the files of dkms."""

    host: Host
    name: str
    version: str

    @property
    def source(self) -> Path:
        return self.host.path(f"/usr/src/{self.name}-{self.version}")

    @property
    def tree(self) -> Path:
        return self.host.path(f"/var/lib/dkms/{self.name}/{self.version}")

    @property
    def added(self) -> bool:
        return (self.tree / "source").is_symlink()

    def built(self, kernel: str) -> bool:
        return any((self.tree / kernel).glob("*/module/*.ko*"))

    def _active_links(self, kernel: str) -> list[Path]:
        """What dkms marks the installed version with."""
        links = self.tree.parent.glob(f"kernel-{kernel}-*")
        return [link for link in links if str(link.readlink()).startswith(f"{self.version}/")]

    def installed(self, kernel: str, module: str) -> bool:
        directories = [self.host.path(f"/lib/modules/{kernel}/{name}") for name in INSTALL_DIRECTORIES]
        files = [file for directory in directories for file in directory.rglob(f"{module}.ko*")]
        return bool(files and self._active_links(kernel))

    def describe(self, kernel: str, module: str) -> str:
        if self.installed(kernel, module):
            return "installed"
        return "built" if self.built(kernel) else "absent"

    def remove(self) -> None:
        if (self.tree / "source").exists():
            self.host.runner.run(["dkms", "remove", f"{self.name}/{self.version}", "--all"])
        else:
            # dkms cannot remove a package whose source was deleted.
            for link in self._active_links("*"):
                link.unlink()
            shutil.rmtree(self.tree)

    def add(self) -> None:
        self.host.runner.run(["dkms", "add", f"{self.name}/{self.version}"])

    def build(self, kernel: str) -> None:
        package = f"{self.name}/{self.version}"
        try:
            self.host.runner.run(["dkms", "build", package, "-k", kernel])
        except CommandError as error:
            log = self.tree / "build" / "make.log"
            raise LightiovError(
                f"{package} does not build for kernel {kernel}: correct the source, see {log} "
                f"({first_error(log, error)})"
            ) from error

    def install(self, kernel: str) -> None:
        self.host.runner.run(["dkms", "install", f"{self.name}/{self.version}", "-k", kernel])


def first_error(log: Path, error: CommandError) -> str:
    """The compiler's first complaint, or else what dkms said."""
    lines = (read(log) or "").splitlines()
    return next((line.strip() for line in lines if "error:" in line.lower()), error.output)


def versions(host: Host, name: str) -> list[str]:
    """All versions of the package that dkms knows or whose source is there."""
    known = {path.parent.name for path in host.path(f"/var/lib/dkms/{name}").glob("*/source")}
    for conf in host.path("/usr/src").glob(f"{name}-*/{source_tree.CONF}"):
        settings = dict(SETTING.findall(read(conf) or ""))
        if settings.get("PACKAGE_NAME") == name:
            known.add(conf.parent.name[len(name) + 1 :])
    return sorted(known)


def plan(host: Host, wanted: Wanted, predict: bool) -> Plan:
    return _plan_present(host, wanted, predict) if wanted.present else _plan_absent(host, wanted, predict)


def _plan_present(host: Host, wanted: Wanted, predict: bool) -> Plan:
    result = Plan(predict=predict)
    package = Package(host, wanted.name, wanted.version)
    module = KernelModule(host, wanted.module)
    running = running_kernel(host)
    kernels = list(dict.fromkeys(wanted.kernels or (running, newest_kernel(host))))
    if host.runner.find("dkms") is None:
        result.refuse(
            f"{wanted.package} cannot be built, because dkms is not installed: install the package dkms",
            until="packages",
        )

    source_changed = _source_changed(package, wanted, result)
    incomplete = [one for one in kernels if source_changed or not package.installed(one, wanted.module)]
    for kernel in incomplete:
        if not has_headers(host, kernel):
            result.refuse(
                f"{wanted.package} cannot be built for kernel {kernel}, because its headers are missing: "
                f"install the package {headers_package(host, kernel)}",
                until="packages",
            )

    old = [version for version in versions(host, wanted.name) if version != wanted.version]
    for version in old:
        _plan_remove(Package(host, wanted.name, version), result)
    if source_changed:
        if package.added:
            result.add("remove", wanted.package, package.remove)
        tree = source_tree.files(wanted.src, wanted.exclude, wanted.conf)
        result.add("copy", str(package.source), partial(source_tree.copy, tree, package.source))
    if source_changed or not package.added:
        result.add("add", wanted.package, package.add)
    for kernel in incomplete:
        if source_changed or not package.built(kernel):
            result.add("build", wanted.package, partial(package.build, kernel), kernel=kernel)
        result.add("install", wanted.package, partial(package.install, kernel), kernel=kernel)

    options = "".join(f"options {wanted.module} {key}={value}\n" for key, value in sorted(wanted.parameters.items()))
    options_changed = _plan_file(
        host, wanted.options_file, options, result, partial(module.check_parameters, wanted.parameters)
    )
    _plan_file(host, wanted.load_file, f"{wanted.module}\n" if wanted.load else "", result)

    loaded = module.loaded
    outdated = loaded and (
        source_changed
        or running in incomplete
        or options_changed
        or not module.is_installed_one()
        or not module.has_parameters(wanted.parameters)
    )
    reload = outdated and wanted.load and wanted.reload
    if reload:
        _plan_unload(module, result, "set reload to false to leave it until then", until="")
    if reload or (wanted.load and not loaded):
        result.add("load", wanted.module, module.load)

    result.before = {
        "versions": versions(host, wanted.name),
        "kernels": {kernel: package.describe(kernel, wanted.module) for kernel in kernels},
        "source": "" if package.added and not source_changed else "outdated",
        "options": host.read(wanted.options_file) or "",
        "loaded": loaded,
        "loaded_is_current": loaded and not outdated,
    }
    result.after = {
        "versions": [wanted.version],
        "kernels": dict.fromkeys(kernels, "installed"),
        "source": "",
        "options": options.strip(),
        "loaded": loaded or wanted.load,
        "loaded_is_current": (loaded or wanted.load) and (reload or not outdated),
    }
    result.returned = {
        "kernels": kernels,
        "loaded": loaded or wanted.load,
        "reload_needed": outdated and not reload,
    }
    return result


def _source_changed(package: Package, wanted: Wanted, result: Plan) -> bool:
    """Compares the trees themselves rather than a stamp, so that an edited copy is put right as well."""
    if not wanted.src.is_dir():
        result.refuse(
            f"{wanted.package} has no source, because {wanted.src} is not a directory: copy the source there",
            until="source",
        )
        return not package.source.is_dir()
    if not (wanted.src / wanted.conf).is_file():
        raise LightiovError(
            f"{wanted.package} cannot be built, because {wanted.src} has no file {wanted.conf}: "
            "name the file that becomes dkms.conf in 'conf'"
        )
    settings = dict(SETTING.findall((wanted.src / wanted.conf).read_text(encoding="utf-8")))
    named = f"{settings.get('PACKAGE_NAME')}/{settings.get('PACKAGE_VERSION')}"
    if named != wanted.package:
        raise LightiovError(
            f"{wanted.package} cannot be built, because {wanted.conf} is that of {named}: correct the one or the other"
        )
    tree = source_tree.files(wanted.src, wanted.exclude, wanted.conf)
    return source_tree.digest(tree) != source_tree.digest(source_tree.files(package.source))


def _plan_file(host: Host, name: str, text: str, result: Plan, check: Callable[[], None] | None = None) -> bool:
    """Make a configuration file have this text, or be gone if the text is empty; whether that changes it."""
    path = host.path(name)
    if (read(path) or "") == text.strip() and path.exists() == bool(text):
        return False
    if not text:
        result.add("delete", name, path.unlink)
        return True

    def write() -> None:
        if check:
            check()
        write_atomically(path, text)

    result.add("write", name, write)
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
    label = f"{package.name}/{package.version}"
    if package.added:
        result.add("remove", label, package.remove)
    if package.source.exists():
        result.add("delete", str(package.source), partial(shutil.rmtree, package.source))


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
    _plan_file(host, wanted.options_file, "", result)
    _plan_file(host, wanted.load_file, "", result)
    if any(Package(host, wanted.name, version).added for version in found) and host.runner.find("dkms") is None:
        result.refuse(f"{wanted.name} cannot be removed, because dkms is not installed: install the package dkms")
    result.before = {"versions": found, "loaded": loaded}
    result.after = {"versions": [], "loaded": loaded and not unload}
    result.returned = {"loaded": loaded and not unload, "reload_needed": False}
    return result
