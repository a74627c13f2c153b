#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Every refusal that needs no device is one sentence on standard error and exit status 2.
liov=$1
unknown=00000000-0000-4000-8000-000000000000
failures=0

refuses() {
	want=$1
	shift
	said=$("$liov" "$@" 2>&1 >/dev/null)
	status=$?
	case "$status $said" in
	"2 liov: "*"$want"*) ;;
	*)
		echo "liov $*: exit status $status and '$said', not 2 and '$want'"
		failures=$((failures + 1))
		;;
	esac
	if [ "$(printf '%s\n' "$said" | wc -l)" -ne 1 ]; then
		echo "liov $*: more than one line on standard error"
		failures=$((failures + 1))
	fi
}

refuses "is not a command" frobnicate
refuses "is not a command"
refuses "takes 1 operand, not 0" identify
refuses "takes 2 operands, not 1" copy-in $unknown
refuses "is not a UUID" identify ../../../etc
refuses "is not a UUID" identify ${unknown}0
refuses "there is none on this host" identify $unknown
refuses "there is none on this host" bench $unknown
refuses "has no option --seconds" identify $unknown --seconds 1
refuses "'--frob' is unknown" identify $unknown --frob
refuses "lacks its value" bench $unknown --seconds
refuses "number from 1 to" bench $unknown --queues 0
refuses "number from 1 to" bench $unknown --queues 129
refuses "number from 1 to" verify $unknown --count 0
refuses "decimal or 0x hexadecimal" verify $unknown --lba 0x
refuses "decimal or 0x hexadecimal" verify $unknown --lba 1e6
refuses "decimal or 0x hexadecimal" write $unknown --count 18446744073709551616
refuses "there is no such mode" bench $unknown --mode rw
refuses "add --yes-destroy-data" bench $unknown --mode randwrite
refuses "add --yes-destroy-data" verify $unknown
refuses "needs the --seed" verify $unknown --check-only
refuses "exclude each other" verify $unknown --write-only --check-only
refuses "takes 1 operand, not 0" blank
refuses "cannot open it" copy-in $unknown /nonexistent/image
refuses "Is a directory" copy-in $unknown /
refuses "it is empty" copy-in $unknown /dev/null
refuses "has no option --yes-destroy-data" copy-out $unknown /dev/null --yes-destroy-data
refuses "has no option --namespace" hold $unknown --namespace 1
refuses "has no option --disk" hold $unknown --disk data
refuses "has no option --let-go" read $unknown --let-go
refuses "has no option --progress" copy-out $unknown /dev/null --progress
refuses "exclude each other" read $unknown --disk data --namespace 1
refuses "has no option --memory" bench $unknown --memory 1G
refuses "number from 1048576 to" setup $unknown --memory 1K
refuses "are for hostile" provoke $unknown reset --count 5
refuses "choose unmap, reset, queues, mailbox or hostile" provoke $unknown earthquake

# What has an entry of its own in liov(8) is in the short help, too.
for option in $(sed -n '/^\.SH OPTIONS/,/^\.SH EXIT/s/^\.BI* //p' "$(dirname "$0")/../liov.8" | tr -d '\\' | grep -o -e '--[a-z-]*'); do
	"$liov" help | grep -q -e "$option" || { echo "liov help: does not have $option"; failures=$((failures + 1)); }
done
"$liov" help | grep -q "copy-out" || { echo "liov help: says nothing"; failures=$((failures + 1)); }
"$liov" --version | grep -qx "liov 0.1.0" || { echo "liov --version: wrong"; failures=$((failures + 1)); }
"$liov" help >/dev/full 2>&1 && { echo "liov help: a full disk passes for success"; failures=$((failures + 1)); }
[ "$failures" -eq 0 ] && echo "usage and refusals: as they should be"
exit "$((failures > 0))"
