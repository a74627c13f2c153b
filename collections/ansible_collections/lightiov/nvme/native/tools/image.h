/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that are not what a disk holds, but a format that contains it. */
#ifndef LIOV_IMAGE_H
#define LIOV_IMAGE_H

#include "types.h"

/* As much of a file's start as image_format() can use. */
#define IMAGE_HEAD 512

/**
 * struct image_format - a format
 * @name: what a person calls it
 * @offset: of its magic
 * @size: of its magic
 * @magic: how it is known
 * @remedy: how to get at the disk that it contains
 */
struct image_format {
	const char *name;
	u32 offset;
	u32 size;
	const char *magic;
	const char *remedy;
};

/* The format of a file that starts with these bytes; NULL if they may be a disk's. */
const struct image_format *image_format(const void *head, u64 bytes);

/* The same for a file's last 512 bytes, where some formats have their magic. */
const struct image_format *image_format_by_tail(const void *tail);

#endif
