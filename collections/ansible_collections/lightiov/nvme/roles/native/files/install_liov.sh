#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Build liov beside its source, which stays as it is, and have /usr/local lead to it; an older revision as well as a newer one.
# Usage: install_liov.sh SOURCE [check]. Prints what changes, or with `check` what would.
set -eu
built=$1.liov
check=${2-}
# Of a test; everything is below it.
root=${DESTDIR-}

if ! [ -e "$built" ]; then
	echo "$built"
	if [ -z "$check" ]; then
		work=$(mktemp -d "$built.XXXXXX")
		trap 'rm -rf "$work"' EXIT
		cp -R "$1/." "$work/source"
		timeout 1800 make -C "$work/source/tools" -j "$(nproc)" install PREFIX= DESTDIR="$work/built" >&2
		sync
		mv "$work/built" "$built"
	fi
fi

for file in sbin/liov share/man/man8/liov.8; do
	link=$root/usr/local/$file
	if [ "$(readlink "$link")" != "$built/$file" ]; then
		echo "$link"
		if [ -z "$check" ]; then
			mkdir -p "${link%/*}"
			ln -sfn "$built/$file" "$link"
		fi
	fi
done
