#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Pack the native source into DIRECTORY. Usage: pack.sh SOURCE DIRECTORY
# Prints what names the content: of the whole, which is the archive's name, and of the guest driver.
set -eu
export LC_ALL=C
cd "$1"

# Without what a build in the source tree leaves behind.
files() {
	find "$@" -type f ! -name '*.o' ! -name '*.ko' ! -name '*.mod' ! -name '*.mod.c' ! -name '.*' ! -name '*.d' \
		! -name Module.symvers ! -name modules.order ! -name one_unit.c \
		! -path ./tools/liov ! -path ./tools/tests/liov ! -path ./tools/tests/check -print0 | sort -z
}

revision() {
	files "$@" | xargs -0 sha256sum | sha256sum | cut -c 1-12
}

whole=$(revision .)
archive=$2/$whole.tar.gz
if ! [ -e "$archive" ]; then
	mkdir -p "$2"
	files . | tar --create --gzip --file "$archive.$$" --null --files-from - --transform "s,^\\.,lightiov/$whole," \
		--owner 0 --group 0 --numeric-owner --mode a+rX,u+w,go-w
	mv "$archive.$$" "$archive"
fi
echo "$whole"
revision ./Kbuild ./Makefile ./abi ./guest
