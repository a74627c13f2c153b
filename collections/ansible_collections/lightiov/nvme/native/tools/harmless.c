// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>

#include "harmless.h"
#include "util.h"

u64 random_of(u64 *random, const u64 *values, u32 count)
{
	u64 pick = random_next(random);

	/* All bits are used: the upper ones choose whether, the rest which. */
	return pick >> 61 ? values[pick % count] : random_next(random);
}

void harmless_list(const struct harmless *h, __le64 *list)
{
	u32 pages = h->most / h->page;
	u32 i;

	for (i = 0; i < HARMLESS_LIST_ENTRIES; i++)
		list[i] = htole64(h->data + (u64)(i % pages) * h->page);
}

/*
 * Reads, and what no controller knows.  Compare and Verify but look; all other
 * commands that are defined may change what is stored or who may store.
 */
static u8 pick_opcode(u64 *random)
{
	static const u8 opcodes[] = {
		NVME_READ, NVME_READ, NVME_READ, NVME_READ, NVME_FLUSH,
		0x05, /* Compare */
		0x0c, /* Verify */
		0x03, 0x06, 0x07, 0x0a, 0x0b, 0x0f, 0x1f, /* reserved */
	};

	return opcodes[random_next(random) % sizeof(opcodes)];
}

static u64 pick_lba(const struct extent *extent, u64 *random)
{
	u64 start = extent->start_lba, count = extent->lba_count;

	return RANDOM_OF(random, start, start + count - 1, start + count,
			 start + random_next(random) % count, 0, ~0ull,
			 ~0ull - 7, 1ull << 32, 1ull << 63);
}

/*
 * Mostly small, since a ring of large commands takes long.  Above the largest
 * by one block, which a controller without a limit transfers, too; further only
 * where no namespace has blocks, so that nothing is transferred.
 */
static u32 pick_blocks(const struct harmless *h, u32 size, u64 lba, u64 *random)
{
	u32 most = h->most / size;
	u32 page = h->page / size ?: 1;

	if (lba >= 1ull << 63 && random_next(random) % 2)
		return NVME_MAX_BLOCKS;
	switch (random_next(random) % 32) {
	case 0:
		return most;
	case 1:
		return most + 1;
	case 2:
		return 1 + (u32)(random_next(random) % most);
	case 3:
		return 2 * page;
	case 4:
		return 2 * page + 1;
	default:
		return 1 + (u32)(random_next(random) % (page + 1));
	}
}

/*
 * PRP 2 is a page of data where two pages are enough, and else a list: it must
 * be what the controller takes it for, or data would be taken for addresses.
 */
static void set_data(const struct harmless *h, struct nvme_sqe *sqe, u64 bytes,
		     u64 *random)
{
	u32 offset = (u32)RANDOM_OF(random, 0, 0, 4, 512, h->page - 4, 1, 2) %
		     h->page;
	u64 page = random_next(random) % (h->most / h->page) * h->page;

	sqe->prp1 = htole64(h->data + page + offset);
	if (offset + bytes > 2ull * h->page)
		/* The upper half of the list is enough, too. */
		sqe->prp2 = htole64(h->list + random_next(random) %
				    (HARMLESS_LIST_ENTRIES / 4) * 8);
	else
		sqe->prp2 = htole64(h->data + page +
				    RANDOM_OF(random, 0, 0, 8, 1) % h->page);
}

struct nvme_sqe harmless_command(const struct harmless *h,
				 const struct extent *extent, u64 *random)
{
	u64 lba = pick_lba(extent, random);
	u32 blocks = pick_blocks(h, extent->lba_size, lba, random);
	u64 odd = random_next(random) % 8 ? 0 : random_next(random);
	struct nvme_sqe sqe = {
		.opcode = pick_opcode(random),
		/* Fused, and SGLs: PRP 1 is then where a block of data starts. */
		.flags = (u8)(odd & 0xc3),
		.cid = htole16((u16)random_next(random)),
		.nsid = htole32((u32)RANDOM_OF(random, extent->nsid,
					       extent->nsid, extent->nsid, 0,
					       ~0u, ~0u - 1)),
		.reserved = htole64(random_next(random)),
		.slba = htole64(lba),
		.length = htole32((blocks - 1) | (u32)(odd >> 32 & 0xffff0000)),
		.dword13 = htole32((u32)(odd >> 8)),
		.dword14 = htole32((u32)(odd >> 16)),
		.dword15 = htole32((u32)(odd >> 24)),
	};

	set_data(h, &sqe, (u64)blocks * extent->lba_size, random);
	return sqe;
}
