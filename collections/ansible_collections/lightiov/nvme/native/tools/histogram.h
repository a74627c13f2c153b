/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Log-linear histogram: each power of two is cut into equal parts, so that any
 * value is known within 1/32 of itself, in constant space.
 */
#ifndef LIOV_HISTOGRAM_H
#define LIOV_HISTOGRAM_H

#include "types.h"

#define HISTOGRAM_PART_BITS	5
#define HISTOGRAM_PARTS		32u	/* 2 to the power of the above */
#define HISTOGRAM_BUCKETS	((64 - HISTOGRAM_PART_BITS + 1) * HISTOGRAM_PARTS)

/* All zeroes is an empty histogram. */
struct histogram {
	u64 count;
	u64 sum;
	u64 min;
	u64 max;
	u64 buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, u64 value);
void histogram_merge(struct histogram *h, const struct histogram *from);

/* The smallest known value that @percent of all values do not exceed. */
u64 histogram_percentile(const struct histogram *h, double percent);
double histogram_mean(const struct histogram *h);

#endif
