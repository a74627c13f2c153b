// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "mailbox.h"
#include "slot.h"
#include "util.h"

u32 slot_count(const struct device *dev)
{
	u32 count = register_read(dev, LIOV_REG_NAMESPACES);

	return count < LIOV_MAX_NAMESPACES ? count : LIOV_MAX_NAMESPACES;
}

/* The host may change the entry while it is read: then it is read again. */
static void read_entry(const struct device *dev, u32 slot,
		       struct liov_namespace_info *info)
{
	u32 before, after = register_read(dev, LIOV_REG_GENERATION);

	do {
		before = after;
		register_copy(dev, LIOV_REG_NAMESPACE(slot), info,
			      sizeof(*info));
		after = register_read(dev, LIOV_REG_GENERATION);
	} while (after != before);
}

bool slot_read(const struct device *dev, u32 slot, struct extent *extent)
{
	struct liov_namespace_info info;

	if (slot >= slot_count(dev))
		return false;
	read_entry(dev, slot, &info);
	*extent = (struct extent){
		.nsid = le32toh(info.nsid),
		.flags = le32toh(info.flags),
		.lba_size = 1u << (le32toh(info.lba_shift) & 31),
		.start_lba = le64toh(info.start_lba),
		.lba_count = le64toh(info.lba_count),
	};
	memcpy(extent->nguid, info.nguid, sizeof(extent->nguid));
	memcpy(extent->eui64, info.eui64, sizeof(extent->eui64));
	memcpy(extent->uuid, info.uuid, sizeof(extent->uuid));
	memcpy(extent->id, info.extent_id, sizeof(extent->id));
	/* Then every LBA that it holds is one of the namespace's, too. */
	return extent->nsid && extent->lba_count <= ~0ull - extent->start_lba;
}

bool extent_holds(const struct extent *extent, u64 lba, u64 blocks)
{
	return lba < extent->lba_count && blocks <= extent->lba_count - lba;
}

bool slot_release(const struct device *dev, u32 slot,
		  const struct extent *extent)
{
	__le64 id[2];

	memcpy(id, extent->id, sizeof(id));
	return mailbox_try(dev, LIOV_CMD_RELEASE_EXTENT, slot, le64toh(id[0]),
			   le64toh(id[1]), 0) == LIOV_RESULT_OK;
}

void extent_name(const struct extent *extent, u32 slot, char *text)
{
	char id[UUID_TEXT];

	if (extent->flags & LIOV_NS_SLICE)
		sprintf(text, "disk %s", uuid_print(extent->id, id));
	else
		sprintf(text, "namespace %u", slot);
}

static const char *json_flag(const struct extent *extent, u32 flag)
{
	return extent->flags & flag ? "true" : "false";
}

static void print_extent(const struct extent *e, u32 slot)
{
	char nguid[33], eui64[17], uuid[33], id[UUID_TEXT];

	printf("{\"slot\": %u, \"extent_id\": \"%s\", \"nsid\": %u, ", slot,
	       uuid_print(e->id, id), e->nsid);
	printf("\"lba_size\": %u, \"lba_count\": %llu, \"start_lba\": %llu, ",
	       e->lba_size, e->lba_count, e->start_lba);
	printf("\"slice\": %s, \"read_only\": %s, ",
	       json_flag(e, LIOV_NS_SLICE), json_flag(e, LIOV_NS_READ_ONLY));
	printf("\"asked\": %s, \"gone\": %s, ", json_flag(e, LIOV_NS_ASKED),
	       json_flag(e, LIOV_NS_GONE));
	printf("\"nguid\": \"%s\", \"eui64\": \"%s\", \"uuid\": \"%s\"}",
	       hex_print(e->nguid, sizeof(e->nguid), nguid),
	       hex_print(e->eui64, sizeof(e->eui64), eui64),
	       hex_print(e->uuid, sizeof(e->uuid), uuid));
}

void slots_print(const struct device *dev)
{
	u32 slot, count = slot_count(dev);
	const char *separator = "";
	struct extent extent;

	putchar('[');
	for (slot = 0; slot < count; slot++) {
		if (!slot_read(dev, slot, &extent))
			continue;
		fputs(separator, stdout);
		print_extent(&extent, slot);
		separator = ", ";
	}
	putchar(']');
}
