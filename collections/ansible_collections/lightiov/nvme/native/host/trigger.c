// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts to the VM: an eventfd, which KVM turns into a guest interrupt.
 */
#include "trigger.h"

void liov_trigger_init(struct liov_trigger *trigger)
{
	spin_lock_init(&trigger->lock);
}

/* Called in hard IRQ context for queue pairs. */
void liov_trigger_fire(struct liov_trigger *trigger)
{
	unsigned long flags;

	spin_lock_irqsave(&trigger->lock, flags);
	trigger->count++;
	if (trigger->eventfd)
		eventfd_signal(trigger->eventfd);
	else
		trigger->missed = true;
	spin_unlock_irqrestore(&trigger->lock, flags);
}

/*
 * User space takes an eventfd away to mask an interrupt, and brings it or
 * another one back; what happened in between must not be lost.
 * Returns the one before, which the caller puts.
 */
struct eventfd_ctx *liov_trigger_swap(struct liov_trigger *trigger,
				      struct eventfd_ctx *eventfd)
{
	struct eventfd_ctx *old;

	spin_lock_irq(&trigger->lock);
	old = trigger->eventfd;
	trigger->eventfd = eventfd;
	if (eventfd && trigger->missed) {
		trigger->missed = false;
		eventfd_signal(eventfd);
	}
	spin_unlock_irq(&trigger->lock);

	return old;
}

/* Forgets the eventfd and anything it missed. */
void liov_trigger_clear(struct liov_trigger *trigger)
{
	struct eventfd_ctx *old;

	spin_lock_irq(&trigger->lock);
	old = trigger->eventfd;
	trigger->eventfd = NULL;
	trigger->missed = false;
	spin_unlock_irq(&trigger->lock);

	if (old)
		eventfd_ctx_put(old);
}
