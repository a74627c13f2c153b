/* SPDX-License-Identifier: GPL-2.0-only */
/* How far a long copy is: on a terminal, or in lines for another program. */
#ifndef LIOV_PROGRESS_H
#define LIOV_PROGRESS_H

#include "types.h"

struct progress {
	bool shown;
	u64 total;
	u64 done;
	u64 started;
	u64 next;
};

/* From now on lines are written, to standard output. */
void progress_in_lines(void);

/*
 * Shows nothing unless standard error is a terminal, or lines are asked for.
 * @total: bytes, 0 if unknown.
 */
void progress_start(struct progress *p, u64 total);
void progress_update(struct progress *p, u64 done);
void progress_finish(struct progress *p);

#endif
