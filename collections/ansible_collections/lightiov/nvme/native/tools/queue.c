// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>

#include "mailbox.h"
#include "queue.h"
#include "util.h"

static u64 ring_memory(u64 bytes)
{
	/* memory_take() hands out whole pages. */
	return align_up(bytes, 4 * KIB);
}

u64 queue_memory(u32 entries)
{
	return ring_memory(entries * sizeof(struct nvme_sqe)) +
	       ring_memory(entries * sizeof(struct nvme_cqe));
}

static bool find_doorbell(const struct device *dev, __le32 offset,
			  __le32 **address)
{
	u32 at = le32toh(offset);

	if (at % sizeof(__le32) ||
	    at + (u64)sizeof(__le32) > dev->doorbells_size)
		return false;
	*address = (__le32 *)((char *)dev->doorbells + at);
	return true;
}

/*
 * What was written to memory before must be there before the controller hears
 * of it.  x86, the only architecture the host module supports, keeps stores in
 * order once the compiler does, and a store this wide is one.
 */
void doorbell_write(__le32 *address, u32 value)
{
	__atomic_store_n(address, htole32(value), __ATOMIC_RELEASE);
}

bool queue_find_doorbells(struct queue *queue, const struct device *dev)
{
	struct liov_queue_info info;

	register_copy(dev, LIOV_REG_QUEUE(queue->index), &info, sizeof(info));
	return find_doorbell(dev, info.sq_doorbell, &queue->sq_doorbell) &&
	       find_doorbell(dev, info.cq_doorbell, &queue->cq_doorbell);
}

int queue_prepare(struct queue *queue, struct device *dev, struct memory *mem,
		  u32 index, u32 entries, int eventfd)
{
	*queue = (struct queue){
		.index = index,
		.entries = entries,
		.eventfd = eventfd,
		.phase = NVME_CQE_PHASE,
		.sq = memory_take(mem, entries * sizeof(struct nvme_sqe)),
		.cq = memory_take(mem, entries * sizeof(struct nvme_cqe)),
	};

	if (!queue_find_doorbells(queue, dev))
		return fail(STATUS_USAGE,
			    "mdev %s: the doorbells of queue pair %u are outside their BAR; install tools and host module of one version",
			    dev->uuid, index);
	return STATUS_OK;
}

static int create_at_once(const struct queue *queues, u32 count,
			  const struct device *dev, const struct memory *mem)
{
	u32 i;

	for (i = 0; i < count; i++) {
		register_write64(dev, LIOV_REG_RINGS(i),
				 memory_gpa(mem, queues[i].sq));
		register_write64(dev, LIOV_REG_RINGS(i) + sizeof(u64),
				 memory_gpa(mem, queues[i].cq));
	}
	return mailbox_run(dev, LIOV_CMD_CREATE_QUEUES, 0, count,
			   queues->entries, 0);
}

int queues_create(const struct queue *queues, u32 count,
		  const struct device *dev, const struct memory *mem)
{
	u32 i;
	int status;

	if (mailbox_knows(dev, 3))
		return create_at_once(queues, count, dev, mem);
	for (i = 0; i < count; i++) {
		status = mailbox_run(dev, LIOV_CMD_CREATE_QUEUE, i,
				     memory_gpa(mem, queues[i].sq),
				     memory_gpa(mem, queues[i].cq),
				     queues[i].entries);
		if (status)
			return status;
	}
	return STATUS_OK;
}

void queue_put(struct queue *queue, const struct nvme_sqe *sqe)
{
	queue->sq[queue->tail] = *sqe;
	if (++queue->tail == queue->entries)
		queue->tail = 0;
}

void queue_ring(struct queue *queue)
{
	doorbell_write(queue->sq_doorbell, queue->tail);
}

bool queue_take(struct queue *queue, struct nvme_cqe *cqe)
{
	struct nvme_cqe *entry = &queue->cq[queue->head];
	u16 status;

	/* The rest of the entry is valid only once the phase tag has turned. */
	status = le16toh(__atomic_load_n(&entry->status, __ATOMIC_ACQUIRE));
	if ((status & NVME_CQE_PHASE) != queue->phase)
		return false;
	*cqe = *entry;
	if (++queue->head == queue->entries) {
		queue->head = 0;
		queue->phase ^= NVME_CQE_PHASE;
	}
	return true;
}

void queue_release(struct queue *queue)
{
	doorbell_write(queue->cq_doorbell, queue->head);
}
