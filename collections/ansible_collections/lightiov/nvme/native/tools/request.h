/* SPDX-License-Identifier: GPL-2.0-only */
/* A command of a workload: its memory, and what the controller gets of it. */
#ifndef LIOV_REQUEST_H
#define LIOV_REQUEST_H

#include "nvme.h"
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

/* Bytes of session memory that the requests of one queue need. */
u64 request_memory(const struct session *s);

/* Gives each request its memory. */
void request_prepare(struct session *s);

/* Of the session's disk, whose own LBAs a request counts. */
struct nvme_sqe request_sqe(const struct session *s, const struct io_request *rq,
			    u16 cid);

#endif
