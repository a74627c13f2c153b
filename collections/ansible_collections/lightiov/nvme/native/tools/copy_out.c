// SPDX-License-Identifier: GPL-2.0-only
/* read, copy-out: from a namespace to a file, with one queue pair. */
#include "disk.h"
#include "io.h"
#include "nvme.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "util.h"

/**
 * struct copy - one copy
 * @s: the session
 * @out: the file
 * @lba: first LBA, byte 0 of the file
 * @count: blocks to copy
 * @next: blocks asked for
 * @done: bytes copied
 * @progress: of @done
 */
struct copy {
	struct session s;
	struct output out;
	u64 lba;
	u64 count;
	u64 next;
	u64 done;
	struct progress progress;
};

static enum io_next copy_next(void *arg, u32 queue, struct io_request *rq)
{
	struct copy *c = arg;
	u64 blocks = c->s.config.io_bytes / c->s.extent.lba_size;

	(void)queue;
	if (blocks > c->count - c->next)
		blocks = c->count - c->next;
	if (!blocks)
		return IO_END;
	rq->opcode = NVME_READ;
	rq->lba = c->lba + c->next;
	rq->blocks = (u32)blocks;
	c->next += blocks;
	return IO_SUBMIT;
}

static bool copy_done(void *arg, u32 queue, const struct io_request *rq)
{
	struct copy *c = arg;
	u64 size = c->s.extent.lba_size;

	(void)queue;
	if (!output_write(&c->out, rq->data, rq->blocks * size,
			  (rq->lba - c->lba) * size))
		return false;
	c->done += rq->blocks * size;
	progress_update(&c->progress, c->done);
	return true;
}

static int copy(struct copy *c, const struct options *o)
{
	const struct io_workload w = {
		.next = copy_next,
		.done = copy_done,
		.arg = c,
	};
	u64 bytes;
	int status;

	c->lba = o->lba;
	c->count = o->count;
	status = disk_range(&c->s, c->lba, &c->count);
	if (status)
		return status;
	bytes = c->count * c->s.extent.lba_size;
	status = output_resize(&c->out, bytes);
	if (status)
		return status;
	progress_start(&c->progress, bytes);
	status = io_run(&c->s, &w, 1);
	progress_finish(&c->progress);
	return status;
}

static int to_file(const struct options *o, const char *path)
{
	struct options ordered = *o;
	struct copy c = { 0 };
	int status;

	status = output_open(&c.out, path);
	if (status)
		return status;
	/* With one command at a time, data arrives in order. */
	if (c.out.stream)
		ordered.queue_depth = 1;
	status = options_session(&ordered, &c.s, 1, COPY_IO_BYTES);
	if (!status) {
		status = copy(&c, o);
		session_close(&c.s);
	}
	return output_close(&c.out, status);
}

int cmd_read(const struct options *o)
{
	return to_file(o, o->output);
}

int cmd_copy_out(const struct options *o)
{
	return to_file(o, o->operand);
}
