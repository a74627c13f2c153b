/* SPDX-License-Identifier: GPL-2.0-only */
/* The file that a namespace is filled from, read once from start to end. */
#ifndef LIOV_INPUT_H
#define LIOV_INPUT_H

#include "image.h"
#include "types.h"

/**
 * struct input - an open file
 * @fd: the file
 * @name: of it, for messages
 * @sized: @bytes is known; else only reading to the end will tell
 * @bytes: how many it has
 * @ended: it was read to its end
 * @head: its first bytes, which have been looked at
 * @head_bytes: how many those are
 * @head_taken: how many of them input_read() has handed out
 */
struct input {
	int fd;
	const char *name;
	bool sized;
	u64 bytes;
	bool ended;
	char head[IMAGE_HEAD];
	u64 head_bytes;
	u64 head_taken;
};

/*
 * Opens @path; NULL and "-" are standard input.  Refuses what is empty and,
 * unless @raw, what is no raw image.
 */
int input_open(struct input *in, const char *path, bool raw);
void input_close(struct input *in);

/* Reads @bytes, fewer only at the end; false if it reported a failure. */
bool input_read(struct input *in, void *data, u64 bytes, u64 *got);

#endif
