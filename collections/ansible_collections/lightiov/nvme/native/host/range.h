/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arithmetic of ranges: LBAs of a namespace, addresses of a guest.  Their
 * numbers come from outside, so no sum here may overflow.  It needs nothing of
 * the kernel, and is tested outside of it.
 */
#ifndef LIGHTIOV_RANGE_H
#define LIGHTIOV_RANGE_H

#include <linux/types.h>

/* Whether @size bytes or blocks from @a and @b_size from @b have any in common. */
static inline bool liov_overlap(u64 a, u64 a_size, u64 b, u64 b_size)
{
	return a < b ? b - a < a_size : a - b < b_size;
}

/* How much of a range lies below @limit. */
static inline u64 liov_clip(u64 first, u64 count, u64 limit)
{
	if (first >= limit)
		return 0;
	return count < limit - first ? count : limit - first;
}

/**
 * struct liov_lbas - a part of a namespace
 * @first: its first LBA
 * @count: how many; 0: all of the namespace, however many it comes to have
 */
struct liov_lbas {
	u64 first;
	u64 count;
};

static inline bool liov_lbas_overlap(const struct liov_lbas *a,
				     const struct liov_lbas *b)
{
	return !a->count || !b->count ||
	       liov_overlap(a->first, a->count, b->first, b->count);
}

static inline bool liov_lbas_fit(const struct liov_lbas *lbas, u64 size)
{
	return liov_clip(lbas->first, lbas->count, size) == lbas->count;
}

static inline bool liov_lbas_aligned(const struct liov_lbas *lbas,
				     u32 granularity)
{
	return !(lbas->first % granularity) && !(lbas->count % granularity);
}

#endif /* LIGHTIOV_RANGE_H */
