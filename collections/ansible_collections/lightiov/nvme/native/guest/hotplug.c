// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that comes and goes while the VM runs.
 */
#include <linux/memory.h>

#include "guest.h"

static int liov_memory_online(struct liov_dev *ldev, u64 start, u64 end)
{
	int err;

	if (end > ldev->window_size ||
	    !liov_extend_regions(ldev, start, end)) {
		/* A larger window, or a larger table: start over. */
		ldev->window_need = end;
		if (liov_restart(ldev, true)) {
			ldev->window_need = 0;
			liov_restart(ldev, false);
			return -ENOSPC;
		}
		if (!liov_extend_regions(ldev, start, end))
			return -ENOSPC;
	}
	err = liov_add_range(ldev, start, end);
	if (err != -EAGAIN)
		return err;
	/* The host has just taken the queues: the start that is due adds it. */
	ldev->announced = false;
	return 0;
}

/*
 * Memory is announced before its first page is used, and taken back after the
 * last one went out of use; memory the controller cannot reach stays offline.
 */
int liov_memory_notify(struct notifier_block *nb, unsigned long action,
		       void *data)
{
	struct liov_dev *ldev = container_of(nb, struct liov_dev, memory_nb);
	const struct memory_notify *mem = data;
	u64 start = PFN_PHYS(mem->start_pfn);
	u64 end = start + PFN_PHYS(mem->nr_pages);
	int err = 0;

	mutex_lock(&ldev->lock);
	if (action == MEM_GOING_ONLINE && ldev->state != LIOV_DEAD)
		err = liov_refuse_virtio_mem(ldev, start, end);
	/* Otherwise the next start finds out what is online. */
	if (!err && ldev->state == LIOV_LIVE) {
		switch (action) {
		case MEM_GOING_ONLINE:
		/* Again, in case that a restart came between the two. */
		case MEM_ONLINE:
			err = liov_memory_online(ldev, start, end);
			break;
		case MEM_CANCEL_ONLINE:
		case MEM_OFFLINE:
			liov_remove_range(ldev, start, end);
			break;
		}
	}
	mutex_unlock(&ldev->lock);
	return notifier_from_errno(err);
}
