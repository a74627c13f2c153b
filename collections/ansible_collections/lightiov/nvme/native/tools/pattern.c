// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <stdio.h>

#include "pattern.h"
#include "util.h"

enum {
	WORD_MAGIC,
	WORD_SEED,
	WORD_LBA,
	WORD_CHECKSUM,
	WORD_PAYLOAD,
};

/* FNV-1a, by words instead of bytes. */
static u64 checksum(const __le64 *words, u32 nr)
{
	u64 sum = 0xcbf29ce484222325ull;
	u32 i;

	for (i = 0; i < nr; i++) {
		if (i == WORD_CHECKSUM)
			continue;
		sum = (sum ^ le64toh(words[i])) * 0x100000001b3ull;
	}
	return sum;
}

/* The generator's start depends on both, so that no two blocks look alike. */
static u64 generator(u64 seed, u64 lba)
{
	u64 state = seed;

	return random_next(&state) ^ lba;
}

void pattern_fill(void *block, u32 size, u64 seed, u64 lba)
{
	u64 state = generator(seed, lba);
	u32 nr = size / sizeof(__le64);
	__le64 *words = block;
	u32 i;

	words[WORD_MAGIC] = htole64(PATTERN_MAGIC);
	words[WORD_SEED] = htole64(seed);
	words[WORD_LBA] = htole64(lba);
	for (i = WORD_PAYLOAD; i < nr; i++)
		words[i] = htole64(random_next(&state));
	words[WORD_CHECKSUM] = htole64(checksum(words, nr));
}

void pattern_poison(void *data, u64 bytes)
{
	__le64 *words = data;
	u64 i;

	for (i = 0; i < bytes / sizeof(*words); i++)
		words[i] = htole64(PATTERN_POISON);
}

static bool is_poison(const __le64 *words, u32 nr)
{
	u32 i;

	for (i = 0; i < nr && words[i] == htole64(PATTERN_POISON); i++)
		;
	return i == nr;
}

/* The first byte that differs from what pattern_fill() would write, or @size. */
static u32 first_difference(const __le64 *words, u32 size, u64 seed, u64 lba)
{
	u64 state = generator(seed, lba);
	u32 nr = size / sizeof(__le64);
	u32 i;

	for (i = 0; i < nr; i++) {
		__le64 want;

		switch (i) {
		case WORD_MAGIC:
			want = htole64(PATTERN_MAGIC);
			break;
		case WORD_SEED:
			want = htole64(seed);
			break;
		case WORD_LBA:
			want = htole64(lba);
			break;
		case WORD_CHECKSUM:
			/* Holds by itself if all other words are right. */
			want = htole64(checksum(words, nr));
			break;
		default:
			want = htole64(random_next(&state));
		}
		if (words[i] != want)
			return i * sizeof(__le64) +
			       __builtin_ctzll(le64toh(words[i] ^ want)) / 8;
	}
	return size;
}

struct pattern_report pattern_check(const void *block, u32 size, u64 seed,
				    u64 lba)
{
	const __le64 *words = block;
	struct pattern_report report = {
		.seed = le64toh(words[WORD_SEED]),
		.lba = le64toh(words[WORD_LBA]),
		.offset = first_difference(words, size, seed, lba),
	};

	if (report.offset == size)
		report.fault = PATTERN_OK;
	else if (is_poison(words, size / sizeof(__le64)))
		report.fault = PATTERN_UNREAD;
	else if (le64toh(words[WORD_MAGIC]) != PATTERN_MAGIC)
		report.fault = PATTERN_ABSENT;
	else if (le64toh(words[WORD_CHECKSUM]) !=
		 checksum(words, size / sizeof(__le64)))
		report.fault = PATTERN_DAMAGED;
	else if (report.seed != seed)
		report.fault = PATTERN_FOREIGN;
	else if (report.lba != lba)
		report.fault = PATTERN_MISPLACED;
	else
		/* A checksum that holds over a payload nobody writes. */
		report.fault = PATTERN_DAMAGED;
	return report;
}

void pattern_describe(const struct pattern_report *report, char *text,
		      size_t size)
{
	switch (report->fault) {
	case PATTERN_OK:
		snprintf(text, size, "holds what belongs there");
		break;
	case PATTERN_UNREAD:
		snprintf(text, size,
			 "was not read: the controller reported success and transferred nothing");
		break;
	case PATTERN_ABSENT:
		snprintf(text, size, "holds no pattern (wrong from byte %u)",
			 report->offset);
		break;
	case PATTERN_DAMAGED:
		snprintf(text, size, "is damaged from byte %u",
			 report->offset);
		break;
	case PATTERN_FOREIGN:
		snprintf(text, size, "holds data of seed %llu, LBA %llu",
			 report->seed, report->lba);
		break;
	case PATTERN_MISPLACED:
		snprintf(text, size, "holds the data of LBA %llu",
			 report->lba);
		break;
	}
}
