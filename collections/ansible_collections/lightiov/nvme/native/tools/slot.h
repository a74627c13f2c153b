/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The disks of an mdev: each slot of its table holds an extent, which is a
 * whole namespace or a slice of one, or is empty.
 */
#ifndef LIOV_SLOT_H
#define LIOV_SLOT_H

#include "types.h"
#include "vfio.h"

/**
 * struct extent - what a slot holds
 * @nsid: namespace ID
 * @flags: LIOV_NS_*
 * @lba_size: bytes of a block
 * @start_lba: its first LBA in the namespace
 * @lba_count: its blocks
 * @nguid: of the namespace, zero if none
 * @eui64: of the namespace, zero if none
 * @uuid: of the namespace, zero if none
 * @id: its own identity, zero if none
 */
struct extent {
	u32 nsid;
	u32 flags;
	u32 lba_size;
	u64 start_lba;
	u64 lba_count;
	u8 nguid[16];
	u8 eui64[8];
	u8 uuid[16];
	u8 id[16];
};

/* How many slots there are to look at, empty ones among them. */
u32 slot_count(const struct device *dev);

/* False if the slot is empty, or what it says makes no sense. */
bool slot_read(const struct device *dev, u32 slot, struct extent *extent);

/* Whether all of @blocks from @lba on, counted from its start, are in it. */
bool extent_holds(const struct extent *extent, u64 lba, u64 blocks);

/*
 * Gives an extent back that the host has asked for; false if it does not take
 * it: it asks no more, or the device is gone.
 */
bool slot_release(const struct device *dev, u32 slot,
		  const struct extent *extent);

#define EXTENT_NAME_TEXT 48

/* What messages call it: "namespace SLOT", or "disk ID" where it is a slice. */
void extent_name(const struct extent *extent, u32 slot, char *text);

/* The table: a JSON array of what all slots hold. */
void slots_print(const struct device *dev);

#endif
