/* SPDX-License-Identifier: GPL-2.0-only */
/* One hardware queue pair: rings in our memory, the controller's doorbells. */
#ifndef LIOV_QUEUE_H
#define LIOV_QUEUE_H

#include "memory.h"
#include "nvme.h"
#include "types.h"
#include "vfio.h"

/**
 * struct queue - one queue pair; used by one thread
 * @index: the mdev's number of it
 * @entries: of each ring; one less can be in flight
 * @sq: submission ring
 * @cq: completion ring
 * @sq_doorbell: where the SQ tail goes
 * @cq_doorbell: where the CQ head goes
 * @eventfd: its interrupts
 * @tail: next free entry of @sq
 * @head: next entry of @cq to look at
 * @phase: phase tag of completions not seen yet
 */
struct queue {
	u32 index;
	u32 entries;
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	__le32 *sq_doorbell;
	__le32 *cq_doorbell;
	int eventfd;
	u32 tail;
	u32 head;
	u16 phase;
};

/* Bytes that queue_prepare() takes from the memory. */
u64 queue_memory(u32 entries);

/* Looks up the doorbells of pair @queue->index; false if they make no sense. */
bool queue_find_doorbells(struct queue *queue, const struct device *dev);

void doorbell_write(__le32 *address, u32 value);

/* Takes rings from @mem, and finds the doorbells. */
int queue_prepare(struct queue *queue, struct device *dev, struct memory *mem,
		  u32 index, u32 entries, int eventfd);

/*
 * Has the host create the pairs, which are prepared, on the controller: all at
 * once if it knows how to.  They are numbered from 0, and have rings of one size.
 */
int queues_create(const struct queue *queues, u32 count,
		  const struct device *dev, const struct memory *mem);

/* Puts a command into the ring; the controller sees it at queue_ring(). */
void queue_put(struct queue *queue, const struct nvme_sqe *sqe);
void queue_ring(struct queue *queue);

/* Takes one completion; the controller gets its entry back at queue_release(). */
bool queue_take(struct queue *queue, struct nvme_cqe *cqe);
void queue_release(struct queue *queue);

#endif
