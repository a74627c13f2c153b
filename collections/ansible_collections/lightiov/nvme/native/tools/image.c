// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "image.h"
#include "util.h"

#define MAGIC(at, bytes) .offset = (at), .size = sizeof(bytes) - 1, .magic = (bytes)
/*
 * qemu-img writes no pipe, since it seeks in what it makes; and without -f it
 * takes a VHD of fixed size for a raw image.
 */
#define CONVERT(format) "make it raw first (qemu-img convert -f " format " -O raw IMAGE RAW)"
#define UNPACK(tool) "unpack it on the way (" tool " -dc IMAGE | liov copy-in UUID -)"

static const struct image_format heads[] = {
	{ "qcow2", MAGIC(0, "QFI\xfb"), .remedy = CONVERT("qcow2") },
	{ "QED", MAGIC(0, "QED\0"), .remedy = CONVERT("qed") },
	{ "VMDK", MAGIC(0, "KDMV"), .remedy = CONVERT("vmdk") },
	{ "VMDK", MAGIC(0, "COWD"), .remedy = CONVERT("vmdk") },
	{ "VMDK", MAGIC(0, "# Disk DescriptorFile"), .remedy = CONVERT("vmdk") },
	{ "VDI", MAGIC(64, "\x7f\x10\xda\xbe"), .remedy = CONVERT("vdi") },
	{ "VHDX", MAGIC(0, "vhdxfile"), .remedy = CONVERT("vhdx") },
	{ "VHD", MAGIC(0, "conectix"), .remedy = CONVERT("vpc") },
	{ "Parallels", MAGIC(0, "WithoutFreeSpace"), .remedy = CONVERT("parallels") },
	{ "Parallels", MAGIC(0, "WithouFreSpacExt"), .remedy = CONVERT("parallels") },
	{ "gzip", MAGIC(0, "\x1f\x8b"), .remedy = UNPACK("gzip") },
	{ "xz", MAGIC(0, "\3757zXZ\0"), .remedy = UNPACK("xz") },
	{ "zstd", MAGIC(0, "\x28\xb5\x2f\xfd"), .remedy = UNPACK("zstd") },
	{ "bzip2", MAGIC(0, "BZh"), .remedy = UNPACK("bzip2") },
	{ "lz4", MAGIC(0, "\x04\x22\x4d\x18"), .remedy = UNPACK("lz4") },
	{ "tar (or OVA)", MAGIC(257, "ustar"),
	  .remedy = "take the image out of it first (tar -xf)" },
	{ "zip", MAGIC(0, "PK\x03\x04"),
	  .remedy = "take the image out of it first (unzip)" },
};

/* A VHD of fixed size is the disk with this after it. */
static const struct image_format tails[] = {
	{ "VHD", MAGIC(0, "conectix"), .remedy = CONVERT("vpc") },
};

static bool is(const struct image_format *format, const void *bytes)
{
	return !memcmp((const char *)bytes + format->offset, format->magic,
		       format->size);
}

const struct image_format *image_format(const void *head, u64 bytes)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		if (heads[i].offset + heads[i].size <= bytes &&
		    is(&heads[i], head))
			return &heads[i];
	}
	return NULL;
}

const struct image_format *image_format_by_tail(const void *tail)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		if (is(&tails[i], tail))
			return &tails[i];
	}
	return NULL;
}
