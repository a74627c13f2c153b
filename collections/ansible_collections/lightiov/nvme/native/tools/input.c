// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"
#include "util.h"

static bool read_all(struct input *in, char *data, u64 bytes, u64 *got)
{
	for (*got = 0; *got < bytes && !in->ended;) {
		ssize_t n = read(in->fd, data + *got, bytes - *got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fail(STATUS_IO,
			     "%s: cannot read it: %s; check it and copy again",
			     in->name, strerror(errno));
			return false;
		}
		in->ended = !n;
		*got += (u64)n;
	}
	return true;
}

bool input_read(struct input *in, void *data, u64 bytes, u64 *got)
{
	u64 ready = in->head_bytes - in->head_taken;

	if (ready > bytes)
		ready = bytes;
	memcpy(data, in->head + in->head_taken, ready);
	in->head_taken += ready;
	if (!read_all(in, (char *)data + ready, bytes - ready, got))
		return false;
	*got += ready;
	return true;
}

/* What is left of a file that another program has read a part of. */
static void find_size(struct input *in)
{
	off_t start = lseek(in->fd, 0, SEEK_CUR);
	off_t end = lseek(in->fd, 0, SEEK_END);

	/* What says that it has nothing may have something, as files in /proc. */
	in->sized = start >= 0 && end > start &&
		    lseek(in->fd, start, SEEK_SET) == start;
	in->bytes = in->sized ? (u64)(end - start) : 0;
}

static const struct image_format *find_format(const struct input *in)
{
	const struct image_format *format;
	char tail[IMAGE_HEAD];
	off_t end;

	format = image_format(in->head, in->head_bytes);
	if (format || !in->sized || in->bytes <= sizeof(tail))
		return format;
	end = lseek(in->fd, 0, SEEK_CUR) - (off_t)in->head_bytes +
	      (off_t)in->bytes;
	if (pread(in->fd, tail, sizeof(tail), end - (off_t)sizeof(tail)) !=
	    sizeof(tail))
		return NULL;
	return image_format_by_tail(tail);
}

static int look(struct input *in, bool raw)
{
	const struct image_format *format;
	struct stat st;

	if (fstat(in->fd, &st))
		return fail(STATUS_USAGE, "%s: %s; name a file", in->name,
			    strerror(errno));
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		find_size(in);
	if (!read_all(in, in->head, sizeof(in->head), &in->head_bytes))
		return STATUS_USAGE;
	if (!in->head_bytes)
		return fail(STATUS_USAGE,
			    "%s: it is empty; name a file with data", in->name);
	format = raw ? NULL : find_format(in);
	if (format)
		return fail(STATUS_USAGE,
			    "%s: it is a file of format %s, not a raw image; %s, or add --raw to copy it as it is",
			    in->name, format->name, format->remedy);
	return STATUS_OK;
}

int input_open(struct input *in, const char *path, bool raw)
{
	int status;

	*in = (struct input){ .fd = STDIN_FILENO, .name = "standard input" };
	if (path && strcmp(path, "-")) {
		in->name = path;
		in->fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (in->fd < 0)
		return fail(STATUS_USAGE, "%s: cannot open it: %s; name a file",
			    path, strerror(errno));
	status = look(in, raw);
	if (status)
		input_close(in);
	return status;
}

void input_close(struct input *in)
{
	if (in->fd != STDIN_FILENO)
		close(in->fd);
}
