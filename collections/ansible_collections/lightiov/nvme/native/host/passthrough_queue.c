// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware queue pairs of a device: reserved when it is defined, created
 * when the VM asks, over rings in the VM's memory.  Their interrupts go to the
 * VM.
 */
#include <linux/slab.h>

#include "passthrough.h"

/* Caller holds ctrl->lock.  The device is not open. */
static void liov_queues_release(struct liov_passthrough *pt)
{
	unsigned int i;

	for (i = 0; i < pt->nr_queues; i++)
		liov_hw_queue_release(&pt->queues[i]);
	pt->nr_queues = 0;
	kfree(pt->queues);
	pt->queues = NULL;
	kfree(pt->triggers);
	pt->triggers = NULL;
}

static void liov_queue_interrupt(void *data)
{
	liov_trigger_fire(data);
}

/*
 * Reserve @count queue IDs instead of those the device has.
 * Caller holds ctrl->lock.  The device is not open.
 */
int liov_queues_reserve(struct liov_passthrough *pt, unsigned int count)
{
	struct liov_ctrl *ctrl = pt->mdev.ctrl;
	struct liov_hw_queue *queues = NULL;
	struct liov_trigger *triggers = NULL;
	unsigned int i;

	if (count > ctrl->nr_queue_pairs_free + pt->nr_queues)
		return -ENOSPC;
	if (count) {
		queues = kcalloc(count, sizeof(*queues), GFP_KERNEL);
		triggers = kcalloc(count, sizeof(*triggers), GFP_KERNEL);
		if (!queues || !triggers)
			goto out_free;
	}

	liov_queues_release(pt);
	for (i = 0; i < count; i++) {
		struct liov_hw_queue *queue = &queues[i];

		liov_trigger_init(&triggers[i]);
		queue->owner = liov_mdev_dev(&pt->mdev);
		queue->index = i;
		queue->handler = liov_queue_interrupt;
		queue->data = &triggers[i];
		liov_hw_queue_reserve(queue, ctrl);
	}
	pt->queues = queues;
	pt->triggers = triggers;
	pt->nr_queues = count;
	return 0;

out_free:
	kfree(triggers);
	kfree(queues);
	return -ENOMEM;
}

/* The rings lie in the device's memory: the caller has checked that. */
void liov_queue_place(struct liov_passthrough *pt, struct liov_hw_queue *queue,
		      u64 sq, u64 cq, u32 entries, bool polled)
{
	u64 window = pt->mdev.memory.window;

	lockdep_assert_held(&pt->mdev.lock);

	liov_hw_queue_place(queue, window + sq, window + cq, entries, polled);
}

/* From the given one on, all of which have been placed. */
int liov_queues_create(struct liov_passthrough *pt, struct liov_hw_queue *queues,
		       unsigned int count)
{
	int ret;

	lockdep_assert_held(&pt->mdev.lock);

	ret = liov_hw_queues_create(queues, count);
	if (!ret)
		pt->stats.queues_created += count;
	return ret;
}

void liov_queues_delete(struct liov_passthrough *pt)
{
	lockdep_assert_held(&pt->mdev.lock);

	liov_hw_queues_delete(pt->queues, pt->nr_queues);
}

/* Whether a ring of an existing queue pair lies in the given memory. */
bool liov_queues_use(struct liov_passthrough *pt, u64 gpa, u64 size)
{
	unsigned int i;

	for (i = 0; i < pt->nr_queues; i++)
		if (liov_hw_queue_uses(&pt->queues[i],
				       pt->mdev.memory.window + gpa, size))
			return true;
	return false;
}

/* Takes over the reference to @eventfd, which may be NULL. */
void liov_queue_set_trigger(struct liov_passthrough *pt, unsigned int index,
			    struct eventfd_ctx *eventfd)
{
	struct eventfd_ctx *old;

	lockdep_assert_held(&pt->mdev.lock);

	old = liov_trigger_swap(&pt->triggers[index], eventfd);
	liov_hw_queue_set_bypass(&pt->queues[index], eventfd);
	if (old)
		eventfd_ctx_put(old);
}

/* Nobody has the device any more, nor waits for what its queues did. */
void liov_queues_clear_triggers(struct liov_passthrough *pt)
{
	unsigned int i;

	lockdep_assert_held(&pt->mdev.lock);

	for (i = 0; i < pt->nr_queues; i++) {
		liov_hw_queue_set_bypass(&pt->queues[i], NULL);
		liov_trigger_clear(&pt->triggers[i]);
	}
}
