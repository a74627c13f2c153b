#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test sanity on the collection as Galaxy would deliver it.
# It wants a git repository whose path ends in ansible_collections/NAMESPACE/NAME.
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
source=$project/collections/ansible_collections/lightiov/nvme
work=$project/build/sanity
collection=$work/ansible_collections/lightiov/nvme
rm -rf "$work"
mkdir -p "$collection"
ansible-galaxy collection build --output-path "$work" "$source" >/dev/null
tar -xzf "$work"/lightiov-nvme-*.tar.gz -C "$collection"
if built=$(cd "$collection" && find . -type f | git -C "$source" check-ignore --stdin); then
    printf 'The collection would ship what was built in the source tree: add it to build_ignore in galaxy.yml.\n%s\n' "$built" >&2
    exit 1
fi
git -C "$work" init -q
git -C "$work" add ansible_collections

# ansible-test downloads a bootstrap of pip from a place that not every network reaches; Python has one of its own.
bootstrap=~/.ansible/test/cache/get_pip_24_2.py
if [ ! -e "$bootstrap" ]; then
    mkdir -p "$(dirname "$bootstrap")"
    printf 'import ensurepip\nensurepip.bootstrap(default_pip=True)\n' >"$bootstrap"
fi
cd "$collection"
exec ansible-test sanity --local --requirements --color no --python "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
