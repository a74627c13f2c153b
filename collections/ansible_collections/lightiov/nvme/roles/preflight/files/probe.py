# SPDX-License-Identifier: GPL-3.0-or-later
"""Print as JSON what a host offers to LightIOV. Usage: probe.py LIBVIRT_URI [PACKAGE...]"""

import json
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

SECURE_BOOT = Path("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
DKMS_KEY = Path("/var/lib/dkms/mok.pub")
GRUB_SETTING = Path("/etc/default/grub.d/lightiov.cfg")
DEADLINE_SECONDS = 60


def ask(*command):
    """What a tool says. One that hangs ends the look at the host: nothing can be concluded from it."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS)
    except subprocess.TimeoutExpired:
        sys.exit(f"{' '.join(command)} did not end within {DEADLINE_SECONDS} seconds: see the host's kernel log")


def missing(packages):
    """Those of the Debian packages that are not installed."""
    there = installed(*packages) if packages else set()
    return [package for package in packages if package not in there]


def installed(*patterns):
    """Names of installed Debian packages that match; empty where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return set()
    output = ask("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *patterns).stdout
    return {line.split()[0] for line in output.splitlines() if line.endswith(" installed")}


def missing_headers(root=Path("/")):
    """Packages with headers that the running kernel and the one that boots next lack."""
    kernels = [path.parent.name for path in root.glob("lib/modules/*/kernel")]
    newest = max(kernels, key=lambda release: [int(number) for number in re.findall(r"\d+", release)], default="")
    prefix = "linux-headers-" if (root / "etc/debian_version").exists() else "kernel-devel-"
    return [
        prefix + release
        for release in dict.fromkeys((platform.release(), newest or platform.release()))
        if not (root / "lib/modules" / release / "build" / "Makefile").exists()
    ]


def missing_metapackages(packages):
    """What has headers follow later kernels: linux-headers-amd64 beside linux-image-amd64."""
    flavours = (re.fullmatch(r"linux-image-((?!unsigned-|.*-dbg$)[a-z].*)", package) for package in sorted(packages))
    names = [f"linux-headers-{flavour[1]}" for flavour in flavours if flavour]
    return [name for name in names if name not in packages]


def secure_boot():
    # Four bytes of attributes, then the value.
    return SECURE_BOOT.exists() and SECURE_BOOT.read_bytes()[4:5] == b"\x01"


def key_enrolled():
    """Whether the firmware trusts the key that DKMS signs with."""
    if not DKMS_KEY.exists():
        return False
    return "already enrolled" in ask("mokutil", "--test-key", str(DKMS_KEY)).stdout


def announced_iommu():
    """Whose IOMMU the firmware announces to the kernel, whether or not that uses it; empty for none."""
    tables = {"DMAR": "intel", "IVRS": "amd"}
    return next((maker for name, maker in tables.items() if Path("/sys/firmware/acpi/tables", name).exists()), "")


def iommu_tried(root=Path("/")):
    """ID of the boot in which this role last asked for a reboot that switches the IOMMU on; empty if it never did."""
    setting = root / GRUB_SETTING.relative_to("/")
    if not setting.exists():
        return ""
    noted = re.search(r"in boot ([0-9a-f-]+)", setting.read_text())
    return noted[1] if noted else "unknown"


def running_vms(uri, root=Path("/")):
    """Names of libvirt's VMs that run now, and of whatever else has a VM of KVM."""
    names = set()
    if shutil.which("virsh"):
        names.update(ask("virsh", "--connect", uri, "list", "--name").stdout.split())
    for process in root.glob("proc/[0-9]*"):
        try:
            if not any(str(descriptor.readlink()) == "anon_inode:kvm-vm" for descriptor in (process / "fd").iterdir()):
                continue
            guest = re.search(r"guest=([^,\0]+)", (process / "cmdline").read_text())
            names.add(guest[1] if guest else f"{(process / 'comm').read_text().strip()} (process {process.name})")
        except OSError:
            continue
    return sorted(names)


def interrupt_remapping():
    """Remapped interrupts belong to a chip named IR-..., on Intel and on AMD."""
    return re.search(r"\bIR-", Path("/proc/interrupts").read_text()) is not None


def libvirt_error(uri):
    """Why libvirt cannot be reached, empty if it can."""
    if shutil.which("virsh") is None:
        return "virsh is not installed"
    connect = ask("virsh", "--connect", uri, "uri")
    return " ".join(connect.stderr.split()) if connect.returncode else ""


def main():
    uri, *packages = sys.argv[1:]
    json.dump(
        {
            "iommu_announced": announced_iommu(),
            "iommu": any(Path("/sys/kernel/iommu_groups").iterdir()),
            "interrupt_remapping": interrupt_remapping(),
            "kernel": platform.release(),
            "headers": missing_headers(),
            "metapackages": missing_metapackages(installed("linux-image-*", "linux-headers-*")),
            "kvm": Path("/dev/kvm").exists(),
            "modules_load": not secure_boot() or key_enrolled(),
            "apt": shutil.which("apt-get") is not None,
            "missing": missing(packages),
            "libvirt": libvirt_error(uri),
            "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            "iommu_tried": iommu_tried(),
            "vms": running_vms(uri),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
