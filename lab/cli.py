# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: parses, and calls."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable

from . import compiled, images, patched_qemu
from .errors import LabError
from .labs import DEFAULT_HOSTS, Lab
from .progress import Progress
from .ssh import Remote

# A subcommand; what it returns is the exit status.
Action = Callable[[Lab, argparse.Namespace], "int | None"]


def main(arguments: list[str] | None = None) -> int:
    # A terminated lab cleans up as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parser().parse_args(arguments)
    lab = Lab.open(options.name, Progress(quiet=options.quiet))
    try:
        return options.action(lab, options) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; what had been started but was not up yet is switched off", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", help="which lab (default: $LIGHTIOV_LAB, or `lab`)")
    common.add_argument("-q", "--quiet", action="store_true", help="report errors only")

    top = argparse.ArgumentParser(prog="lab", description="Emulated NVMe hosts, and VMs in them, on any Linux machine.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action: Action, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, parents=[common], help=text, description=text)
        sub.set_defaults(action=action)
        return sub

    subcommands: tuple[tuple[str, Action, str], ...]
    subcommands = (
        ("build", build, "build the emulator and the images, if the cache lacks them"),
        ("up", up, "boot hosts and wait until they answer SSH"),
    )
    for name, action, text in subcommands:
        sub = command(name, action, text)
        sub.add_argument(
            "--flavour",
            choices=images.FLAVOURS,
            default=os.environ.get("LIGHTIOV_FLAVOUR", "stock"),
            help="which kernel (default: $LIGHTIOV_FLAVOUR, or `stock`)",
        )
        if name == "up":
            sub.add_argument("--accel", choices=("tcg", "kvm"), default="tcg", help="kvm needs nested SVM or VMX")
            sub.add_argument("--no-iommu", dest="iommu", action="store_false", help="hosts that have no IOMMU")
            sub.add_argument("hosts", nargs="*", default=list(DEFAULT_HOSTS), metavar="HOST")

    on_hosts: tuple[tuple[str, Action, str], ...]
    on_hosts = (
        ("down", down, "switch hosts off; disks stay"),
        ("reset", reset, "switch hosts off and throw their disks away"),
        ("check-logs", check_logs, "list the kernel's complaints; exit 1 if there are any"),
    )
    for name, run, text in on_hosts:
        command(name, run, text).add_argument("hosts", nargs="*", metavar="HOST", help="default: all")

    command("status", status, "tell which hosts are up").add_argument("--json", action="store_true")

    sub = command("ssh", ssh, "a shell, or a command, on HOST or on a VM of it, HOST/VM")
    sub.add_argument("target", metavar="HOST[/VM]")
    sub.add_argument("command", nargs=argparse.REMAINDER, metavar="...")

    sub = command("logs", logs, "print a host's console")
    sub.add_argument("host", metavar="HOST")
    sub.add_argument("-f", "--follow", action="store_true", help="go on printing as it grows")
    return top


def build(lab: Lab, options: argparse.Namespace) -> None:
    print(patched_qemu.ensure(lab.progress).root)
    image_set = images.ensure(options.flavour, lab.progress)
    print(image_set.root)
    print(compiled.ensure(image_set, lab.progress))


def up(lab: Lab, options: argparse.Namespace) -> None:
    lab.up(tuple(options.hosts), options.flavour, options.accel, options.iommu)


def down(lab: Lab, options: argparse.Namespace) -> None:
    lab.down(tuple(options.hosts))


def reset(lab: Lab, options: argparse.Namespace) -> None:
    lab.reset(tuple(options.hosts))


def check_logs(lab: Lab, options: argparse.Namespace) -> int:
    found = False
    for host in lab.chosen(tuple(options.hosts)):
        for line in host.kernel_problems():
            found = True
            print(f"{host.name}: {line}")
    return int(found)


def status(lab: Lab, options: argparse.Namespace) -> None:
    hosts = {
        host.name: {"up": host.running, "ssh_port": host.machine.ssh_port, "images": host.machine.images}
        for host in lab.hosts
    }
    if options.json:
        print(json.dumps({"name": lab.name, "ssh_config": str(lab.state.ssh_config), "hosts": hosts}, indent=1))
        return
    if not hosts:
        print(f"lab {lab.name} has no hosts yet: start some with `lab up`")
    for name, host in hosts.items():
        print(f"{name}  {'up  ' if host['up'] else 'down'}  port {host['ssh_port']}  images {host['images']}")


def ssh(lab: Lab, options: argparse.Namespace) -> None:
    name, _, vm = options.target.partition("/")
    host = lab.host(name)
    target: Remote = host.vm(vm) if vm else host
    sys.stdout.flush()
    os.execvp("ssh", [*target.ssh_command(), *options.command])


def logs(lab: Lab, options: argparse.Namespace) -> None:
    (host,) = lab.chosen((options.host,))
    follow = ["-f"] if options.follow else []
    os.execvp("tail", ["tail", "-n", "+1", *follow, str(host.console_file)])
