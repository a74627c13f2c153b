/* SPDX-License-Identifier: GPL-2.0-only */
/* The one disk of an mdev that a session is for. */
#ifndef LIOV_DISK_H
#define LIOV_DISK_H

#include "session.h"
#include "types.h"

/* Finds the disk that the session's config asks for. */
int disk_choose(struct session *s);

/*
 * While there were no queues the extent may have been taken away, its LBAs
 * given to another mdev, and the slot to another extent: refuses then.
 */
int disk_check(struct session *s);

/* Checks a range of the disk; *@count 0 means up to its end. */
int disk_range(const struct session *s, u64 lba, u64 *count);

#endif
