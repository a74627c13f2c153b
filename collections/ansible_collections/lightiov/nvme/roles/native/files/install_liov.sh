#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Build and install liov beside its source, which stays as it is. Usage: install_liov.sh SOURCE STAMP
set -eu
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cp -R "$1/." "$build"
make -C "$build/tools" -j "$(nproc)" install
touch "$2"
