// SPDX-License-Identifier: GPL-2.0-only
/*
 * read, write, copy-in, copy-out: bytes between a file and a namespace.  All
 * use one queue pair: its depth is what keeps the controller busy.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../abi/lightiov_abi.h"
#include "io.h"
#include "nvme.h"
#include "options.h"
#include "progress.h"
#include "util.h"

#define COPY_IO_BYTES (256 * KIB)

/**
 * struct copy - one copy
 * @s: the session
 * @fd: the file
 * @name: of the file, for messages
 * @stream: the file can only be used from its start to its end
 * @sparse: blocks of zeroes need not be written to the file
 * @opcode: NVME_READ: from the namespace to the file; NVME_WRITE: back
 * @lba: first LBA, byte 0 of the file
 * @bytes: to copy; the rest of the last block is zeroes
 * @next: bytes taken up
 * @done: bytes copied
 * @progress: of @done
 */
struct copy {
	struct session s;
	int fd;
	const char *name;
	bool stream;
	bool sparse;
	u8 opcode;
	u64 lba;
	u64 bytes;
	u64 next;
	u64 done;
	struct progress progress;
};

static bool file_read(struct copy *c, void *data, u64 bytes, u64 offset)
{
	while (bytes) {
		ssize_t n = c->stream ? read(c->fd, data, bytes) :
			    pread(c->fd, data, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fail(STATUS_IO,
			     "%s: cannot read byte %llu: %s; what was copied before it is in the namespace",
			     c->name, offset, n ? strerror(errno) : "it ends there");
			return false;
		}
		data = (char *)data + n;
		bytes -= (u64)n;
		offset += (u64)n;
	}
	return true;
}

static bool file_write(struct copy *c, const void *data, u64 bytes, u64 offset)
{
	while (bytes) {
		ssize_t n = c->stream ? write(c->fd, data, bytes) :
			    pwrite(c->fd, data, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fail(STATUS_IO,
			     "%s: cannot write byte %llu: %s; free space or choose another file",
			     c->name, offset, strerror(n ? errno : ENOSPC));
			return false;
		}
		data = (const char *)data + n;
		bytes -= (u64)n;
		offset += (u64)n;
	}
	return true;
}

static bool all_zeroes(const char *data, u64 bytes)
{
	return !data[0] && !memcmp(data, data + 1, bytes - 1);
}

static u64 chunk(const struct copy *c, u64 offset)
{
	u64 bytes = c->bytes - offset;

	return bytes < c->s.config.io_bytes ? bytes : c->s.config.io_bytes;
}

static enum io_next copy_next(void *arg, u32 queue, struct io_request *rq)
{
	struct copy *c = arg;
	u64 size = c->s.ns.lba_size;
	u64 offset = c->next;
	u64 bytes = chunk(c, offset);
	u64 padded = align_up(bytes, size);

	(void)queue;
	if (!bytes)
		return IO_END;
	c->next += bytes;
	rq->opcode = c->opcode;
	rq->lba = c->lba + offset / size;
	rq->blocks = (u32)(padded / size);
	if (c->opcode == NVME_READ)
		return IO_SUBMIT;

	if (!file_read(c, rq->data, bytes, offset))
		return IO_FAILED;
	memset((char *)rq->data + bytes, 0, padded - bytes);
	if (c->s.limits.features & LIOV_FEATURE_WRITE_ZEROES &&
	    all_zeroes(rq->data, padded))
		rq->opcode = NVME_WRITE_ZEROES;
	return IO_SUBMIT;
}

static bool copy_done(void *arg, u32 queue, const struct io_request *rq)
{
	struct copy *c = arg;
	u64 offset = (rq->lba - c->lba) * c->s.ns.lba_size;
	u64 bytes = chunk(c, offset);

	(void)queue;
	if (c->opcode == NVME_READ &&
	    !(c->sparse && all_zeroes(rq->data, bytes)) &&
	    !file_write(c, rq->data, bytes, offset))
		return false;
	c->done += bytes;
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

	progress_start(&c->progress, c->bytes);
	status = io_run(&c->s, &w, 1);
	progress_finish(&c->progress);
	return status;
}

/* How many bytes the file has; false if only reading it will tell. */
static bool file_size(const struct copy *c, u64 *bytes)
{
	off_t end = c->stream ? -1 : lseek(c->fd, 0, SEEK_END);

	*bytes = (u64)end;
	return end >= 0;
}

static int copy_to_namespace(struct copy *c, const struct options *o)
{
	u64 count = o->count, room, bytes;
	int status;

	status = session_range(&c->s, o->lba, &count);
	if (status)
		return status;
	room = count * c->s.ns.lba_size;
	if (!file_size(c, &bytes)) {
		if (!o->count)
			return fail(STATUS_USAGE,
				    "%s: its size is unknown beforehand; add --count",
				    c->name);
		bytes = room;
	}
	if (o->count && bytes < room)
		return fail(STATUS_USAGE,
			    "%s: it has %llu bytes, less than %llu blocks; lower --count",
			    c->name, bytes, count);
	if (!o->count && bytes > room)
		return fail(STATUS_USAGE,
			    "%s: its %llu bytes do not fit into the %llu bytes of namespace %u of mdev %s; choose a larger namespace",
			    c->name, bytes, room, o->ns, o->uuid);
	c->bytes = bytes < room ? bytes : room;
	c->lba = o->lba;
	if (!c->bytes)
		return fail(STATUS_USAGE,
			    "%s: it is empty; name a file with data", c->name);
	status = run(c);
	return status ? status : io_flush(&c->s);
}

static int copy_to_file(struct copy *c, const struct options *o)
{
	u64 count = o->count;
	struct stat st;
	int status;

	status = session_range(&c->s, o->lba, &count);
	if (status)
		return status;
	c->bytes = count * c->s.ns.lba_size;
	c->lba = o->lba;
	c->sparse = !c->stream && !fstat(c->fd, &st) && S_ISREG(st.st_mode);
	/* Emptied first, so that what is not written reads as zeroes. */
	if (c->sparse && (ftruncate(c->fd, 0) ||
			  ftruncate(c->fd, (off_t)c->bytes)))
		return fail(STATUS_IO,
			    "%s: cannot make it %llu bytes long: %s; choose another file system",
			    c->name, c->bytes, strerror(errno));
	status = run(c);
	if (!status && !c->stream && fsync(c->fd))
		status = fail(STATUS_IO,
			      "%s: cannot write it back: %s; free space or choose another file",
			      c->name, strerror(errno));
	return status;
}

/* @path NULL: @fallback, an open stream. */
static int file_open(struct copy *c, const char *path, int flags, int fallback,
		     const char *fallback_name)
{
	c->fd = fallback;
	c->name = fallback_name;
	c->stream = true;
	if (!path)
		return STATUS_OK;
	c->name = path;
	c->fd = open(path, flags | O_CLOEXEC, 0666);
	if (c->fd < 0)
		return fail(STATUS_USAGE, "%s: cannot open it: %s; name a file",
			    path, strerror(errno));
	c->stream = lseek(c->fd, 0, SEEK_CUR) < 0;
	return STATUS_OK;
}

static int file_close(struct copy *c, const char *path)
{
	if (path && close(c->fd))
		return fail(STATUS_IO, "%s: cannot close it: %s; copy again",
			    path, strerror(errno));
	return STATUS_OK;
}

static int from_file(const struct options *o, const char *path)
{
	struct copy c = { .opcode = NVME_WRITE };
	int status, closed;

	status = file_open(&c, path, O_RDONLY, STDIN_FILENO, "standard input");
	if (status)
		return status;
	status = options_session(o, &c.s, 1, COPY_IO_BYTES);
	if (!status) {
		status = copy_to_namespace(&c, o);
		session_close(&c.s);
	}
	closed = file_close(&c, path);
	return status ? status : closed;
}

static int to_file(const struct options *o, const char *path)
{
	struct copy c = { .opcode = NVME_READ };
	struct options ordered = *o;
	int status, closed;

	status = file_open(&c, path, O_RDWR | O_CREAT, STDOUT_FILENO,
			   "standard output");
	if (status)
		return status;
	/* With one command at a time, data arrives in order. */
	if (c.stream)
		ordered.queue_depth = 1;
	status = options_session(&ordered, &c.s, 1, COPY_IO_BYTES);
	if (!status) {
		status = copy_to_file(&c, o);
		session_close(&c.s);
	}
	closed = file_close(&c, path);
	return status ? status : closed;
}

int cmd_read(const struct options *o)
{
	return to_file(o, o->output);
}

int cmd_write(const struct options *o)
{
	return from_file(o, o->input);
}

int cmd_copy_in(const struct options *o)
{
	return from_file(o, o->operand);
}

int cmd_copy_out(const struct options *o)
{
	return to_file(o, o->operand);
}
