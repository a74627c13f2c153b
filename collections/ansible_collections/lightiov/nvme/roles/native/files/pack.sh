#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Pack the native source into DIRECTORY under a name made of its content, and print that name.
# Usage: pack.sh SOURCE DIRECTORY
set -eu
export LC_ALL=C
cd "$1"

# Without what a build in the source tree leaves behind. In this order Kbuild comes last: where it is, all is.
files() {
	find . -type f ! -name '*.o' ! -name '*.ko' ! -name '*.mod' ! -name '*.mod.c' ! -name '.*' ! -name '*.d' \
		! -name Module.symvers ! -name modules.order \
		! -path ./tools/liov ! -path ./tools/tests/check -print0 | sort -rz
}

name=$(files | xargs -0 sha256sum | sha256sum | cut -c 1-12)
mkdir -p "$2"
if ! [ -e "$2/$name.tar.gz" ]; then
	files | tar --create --gzip --file "$2/$name.tar.gz.$$" --null --files-from - --transform "s,^\\.,lightiov/$name," \
		--owner 0 --group 0 --numeric-owner --mode a+rX,u+w,go-w
	mv "$2/$name.tar.gz.$$" "$2/$name.tar.gz"
fi
echo "$name"
