// SPDX-License-Identifier: GPL-2.0-only
/*
 * What state a passthrough device is in, and the order in which it goes from
 * one to another.
 */
#include "passthrough.h"

/* Caller holds mdev.lock. */
static void liov_passthrough_end_queues(struct liov_passthrough *pt)
{
	liov_doorbell_update(pt, LIOV_REVOKED_CLOSED, 0);
	liov_queues_delete(pt);
}

/* Caller holds mdev.lock.  The order is what keeps the host safe. */
void liov_passthrough_tear_down(struct liov_passthrough *pt)
{
	liov_passthrough_end_queues(pt);
	liov_memory_drop(&pt->mdev.memory, 0, ULONG_MAX);
	liov_memory_close_window(&pt->mdev.memory);
}

/*
 * Caller holds mdev.lock and has ended all queues.  A controller reset either
 * was before, and is over, or comes after and says so again.  Or the controller
 * is stopped without the lock, until its slot is reset: a device that came only
 * then was told nothing, and has to be reset once more when it runs again.
 */
void liov_passthrough_set_up(struct liov_passthrough *pt)
{
	struct liov_ctrl *ctrl = pt->mdev.ctrl;

	mutex_lock(&ctrl->reset_lock);
	if (liov_ctrl_state(ctrl) == LIOV_CTRL_LIVE) {
		atomic_andnot(LIOV_STATUS_QUEUES_LOST, &pt->status);
		liov_doorbell_update(pt, 0,
				     LIOV_REVOKED_CLOSED | LIOV_REVOKED_LOST);
	} else {
		atomic_or(LIOV_STATUS_QUEUES_LOST, &pt->status);
	}
	mutex_unlock(&ctrl->reset_lock);
}

/* Caller holds mdev.lock. */
void liov_passthrough_reset(struct liov_passthrough *pt)
{
	liov_passthrough_tear_down(pt);
	liov_passthrough_set_up(pt);
	pt->stats.resets++;
}

/*
 * Of the queues alone, since pinning a VM's memory is what takes time.  Caller
 * holds mdev.lock.  An owner whose memory was taken back knows of it only by
 * QUEUES_LOST, which stays until all is forgotten.
 */
int liov_passthrough_reset_queues(struct liov_passthrough *pt)
{
	struct liov_memory *memory = &pt->mdev.memory;

	liov_passthrough_end_queues(pt);
	if (memory->incomplete)
		return -ENOENT;
	liov_passthrough_set_up(pt);
	pt->stats.queue_resets++;
	return memory->window ? 0 : -ENOENT;
}

void liov_passthrough_event(struct liov_passthrough *pt, u32 set, u32 clear)
{
	atomic_andnot(clear, &pt->status);
	atomic_or(set, &pt->status);
	atomic_inc(&pt->generation);
	liov_trigger_fire(&pt->event);
}

u32 liov_passthrough_status(struct liov_passthrough *pt)
{
	enum liov_ctrl_state state = liov_ctrl_state(pt->mdev.ctrl);
	u32 status = atomic_read(&pt->status);

	if (state == LIOV_CTRL_DEAD)
		status |= LIOV_STATUS_DEAD;
	else if (state == LIOV_CTRL_LIVE &&
		 !(status & (LIOV_STATUS_QUEUES_LOST |
			     LIOV_STATUS_QUARANTINED)))
		status |= LIOV_STATUS_READY;
	return status;
}

/* Takes no lock that a command to the controller may hold: it acts at once. */
void liov_passthrough_quarantine(struct liov_passthrough *pt, bool on)
{
	if (on) {
		liov_doorbell_update(pt, LIOV_REVOKED_QUARANTINE, 0);
		liov_passthrough_event(pt, LIOV_STATUS_QUARANTINED, 0);
	} else {
		liov_doorbell_update(pt, 0, LIOV_REVOKED_QUARANTINE);
		liov_passthrough_event(pt, 0, LIOV_STATUS_QUARANTINED);
	}
}
