// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io.h"
#include "nvme.h"
#include "pattern.h"
#include "progress.h"
#include "target.h"
#include "util.h"

/*
 * No mark that libblkid knows is further from the start (the second header of
 * LUKS2, at up to 4 MiB) or from the end (Promise RAID, up to 1.6 MiB).
 */
#define START_BYTES (5 * MIB)
#define END_BYTES (2 * MIB)

/**
 * struct look - what is looked at
 * @s: the session
 * @next: first LBA of the range that has not been asked for
 * @end: LBA after the range
 * @data: lowest LBA found that is not blank, or TARGET_BLANK
 * @likeness: a sparse file that is like the namespace where that was read;
 *	-1: not kept
 * @done: bytes read
 * @progress: of @done
 */
struct look {
	struct session *s;
	u64 next;
	u64 end;
	u64 data;
	int likeness;
	u64 done;
	struct progress progress;
};

static enum io_next look_next(void *arg, u32 queue, struct io_request *rq)
{
	struct look *l = arg;
	u64 blocks = l->s->config.io_bytes / l->s->extent.lba_size;

	(void)queue;
	if (blocks > l->end - l->next)
		blocks = l->end - l->next;
	/* Whose marks are not kept, one block is enough to refuse. */
	if (!blocks || (l->likeness < 0 && l->data != TARGET_BLANK))
		return IO_END;
	rq->opcode = NVME_READ;
	rq->lba = l->next;
	rq->blocks = (u32)blocks;
	l->next += blocks;
	/* What the controller did not transfer must not look blank. */
	pattern_poison(rq->data, blocks * l->s->extent.lba_size);
	return IO_SUBMIT;
}

static bool look_done(void *arg, u32 queue, const struct io_request *rq)
{
	struct look *l = arg;
	u32 size = l->s->extent.lba_size;
	u32 i;

	(void)queue;
	for (i = 0; i < rq->blocks && rq->lba + i < l->data; i++) {
		if (!all_zeroes((char *)rq->data + (size_t)i * size, size))
			l->data = rq->lba + i;
	}
	/* One that falls short only costs the refusal a name. */
	if (l->likeness >= 0)
		(void)!pwrite(l->likeness, rq->data, (size_t)rq->blocks * size,
			      (off_t)(rq->lba * size));
	l->done += (u64)rq->blocks * size;
	progress_update(&l->progress, l->done);
	return true;
}

static int look_at(struct look *l, u64 lba, u64 count)
{
	const struct io_workload w = {
		.next = look_next,
		.done = look_done,
		.arg = l,
	};

	l->next = lba;
	l->end = lba + count;
	return io_run(l->s, &w, 1);
}

static int look_at_edges(struct look *l)
{
	u64 blocks = l->s->extent.lba_count;
	u64 size = l->s->extent.lba_size;
	u64 start = START_BYTES / size, end = END_BYTES / size;
	int status;

	if (start >= blocks || end >= blocks)
		return look_at(l, 0, blocks);
	status = look_at(l, 0, start);
	return status ? status : look_at(l, blocks - end, end);
}

/* What wipefs, which asks libblkid, makes of the likeness, in @text. */
static void name_marks(int likeness, char *text, size_t size)
{
	char command[128], mark[64];
	size_t used = 0;
	FILE *wipefs;

	snprintf(command, sizeof(command),
		 "PATH=$PATH:/usr/sbin:/sbin wipefs --noheadings --output TYPE /proc/self/fd/%d 2>/dev/null",
		 likeness);
	text[0] = 0;
	wipefs = popen(command, "re");
	while (wipefs && used < size && fscanf(wipefs, "%63s", mark) == 1) {
		/* A mark and its copy count as one. */
		if (!strstr(text, mark))
			used += (size_t)snprintf(text + used, size - used, "%s%s",
						 used ? ", " : " of ", mark);
	}
	if (wipefs)
		pclose(wipefs);
}

/* Both edges, and in @marks what is known of them. */
static int look_for_marks(struct look *l, char *marks, size_t size)
{
	u64 bytes = l->s->extent.lba_count * l->s->extent.lba_size;
	int status;

	/* wipefs inherits it: no MFD_CLOEXEC. */
	l->likeness = memfd_create("liov", 0);
	if (l->likeness < 0)
		return look_at_edges(l);
	/* Without a likeness, the data has no name. */
	(void)!ftruncate(l->likeness, (off_t)bytes);
	status = look_at_edges(l);
	if (!status && l->data != TARGET_BLANK)
		name_marks(l->likeness, marks, size);
	close(l->likeness);
	l->likeness = -1;
	return status;
}

static int look_at_range(struct look *l, u64 lba, u64 count)
{
	int status;

	progress_start(&l->progress, count * l->s->extent.lba_size);
	l->done = 0;
	status = look_at(l, lba, count);
	progress_finish(&l->progress);
	return status;
}

int target_blank(struct session *s, u64 lba, u64 count)
{
	struct look l = { .s = s, .data = TARGET_BLANK };
	char marks[128] = "";
	int status;

	status = look_for_marks(&l, marks, sizeof(marks));
	if (!status && l.data == TARGET_BLANK)
		status = look_at_range(&l, lba, count);
	if (status || l.data == TARGET_BLANK)
		return status;
	return fail(STATUS_USAGE,
		    "mdev %s: %s is not blank, it has data%s from LBA %llu on; add --yes-destroy-data to overwrite it, or name another",
		    s->dev.uuid, s->disk, marks, l.data);
}

int target_find_data(struct session *s, u64 *lba)
{
	struct look l = { .s = s, .data = TARGET_BLANK, .likeness = -1 };
	int status;

	status = look_at_range(&l, 0, s->extent.lba_count);
	*lba = l.data;
	return status;
}
