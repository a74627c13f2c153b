/* SPDX-License-Identifier: GPL-2.0-only */
/* What the host says of an mdev in sysfs. */
#ifndef LIOV_SYSFS_H
#define LIOV_SYSFS_H

#include "types.h"

/* The last component of the link @name of the mdev. */
bool sysfs_link(const char *uuid, const char *name, char *target, size_t size);

/* Reads a number, such as "statistics/interrupts". */
bool sysfs_number(const char *uuid, const char *name, u64 *value);

/*
 * How many extents of the mdev the operator has given this name; @id is that of
 * the last.  A device does not tell names: they are in its attribute 'extents'.
 */
u32 sysfs_extents_named(const char *uuid, const char *name, u8 *id);

#endif
