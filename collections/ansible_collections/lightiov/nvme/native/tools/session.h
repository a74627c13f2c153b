/* SPDX-License-Identifier: GPL-2.0-only */
/* An mdev made ready for I/O: memory, interrupts, queue pairs, one namespace. */
#ifndef LIOV_SESSION_H
#define LIOV_SESSION_H

#include "memory.h"
#include "queue.h"
#include "types.h"
#include "vfio.h"

/**
 * struct limits - what the controller allows
 * @queue_pairs: of this mdev
 * @queue_entries: most entries of a ring
 * @namespaces: of this mdev
 * @max_transfer: most bytes of a command
 * @page_size: unit of PRP entries
 * @timeout_ms: a command that takes longer is lost
 * @features: LIOV_FEATURE_*
 */
struct limits {
	u32 queue_pairs;
	u32 queue_entries;
	u32 namespaces;
	u32 max_transfer;
	u32 page_size;
	u32 timeout_ms;
	u32 features;
};

struct namespace {
	u32 nsid;
	u32 flags;
	u32 lba_size;
	u64 start_lba;
	u64 lba_count;
	u8 nguid[16];
	u8 eui64[8];
	u8 uuid[16];
};

/* A namespace that need not be named, as there is no other. */
#define NAMESPACE_ONLY (~0u)

/**
 * struct session_config - what a subcommand wants
 * @uuid: the mdev
 * @ns: index of the namespace; session_open() replaces NAMESPACE_ONLY
 * @queues: queue pairs to create
 * @depth: commands in flight in each
 * @io_bytes: most bytes of one command; session_open() may lower it
 * @hugepages: take the memory from huge pages
 */
struct session_config {
	const char *uuid;
	u32 ns;
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
 * @ns: the namespace
 * @mem: rings, PRP lists and data
 * @eventfds: one a vector: events, then the queue pairs
 * @queues: @config.queues of them
 * @requests: @config.depth for each queue, owned by io.c
 */
struct session {
	struct session_config config;
	struct device dev;
	struct limits limits;
	struct namespace ns;
	struct memory mem;
	int *eventfds;
	struct queue *queues;
	struct io_request *requests;
};

int session_open(struct session *s, const struct session_config *config);
void session_close(struct session *s);

/* Forgets everything on the host's side, then creates it anew. */
int session_restart(struct session *s);

/* The first steps of session_open(), all that 'identify' needs. */
int session_connect(struct device *dev, const char *uuid, struct limits *limits);
int session_namespace(const struct device *dev, const struct limits *limits,
		      u32 index, struct namespace *ns);

/* Why I/O cannot go on, from LIOV_REG_STATUS; NULL if it can. */
const char *session_trouble(u32 status);

/* Checks a range of the namespace; *@count 0 means up to its end. */
int session_range(const struct session *s, u64 lba, u64 *count);

#endif
