#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Keep the stock driver off LightIOV's controllers at boot, whether or not the host module is there to take them.
# Usage: hold.sh present|absent [check]. Prints what changes, or with `check` what would.
#
# driverctl comes too late for that: udev starts its service while nvme binds what it finds, which may be in the
# initramfs, and the service lets nvme keep the controller if the module of ours is missing.
set -eu
export LC_ALL=C
state=$1
check=${2-}
# Of a test; everything is below it.
root=${DESTDIR-}
changed=
kept_in=$root/run/lightiov/initramfs

hold=/usr/local/lib/lightiov/hold-controllers
modprobe=/etc/modprobe.d/lightiov-hold.conf
hook=/etc/initramfs-tools/hooks/lightiov-hold
rule=/etc/udev/rules.d/06-lightiov-hold.rules

# Have a file with standard input as its content, or not at all.
file() {
	path=$root$1
	content=$(cat)
	if [ "$state" = absent ]; then
		[ -e "$path" ] || return 0
	else
		[ "$content" != "$(cat "$path" 2>/dev/null)" ] || return 0
	fi
	echo "$1"
	changed=yes
	if [ -n "$check" ]; then
		return
	elif [ "$state" = absent ]; then
		rm "$path"
	else
		mkdir -p "${path%/*}"
		printf '%s\n' "$content" >"$path.new"
		chmod "$2" "$path.new"
		# A power cut leaves the old one or the new one, and not an empty one.
		sync "$path.new"
		mv "$path.new" "$path"
	fi
}

file $hold 755 <<'EOF'
#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Before nvme is loaded: it must not take what /etc/driverctl.d has for LightIOV. lightiov.hold=off on the kernel's
# command line lets it, for a host that does not find its root disk because the PCI addresses have changed.
read -r options </proc/cmdline
case " $options " in
*" lightiov.hold=off "*) exit 0 ;;
esac
for file in /etc/driverctl.d/pci-*; do
	override=/sys/bus/pci/devices/${file#*/pci-}/driver_override
	if [ -e "$file" ] && [ -e "$override" ] && read -r driver <"$file" && [ "$driver" = lightiov ]; then
		echo lightiov >"$override"
	fi
done
EOF

file $modprobe 644 <<EOF
# SPDX-License-Identifier: GPL-3.0-or-later
install nvme $hold; /sbin/modprobe --ignore-install nvme \$CMDLINE_OPTS
EOF

# hold-SUM tells of which version an initramfs is.
file $hook 755 <<EOF
#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
[ "\$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
copy_file script $hold
for file in /etc/driverctl.d/pci-*; do
	if [ -e "\$file" ] && grep -qx lightiov "\$file"; then
		copy_file configuration "\$file"
	fi
done
mkdir -p "\$DESTDIR/etc/lightiov"
: >"\$DESTDIR/etc/lightiov/hold-\$(cat $hold $modprobe | cksum | cut -d ' ' -f 1)"
EOF

# An initramfs may have been written before a controller went back to the stock driver.
file $rule 644 <<'EOF'
# SPDX-License-Identifier: GPL-3.0-or-later
ACTION=="add", SUBSYSTEM=="pci", ATTR{driver_override}=="lightiov", TEST!="/etc/driverctl.d/pci-$kernel", RUN+="/bin/sh -c 'echo >/sys$devpath/driver_override; echo $kernel >/sys/bus/pci/drivers_probe'"
EOF

command -v lsinitramfs >/dev/null || exit 0

# By name, what an initramfs with the stock driver has of this.
wanted() {
	[ "$state" = present ] || return 0
	for file in "$root"/etc/driverctl.d/pci-*; do
		if [ -e "$file" ] && grep -qx lightiov "$file"; then
			echo "etc/driverctl.d/${file##*/}"
		fi
	done
	echo "etc/lightiov/hold-$(cat "$root$hold" "$root$modprobe" | cksum | cut -d ' ' -f 1)"
}

# By name, what an initramfs has of this, and the stock driver. It is unpacked for that, which takes seconds, so what was
# found is kept until the host boots or the file is another.
found() {
	kept=$kept_in/$kernel
	file=$(stat --format='%i %s %y %z' "$initramfs")
	if [ "$(sed -n 1p "$kept" 2>/dev/null)" = "$file" ]; then
		sed 1d "$kept"
		return
	fi
	names=$(lsinitramfs "$initramfs")
	names=$(echo "$names" | grep -e '/nvme/host/nvme\.ko' -e ^etc/driverctl.d/pci- -e ^etc/lightiov/hold- || true)
	echo "$names"
	if [ -z "$check" ]; then
		mkdir -p "$kept_in"
		printf '%s\n' "$file" "$names" >"$kept.new"
		mv "$kept.new" "$kept"
	fi
}

for initramfs in "$root"/boot/initrd.img-*; do
	kernel=${initramfs##*/initrd.img-}
	[ -d "$root/lib/modules/$kernel" ] || continue
	names=$(found)
	case $names in
	*/nvme/host/nvme.ko*) ;;
	*) continue ;;
	esac
	# With other files it has others in any case.
	if [ -z "$changed" ]; then
		has=$(echo "$names" | grep -v /nvme/host/nvme | sort)
		[ "$has" != "$(wanted | sort)" ] || continue
	fi
	echo "${initramfs#"$root"}"
	if [ -z "$check" ]; then
		timeout 1800 update-initramfs -u -k "$kernel" >&2
		sync "$initramfs"
	fi
done

if [ "$state" = absent ] && [ -z "$check" ]; then
	rm -rf "$kept_in"
fi
