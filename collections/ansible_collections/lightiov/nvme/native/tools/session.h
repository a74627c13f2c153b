/* SPDX-License-Identifier: GPL-2.0-only */
/* An mdev made ready for I/O: memory, interrupts, queue pairs, one disk. */
#ifndef LIOV_SESSION_H
#define LIOV_SESSION_H

#include "memory.h"
#include "queue.h"
#include "slot.h"
#include "types.h"
#include "vfio.h"

/**
 * struct limits - what the controller allows
 * @queue_pairs: of this mdev
 * @queue_entries: most entries of a ring
 * @max_transfer: most bytes of a command
 * @page_size: unit of PRP entries
 * @timeout_ms: a command that takes longer is lost
 * @features: LIOV_FEATURE_*
 */
struct limits {
	u32 queue_pairs;
	u32 queue_entries;
	u32 max_transfer;
	u32 page_size;
	u32 timeout_ms;
	u32 features;
};

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
 * @hugepages: take the memory from huge pages
 */
struct session_config {
	const char *uuid;
	u32 slot;
	const char *disk;
	u32 queues;
	u32 depth;
	u64 io_bytes;
	bool hugepages;
};

/**
 * struct session - an mdev in use
 * @config: what was asked for
 * @dev: the device
 * @limits: of its controller
 * @extent: of the disk; nothing if there is none
 * @target: what messages call the disk
 * @mem: rings, PRP lists and data
 * @eventfds: one a vector: events, then the queue pairs
 * @queues: @config.queues of them
 * @requests: @config.depth for each queue, owned by io.c
 */
struct session {
	struct session_config config;
	struct device dev;
	struct limits limits;
	struct extent extent;
	char target[EXTENT_NAME_TEXT];
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

/* The first step of session_open(), all that 'identify' needs. */
int session_connect(struct device *dev, const char *uuid, struct limits *limits);

/* Why I/O cannot go on, from LIOV_REG_STATUS; NULL if it can. */
const char *session_trouble(u32 status);

/* Checks a range of the disk; *@count 0 means up to its end. */
int session_range(const struct session *s, u64 lba, u64 *count);

#endif
