#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the package of the guest driver beside its source, which stays as it is.
# Usage: build_guest_package.sh SOURCE KERNEL DIRECTORY REVISION
set -eu
headers=/lib/modules/$2/build
if ! [ -d "$headers" ]; then
	echo "The guest driver cannot be built for kernel $2, because $headers is missing: install the package linux-headers-$2, or take the kernel out of lightiov_guest_kernels" >&2
	exit 1
fi
# One build at a time, and each in the same place, which the module names: what is built twice is alike.
build=$3/.guest-driver
mkdir -p "$3"
exec 9>"$build.lock"
flock --timeout 1800 9
rm -rf "$build"
trap 'rm -rf "$build"' EXIT
cp -R "$1" "$build"
timeout 1800 make -C "$build" -j "$(nproc)" LIGHTIOV_PART=guest LIGHTIOV_ONE_UNIT=1 KERNEL_SRC="$headers" KCFLAGS=-g0 CONFIG_DEBUG_INFO_BTF_MODULES= modules
package=$("$build/guest/deb/build-deb" "$build/guest/lightiov_guest.ko" "$build" "$4")
# Where there is one, none is built: a power cut must not leave an empty one.
sync "$package"
mv "$package" "$3/"
