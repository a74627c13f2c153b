// SPDX-License-Identifier: GPL-2.0-only
/*
 * A controller in this process, in the place of vfio.c, sysfs.c, mailbox.c and queue.c:
 * what liov does with data can be tested without a device.
 *
 * LIOV_TEST_DISKS: files, separated by colons, each a namespace
 * LIOV_TEST_SLICES: FIRST+COUNT, separated by colons, a slice of each: then the
 *	slots are 1, 2, ..., and their extents' IDs end in these digits
 * LIOV_TEST_NAMES: the names of these, separated by colons
 * LIOV_TEST_GONE: the slot that is gone
 * LIOV_TEST_READ_ONLY: the slot that is read-only
 * LIOV_TEST_READS: "silent": reads succeed and transfer nothing
 * LIOV_TEST_WRITES: "silent": so do writes
 * LIOV_TEST_BAD_LBA: commands that touch it fail
 * LIOV_TEST_LBA_SHIFT: 9 by default
 * LIOV_TEST_MOST_ZEROES: bytes of a Write Zeroes; without a limit by default
 * LIOV_TEST_MINOR: of the ABI; what came later is not known
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../mailbox.h"
#include "../queue.h"
#include "../sysfs.h"
#include "../util.h"

#define MAX_DISKS 4
#define PAGE 4096
#define NVME_READ_ERROR (0x281 << 1)

static int disks[MAX_DISKS];
static u64 disk_bytes[MAX_DISKS];
static u32 nr_disks;
static u32 lba_shift = 9;
static u32 abi_minor = LIOV_ABI_MINOR;
static u32 most_zeroes;
static char *memory;
static bool silent_reads, silent_writes;
static u64 bad_lba = ~0ull;
static u64 slice_start[MAX_DISKS], slice_count[MAX_DISKS];
static bool sliced;

static bool is_silent(const char *name)
{
	const char *value = getenv(name);

	return value && !strcmp(value, "silent");
}

/* @text: FIRST+COUNT, separated by colons. */
static void parse_slices(const char *text)
{
	char *copy = strdup(text), *slice;
	u32 i = 0;

	sliced = true;
	for (slice = strtok(copy, ":"); slice && i < MAX_DISKS;
	     slice = strtok(NULL, ":"), i++)
		sscanf(slice, "%llu+%llu", &slice_start[i], &slice_count[i]);
	free(copy);
}

int device_open(struct device *dev, const char *uuid)
{
	char *names = strdup(getenv("LIOV_TEST_DISKS")), *name;

	*dev = (struct device){ .uuid = uuid };
	for (name = strtok(names, ":"); name; name = strtok(NULL, ":")) {
		int fd = open(name, O_RDWR | O_CLOEXEC);

		if (fd < 0 || nr_disks == MAX_DISKS)
			return fail(STATUS_USAGE, "%s: %s", name,
				    strerror(errno));
		disk_bytes[nr_disks] = (u64)lseek(fd, 0, SEEK_END);
		disks[nr_disks++] = fd;
	}
	free(names);
	silent_reads = is_silent("LIOV_TEST_READS");
	silent_writes = is_silent("LIOV_TEST_WRITES");
	if (getenv("LIOV_TEST_BAD_LBA"))
		bad_lba = strtoull(getenv("LIOV_TEST_BAD_LBA"), NULL, 10);
	if (getenv("LIOV_TEST_LBA_SHIFT"))
		lba_shift = (u32)atoi(getenv("LIOV_TEST_LBA_SHIFT"));
	if (getenv("LIOV_TEST_MOST_ZEROES"))
		most_zeroes = (u32)atoi(getenv("LIOV_TEST_MOST_ZEROES"));
	if (getenv("LIOV_TEST_MINOR"))
		abi_minor = (u32)atoi(getenv("LIOV_TEST_MINOR"));
	if (getenv("LIOV_TEST_SLICES"))
		parse_slices(getenv("LIOV_TEST_SLICES"));
	return STATUS_OK;
}

void device_close(struct device *dev)
{
	(void)dev;
}

int device_reset(struct device *dev)
{
	(void)dev;
	return STATUS_OK;
}

int device_map_memory(struct device *dev, void *start, u64 gpa, u64 size)
{
	(void)dev;
	(void)size;
	memory = (char *)start - gpa;
	return STATUS_OK;
}

int device_unmap_memory(struct device *dev, u64 gpa, u64 size)
{
	(void)dev;
	(void)gpa;
	(void)size;
	return STATUS_OK;
}

int device_enable_interrupts(struct device *dev, const int *eventfds, u32 nr)
{
	(void)dev;
	(void)eventfds;
	(void)nr;
	return STATUS_OK;
}

bool sysfs_number(const char *uuid, const char *name, u64 *value)
{
	(void)uuid;
	(void)name;
	(void)value;
	return false;
}

u32 sysfs_extents_named(const char *uuid, const char *name, u8 *id)
{
	const char *names = getenv("LIOV_TEST_NAMES");
	char *copy = strdup(names ? names : ""), *one;
	u32 count = 0, i = 0;

	(void)uuid;
	for (one = strtok(copy, ":"); one; one = strtok(NULL, ":"), i++) {
		if (strcmp(one, name))
			continue;
		memset(id, 0, UUID_BYTES);
		id[UUID_BYTES - 1] = (u8)(i + 1);
		count++;
	}
	free(copy);
	return count;
}

u32 register_read(const struct device *dev, u32 offset)
{
	(void)dev;
	switch (offset) {
	case LIOV_REG_MAGIC:
		return LIOV_MAGIC;
	case LIOV_REG_VERSION:
		return LIOV_ABI_MAJOR << 16 | abi_minor;
	case LIOV_REG_STATUS:
		return LIOV_STATUS_READY;
	case LIOV_REG_FEATURES:
		return LIOV_FEATURE_VOLATILE_CACHE | LIOV_FEATURE_WRITE_ZEROES;
	case LIOV_REG_QUEUE_PAIRS:
		return 4;
	case LIOV_REG_QUEUE_ENTRIES:
		return 1024;
	case LIOV_REG_NAMESPACES:
		return sliced ? nr_disks + 1 : nr_disks;
	case LIOV_REG_MAX_TRANSFER:
		return 128 * KIB;
	case LIOV_REG_WRITE_ZEROES:
		return most_zeroes;
	case LIOV_REG_PAGE_SIZE:
		return PAGE;
	case LIOV_REG_TIMEOUT_MS:
		return 1000;
	}
	return 0;
}

u64 register_read64(const struct device *dev, u32 offset)
{
	return register_read(dev, offset);
}

void register_copy(const struct device *dev, u32 offset, void *to, u32 size)
{
	u32 slot = (offset - LIOV_REG_NAMESPACE(0)) / LIOV_NAMESPACE_STRIDE;
	struct liov_namespace_info info = { 0 };
	const char *gone = getenv("LIOV_TEST_GONE");
	const char *read_only = getenv("LIOV_TEST_READ_ONLY");
	/* Slot 0 of a sliced device is empty, and wraps around. */
	u32 i = sliced ? slot - 1 : slot;

	(void)dev;
	memset(to, 0, size);
	if (offset < LIOV_REG_NAMESPACE(0) || i >= nr_disks)
		return;
	info.nsid = htole32(i + 1);
	info.lba_shift = htole32(lba_shift);
	info.lba_count = htole64(disk_bytes[i] >> lba_shift);
	if (sliced) {
		info.flags = htole32(LIOV_NS_SLICE);
		info.start_lba = htole64(slice_start[i]);
		info.lba_count = htole64(slice_count[i]);
		info.extent_id[UUID_BYTES - 1] = (u8)(i + 1);
	}
	if (gone && (u32)atoi(gone) == slot)
		info.flags |= htole32(LIOV_NS_GONE);
	if (read_only && (u32)atoi(read_only) == slot)
		info.flags |= htole32(LIOV_NS_READ_ONLY);
	memcpy(to, &info, size);
}

bool mailbox_knows(const struct device *dev, u32 minor)
{
	(void)dev;
	return minor <= abi_minor;
}

void register_write64(const struct device *dev, u32 offset, u64 value)
{
	(void)dev;
	(void)offset;
	(void)value;
}

/* With which minor a command came. */
static u32 minor_of(enum liov_command command)
{
	switch (command) {
	case LIOV_CMD_RELEASE_EXTENT:
		return 2;
	case LIOV_CMD_RESET_QUEUES:
	case LIOV_CMD_CREATE_QUEUES:
		return 3;
	default:
		return 0;
	}
}

enum liov_result mailbox_try(const struct device *dev,
			     enum liov_command command, u64 arg0, u64 arg1,
			     u64 arg2, u64 arg3)
{
	(void)dev;
	(void)arg0;
	(void)arg1;
	(void)arg2;
	(void)arg3;
	return abi_minor >= minor_of(command) ? LIOV_RESULT_OK :
						LIOV_RESULT_INVALID;
}

int mailbox_run(const struct device *dev, enum liov_command command, u64 arg0,
		u64 arg1, u64 arg2, u64 arg3)
{
	return (int)mailbox_try(dev, command, arg0, arg1, arg2, arg3);
}

u64 queue_memory(u32 entries)
{
	return entries * (sizeof(struct nvme_sqe) + sizeof(struct nvme_cqe)) +
	       2 * PAGE;
}

int queue_prepare(struct queue *queue, struct device *dev, struct memory *mem,
		  u32 index, u32 entries, int eventfd)
{
	(void)dev;
	*queue = (struct queue){
		.index = index,
		.entries = entries,
		.eventfd = eventfd,
		.sq = memory_take(mem, entries * sizeof(struct nvme_sqe)),
	};
	return STATUS_OK;
}

int queues_create(const struct queue *queues, u32 count,
		  const struct device *dev, const struct memory *mem)
{
	(void)queues;
	(void)count;
	(void)dev;
	(void)mem;
	return STATUS_OK;
}

/* What a command's data is made of: its @i-th page. */
static void *data_page(const struct nvme_sqe *sqe, u64 bytes, u64 i)
{
	const __le64 *list = (void *)(memory + le64toh(sqe->prp2));

	if (!i)
		return memory + le64toh(sqe->prp1);
	return memory + (bytes > 2 * PAGE ? le64toh(list[i - 1]) :
			 le64toh(sqe->prp2));
}

static bool transfer(const struct nvme_sqe *sqe, u64 at, u64 bytes)
{
	int fd = disks[le32toh(sqe->nsid) - 1];
	u64 done, part;

	for (done = 0; done < bytes; done += part) {
		void *data = data_page(sqe, bytes, done / PAGE);
		ssize_t n;

		part = bytes - done < PAGE ? bytes - done : PAGE;
		n = sqe->opcode == NVME_READ ?
		    pread(fd, data, part, (off_t)(at + done)) :
		    pwrite(fd, data, part, (off_t)(at + done));
		if (n != (ssize_t)part)
			return false;
	}
	return true;
}

static bool write_zeroes(const struct nvme_sqe *sqe, u64 at, u64 bytes)
{
	static const char zeroes[MIB];

	if (most_zeroes && bytes > most_zeroes)
		return false;
	return pwrite(disks[le32toh(sqe->nsid) - 1], zeroes, bytes,
		      (off_t)at) == (ssize_t)bytes;
}

static bool execute(const struct nvme_sqe *sqe)
{
	u64 lba = le64toh(sqe->slba);
	u64 blocks = (le32toh(sqe->length) & 0xffff) + 1;

	if (sqe->opcode == NVME_FLUSH)
		return true;
	if (lba <= bad_lba && bad_lba < lba + blocks)
		return false;
	if (sqe->opcode == NVME_READ ? silent_reads : silent_writes)
		return true;
	if (sqe->opcode == NVME_WRITE_ZEROES)
		return write_zeroes(sqe, lba << lba_shift, blocks << lba_shift);
	return transfer(sqe, lba << lba_shift, blocks << lba_shift);
}

bool queue_find_doorbells(struct queue *queue, const struct device *dev)
{
	static __le32 doorbells[2];

	(void)dev;
	queue->sq_doorbell = &doorbells[0];
	queue->cq_doorbell = &doorbells[1];
	return true;
}

void doorbell_write(__le32 *address, u32 value)
{
	*address = value;
}

void queue_put(struct queue *queue, const struct nvme_sqe *sqe)
{
	queue->sq[queue->tail] = *sqe;
	queue->tail = (queue->tail + 1) % queue->entries;
}

void queue_ring(struct queue *queue)
{
	(void)queue;
}

bool queue_take(struct queue *queue, struct nvme_cqe *cqe)
{
	const struct nvme_sqe *sqe = &queue->sq[queue->head];

	if (queue->head == queue->tail)
		return false;
	*cqe = (struct nvme_cqe){
		.cid = sqe->cid,
		.status = execute(sqe) ? 0 : htole16(NVME_READ_ERROR),
	};
	queue->head = (queue->head + 1) % queue->entries;
	return true;
}

void queue_release(struct queue *queue)
{
	(void)queue;
}
