// SPDX-License-Identifier: GPL-2.0-only
#include "histogram.h"

static u32 bucket_of(u64 value)
{
	u32 shift;

	if (value < HISTOGRAM_PARTS)
		return value;
	shift = 63 - __builtin_clzll(value) - HISTOGRAM_PART_BITS;
	return (shift + 1) * HISTOGRAM_PARTS +
	       (value >> shift) % HISTOGRAM_PARTS;
}

static u64 highest_value_of(u32 bucket)
{
	u32 shift;
	u64 part;

	if (bucket < HISTOGRAM_PARTS)
		return bucket;
	shift = bucket / HISTOGRAM_PARTS - 1;
	part = bucket % HISTOGRAM_PARTS + HISTOGRAM_PARTS;
	return (part << shift) + ((1ull << shift) - 1);
}

void histogram_add(struct histogram *h, u64 value)
{
	if (!h->count || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum += value;
	h->buckets[bucket_of(value)]++;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
	u32 i;

	if (!from->count)
		return;
	if (!h->count || from->min < h->min)
		h->min = from->min;
	if (from->max > h->max)
		h->max = from->max;
	h->count += from->count;
	h->sum += from->sum;
	for (i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
}

u64 histogram_percentile(const struct histogram *h, double percent)
{
	u64 seen = 0;
	u32 i;

	for (i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen && (double)seen * 100 >= percent * (double)h->count)
			break;
	}
	if (i == HISTOGRAM_BUCKETS || highest_value_of(i) > h->max)
		return h->max;
	return highest_value_of(i);
}

double histogram_mean(const struct histogram *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}
