/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The admin queue.  What it does for a controller that is in use, admin.c adds
 * (controller.h).
 */
#ifndef LIGHTIOV_ADMIN_H
#define LIGHTIOV_ADMIN_H

#include <linux/completion.h>
#include <linux/nvme.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "window.h"

#define LIOV_ADMIN_ENTRIES	32
#define LIOV_ADMIN_TIMEOUT	(60 * HZ)
#define LIOV_ADMIN_MAX_DATA	SZ_1M

/* The status code without More and Do Not Retry, and the latter. */
#define LIOV_STATUS_CODE	0x7ff
#define LIOV_STATUS_DNR		0x4000

/* The controller's; who may give it a command depends on it. */
enum liov_ctrl_state {
	LIOV_CTRL_LIVE,
	LIOV_CTRL_RESETTING,
	LIOV_CTRL_DEAD,
};

/**
 * struct liov_admin_slot - one admin command in flight
 * @cid: the last command's ID: the slot's number, and which of its uses that
 *	was, so that a stale or invented completion hits no other command
 * @entry: where the command lies in the SQ
 * @done: completed by the interrupt or by a controller reset
 * @result: DW0 of the completion
 * @status: NVMe status without the phase bit, or -ECANCELED after a reset
 * @abandoned: timed out, nobody waits: it is free again when it completes
 */
struct liov_admin_slot {
	u16 cid;
	u16 entry;
	struct completion done;
	u32 result;
	int status;
	bool abandoned;
};

/**
 * struct liov_request - an admin command and what came of it
 * @cmd: the command; its command ID is filled in
 * @result: DW0 of the completion
 * @epoch: liov_ctrl.epoch when it was submitted; with it the command is over
 * @status: what liov_admin_finish() returned
 * @slot: while it is in flight
 */
struct liov_request {
	struct nvme_command cmd;
	int status;
	u32 result;
	u32 epoch;
	struct liov_admin_slot *slot;
};

/**
 * struct liov_admin - the admin queue
 * @lock: everything below but @data and @free, and liov_ctrl.state and epoch;
 *	taken in hard IRQ
 * @data: what a controller that starts says of itself; under
 *	liov_ctrl.reset_lock.  It is as old as the queue, since a controller that
 *	does not answer may still write to it until it is stopped.
 * @free: counts slots that are not in @busy
 * @busy: slots in flight; the last one is the event request's
 * @running: commands can be submitted; by whom tells liov_ctrl.state
 * @interrupts: completions are signalled; before that they are polled for
 * @event: result of the last event request, for liov_ctrl.event_work
 */
struct liov_admin {
	spinlock_t lock;		/* see above */
	struct semaphore free;
	struct liov_dma sq;
	struct liov_dma cq;
	struct liov_dma data;
	u16 sq_tail;
	u16 cq_head;
	u8 phase;
	bool running;
	bool interrupts;
	u32 event;
	unsigned long busy;
	struct liov_admin_slot slots[LIOV_ADMIN_ENTRIES];
};

/* admin_queue.c */
int liov_admin_init(struct liov_ctrl *ctrl);
void liov_admin_exit(struct liov_ctrl *ctrl);
void liov_admin_restart(struct liov_ctrl *ctrl);
void liov_admin_cancel(struct liov_ctrl *ctrl);
int liov_admin_request_irq(struct liov_ctrl *ctrl);
void liov_admin_free_irq(struct liov_ctrl *ctrl);
void liov_admin_request_event(struct liov_ctrl *ctrl);
int liov_admin_exec(struct liov_ctrl *ctrl, struct liov_request *rq,
		    unsigned long timeout);
void liov_request_submit(struct liov_ctrl *ctrl, struct liov_request *rq,
			 enum liov_ctrl_state in);
int liov_request_wait(struct liov_ctrl *ctrl, struct liov_request *rq,
		      unsigned long timeout);
int liov_admin_errno(int status);
void liov_admin_identify(struct nvme_command *cmd, u8 cns, u32 nsid,
			 const struct liov_dma *data);

/* work.c */
void liov_ctrl_queue_work(struct work_struct *work);
int liov_ctrl_init_workqueue(void);
void liov_ctrl_exit_workqueue(void);

#endif /* LIGHTIOV_ADMIN_H */
