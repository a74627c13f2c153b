/* SPDX-License-Identifier: GPL-2.0-only */
/* An mdev made ready for I/O: memory, interrupts, queue pairs, one disk. */
#ifndef LIOV_SESSION_H
#define LIOV_SESSION_H

#include "mdev.h"
#include "memory.h"
#include "queue.h"
#include "slot.h"
#include "types.h"
#include "vfio.h"

/* A disk that need not be named, as there is no other; and none at all. */
#define SLOT_ONLY (~0u)
#define SLOT_NONE (~0u - 1)

/**
 * struct session_config - what a subcommand wants
 * @uuid: the mdev
 * @slot: of the disk; session_open() replaces SLOT_ONLY
 * @disk: its name or its ID, or NULL: @slot tells which
 * @queues: queue pairs to create
 * @depth: commands in flight in each
 * @io_bytes: most bytes of one command; session_open() may lower it
 * @memory: bytes to show to the controller, if that is more than is needed
 * @hugepages: take the memory from huge pages
 */
struct session_config {
	const char *uuid;
	u32 slot;
	const char *disk;
	u32 queues;
	u32 depth;
	u64 io_bytes;
	u64 memory;
	bool hugepages;
};

/**
 * struct session_times - how long the last start took, in ns
 * @device: opening the device
 * @memory: showing all memory to the controller
 * @queues: interrupts and queue pairs
 */
struct session_times {
	u64 device;
	u64 memory;
	u64 queues;
};

/**
 * struct session - an mdev in use
 * @config: what was asked for
 * @dev: the device
 * @times: of its start
 * @limits: of its controller
 * @extent: of the disk; nothing if there is none
 * @disk: what messages call it
 * @mem: rings, PRP lists and data
 * @eventfds: one a vector: events, then the queue pairs
 * @queues: @config.queues of them
 * @requests: @config.depth for each queue, which io.h runs
 */
struct session {
	struct session_config config;
	struct device dev;
	struct session_times times;
	struct limits limits;
	struct extent extent;
	char disk[EXTENT_NAME_TEXT];
	struct memory mem;
	int *eventfds;
	struct queue *queues;
	struct io_request *requests;
};

int session_open(struct session *s, const struct session_config *config);
void session_close(struct session *s);

/*
 * Forgets everything on the host's side, then creates it anew, and refuses if
 * the disk is not there any more.
 */
int session_restart(struct session *s);

/*
 * Has the host delete the queue pairs, and creates them anew in the memory that
 * it has, which is blank then.
 */
int session_requeue(struct session *s);

#endif
