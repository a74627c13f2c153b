// SPDX-License-Identifier: GPL-2.0-only
/*
 * write, copy-in: from a file to a namespace.  One queue pair: its depth is
 * what keeps the controller busy.
 */
#include <string.h>

#include "../abi/lightiov_abi.h"
#include "disk.h"
#include "input.h"
#include "io.h"
#include "nvme.h"
#include "options.h"
#include "progress.h"
#include "target.h"
#include "util.h"

/**
 * struct copy - one copy
 * @s: the session
 * @in: the file
 * @lba: first LBA, for byte 0 of the file
 * @most: bytes to copy at most
 * @taken: bytes taken from the file; the rest of the last block is zeroes
 * @done: bytes copied
 * @progress: of @done
 */
struct copy {
	struct session s;
	struct input in;
	u64 lba;
	u64 most;
	u64 taken;
	u64 done;
	struct progress progress;
};

static enum io_next copy_next(void *arg, u32 queue, struct io_request *rq)
{
	struct copy *c = arg;
	u64 size = c->s.extent.lba_size;
	u64 bytes = c->most - c->taken;
	u64 padded;

	(void)queue;
	if (bytes > c->s.config.io_bytes)
		bytes = c->s.config.io_bytes;
	if (!input_read(&c->in, rq->data, bytes, &bytes))
		return IO_FAILED;
	if (!bytes)
		return IO_END;
	padded = align_up(bytes, size);
	memset((char *)rq->data + bytes, 0, padded - bytes);
	rq->opcode = NVME_WRITE;
	rq->lba = c->lba + c->taken / size;
	rq->blocks = (u32)(padded / size);
	c->taken += bytes;
	if (padded <= c->s.limits.write_zeroes && all_zeroes(rq->data, padded))
		rq->opcode = NVME_WRITE_ZEROES;
	return IO_SUBMIT;
}

static bool copy_done(void *arg, u32 queue, const struct io_request *rq)
{
	struct copy *c = arg;

	(void)queue;
	c->done += (u64)rq->blocks * c->s.extent.lba_size;
	progress_update(&c->progress, c->done);
	return true;
}

static int run(struct copy *c)
{
	const struct io_workload w = {
		.next = copy_next,
		.done = copy_done,
		.arg = c,
	};
	int status;

	progress_start(&c->progress, c->in.sized ? c->most : 0);
	status = io_run(&c->s, &w, 1);
	progress_finish(&c->progress);
	return status ? status : io_flush(&c->s);
}

/* Decides how much to copy, which only a file of known size can contradict. */
static int measure(struct copy *c, const struct options *o)
{
	u64 count = o->count, room;
	int status;

	status = disk_range(&c->s, o->lba, &count);
	if (status)
		return status;
	room = count * c->s.extent.lba_size;
	if (c->in.sized && o->count && c->in.bytes < room)
		return fail(STATUS_USAGE,
			    "%s: it has %llu bytes, less than %llu blocks; lower --count",
			    c->in.name, c->in.bytes, count);
	if (c->in.sized && !o->count && c->in.bytes > room)
		return fail(STATUS_USAGE,
			    "%s: its %llu bytes do not fit into the %llu bytes of %s of mdev %s; choose a larger one",
			    c->in.name, c->in.bytes, room, c->s.disk,
			    o->uuid);
	c->lba = o->lba;
	c->most = c->in.sized && c->in.bytes < room ? c->in.bytes : room;
	return STATUS_OK;
}

/* Of a copy that ended well: whether it was all there was to copy. */
static int check_whole(struct copy *c, const struct options *o)
{
	u64 more = 0;
	char byte;

	if (c->taken < c->most && (c->in.sized || o->count))
		return fail(STATUS_IO,
			    "%s: it ended after %llu bytes instead of %llu; those are in %s of mdev %s: copy again",
			    c->in.name, c->taken, c->most, c->s.disk,
			    o->uuid);
	if (c->in.sized || o->count || c->taken < c->most)
		return STATUS_OK;
	if (!input_read(&c->in, &byte, 1, &more))
		return STATUS_IO;
	if (more)
		return fail(STATUS_IO,
			    "%s: it goes on after the %llu bytes that %s of mdev %s had room for and that were written; choose a larger one",
			    c->in.name, c->taken, c->s.disk, o->uuid);
	return STATUS_OK;
}

static int copy(struct copy *c, const struct options *o)
{
	int status = measure(c, o);

	if (!status && !o->destroy)
		status = target_blank(&c->s, c->lba,
				      align_up(c->most, c->s.extent.lba_size) /
				      c->s.extent.lba_size);
	if (!status)
		status = run(c);
	return status ? status : check_whole(c, o);
}

static int from_file(const struct options *o, const char *path)
{
	struct copy c = { 0 };
	int status;

	status = input_open(&c.in, path, o->raw);
	if (status)
		return status;
	status = options_session(o, &c.s, 1, COPY_IO_BYTES);
	if (!status) {
		status = copy(&c, o);
		session_close(&c.s);
	}
	input_close(&c.in);
	return status;
}

int cmd_write(const struct options *o)
{
	return from_file(o, o->input);
}

int cmd_copy_in(const struct options *o)
{
	return from_file(o, o->operand);
}
