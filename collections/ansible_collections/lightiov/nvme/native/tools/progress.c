// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <unistd.h>

#include "progress.h"
#include "util.h"

#define INTERVAL (NSEC_PER_SEC / 5)
#define LINE_INTERVAL (10 * NSEC_PER_SEC)

/* It is the program's standard output, whatever is copied. */
static bool in_lines;

void progress_in_lines(void)
{
	in_lines = true;
}

void progress_start(struct progress *p, u64 total)
{
	*p = (struct progress){
		.shown = in_lines || isatty(STDERR_FILENO),
		.total = total,
		.started = now_ns(),
	};
	if (in_lines)
		p->next = p->started + LINE_INTERVAL;
}

static void show(struct progress *p, u64 now)
{
	FILE *out = in_lines ? stdout : stderr;

	p->next = now + (in_lines ? LINE_INTERVAL : INTERVAL);
	if (!in_lines)
		fputc('\r', out);
	if (p->total)
		fprintf(out, "%3.0f %% of %llu MiB, ",
			100.0 * (double)p->done / (double)p->total,
			p->total / MIB);
	fprintf(out, "%llu MiB  %.0f MiB/s%s", p->done / MIB,
		(double)p->done / MIB /
		((double)(now - p->started + 1) / NSEC_PER_SEC),
		in_lines ? "\n" : " ");
	if (in_lines)
		fflush(out);
}

void progress_update(struct progress *p, u64 done)
{
	u64 now;

	p->done = done;
	if (!p->shown)
		return;
	now = now_ns();
	if (now >= p->next || (p->total && done >= p->total))
		show(p, now);
}

void progress_finish(struct progress *p)
{
	if (!p->shown)
		return;
	/* How much a pipe had, no line before has said. */
	if (!p->total)
		show(p, now_ns());
	if (!in_lines)
		fputc('\n', stderr);
}
