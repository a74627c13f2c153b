// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output.h"
#include "util.h"

/* The regular file to be, and its name until it is whole; a program has one. */
static char target[PATH_MAX];
static char directory[PATH_MAX];
static char temporary[PATH_MAX];

/* SA_RESETHAND: the second time, the signal does what it always does. */
static void discard(int signal)
{
	unlink(temporary);
	raise(signal);
}

static void discard_on_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGXFSZ };
	const struct sigaction action = {
		.sa_handler = discard,
		.sa_flags = SA_RESETHAND,
	};
	struct sigaction old;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		/* nohup's business is not ours. */
		if (!sigaction(signals[i], NULL, &old) &&
		    old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

static int refuse(const struct output *out, const char *what)
{
	return fail(STATUS_USAGE, "%s: cannot %s: %s; choose another file",
		    out->name, what, strerror(errno));
}

/* @old: what the file replaces, or NULL. */
static int open_temporary(struct output *out, const struct stat *old)
{
	/* A link stays, and what it points to is replaced. */
	if (old ? !realpath(out->name, target) :
	    snprintf(target, sizeof(target), "%s", out->name) >=
	    (int)sizeof(target)) {
		errno = old ? errno : ENAMETOOLONG;
		return refuse(out, "find it");
	}
	snprintf(temporary, sizeof(temporary), "%s", target);
	snprintf(directory, sizeof(directory), "%s", dirname(temporary));
	if (snprintf(temporary, sizeof(temporary), "%s/.liov-XXXXXX",
		     directory) >= (int)sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return refuse(out, "find it");
	}
	discard_on_signals();
	/* What a disk holds is its owner's: mode 0600. */
	out->fd = mkostemp(temporary, O_CLOEXEC);
	if (out->fd < 0)
		return refuse(out, "create a file beside it");
	out->temporary = true;
	if (old && (fchown(out->fd, old->st_uid, old->st_gid) ||
		    fchmod(out->fd, old->st_mode & 07777)))
		return refuse(out, "keep its owner and mode");
	return STATUS_OK;
}

static int open_other(struct output *out, mode_t mode)
{
	out->stream = !S_ISBLK(mode);
	/* Only for a block device does O_EXCL mean: unless something holds it. */
	out->fd = open(out->name, O_WRONLY | O_CLOEXEC |
		       (S_ISBLK(mode) ? O_EXCL : 0));
	if (out->fd < 0 && errno == EBUSY)
		return fail(STATUS_USAGE,
			    "%s: it is in use (mounted, swap, LVM, RAID or another program); choose another device",
			    out->name);
	return out->fd < 0 ? refuse(out, "open it") : STATUS_OK;
}

int output_open(struct output *out, const char *path)
{
	struct stat st;
	int status;

	*out = (struct output){ .fd = STDOUT_FILENO, .name = "standard output",
				.stream = true };
	if (!path || !strcmp(path, "-"))
		return STATUS_OK;
	*out = (struct output){ .fd = -1, .name = path };
	if (stat(path, &st))
		status = errno == ENOENT ? open_temporary(out, NULL) :
			 refuse(out, "open it");
	else if (S_ISREG(st.st_mode))
		status = open_temporary(out, &st);
	else
		status = open_other(out, st.st_mode);
	return status ? output_close(out, status) : STATUS_OK;
}

int output_resize(struct output *out, u64 bytes)
{
	off_t size;

	if (out->stream)
		return STATUS_OK;
	if (out->temporary)
		return ftruncate(out->fd, (off_t)bytes) ?
		       refuse(out, "make it large enough") : STATUS_OK;
	size = lseek(out->fd, 0, SEEK_END);
	if (size < 0)
		return refuse(out, "find its size");
	if ((u64)size < bytes)
		return fail(STATUS_USAGE,
			    "%s: it has %llu bytes, and %llu are to be copied; choose a larger device",
			    out->name, (u64)size, bytes);
	return STATUS_OK;
}

bool output_write(struct output *out, const void *data, u64 bytes, u64 offset)
{
	/* A new file has zeroes already. */
	if (out->temporary && all_zeroes(data, bytes))
		return true;
	while (bytes) {
		ssize_t n = out->stream ? write(out->fd, data, bytes) :
			    pwrite(out->fd, data, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			fail(STATUS_IO,
			     "%s: cannot write byte %llu: %s; free space or choose another file",
			     out->name, offset, strerror(n ? errno : ENOSPC));
			return false;
		}
		data = (const char *)data + n;
		bytes -= (u64)n;
		offset += (u64)n;
	}
	return true;
}

static bool sync_directory(void)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool done = fd >= 0 && !fsync(fd);

	if (fd >= 0)
		close(fd);
	return done;
}

static int finish(struct output *out)
{
	if (!out->stream && fsync(out->fd))
		return fail(STATUS_IO,
			    "%s: cannot write it back: %s; free space or choose another file",
			    out->name, strerror(errno));
	if (!out->temporary)
		return STATUS_OK;
	if (rename(temporary, target))
		return refuse(out, "put the copy in its place");
	out->temporary = false;
	if (!sync_directory())
		return fail(STATUS_IO,
			    "%s: cannot write its directory back: %s; copy again",
			    out->name, strerror(errno));
	return STATUS_OK;
}

int output_close(struct output *out, int status)
{
	if (!status)
		status = finish(out);
	if (out->temporary)
		unlink(temporary);
	if (out->fd >= 0 && out->fd != STDOUT_FILENO)
		close(out->fd);
	return status;
}
