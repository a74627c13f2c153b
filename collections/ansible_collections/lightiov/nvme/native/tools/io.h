/* SPDX-License-Identifier: GPL-2.0-only */
/* Keeps queues full of the commands that a workload thinks of. */
#ifndef LIOV_IO_H
#define LIOV_IO_H

#include <stdatomic.h>

#include "session.h"
#include "types.h"

/**
 * struct io_request - one command in flight
 * @opcode: enum nvme_opcode
 * @lba: first LBA, counted from the owner's first one
 * @blocks: logical blocks; 0 for a flush
 * @data: session_config.io_bytes of memory that is this request's own
 * @data_iova: where the controller sees @data
 * @list: a page for its PRP list
 * @list_iova: where the controller sees @list
 * @in_flight: the controller has it
 * @submitted: when it went to the controller
 * @next: another one that is not in flight either
 */
struct io_request {
	u8 opcode;
	u64 lba;
	u32 blocks;
	void *data;
	u64 data_iova;
	__le64 *list;
	u64 list_iova;
	bool in_flight;
	u64 submitted;
	struct io_request *next;
};

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

/* Bytes of session memory that the requests of one queue need. */
u64 io_memory(const struct session *s);

/* Gives each request its memory. */
void io_prepare(struct session *s);

/* Runs the workload on the first @queues queues, a thread for each. */
int io_run(struct session *s, const struct io_workload *w, u32 queues);

/* Makes what was written durable. */
int io_flush(struct session *s);

#endif
