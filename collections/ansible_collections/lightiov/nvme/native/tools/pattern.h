/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pattern that says of each block whose it is and where it belongs.
 *
 * A block is an array of little-endian 64-bit words: the magic, the owner's
 * seed, the LBA, a checksum of all other words, then words that a generator
 * makes of seed and LBA.
 */
#ifndef LIOV_PATTERN_H
#define LIOV_PATTERN_H

#include "types.h"

#define PATTERN_MAGIC 0x54544150564f494cull /* "LIOVPATT" */
#define PATTERN_POISON 0x44494f56564f494cull /* "LIOVVOID" */

enum pattern_fault {
	PATTERN_OK,
	PATTERN_UNREAD,		/* nothing was transferred over the poison */
	PATTERN_ABSENT,		/* no pattern was ever written here */
	PATTERN_DAMAGED,	/* a pattern, but its checksum does not hold */
	PATTERN_FOREIGN,	/* whole, and of another seed */
	PATTERN_MISPLACED,	/* whole, and of another LBA */
};

/**
 * struct pattern_report - what is in a block
 * @fault: what is wrong with it
 * @seed: the seed found
 * @lba: the LBA found
 * @offset: first byte that differs from what belongs there
 */
struct pattern_report {
	enum pattern_fault fault;
	u64 seed;
	u64 lba;
	u32 offset;
};

/*
 * Fills memory that is to be read into with what no disk holds, so that what
 * was there before cannot pass for what was read.
 */
void pattern_poison(void *data, u64 bytes);

/* @size is the LBA size: 512 bytes or more. */
void pattern_fill(void *block, u32 size, u64 seed, u64 lba);
struct pattern_report pattern_check(const void *block, u32 size, u64 seed,
				    u64 lba);

/* A sentence about @report, for a person, in @text. */
void pattern_describe(const struct pattern_report *report, char *text,
		      size_t size);

#endif
