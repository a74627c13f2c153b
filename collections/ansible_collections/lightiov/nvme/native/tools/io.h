/* SPDX-License-Identifier: GPL-2.0-only */
/* Keeps queues full of the commands that a workload thinks of. */
#ifndef LIOV_IO_H
#define LIOV_IO_H

#include <stdatomic.h>

#include "request.h"
#include "session.h"
#include "types.h"

enum io_next {
	IO_SUBMIT,	/* the request is filled in */
	IO_END,		/* there is no more to do */
	IO_FAILED,	/* the workload reported why it cannot go on */
};

/**
 * struct io_workload - what to do
 * @next: fills in a free request
 * @done: looks at a completed one; false if it reported a failure
 * @arg: for both; with more than one queue they run in several threads
 * @quiet: failing is expected: no messages
 * @cancel: may be NULL; set, io_run() returns STATUS_OK within a second and
 *	leaves behind what is in flight
 */
struct io_workload {
	enum io_next (*next)(void *arg, u32 queue, struct io_request *rq);
	bool (*done)(void *arg, u32 queue, const struct io_request *rq);
	void *arg;
	bool quiet;
	const atomic_bool *cancel;
};

/* Runs the workload on the first @queues queues, a thread for each. */
int io_run(struct session *s, const struct io_workload *w, u32 queues);

/* Makes what was written durable. */
int io_flush(struct session *s);

#endif
