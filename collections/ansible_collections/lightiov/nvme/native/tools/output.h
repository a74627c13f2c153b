/* SPDX-License-Identifier: GPL-2.0-only */
/* The file that a namespace is saved to: whole, or as it was before. */
#ifndef LIOV_OUTPUT_H
#define LIOV_OUTPUT_H

#include "types.h"

/**
 * struct output - an open file
 * @fd: the file
 * @name: of it, for messages
 * @stream: it can only be written from its start to its end
 * @temporary: it is a new regular file under another name
 */
struct output {
	int fd;
	const char *name;
	bool stream;
	bool temporary;
};

/*
 * NULL and "-" are standard output.  A regular file is written under another
 * name beside it; a block device only if nothing else has it.
 */
int output_open(struct output *out, const char *path);

/* Makes room for @bytes, which read as zeroes where nothing is written. */
int output_resize(struct output *out, u64 bytes);

bool output_write(struct output *out, const void *data, u64 bytes, u64 offset);

/*
 * @status: of the copy.  If it went well, makes it durable and gives the file
 * its name; else leaves no trace of a regular file.
 */
int output_close(struct output *out, int status);

#endif
