/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NVMe commands with odd and random fields that harm nobody but who gives them:
 * none writes to a namespace, and all data goes to and comes from one area.
 */
#ifndef LIOV_HARMLESS_H
#define LIOV_HARMLESS_H

#include "nvme.h"
#include "slot.h"
#include "types.h"

/* Pages that a PRP list, started anywhere where it may be, never runs out of. */
#define HARMLESS_LIST_ENTRIES	512u
#define HARMLESS_MAX_BYTES	0x100000u

/**
 * struct harmless - where commands may transfer to, as the controller sees it
 * @page: bytes of a page
 * @most: bytes of the largest command, at most HARMLESS_MAX_BYTES
 * @data: the area, 2 * @most + @page bytes
 * @list: a page that no command transfers to, harmless_list()
 */
struct harmless {
	u32 page;
	u32 most;
	u64 data;
	u64 list;
};

/* The entries of @h->list: pages of the area. */
void harmless_list(const struct harmless *h, __le64 *list);

/* A command for @extent, or for what is not there. */
struct nvme_sqe harmless_command(const struct harmless *h,
				 const struct extent *extent, u64 *random);

/* One of @values, or, one time in eight, any number. */
u64 random_of(u64 *random, const u64 *values, u32 count);
#define RANDOM_OF(random, ...)						\
	random_of(random, (const u64[]){ __VA_ARGS__ },			\
		  ARRAY_SIZE(((const u64[]){ __VA_ARGS__ })))

#endif
