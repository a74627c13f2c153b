// SPDX-License-Identifier: GPL-2.0-only
/* Edges of range.h: where ranges touch, end, or would overflow. */
#include "check.h"
#include "range.h"

#define LAST	UINT64_MAX

static bool overlap(u64 a, u64 a_count, u64 b, u64 b_count)
{
	struct liov_lbas one = { a, a_count }, other = { b, b_count };
	bool found = liov_lbas_overlap(&one, &other);

	CHECK(found == liov_lbas_overlap(&other, &one));
	return found;
}

static bool fit(u64 first, u64 count, u64 size)
{
	struct liov_lbas lbas = { first, count };

	return liov_lbas_fit(&lbas, size);
}

static bool aligned(u64 first, u64 count, u32 granularity)
{
	struct liov_lbas lbas = { first, count };

	return liov_lbas_aligned(&lbas, granularity);
}

static void test_overlap(void)
{
	/* Neighbours touch and have nothing in common. */
	CHECK(!overlap(0, 8, 8, 8));
	CHECK(overlap(0, 9, 8, 8));
	CHECK(overlap(0, 16, 8, 8));
	CHECK(overlap(0, 100, 8, 8));
	CHECK(overlap(8, 8, 8, 8));
	CHECK(overlap(8, 1, 8, 100));
	CHECK(overlap(15, 1, 8, 8));
	CHECK(!overlap(16, 1, 8, 8));

	/* The end of a range may be the end of all numbers, or beyond. */
	CHECK(overlap(LAST, 1, LAST, 1));
	CHECK(!overlap(LAST - 1, 1, LAST, 1));
	CHECK(!overlap(0, 8, LAST, LAST));
	CHECK(overlap(0, LAST, LAST - 1, LAST));
	CHECK(overlap(1, LAST, LAST, LAST));

	/* All of a namespace, whatever its size. */
	CHECK(overlap(0, 0, 0, 0));
	CHECK(overlap(0, 0, 8, 8));
	CHECK(overlap(0, 0, LAST, 1));
}

static void test_fit(void)
{
	CHECK(fit(0, 8, 8));
	CHECK(!fit(0, 9, 8));
	CHECK(fit(7, 1, 8));
	CHECK(!fit(7, 2, 8));
	CHECK(!fit(8, 1, 8));
	CHECK(!fit(9, 1, 8));
	CHECK(!fit(0, 1, 0));

	/* A sum that overflows leads back into the namespace. */
	CHECK(!fit(8, LAST - 7, 16));
	CHECK(!fit(8, LAST, 16));
	CHECK(!fit(LAST, LAST, LAST));
	CHECK(!fit(LAST, 1, LAST));
	CHECK(fit(LAST - 1, 1, LAST));
	CHECK(fit(0, LAST, LAST));

	/* All of a namespace fits, also of one without any LBA. */
	CHECK(fit(0, 0, 8));
	CHECK(fit(0, 0, 0));
}

static void test_clip(void)
{
	CHECK(liov_clip(0, 8, 8) == 8);
	CHECK(liov_clip(0, 8, 7) == 7);
	CHECK(liov_clip(4, 8, 8) == 4);
	CHECK(liov_clip(8, 8, 8) == 0);
	CHECK(liov_clip(9, 8, 8) == 0);
	CHECK(liov_clip(4, LAST, 8) == 4);
	CHECK(liov_clip(LAST, LAST, 8) == 0);
	CHECK(liov_clip(0, LAST, LAST) == LAST);
}

static void test_aligned(void)
{
	CHECK(aligned(0, 8, 8));
	CHECK(aligned(16, 8, 8));
	CHECK(!aligned(1, 8, 8));
	CHECK(!aligned(8, 7, 8));
	CHECK(!aligned(4, 4, 8));
	CHECK(aligned(LAST, LAST, 1));
	CHECK(!aligned(LAST, 8, 8));
	CHECK(!aligned(8, LAST, 8));

	/* No power of two. */
	CHECK(aligned(24, 48, 24));
	CHECK(!aligned(16, 48, 24));
	CHECK(aligned(0, 0, 24));
}

int main(void)
{
	test_overlap();
	test_fit();
	test_clip();
	test_aligned();
	return failures ? 1 : 0;
}
