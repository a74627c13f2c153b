# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What driverctl, mdevctl and dkms leave on a host, command by command, as far as modules look at it.

recorded.json is what the real ones have left on a host of the lab, where this file runs as a program; `make
host-module-slow` holds it against what they leave now, and unit tests hold the fakes against it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# What differs from host to host has a name here, with @ around it.
COMMANDS = {
    "driverctl": (
        "set-override @address@ lightiov",
        "set-override @address@ lightiov",
        "set-override @address@ nothing-there",
        "set-override @address@ lightiov",
        "unset-override @address@",
        "unset-override @address@",
    ),
    "mdevctl": (
        "define --uuid @uuid@ --parent @address@ --jsonfile @good@",
        "define --uuid @uuid@ --parent @address@ --jsonfile @good@",
        "start --uuid @uuid@ --parent @address@",
        "start --uuid @uuid@ --parent @address@",
        "stop --uuid @uuid@",
        "start --uuid @uuid@ --parent @address@ --jsonfile @good@",
        "undefine --uuid @uuid@ --parent @address@",
        "stop --uuid @uuid@",
        "start --uuid @uuid@ --parent @address@ --jsonfile @good@",
        "stop --uuid @uuid@",
        "define --uuid @uuid@ --parent @address@ --jsonfile @bad@",
        "start --uuid @uuid@ --parent @address@",
        "undefine --uuid @uuid@ --parent @address@",
    ),
    "dkms": (
        "add liov-probe/1.0",
        "add liov-probe/1.0",
        "build liov-probe/1.0 -k @kernel@ --force",
        "install liov-probe/1.0 -k @kernel@ --force",
        "add liov-probe/1.1",
        "build liov-probe/1.1 -k @kernel@ --force",
        "install liov-probe/1.1 -k @kernel@ --force",
        "install liov-probe/1.0 -k @kernel@ --force",
        "add liov-probe/1.2",
        "build liov-probe/1.2 -k @kernel@ --force",
        "remove liov-probe/1.2 --all",
        "remove liov-probe/1.1 --all",
        "remove liov-probe/1.0 --all",
    ),
}
UUID = "6a9f1c0e-64c5-4a5b-8d0e-3b7d0f1f7a11"
PACKAGE = "liov-probe"
# By version; the last one does not compile.
SOURCES = {
    "1.0": 'MODULE_VERSION("1.0");\n',
    "1.1": 'MODULE_VERSION("1.1");\n',
    "1.2": '#error "broken"\n',
}
HEAD = '#include <linux/module.h>\nMODULE_DESCRIPTION("Probe of dkms");\nMODULE_LICENSE("GPL");\n'
CONF = f"""PACKAGE_NAME="{PACKAGE}"
PACKAGE_VERSION="@version@"
BUILT_MODULE_NAME[0]="liov_probe"
DEST_MODULE_LOCATION[0]="/updates/dkms"
MAKE[0]="make -C $kernel_source_dir M=$dkms_tree/{PACKAGE}/@version@/build modules"
CLEAN="true"
"""


def prepare(root: Path, names: Mapping[str, str]) -> dict[str, str]:
    """Have what the commands name; all names."""
    for version, body in SOURCES.items():
        source = root / f"usr/src/{PACKAGE}-{version}"
        source.mkdir(parents=True, exist_ok=True)
        (source / "liov_probe.c").write_text(HEAD + body, encoding="utf-8")
        (source / "Kbuild").write_text("obj-m := liov_probe.o\n", encoding="utf-8")
        (source / "dkms.conf").write_text(CONF.replace("@version@", version), encoding="utf-8")
    files = {"good": names["serial"], "bad": f"{names['serial']}-other"}
    for name, serial in files.items():
        attributes = [
            {"serial": serial},
            {"label": "lightiov.nvme:recorded"},
            {"tenant": "recorded"},
            {"queue_pairs": "1"},
            {"extent": f"id={UUID},nsid=1,name=data"},
        ]
        definition = {"mdev_type": "lightiov-passthrough", "start": "manual", "attrs": attributes}
        (root / f"{name}.json").write_text(json.dumps(definition), encoding="utf-8")
    return {**names, "uuid": UUID, **{name: str(root / f"{name}.json") for name in files}}


def record(tool: str, run: Callable[[list[str]], bool], root: Path, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of each command whether it succeeded, and what it left; `run` takes the arguments of the tool."""
    found = []
    for command in COMMANDS[tool]:
        words = command
        for name, value in names.items():
            words = words.replace(f"@{name}@", value)
        succeeded = run(words.split())
        left = dict(sorted(LEFT[tool](root, names)))
        for name in ("address", "uuid", "kernel", "serial"):
            left = {
                path.replace(names[name], f"@{name}@"): text.replace(names[name], f"@{name}@")
                for path, text in left.items()
            }
        found.append({"command": command, "succeeded": succeeded, "left": left})
    return found


def left_by_driverctl(root: Path, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    device = root / "sys/bus/pci/devices" / names["address"]
    driver = device / "driver"
    yield "driver", driver.resolve().name if driver.exists() else ""
    yield "driver_override", (device / "driver_override").read_text(encoding="utf-8").strip()
    for saved in (root / "etc/driverctl.d").glob(f"pci-{names['address']}"):
        yield f"/etc/driverctl.d/{saved.name}", saved.read_text(encoding="utf-8").strip()


def left_by_mdevctl(root: Path, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield "mdev", str((root / "sys/bus/mdev/devices" / names["uuid"]).exists())
    for definition in (root / "etc/mdevctl.d").glob(f"*/{names['uuid']}"):
        text = json.dumps(json.loads(definition.read_text(encoding="utf-8")), sort_keys=True)
        yield f"/{definition.relative_to(root)}", text


def left_by_dkms(root: Path, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Modules may be compressed; of one that is installed, which version's it is."""
    tree = root / "var/lib/dkms" / PACKAGE
    built = {path.parts[-5]: path.read_bytes() for path in tree.glob("*/*/*/module/liov_probe.ko*") if path.is_file()}
    for version in sorted(built):
        yield f"built {version}", ""
    for link in tree.glob("*/source"):
        yield f"added {link.parent.name}", link.resolve().name
    for link in tree.glob("kernel-*"):
        yield link.name, str(link.readlink())
    for module in (root / "lib/modules" / names["kernel"] / "updates/dkms").glob("liov_probe.ko*"):
        content = module.read_bytes()
        yield "installed", " ".join(version for version in sorted(built) if built[version] == content)


LEFT: dict[str, Callable[[Path, Mapping[str, str]], Iterator[tuple[str, str]]]] = {
    "driverctl": left_by_driverctl,
    "mdevctl": left_by_mdevctl,
    "dkms": left_by_dkms,
}


def main(tool: str, names: str) -> None:
    """On a host: prints the record of one tool; what tools say goes to standard error."""

    def run(arguments: list[str]) -> bool:
        done = subprocess.run([tool, *arguments], check=False, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        return done.returncode == 0

    root = Path("/")
    print(json.dumps(record(tool, run, root, prepare(root, json.loads(names)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
