#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Print the kernels whose initramfs is older than what it is to have of the guest driver.
set -eu
cd "${DESTDIR:-}/"
for initramfs in boot/initrd.img-*; do
	kernel=${initramfs#boot/initrd.img-}
	# dkms keeps copies of what it replaces.
	[ -d "lib/modules/$kernel" ] || continue
	# When a file came is what counts: a module is as old as its build.
	newer=$(find etc/udev/rules.d/60-lightiov.rules etc/initramfs-tools/hooks/lightiov "lib/modules/$kernel" \
		-newercm "$initramfs" \( -path 'etc/*' -o -name 'lightiov_guest.ko*' \) -print 2>/dev/null) || true
	if [ -n "$newer" ]; then
		echo "$kernel"
	fi
done
