#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# What liov does with data, on a controller that tests/controller.c plays: each namespace is a file.
liov=$(realpath "$1")
uuid=00000000-0000-4000-8000-000000000000
failures=0
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place" || exit 1

# wrong TEXT: one more failure.
wrong() {
	echo "$test: $*"
	failures=$((failures + 1))
}

# Each test begins with a blank namespace of 8 MiB and an image of 1 MiB and a bit.
begin() {
	test=$1
	rm -rf disk second image copy
	truncate -s 8M disk
	{ head -c 1048576 /dev/urandom; printf 'the end'; } >image
	unset LIOV_TEST_READS LIOV_TEST_WRITES LIOV_TEST_BAD_LBA LIOV_TEST_LBA_SHIFT LIOV_TEST_SLICES LIOV_TEST_NAMES
	unset LIOV_TEST_GONE LIOV_TEST_READ_ONLY LIOV_TEST_MINOR LIOV_TEST_MOST_ZEROES
	export LIOV_TEST_DISKS=disk
}

# exits STATUS TEXT COMMAND...: it exits so, and says so in one line on standard error.
exits() {
	want=$1
	text=$2
	shift 2
	"$@" >out 2>err
	status=$?
	case "$status $(cat err)" in
	"$want $text"*) ;;
	"$want liov: "*"$text"*) ;;
	*) wrong "'$*' exits with $status and says '$(cat err)', not $want and '$text'" ;;
	esac
	[ "$(wc -l <err)" -le 1 ] || wrong "'$*' says more than one line"
}

# is FILE CONTENTS: FILE starts with the bytes of CONTENTS, then has zeroes to its end.
is() {
	cmp -s -n "$(stat -c %s "$2")" "$1" "$2" || wrong "$1 does not hold $2"
	[ "$(tail -c "+$(($(stat -c %s "$2") + 1))" "$1" | tr -d '\0' | wc -c)" -eq 0 ] || wrong "$1 holds more than $2"
}

untouched() {
	cmp -s "$1" "$1.before" || wrong "$1 was changed"
}

begin "a blank namespace needs no consent"
exits 0 "" "$liov" copy-in $uuid image
is disk image
exits 0 "" "$liov" copy-out $uuid copy
is copy image

begin "zeroes over what must be overwritten"
head -c 8M /dev/urandom >disk
truncate -s 4M image
exits 0 "" "$liov" copy-in $uuid image --yes-destroy-data
cmp -s -n 4194304 disk image || wrong "the image is not on the disk"

begin "zeroes are asked for in pieces as small as the controller wants"
truncate -s 4M image
for most in 4096 512 256; do
	export LIOV_TEST_MOST_ZEROES=$most
	head -c 8M /dev/urandom >disk
	exits 0 "" "$liov" copy-in $uuid image --yes-destroy-data
	cmp -s -n 4194304 disk image || wrong "the image is not on the disk"
	exits 0 "" "$liov" blank $uuid --yes-destroy-data
	cmp -s -n 8388608 disk /dev/zero || wrong "the disk is not blank"
done

begin "how far it is, in a line, only when asked"
exits 0 "" "$liov" copy-in $uuid image --progress --yes-destroy-data
grep -q "^100 % of 1 MiB, 1 MiB " out || wrong "it says '$(cat out)'"
exits 0 "" sh -c "cat image | '$liov' copy-in $uuid - --progress --yes-destroy-data"
[ "$(grep -c '^1 MiB  [0-9]* MiB/s$' out)" -eq 1 ] || wrong "of a pipe it says '$(cat out)'"
exits 0 "" "$liov" copy-in $uuid image --yes-destroy-data
[ ! -s out ] || wrong "it says '$(cat out)'"

begin "data anywhere that matters needs consent"
for at in 0 100000 1000000 8388607; do
	truncate -s 0 disk
	truncate -s 8M disk
	printf x | dd of=disk bs=1 seek=$at conv=notrunc status=none
	cp disk disk.before
	exits 2 "it has data from LBA $((at / 512)) on; add --yes-destroy-data" "$liov" copy-in $uuid image
	exits 2 "add --yes-destroy-data" sh -c "'$liov' copy-in $uuid - <image"
	exits 2 "add --yes-destroy-data" sh -c "cat image | '$liov' copy-in $uuid -"
	exits 2 "add --yes-destroy-data" "$liov" write $uuid --lba 2048 --input image
	untouched disk
done
exits 0 "" "$liov" copy-in $uuid image --yes-destroy-data

begin "data between the edges matters where it would be overwritten"
truncate -s 32M disk
printf x | dd of=disk bs=1M seek=20 conv=notrunc status=none
cp disk disk.before
exits 2 "it has data from LBA 40960 on" "$liov" write $uuid --lba 40000 --input image
exits 2 "it has data from LBA 40960 on" sh -c "cat image | '$liov' copy-in $uuid -"
untouched disk
exits 0 "" "$liov" copy-in $uuid image
exits 0 "" "$liov" write $uuid --lba 50000 --input image --yes-destroy-data

begin "the second header of LUKS2 and the mark of a Promise RAID need consent"
for at in 4194304 $((8388608 - 3087 * 512)); do
	truncate -s 0 disk
	truncate -s 8M disk
	printf x | dd of=disk bs=1 seek=$at conv=notrunc status=none
	exits 2 "it has data from LBA $((at / 512)) on; add --yes-destroy-data" "$liov" copy-in $uuid image
done

begin "the refusal names what is there"
for type in ext4 swap; do
	truncate -s 0 disk
	truncate -s 8M disk
	case $type in
	ext4) /sbin/mke2fs -q -t ext4 disk ;;
	swap) /sbin/mkswap -q disk >/dev/null 2>&1 ;;
	esac
	exits 2 "it has data of $type from LBA" "$liov" copy-in $uuid image
done
truncate -s 0 disk
truncate -s 8M disk
printf 'LUKS\272\276\000\001' | dd of=disk conv=notrunc status=none
exits 2 "it has data of crypto_LUKS from LBA 0" "$liov" copy-in $uuid image
truncate -s 0 disk
truncate -s 8M disk
printf 'XFSB\000\000\020\000' | dd of=disk conv=notrunc status=none
exits 2 "it has data from LBA 0" "$liov" copy-in $uuid image

begin "what was not read is not blank"
export LIOV_TEST_READS=silent
exits 2 "add --yes-destroy-data" "$liov" copy-in $uuid image

begin "one namespace of several is named"
truncate -s 8M second
export LIOV_TEST_DISKS=disk:second
for command in "copy-in $uuid image" "copy-out $uuid copy" "read $uuid" "write $uuid --input image" "bench $uuid" \
	"verify $uuid --yes-destroy-data"; do
	# shellcheck disable=SC2086
	exits 2 "has 2 namespaces; say which with --namespace" "$liov" $command
done
[ ! -e copy ] || wrong "a refused copy is there"
exits 0 "" "$liov" copy-in $uuid image --namespace 1
is second image
exits 2 "no namespace 2" "$liov" copy-in $uuid image --namespace 2

begin "an image that is none is refused"
cp disk disk.before
while read -r name offset magic remedy; do
	truncate -s 0 image
	truncate -s 1M image
	printf "$magic" | dd of=image bs=1 seek="$offset" conv=notrunc status=none
	exits 2 "it is a file of format $name" "$liov" copy-in $uuid image
	grep -q "$remedy" err || wrong "$name: the refusal does not say '$remedy'"
	exits 2 "it is a file of format $name" sh -c "'$liov' write $uuid <image"
	[ "$offset" = 1048064 ] || exits 2 "it is a file of format $name" sh -c "cat image | '$liov' copy-in $uuid -"
done <<'FORMATS'
qcow2 0 QFI\373 qemu-img
VMDK 0 KDMV qemu-img.convert.-f.vmdk
VMDK 0 COWD qemu-img
VMDK 0 #\040Disk\040DescriptorFile qemu-img
VDI 64 \177\020\332\276 qemu-img
VHDX 0 vhdxfile qemu-img
VHD 0 conectix qemu-img.convert.-f.vpc
VHD 1048064 conectix qemu-img.convert.-f.vpc
QED 0 QED\000 qemu-img
Parallels 0 WithouFreSpacExt qemu-img
gzip 0 \037\213 gzip.-dc
xz 0 \3757zXZ\000 xz.-dc
zstd 0 (\265/\375 zstd.-dc
bzip2 0 BZh bzip2.-dc
tar 257 ustar tar.-xf
zip 0 PK\003\004 unzip
FORMATS
untouched disk
exits 0 "" "$liov" copy-in $uuid image --raw
is disk image

begin "a compressed image streams"
gzip -c image >image.gz
exits 2 "gzip -dc IMAGE | liov copy-in" "$liov" copy-in $uuid image.gz
exits 0 "" sh -c "gzip -dc image.gz | '$liov' copy-in $uuid -"
is disk image

begin "a pipe that dribbles"
exits 0 "" sh -c "{ head -c 300; sleep 0.1; head -c 5; sleep 0.1; cat; } <image | '$liov' copy-in $uuid -"
is disk image

begin "the rest of a file that another program has begun"
tail -c +1001 image >rest
exits 0 "" sh -c "{ head -c 1000 >/dev/null; '$liov' copy-in $uuid -; } <image"
[ "$(stat -c %s rest)" -eq 1047583 ] || wrong "the test is wrong"
cmp -s -n 1047583 disk rest || wrong "disk does not hold the rest of the image"

begin "a file that does not fit is refused beforehand"
truncate -s 8388609 image
cp disk disk.before
exits 2 "its 8388609 bytes do not fit into the 8388608 bytes" "$liov" copy-in $uuid image
exits 2 "its 8388609 bytes do not fit into the 8388608 bytes" sh -c "'$liov' copy-in $uuid - <image"
untouched disk

begin "a pipe that does not fit is refused when it turns out"
head -c 8388608 /dev/urandom >image
exits 0 "" sh -c "cat image | '$liov' copy-in $uuid -"
is disk image
exits 1 "goes on after the 8388608 bytes" \
	sh -c "{ cat image; printf x; } | '$liov' copy-in $uuid - --yes-destroy-data"
is disk image
mkfifo pipe
cat image >pipe &
exits 1 "goes on after the 4096 bytes" "$liov" write $uuid --lba 16376 --yes-destroy-data --input pipe

begin "an input too short for its count"
exits 2 "less than 4096 blocks; lower --count" "$liov" write $uuid --count 4096 --input image
exits 1 "it ended after 1048583 bytes instead of 2097152" \
	sh -c "cat image | '$liov' write $uuid --count 4096"
exits 2 "it is empty" "$liov" copy-in $uuid /dev/null
exits 2 "Is a directory" "$liov" copy-in $uuid .

begin "numbers"
exits 0 "" "$liov" write $uuid --lba 0100 --count 1 --input image
exits 0 "" "$liov" read $uuid --lba 100 --count 1 --output copy
cmp -s -n 512 copy image || wrong "--lba 0100 is not LBA 100"

begin "a copy replaces a file whole"
exits 0 "" "$liov" copy-in $uuid image
exits 0 "" "$liov" copy-out $uuid copy
[ "$(stat -c '%a %s' copy)" = "600 8388608" ] || wrong "mode and size are $(stat -c '%a %s' copy)"
[ "$(stat -c %b copy)" -lt 16384 ] || wrong "a copy of zeroes takes up space"
printf old >copy
chmod 640 copy
ln -s copy link
exits 0 "" "$liov" copy-out $uuid link
is copy image
[ -L link ] && [ "$(stat -c %a copy)" = 640 ] || wrong "the link or the mode of what was replaced is lost"
exits 0 "" sh -c "'$liov' copy-out $uuid - >copy"
is copy image
exits 0 "" "$liov" copy-out $uuid /dev/null
rm link

begin "a copy that fails leaves what was there"
head -c 8388608 /dev/urandom >disk
export LIOV_TEST_BAD_LBA=16000
exits 1 "Unrecovered Read Error" "$liov" copy-out $uuid copy
[ ! -e copy ] || wrong "half a copy is there"
printf old >copy
exits 1 "Unrecovered Read Error" "$liov" copy-out $uuid copy
[ "$(cat copy)" = old ] || wrong "the former file is lost"
unset LIOV_TEST_BAD_LBA
(
	ulimit -f 2048
	exits 153 "" "$liov" copy-out $uuid copy
	exit "$failures"
) || failures=$((failures + 1))
exits 2 "Is a directory" "$liov" copy-out $uuid .
exits 2 "cannot create a file beside it: No such file" "$liov" copy-out $uuid nowhere/copy
[ "$(cat copy)" = old ] || wrong "the former file is lost"
[ -z "$(find . -name '.liov*')" ] || wrong "temporary files are left: $(find . -name '.liov*')"

begin "a copy that is interrupted leaves what was there"
truncate -s 4G disk
head -c 16M /dev/urandom | dd of=disk conv=notrunc status=none
printf old >copy
for signal in INT TERM HUP; do
	env --default-signal "$liov" copy-out $uuid copy &
	pid=$!
	tries=100
	while [ -z "$(find . -name '.liov*')" ] && [ $((tries -= 1)) -gt 0 ]; do sleep 0.01; done
	kill -$signal $pid 2>/dev/null
	wait $pid 2>/dev/null
	[ $? -gt 128 ] || wrong "SIG$signal does not end it as signals do"
	[ "$(cat copy)" = old ] || wrong "SIG$signal: the former file is lost"
	[ -z "$(find . -name '.liov*')" ] || wrong "SIG$signal: a temporary file is left"
done

begin "what standard output did not take is no success"
timeout --preserve-status -s TERM 1 "$liov" hold $uuid >/dev/full 2>&1 && wrong "hold was not heard and says nothing"

begin "verify fails when nothing is transferred"
exits 0 "" "$liov" verify $uuid --yes-destroy-data --queues 4
export LIOV_TEST_READS=silent
exits 1 "transferred nothing" "$liov" verify $uuid --yes-destroy-data --count 64
unset LIOV_TEST_READS
export LIOV_TEST_WRITES=silent
exits 1 "holds data of seed" "$liov" verify $uuid --yes-destroy-data

begin "verify has a seed of its own"
exits 0 "" "$liov" verify $uuid --yes-destroy-data --count 64
first=$(sed -n 's/^seed //p' out)
[ -n "$first" ] || wrong "the seed is not printed"
exits 2 "--check-only needs the --seed" "$liov" verify $uuid --check-only --count 64
exits 0 "" "$liov" verify $uuid --check-only --count 64 --seed "$first"
exits 0 "" "$liov" verify $uuid --yes-destroy-data --count 64
exits 1 "holds data of seed" "$liov" verify $uuid --check-only --count 64 --seed "$first"
exits 0 "" "$liov" verify $uuid --yes-destroy-data --count 64 --seed 5
grep -q "of seed 5" out || wrong "--seed is not used"

begin "blank reads all of it, and erases by consent"
exits 0 "" "$liov" blank $uuid
for at in 0 3000000 8388607; do
	printf x | dd of=disk bs=1 seek=$at conv=notrunc status=none
	cp disk disk.before
	exits 1 "is not blank, it has data at LBA $((at / 512)); add --yes-destroy-data" "$liov" blank $uuid
	untouched disk
	exits 0 "" "$liov" blank $uuid --yes-destroy-data
	cmp -s -n 8388608 disk /dev/zero || wrong "the disk is not blank"
done
export LIOV_TEST_READS=silent
exits 1 "is not blank, it has data at LBA 0" "$liov" blank $uuid
unset LIOV_TEST_READS
head -c 8M /dev/urandom >disk
export LIOV_TEST_WRITES=silent
exits 1 "has data at LBA 0 after zeroes were written" "$liov" blank $uuid --yes-destroy-data
unset LIOV_TEST_WRITES
truncate -s 8M second
export LIOV_TEST_DISKS=second:disk
exits 2 "has 2 namespaces; say which with --namespace" "$liov" blank $uuid
exits 0 "" "$liov" blank $uuid --namespace 0

begin "blocks of 4096 bytes"
export LIOV_TEST_LBA_SHIFT=12
exits 0 "" "$liov" copy-in $uuid image
is disk image
exits 0 "" "$liov" verify $uuid --yes-destroy-data
exits 2 "it has data from LBA 0 on" "$liov" copy-in $uuid image

# outside FILE FIRST COUNT: beside these blocks FILE is as FILE.before.
outside() {
	cmp -s -n $(($2 * 512)) "$1" "$1.before" || wrong "$1 was changed before its slice"
	cmp -s -i $((($2 + $3) * 512)) "$1" "$1.before" || wrong "$1 was changed after its slice"
}

begin "a slice is all that is read and written"
head -c 8M /dev/urandom >disk
cp disk disk.before
export LIOV_TEST_SLICES=1000+4096
id=00000000-0000-0000-0000-000000000001
exits 2 "disk $id is not blank" "$liov" copy-in $uuid image
exits 0 "" "$liov" blank $uuid --yes-destroy-data
outside disk 1000 4096
exits 0 "" "$liov" copy-in $uuid image
outside disk 1000 4096
cmp -s -n "$(stat -c %s image)" -i $((1000 * 512)):0 disk image || wrong "the slice does not hold the image"
exits 0 "" "$liov" verify $uuid --yes-destroy-data --queues 4
outside disk 1000 4096
exits 0 "" "$liov" copy-out $uuid copy
[ "$(stat -c %s copy)" -eq $((4096 * 512)) ] || wrong "the copy of a slice has $(stat -c %s copy) bytes"
for range in "--lba 4096" "--lba 4095 --count 2" "--lba 1 --count 18446744073709551615" \
	"--lba 18446744073709551615 --count 1"; do
	# shellcheck disable=SC2086
	exits 2 "disk $id ends at LBA 4096" "$liov" read $uuid $range
done
head -c 3M /dev/zero >image
exits 2 "do not fit into the 2097152 bytes of disk $id" "$liov" copy-in $uuid image --yes-destroy-data
outside disk 1000 4096

begin "a read-only disk is not written"
head -c 8M /dev/urandom >disk
cp disk disk.before
export LIOV_TEST_READ_ONLY=0
exits 1 "namespace 0 is read-only" "$liov" copy-in $uuid image --yes-destroy-data
exits 1 "namespace 0 is read-only" "$liov" blank $uuid --yes-destroy-data
exits 0 "" "$liov" copy-out $uuid copy
untouched disk

begin "disks are named by their IDs and names"
truncate -s 8M second
export LIOV_TEST_DISKS=disk:second LIOV_TEST_SLICES=0+4096:64+4096 LIOV_TEST_NAMES=system:data
exits 2 "has 2 namespaces; say which with --namespace or --disk" "$liov" copy-in $uuid image
exits 0 "" "$liov" copy-in $uuid image --disk 00000000-0000-0000-0000-000000000001
is disk image
cp second second.before
exits 0 "" "$liov" copy-in $uuid image --disk data
outside second 64 4096
cmp -s second second.before && wrong "the disk that was named is untouched"
exits 0 "" "$liov" read $uuid --namespace 2 --count 1
exits 2 "no disk of the name swap" "$liov" copy-in $uuid image --disk swap
exits 2 "no disk 00000000-0000-0000-0000-000000000003" "$liov" read $uuid --disk 00000000-0000-0000-0000-000000000003
exits 2 "no disk of the name 00000000-0000-0000-0000-000000000000" "$liov" read $uuid \
	--disk 00000000-0000-0000-0000-000000000000
exits 2 "exclude each other" "$liov" read $uuid --disk data --namespace 2
# Slot 0 is empty.
exits 2 "no namespace 0" "$liov" read $uuid --namespace 0
export LIOV_TEST_NAMES=data:data
exits 2 "has 2 disks of the name data; name it by its ID" "$liov" read $uuid --disk data
export LIOV_TEST_GONE=2
exits 2 "disk 00000000-0000-0000-0000-000000000002 is gone" "$liov" read $uuid --namespace 2
exits 0 "" "$liov" read $uuid --namespace 1 --count 1
"$liov" identify $uuid --json >out
grep -q '"slot": 1, "extent_id": "00000000-0000-0000-0000-000000000001", "nsid": 1' out || wrong "slot 1 is not listed"
grep -q '"slot": 0' out && wrong "the empty slot is listed"
grep -q '"start_lba": 64, "slice": true, "read_only": false, "asked": false, "gone": true' out || wrong "slot 2 is not listed"
"$liov" identify $uuid | grep -q "namespace 2   NSID 2, 4096 blocks of 512 bytes (2 MiB), a slice from LBA 64 on, gone" ||
	wrong "identify does not tell of slices"

begin "a hostile owner writes nothing, and can be hostile again in the same way"
head -c 8M /dev/urandom >disk
cp disk disk.before
exits 0 "" "$liov" provoke $uuid hostile --seed 7 --count 500
grep -q "^seed 7, 500 commands and doorbells" out || wrong "the seed is not told"
cp out before
exits 0 "" "$liov" provoke $uuid hostile --seed 7 --count 500
cmp -s out before || wrong "the same seed does something else"
untouched disk

begin "a set-up is measured"
exits 0 "" "$liov" setup $uuid --memory 30M --queues 2
grep -q "^open [0-9.]* ms: device .*, 30 MiB of memory .* GiB/s), 2 queues .*, first read " out || wrong "setup says '$(cat out)'"
grep -q "^queues anew [0-9.]* ms" out || wrong "setup makes no queues anew"
grep -q "^close [0-9.]* ms" out || wrong "setup does not close"
"$liov" setup $uuid --memory 3M --json >out
grep -q '"memory_bytes": 4194304, "queues": 1, .*"iommu_mappings": null, "requeue_ms": [0-9.]*, "close_ms"' out ||
	wrong "setup says '$(cat out)'"

begin "what is too much memory is said"
exits 2 "use a smaller --queue-depth or --memory" sh -c "ulimit -v 1000000; '$liov' setup $uuid --memory 4G"

begin "a host of before is not asked for what it does not know"
for minor in 0 1 2; do
	export LIOV_TEST_MINOR=$minor
	exits 0 "" "$liov" setup $uuid --memory 2M
	grep -q "^queues anew" out && wrong "setup makes queues anew with minor $minor"
	grep -q "^close [0-9.]* ms" out || wrong "setup does not close with minor $minor"
	"$liov" setup $uuid --memory 2M --json >out
	grep -q '"requeue_ms": null' out || wrong "setup says '$(cat out)' with minor $minor"
	exits 0 "" "$liov" copy-in $uuid image --yes-destroy-data
	is disk image
	exits 0 "" "$liov" verify $uuid --count 64 --queues 2 --yes-destroy-data
done

begin "an mdev without disks can be held, and nothing else"
export LIOV_TEST_DISKS=
exits 2 "it has no disk" "$liov" read $uuid
timeout --preserve-status -s TERM 1 "$liov" hold $uuid --let-go >out || wrong "it cannot be held"
grep -q '"namespaces": \[\]' out || wrong "hold says '$(cat out)'"

[ "$failures" -eq 0 ] && echo "copies, consent, images and verify: as they should be"
exit "$((failures > 0))"
