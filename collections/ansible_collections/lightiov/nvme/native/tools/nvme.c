// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>

#include "nvme.h"
#include "util.h"

const char *nvme_opcode_name(__u8 opcode)
{
	switch (opcode) {
	case NVME_FLUSH:
		return "Flush";
	case NVME_WRITE:
		return "Write";
	case NVME_READ:
		return "Read";
	default:
		return "Write Zeroes";
	}
}

/* NVMe 1.4, section 4.6.1: Status Code Type and Status Code. */
const char *nvme_status_name(__u32 status)
{
	static const struct {
		u16 status;
		const char *name;
	} names[] = {
		{ 0x002, "Invalid Field in Command" },
		{ 0x004, "Data Transfer Error" },
		{ 0x006, "Internal Error" },
		{ 0x00b, "Invalid Namespace or Format" },
		{ 0x013, "PRP Offset Invalid" },
		{ 0x020, "Namespace is Write Protected" },
		{ 0x080, "LBA Out of Range" },
		{ 0x081, "Capacity Exceeded" },
		{ 0x082, "Namespace Not Ready" },
		{ 0x182, "Attempted Write to Read Only Range" },
		{ 0x280, "Write Fault" },
		{ 0x281, "Unrecovered Read Error" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].status == (status & NVME_STATUS_MASK))
			return names[i].name;
	}
	return "see the NVMe specification";
}
