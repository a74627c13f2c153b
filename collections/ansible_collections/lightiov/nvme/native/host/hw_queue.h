/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hardware queue pairs of the controller, whoever has them: a VM, whose memory
 * the rings lie in and whose driver consumes the completions, or the host.
 *
 * Owners use it; it uses the admin queue and the controller's vectors, and
 * knows nothing of its owners but whom to call.
 */
#ifndef LIGHTIOV_HW_QUEUE_H
#define LIGHTIOV_HW_QUEUE_H

#include "controller.h"

/**
 * struct liov_hw_queue - one hardware queue pair
 * @owner: for messages and traces
 * @index: the owner's own number of it
 * @qid: the controller's ID for SQ and CQ alike
 * @polled: does not interrupt; said when it is placed
 * @created: exists on the controller, at least its CQ, unless @epoch is over
 * @sq, @cq: the rings, as I/O virtual addresses
 * @handler: called with @data in hard IRQ, when there may be completions
 * @bypass: interrupts may be posted to where this eventfd leads, past @handler;
 *	may be NULL.  liov_ctrl.lock.
 * @vector: or 0, as while it is @polled
 * @rq: for what is created or deleted side by side with others
 *
 * The owner fills in @owner, @index, @handler and @data, and sees to it that
 * only one function at a time creates or deletes a queue pair.
 */
struct liov_hw_queue {
	struct liov_ctrl *ctrl;
	struct device *owner;
	u16 index;
	u16 qid;
	bool polled;
	bool created;
	u32 epoch;
	u32 entries;
	u64 sq;
	u64 cq;
	void (*handler)(void *data);
	void *data;
	struct eventfd_ctx *bypass;
	int vector;
	struct list_head vector_node;
	struct liov_request rq;
	char irq_name[32];
};

/* hw_queue.c */
void liov_hw_queue_reserve(struct liov_hw_queue *queue, struct liov_ctrl *ctrl);
void liov_hw_queue_release(struct liov_hw_queue *queue);
void liov_hw_queue_place(struct liov_hw_queue *queue, u64 sq, u64 cq,
			 u32 entries, bool polled);
int liov_hw_queues_create(struct liov_hw_queue *queues, unsigned int count);
void liov_hw_queues_delete(struct liov_hw_queue *queues, unsigned int count);
bool liov_hw_queue_uses(const struct liov_hw_queue *queue, u64 iova, u64 size);
bool liov_hw_queue_exists(struct liov_hw_queue *queue);

/* vector.c */
int liov_vectors_init(struct liov_ctrl *ctrl);
void liov_vectors_exit(struct liov_ctrl *ctrl);
int liov_vector_attach(struct liov_hw_queue *queue);
void liov_vector_detach(struct liov_hw_queue *queue);
void liov_hw_queue_set_bypass(struct liov_hw_queue *queue,
			      struct eventfd_ctx *eventfd);

#endif /* LIGHTIOV_HW_QUEUE_H */
