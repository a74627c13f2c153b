/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupts of a VFIO device to its user.  Devices use them, and whoever has
 * something to say to a device's user, also in hard IRQ.
 */
#ifndef LIGHTIOV_TRIGGER_H
#define LIGHTIOV_TRIGGER_H

#include <linux/eventfd.h>
#include <linux/spinlock.h>

#include "compat.h"

/**
 * struct liov_trigger - where an interrupt goes
 * @lock: taken in hard IRQ
 * @missed: fired without an eventfd; one that comes is signalled at once
 */
struct liov_trigger {
	spinlock_t lock;		/* see above */
	struct eventfd_ctx *eventfd;
	bool missed;
	u64 count;
};

void liov_trigger_init(struct liov_trigger *trigger);
void liov_trigger_fire(struct liov_trigger *trigger);
struct eventfd_ctx *liov_trigger_swap(struct liov_trigger *trigger,
				      struct eventfd_ctx *eventfd);
void liov_trigger_clear(struct liov_trigger *trigger);

#endif /* LIGHTIOV_TRIGGER_H */
