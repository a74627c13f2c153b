/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether what a namespace holds may be overwritten. */
#ifndef LIOV_TARGET_H
#define LIOV_TARGET_H

#include "session.h"
#include "types.h"

/*
 * Reads the start and the end of the namespace, where file systems and
 * partition tables have their marks, and @count blocks from @lba on.  Refuses,
 * and names what is there, unless all of it is zeroes.
 */
int target_blank(struct session *s, u64 lba, u64 count);

#define TARGET_BLANK (~0ull)

/* Reads the namespace; @lba: the first that is not zeroes, or TARGET_BLANK. */
int target_find_data(struct session *s, u64 *lba);

#endif
