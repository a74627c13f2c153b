#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Compile in TREE what is in STAGE, as a host does, and keep in KEPT what ccache makes of it.
# Usage: compiled.sh TREE STAGE KEPT KERNEL. In a mount namespace of its own: the tree stays as it is.
set -eu
tree=$1 stage=$2 kept=$3 kernel=$4

mount -t proc proc "$tree/proc"
for place in tmp usr/local var/lib/dkms; do
	mount -t tmpfs -o mode=755 tmpfs "$tree/$place"
done
mount --bind "$kept" "$tree/mnt"
cp -R "$stage/." "$tree/usr/local"

export PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin
export CCACHE_DIR=/tmp/ccache CCACHE_REMOTE_STORAGE=file:///mnt
inside() {
	chroot "$tree" "$@"
}
cd "$stage/src"
for package in lightiov-host-*; do
	inside dkms build --sourcetree /usr/local/src "lightiov-host/${package#lightiov-host-}" -k "$kernel"
done
for source in lightiov/*; do
	inside sh /usr/local/scripts/install_liov.sh "/usr/local/src/$source"
	inside sh /usr/local/scripts/build_guest_package.sh "/usr/local/src/$source" "$kernel" /usr/local/src/lightiov none
done
