// SPDX-License-Identifier: GPL-2.0-only
/*
 * blank: reads whether all of a namespace is zeroes, and by consent makes it
 * so: its next owner sees nothing of the one before.
 */
#include <stdio.h>
#include <string.h>

#include "../abi/lightiov_abi.h"
#include "io.h"
#include "nvme.h"
#include "options.h"
#include "progress.h"
#include "target.h"
#include "util.h"

/**
 * struct blanking - zeroes on their way to the whole namespace
 * @s: the session
 * @next: first LBA that has not been asked for
 * @done: bytes written
 * @progress: of @done
 */
struct blanking {
	struct session *s;
	u64 next;
	u64 done;
	struct progress progress;
};

static enum io_next blanking_next(void *arg, u32 queue, struct io_request *rq)
{
	struct blanking *b = arg;
	u64 size = b->s->extent.lba_size;
	u64 blocks = b->s->config.io_bytes / size;
	u64 most = b->s->limits.write_zeroes / size;

	(void)queue;
	if (most && blocks > most)
		blocks = most;
	if (blocks > b->s->extent.lba_count - b->next)
		blocks = b->s->extent.lba_count - b->next;
	if (!blocks)
		return IO_END;
	rq->opcode = NVME_WRITE_ZEROES;
	rq->lba = b->next;
	rq->blocks = (u32)blocks;
	b->next += blocks;
	if (!most) {
		rq->opcode = NVME_WRITE;
		memset(rq->data, 0, blocks * size);
	}
	return IO_SUBMIT;
}

static bool blanking_done(void *arg, u32 queue, const struct io_request *rq)
{
	struct blanking *b = arg;

	(void)queue;
	b->done += (u64)rq->blocks * b->s->extent.lba_size;
	progress_update(&b->progress, b->done);
	return true;
}

static int write_zeroes(struct session *s)
{
	struct blanking b = { .s = s };
	const struct io_workload w = {
		.next = blanking_next,
		.done = blanking_done,
		.arg = &b,
	};
	int status;

	progress_start(&b.progress, s->extent.lba_count * s->extent.lba_size);
	status = io_run(s, &w, 1);
	progress_finish(&b.progress);
	return status ? status : io_flush(s);
}

static int check_or_erase(struct session *s, bool destroy)
{
	u64 lba;
	int status;

	status = destroy ? write_zeroes(s) : STATUS_OK;
	if (!status)
		status = target_find_data(s, &lba);
	if (status)
		return status;
	if (lba == TARGET_BLANK) {
		printf("%llu blocks are blank\n", s->extent.lba_count);
		return STATUS_OK;
	}
	if (destroy)
		return fail(STATUS_IO,
			    "mdev %s: %s has data at LBA %llu after zeroes were written to all of it; replace the drive",
			    s->dev.uuid, s->disk, lba);
	return fail(STATUS_IO,
		    "mdev %s: %s is not blank, it has data at LBA %llu; add --yes-destroy-data to erase it",
		    s->dev.uuid, s->disk, lba);
}

int cmd_blank(const struct options *o)
{
	struct session s;
	int status;

	status = options_session(o, &s, 1, COPY_IO_BYTES);
	if (status)
		return status;
	status = check_or_erase(&s, o->destroy);
	session_close(&s);
	return status;
}
