// SPDX-License-Identifier: GPL-2.0-only
/* Tests of what needs no device: pattern, histogram, PRPs, numbers, older hosts. */
#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../harmless.h"
#include "../histogram.h"
#include "../mailbox.h"
#include "../nvme.h"
#include "../pattern.h"
#include "../prp.h"
#include "../queue.h"
#include "../util.h"
#include "expect.h"

#define BLOCK 4096

static enum pattern_fault fault_of(const void *block, u64 seed, u64 lba)
{
	return pattern_check(block, BLOCK, seed, lba).fault;
}

static void test_pattern(void)
{
	static __le64 block[BLOCK / sizeof(__le64)];
	u8 *bytes = (u8 *)block;
	struct pattern_report report;
	char text[128];
	u32 i;

	CHECK(fault_of(block, 0, 0) == PATTERN_ABSENT);
	pattern_poison(block, BLOCK);
	CHECK(fault_of(block, 7, 1000) == PATTERN_UNREAD);
	pattern_fill(block, 512, 7, 1000);
	CHECK(fault_of(block, 7, 1000) == PATTERN_DAMAGED);
	pattern_fill(block, BLOCK, 7, 1000);
	CHECK(fault_of(block, 7, 1000) == PATTERN_OK);
	CHECK(le64toh(block[0]) == PATTERN_MAGIC);
	CHECK(!memcmp(bytes, "LIOVPATT", 8));
	CHECK(le64toh(block[1]) == 7 && le64toh(block[2]) == 1000);

	/* Whose data it is, and where it belongs, can be told from it. */
	report = pattern_check(block, BLOCK, 8, 1000);
	CHECK(report.fault == PATTERN_FOREIGN && report.seed == 7);
	pattern_describe(&report, text, sizeof(text));
	CHECK(strstr(text, "seed 7"));
	report = pattern_check(block, BLOCK, 7, 1001);
	CHECK(report.fault == PATTERN_MISPLACED && report.lba == 1000);

	/* Any wrong byte is found, and named, wherever it is. */
	for (i = 0; i < BLOCK; i++) {
		bytes[i] ^= 0x40;
		report = pattern_check(block, BLOCK, 7, 1000);
		CHECK(report.fault == (i < 8 ? PATTERN_ABSENT : PATTERN_DAMAGED));
		CHECK(report.offset <= i);
		bytes[i] ^= 0x40;
	}
	CHECK(fault_of(block, 7, 1000) == PATTERN_OK);

	/* Neither neighbours nor owners share their contents. */
	CHECK(block[10] != 0);
	pattern_fill(block, 512, 7, 1001);
	CHECK(pattern_check(block, 512, 7, 1001).fault == PATTERN_OK);
	CHECK(fault_of(block, 7, 1001) == PATTERN_DAMAGED);
}

static void test_histogram(void)
{
	static struct histogram h, other, empty;
	u64 i;

	CHECK(histogram_percentile(&empty, 99) == 0);
	CHECK(histogram_mean(&empty) == 0);

	for (i = 1; i <= 1000000; i++)
		histogram_add(i % 2 ? &h : &other, i);
	histogram_merge(&h, &other);
	histogram_merge(&h, &empty);
	CHECK(h.count == 1000000);
	CHECK(h.min == 1 && h.max == 1000000);
	CHECK(histogram_mean(&h) == 500000.5);
	for (i = 1; i <= 99; i++) {
		u64 exact = i * 10000;
		u64 found = histogram_percentile(&h, (double)i);

		CHECK(found >= exact && found - exact <= exact / 32);
	}
	CHECK(histogram_percentile(&h, 100) == h.max);

	/* Small values are exact, the largest possible has a place. */
	memset(&h, 0, sizeof(h));
	for (i = 0; i < 32; i++)
		histogram_add(&h, i);
	CHECK(histogram_percentile(&h, 50) == 15);
	histogram_add(&h, ~0ull);
	CHECK(h.buckets[HISTOGRAM_BUCKETS - 1] == 1);
	CHECK(histogram_percentile(&h, 100) == ~0ull);
}

static void test_prp(void)
{
	const u32 page = 4096;
	const u64 base = 0x12340000000ull, list_iova = 0x777000;
	static __le64 list[513];
	struct prp prp;
	u32 i;

	memset(list, 0xee, sizeof(list));
	prp = prp_build(base, page, page, list, list_iova);
	CHECK(prp.prp1 == base && prp.prp2 == 0);
	prp = prp_build(base + 512, page - 512, page, list, list_iova);
	CHECK(prp.prp1 == base + 512 && prp.prp2 == 0);
	prp = prp_build(base + 512, page, page, list, list_iova);
	CHECK(prp.prp1 == base + 512 && prp.prp2 == base + page);
	prp = prp_build(base, 2 * page, page, list, list_iova);
	CHECK(prp.prp1 == base && prp.prp2 == base + page);
	CHECK(list[0] == 0xeeeeeeeeeeeeeeee);

	prp = prp_build(base, 2 * page + 512, page, list, list_iova);
	CHECK(prp.prp1 == base && prp.prp2 == list_iova);
	CHECK(le64toh(list[0]) == base + page);
	CHECK(le64toh(list[1]) == base + 2 * page);
	CHECK(list[2] == 0xeeeeeeeeeeeeeeee);

	prp = prp_build(base, 4 * page, page, list, list_iova);
	CHECK(prp.prp2 == list_iova);
	CHECK(le64toh(list[2]) == base + 3 * page);
	CHECK(list[3] == 0xeeeeeeeeeeeeeeee);

	/* The largest transfer fills the page and no more, at any offset. */
	CHECK(prp_max_bytes(page) == 2 * MIB);
	prp = prp_build(base + 512, prp_max_bytes(page), page, list, list_iova);
	CHECK(prp.prp1 == base + 512 && prp.prp2 == list_iova);
	for (i = 0; i < 512; i++)
		CHECK(le64toh(list[i]) == base + (i + 1ull) * page);
	CHECK(list[512] == 0xeeeeeeeeeeeeeeee);
}

static void test_numbers(void)
{
	u64 value;

	CHECK(parse_number("0", &value) && value == 0);
	CHECK(parse_number("4k", &value) && value == 4096);
	CHECK(parse_number("0x10", &value) && value == 16);
	CHECK(parse_number("2G", &value) && value == 2ull << 30);
	CHECK(parse_number("18446744073709551615", &value) && value == ~0ull);
	CHECK(!parse_number("18446744073709551616", &value));
	CHECK(!parse_number("18446744073709551615K", &value));
	CHECK(parse_number("0100", &value) && value == 100);
	CHECK(parse_number("09", &value) && value == 9);
	CHECK(parse_number("0X1fK", &value) && value == 31 * 1024);
	CHECK(parse_number("0xffffffffffffffff", &value) && value == ~0ull);
	CHECK(!parse_number("0x10000000000000000", &value));
	CHECK(!parse_number("0x", &value));
	CHECK(!parse_number("0x-1", &value));
	CHECK(!parse_number("0x 1", &value));
	CHECK(!parse_number("0xG", &value));
	CHECK(!parse_number("1f", &value));
	CHECK(!parse_number("1.5G", &value));
	CHECK(!parse_number("16777216T", &value));
	CHECK(!parse_number("", &value));
	CHECK(!parse_number("-1", &value));
	CHECK(!parse_number(" 1", &value));
	CHECK(!parse_number("1KB", &value));
	CHECK(!parse_number("1x", &value));
	CHECK(align_up(1, 4096) == 4096 && align_up(4096, 4096) == 4096);
}

static void test_uuids(void)
{
	static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";
	u8 uuid[UUID_BYTES];
	char printed[UUID_TEXT];
	u32 i;

	CHECK(uuid_parse(text, uuid));
	for (i = 0; i < UUID_BYTES; i++)
		CHECK(uuid[i] == 0x11 * i);
	CHECK(!strcmp(uuid_print(uuid, printed), text));
	CHECK(uuid_parse("FFFFFFFF-ffff-ffff-ffff-ffffffffffff", uuid));
	CHECK(uuid[0] == 0xff && uuid[15] == 0xff);
	CHECK(!uuid_parse("00112233-4455-6677-8899-aabbccddeef", uuid));
	CHECK(!uuid_parse("00112233-4455-6677-8899-aabbccddeeff0", uuid));
	CHECK(!uuid_parse("00112233-4455-6677-8899+aabbccddeeff", uuid));
	CHECK(!uuid_parse("../12233-4455-6677-8899-aabbccddeeff", uuid));
	CHECK(!uuid_parse("", uuid));
	memset(uuid, 0, sizeof(uuid));
	CHECK(!*uuid_print(uuid, printed));
}

static bool in_data(const struct harmless *h, u64 address, u64 bytes)
{
	return address >= h->data &&
	       address + bytes <= h->data + 2ull * h->most + h->page;
}

/* What the controller would transfer to, if it did what the command says. */
static bool transfers_to_data(const struct harmless *h, const __le64 *list,
			      const struct nvme_sqe *sqe, u64 bytes)
{
	u64 prp1 = le64toh(sqe->prp1), prp2 = le64toh(sqe->prp2);
	u64 first = h->page - prp1 % h->page, rest, entry;

	/* As the address of an SGL data block, too. */
	if (!in_data(h, prp1, h->most) || prp2 >> 56)
		return false;
	if (bytes <= first)
		return true;
	rest = bytes - first;
	if (rest <= h->page)
		return in_data(h, prp2, rest);
	entry = (prp2 - h->list) / 8;
	if (prp2 % 8 || prp2 < h->list)
		return false;
	for (; rest; rest -= rest < h->page ? rest : h->page, entry++) {
		/* The last entry of a page may lead to the next list. */
		if (entry >= HARMLESS_LIST_ENTRIES - 1 ||
		    !in_data(h, le64toh(list[entry]), h->page))
			return false;
	}
	return true;
}

static void test_harmless(u32 most, u32 lba_size)
{
	static const u8 writing[] = {
		0x01, 0x04, 0x08, 0x09, 0x0d, 0x0e, 0x11, 0x12, 0x15, 0x18,
		0x19, 0x1d, 0x79, 0x7a, 0x7d,
	};
	const struct harmless h = {
		.page = 4096, .most = most, .data = 1ull << 33,
		.list = 1ull << 32,
	};
	const struct extent extent = {
		.nsid = 1, .lba_size = lba_size, .start_lba = 1 << 20,
		.lba_count = 1 << 20,
	};
	static __le64 list[HARMLESS_LIST_ENTRIES];
	u64 random = most + lba_size;
	u32 i;

	harmless_list(&h, list);
	for (i = 0; i < 200000; i++) {
		struct nvme_sqe sqe = harmless_command(&h, &extent, &random);
		u32 blocks = (le32toh(sqe.length) & 0xffff) + 1;

		CHECK(!memchr(writing, sqe.opcode, sizeof(writing)));
		CHECK(sqe.opcode < 0x80);
		CHECK((u64)blocks * lba_size <= most + lba_size ||
		      le64toh(sqe.slba) >> 63);
		if ((u64)blocks * lba_size <= most + lba_size)
			CHECK(transfers_to_data(&h, list, &sqe,
						(u64)blocks * lba_size));
	}
}

/* Registers that keep what is written, and never answer anything but OK. */
static struct device host_of(u32 minor)
{
	const __le32 version = htole32(LIOV_ABI_MAJOR << 16 | minor);
	struct device dev = {
		.uuid = "test",
		.fd = memfd_create("registers", MFD_CLOEXEC),
	};

	CHECK(!ftruncate(dev.fd, LIOV_REGS_SIZE));
	CHECK(pwrite(dev.fd, &version, sizeof(version), LIOV_REG_VERSION) ==
	      sizeof(version));
	return dev;
}

/* What the host is asked for last when two queue pairs are created. */
static void test_queues_of(u32 minor, enum liov_command command, u64 arg0,
			   u64 arg1)
{
	static char ram[4 * BLOCK];
	struct memory mem = { .start = ram, .size = sizeof(ram) };
	struct device dev = host_of(minor);
	struct queue queues[2];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(queues); i++)
		queues[i] = (struct queue){
			.index = i,
			.entries = 32,
			.sq = (void *)(ram + 2 * i * BLOCK),
			.cq = (void *)(ram + (2 * i + 1) * BLOCK),
		};
	CHECK(!queues_create(queues, ARRAY_SIZE(queues), &dev, &mem));
	CHECK(register_read(&dev, LIOV_REG_COMMAND) == command);
	CHECK(register_read64(&dev, LIOV_REG_ARG0) == arg0);
	CHECK(register_read64(&dev, LIOV_REG_ARG1) == arg1);
	close(dev.fd);
}

static void test_older_hosts(void)
{
	test_queues_of(3, LIOV_CMD_CREATE_QUEUES, 0, 2);
	test_queues_of(2, LIOV_CMD_CREATE_QUEUE, 1, MEMORY_GPA + 2 * BLOCK);
	test_queues_of(0, LIOV_CMD_CREATE_QUEUE, 1, MEMORY_GPA + 2 * BLOCK);
}

int main(void)
{
	test_pattern();
	test_histogram();
	test_prp();
	test_numbers();
	test_uuids();
	test_harmless(MIB, 512);
	test_harmless(MIB, 4096);
	test_harmless(128 * KIB, 512);
	test_older_hosts();
	if (failures) {
		printf("%u checks failed\n", failures);
		return 1;
	}
	printf("pattern, histogram, PRPs, numbers, older hosts: as they should be\n");
	return 0;
}
