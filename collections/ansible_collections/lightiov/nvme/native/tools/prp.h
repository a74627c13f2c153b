/* SPDX-License-Identifier: GPL-2.0-only */
/* Physical Region Pages: how a command names its data (NVMe 1.4, section 4.3). */
#ifndef LIOV_PRP_H
#define LIOV_PRP_H

#include "types.h"

struct prp {
	u64 prp1;
	u64 prp2;
};

/* The most bytes that one list page describes wherever the data starts. */
u64 prp_max_bytes(u32 page_size);

/*
 * Describes @bytes at @iova, contiguous and at most prp_max_bytes().  @list is
 * one page at @list_iova; it is written only if two entries are not enough.
 */
struct prp prp_build(u64 iova, u64 bytes, u32 page_size, __le64 *list,
		     u64 list_iova);

#endif
