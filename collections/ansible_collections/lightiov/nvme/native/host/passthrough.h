/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kind lightiov-passthrough.  It is one user of what all kinds share
 * (mdev.h) and of hardware queue pairs (hw_queue.h), both of which know nothing
 * of it but its struct liov_kind.
 */
#ifndef LIGHTIOV_PASSTHROUGH_H
#define LIGHTIOV_PASSTHROUGH_H

#include "hw_queue.h"
#include "mdev.h"
#include "range.h"

/* Why doorbell mappings lead to the sink page; none: to the hardware. */
#define LIOV_REVOKED_CLOSED	BIT(0)	/* not open, or being reset */
#define LIOV_REVOKED_LOST	BIT(1)	/* queues are gone until a reset */
#define LIOV_REVOKED_QUARANTINE	BIT(2)	/* the operator said so */

struct liov_stats {
	u64 mmio;
	u64 commands;
	u64 doorbell_faults;
	u64 revocations;
	u64 resets;
	u64 queue_resets;
	u64 queues_created;
};

/**
 * struct liov_passthrough - one device
 * @nr_queues, @queues (which, not their state), @triggers: as
 *	liov_mdev.has_tenant
 * @triggers: interrupts of @queues
 * @status: LIOV_STATUS_* bits that are events; the others are computed
 * @event: the interrupt that says that the owner has to look
 * @regs, @stats: liov_mdev.lock, but for what others count
 * @doorbell_lock: @revoked, and the doorbell mapping as a whole.  It nests
 *	inside mmap_lock (page faults), so nothing under it touches user memory.
 * @sink: an ordinary page where revoked doorbell writes go
 */
struct liov_passthrough {
	struct liov_mdev mdev;

	unsigned int nr_queues;
	struct liov_hw_queue *queues;
	struct liov_trigger *triggers;

	atomic_t status;
	atomic_t generation;
	struct liov_trigger event;
	u8 *regs;

	struct mutex doorbell_lock;	/* see above */
	unsigned int revoked;
	struct page *sink;
	struct file *mapping;

	struct liov_stats stats;
};

static inline struct liov_passthrough *liov_passthrough_of(struct liov_mdev *mdev)
{
	return container_of(mdev, struct liov_passthrough, mdev);
}

/* passthrough_sysfs.c */
extern const struct attribute_group liov_passthrough_group;
extern const struct attribute_group liov_statistics_group;

/* passthrough.c */
extern const struct liov_kind liov_passthrough_kind;

/* passthrough_mailbox.c */
void liov_regs_init(struct liov_passthrough *pt);
void liov_regs_update_window(struct liov_passthrough *pt);
void liov_regs_read(struct liov_passthrough *pt, u32 offset, u8 *data,
		    size_t count);
void liov_regs_write(struct liov_passthrough *pt, u32 offset, const u8 *data,
		     size_t count);

/* passthrough_state.c */
void liov_passthrough_tear_down(struct liov_passthrough *pt);
void liov_passthrough_set_up(struct liov_passthrough *pt);
void liov_passthrough_reset(struct liov_passthrough *pt);
int liov_passthrough_reset_queues(struct liov_passthrough *pt);
void liov_passthrough_event(struct liov_passthrough *pt, u32 set, u32 clear);
u32 liov_passthrough_status(struct liov_passthrough *pt);
void liov_passthrough_quarantine(struct liov_passthrough *pt, bool on);

/* passthrough_queue.c */
int liov_queues_reserve(struct liov_passthrough *pt, unsigned int count);
void liov_queue_place(struct liov_passthrough *pt, struct liov_hw_queue *queue,
		      u64 sq, u64 cq, u32 entries, bool polled);
int liov_queues_create(struct liov_passthrough *pt, struct liov_hw_queue *queues,
		       unsigned int count);
void liov_queues_delete(struct liov_passthrough *pt);
bool liov_queues_use(struct liov_passthrough *pt, u64 gpa, u64 size);
void liov_queue_set_trigger(struct liov_passthrough *pt, unsigned int index,
			    struct eventfd_ctx *eventfd);
void liov_queues_clear_triggers(struct liov_passthrough *pt);

/* passthrough_doorbell.c */
void liov_doorbell_update(struct liov_passthrough *pt, unsigned int set,
			  unsigned int clear);
int liov_doorbell_mmap(struct liov_passthrough *pt, struct vm_area_struct *vma);
void liov_doorbell_write(struct liov_passthrough *pt, u32 offset, u32 value);

#endif /* LIGHTIOV_PASSTHROUGH_H */
