// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>

#include "prp.h"

u64 prp_max_bytes(u32 page_size)
{
	return (u64)page_size / sizeof(__le64) * page_size;
}

struct prp prp_build(u64 iova, u64 bytes, u32 page_size, __le64 *list,
		     u64 list_iova)
{
	/* Only the first entry may have an offset into its page. */
	u64 first = page_size - iova % page_size;
	struct prp prp = { .prp1 = iova };
	u64 page = iova + first;
	u64 end = iova + bytes;

	if (bytes <= first)
		return prp;
	if (bytes - first <= page_size) {
		prp.prp2 = page;
		return prp;
	}
	prp.prp2 = list_iova;
	for (; page < end; page += page_size)
		*list++ = htole64(page);
	return prp;
}
