// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <unistd.h>

#include "progress.h"
#include "util.h"

#define INTERVAL (NSEC_PER_SEC / 5)

void progress_start(struct progress *p, u64 total)
{
	*p = (struct progress){
		.shown = isatty(STDERR_FILENO),
		.total = total,
		.started = now_ns(),
	};
}

void progress_update(struct progress *p, u64 done)
{
	u64 now;

	if (!p->shown)
		return;
	now = now_ns();
	if (now < p->next && (!p->total || done < p->total))
		return;
	p->next = now + INTERVAL;
	fputc('\r', stderr);
	if (p->total)
		fprintf(stderr, "%3.0f %% of %llu MiB, ",
			100.0 * (double)done / (double)p->total,
			p->total / MIB);
	fprintf(stderr, "%llu MiB  %.0f MiB/s ", done / MIB,
		(double)done / MIB /
		((double)(now - p->started + 1) / NSEC_PER_SEC));
}

void progress_finish(struct progress *p)
{
	if (p->shown)
		fputc('\n', stderr);
}
