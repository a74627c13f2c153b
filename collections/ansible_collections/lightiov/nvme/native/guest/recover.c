// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stopping and starting, and what to do when the host reports an event or a
 * command gets no answer.
 *
 * The rule behind all of it: a request is completed only when the controller
 * can no longer reach its memory, that is, when the controller answered it,
 * when the host deleted the queue, or when the controller is gone.
 */
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/sched/mm.h>

#include "guest.h"

#define LIOV_POLL_MS		20

struct workqueue_struct *liov_wq;

static void liov_quiesce(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_ns; i++)
		blk_mq_quiesce_queue(ldev->ns[i].disk->queue);
}

static void liov_unquiesce(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_ns; i++)
		blk_mq_unquiesce_queue(ldev->ns[i].disk->queue);
}

static void liov_drain(struct liov_dev *ldev)
{
	unsigned int waited;

	for (waited = 0; waited < ldev->timeout_ms; waited += LIOV_POLL_MS) {
		if (!liov_requests_busy(ldev))
			break;
		msleep(LIOV_POLL_MS);
	}
}

/*
 * Delete all queues.  Afterwards the controller reaches none of this VM's
 * memory, whatever is returned; -ENODEV: the device is gone.
 */
static int liov_reset(struct liov_dev *ldev)
{
	struct pci_dev *pdev = ldev->pdev;
	unsigned int attempt;
	int err;

	for (attempt = 0; attempt < LIOV_ATTEMPTS; attempt++) {
		err = liov_command(ldev, LIOV_CMD_RESET, 0, 0, 0, 0);
		if (!err || err == -ENODEV)
			return err;
		msleep(ldev->timeout_ms / LIOV_ATTEMPTS);
	}

	/* The PCI way to the same end. */
	pci_clear_master(pdev);
	dev_crit(&pdev->dev,
		 "the host cannot delete the queues (%pe): the device is given up, look for the cause in the host's kernel log and restart the VM\n",
		 ERR_PTR(err));
	return -ENODEV;
}

/**
 * liov_stop() - take the device out of use; requests wait from here on
 * @ldev: device that is live or failed
 * @drain: wait for the commands in flight, rather than take them back
 *
 * Leaves it LIOV_STOPPED, which is the state in which block queues are
 * quiesced.
 */
void liov_stop(struct liov_dev *ldev, bool drain)
{
	unsigned int i;

	lockdep_assert_held(&ldev->lock);
	liov_quiesce(ldev);

	if (ldev->state == LIOV_LIVE) {
		if (drain)
			liov_drain(ldev);
		liov_reset(ldev);
		liov_queues_go_quiet(ldev);

		/* What completed before the reset has its true status. */
		for (i = 0; i < ldev->nr_queues; i++)
			liov_queue_reap(&ldev->queues[i], NULL);
		liov_requests_cancel(ldev);
	}
	WRITE_ONCE(ldev->state, LIOV_STOPPED);
}

/*
 * The host may be resetting the controller, which ends soon; then it asks for
 * another LIOV_CMD_RESET, of what that took away.
 */
static int liov_wait_ready(struct liov_dev *ldev)
{
	unsigned int waited;
	u32 status;
	int err;

	for (waited = 0; waited <= ldev->timeout_ms; waited += LIOV_POLL_MS) {
		status = liov_read32(ldev, LIOV_REG_STATUS);
		if (status == U32_MAX || status & LIOV_STATUS_DEAD)
			return -ENODEV;
		if (status & LIOV_STATUS_QUARANTINED)
			return -EPERM;
		if (status & LIOV_STATUS_READY)
			return 0;
		if (status & LIOV_STATUS_QUEUES_LOST) {
			err = liov_reset(ldev);
			if (err)
				return err;
		}
		msleep(LIOV_POLL_MS);
	}
	return -ETIMEDOUT;
}

static int liov_start(struct liov_dev *ldev)
{
	int err;

	err = liov_reset(ldev);
	if (err)
		return err;
	err = liov_wait_ready(ldev);
	if (err)
		return err;
	pci_set_master(ldev->pdev);
	err = liov_memory_add(ldev);
	if (err)
		return err;
	err = liov_rings_alloc(ldev);
	if (err)
		return err;
	err = liov_queues_create(ldev);
	if (err)
		return err;

	liov_queues_go_live(ldev);
	WRITE_ONCE(ldev->state, LIOV_LIVE);
	return 0;
}

/**
 * liov_restart() - stop the device if it runs, and start it
 * @ldev: device
 * @drain: see liov_stop()
 *
 * Requests flow again afterwards, or fail.
 *
 * Return: 0 or a negative error.
 */
int liov_restart(struct liov_dev *ldev, bool drain)
{
	unsigned int attempt, noio;
	int err;

	if (ldev->state == LIOV_DEAD)
		return -ENODEV;

	/* The memory that is allocated must not wait for this device. */
	noio = memalloc_noio_save();
	if (ldev->state != LIOV_STOPPED)
		liov_stop(ldev, drain);
	for (attempt = 0; attempt < LIOV_ATTEMPTS; attempt++) {
		err = liov_start(ldev);
		if (err != -EAGAIN)
			break;
	}
	memalloc_noio_restore(noio);

	if (err) {
		/* Undo what it got to. */
		if (err != -ENODEV && liov_reset(ldev))
			err = -ENODEV;
		WRITE_ONCE(ldev->state,
			   err == -ENODEV ? LIOV_DEAD : LIOV_FAILED);
	}
	liov_unquiesce(ldev);
	return err;
}

/**
 * liov_kill() - stop the device for good; all requests fail from here on
 * @ldev: device
 */
void liov_kill(struct liov_dev *ldev)
{
	if (ldev->state == LIOV_DEAD)
		return;
	if (ldev->state != LIOV_STOPPED)
		liov_stop(ldev, true);
	WRITE_ONCE(ldev->state, LIOV_DEAD);
	liov_unquiesce(ldev);
}

static void liov_report(struct liov_dev *ldev, u32 status, int err)
{
	struct device *dev = &ldev->pdev->dev;

	if (!err)
		dev_info(dev, "works again\n");
	else if (status != U32_MAX && status & LIOV_STATUS_QUARANTINED)
		dev_err(dev, "the host's operator quarantines the device: its I/O fails until that is lifted\n");
	else if (err == -ENODEV)
		dev_err(dev, "the device is gone: its I/O fails\n");
	else
		dev_err(dev, "cannot be started again (%pe): its I/O fails until the host reports a change\n",
			ERR_PTR(err));
}

/* Does what the host reports, or a request that timed out, ask for a restart? */
static bool liov_needs_restart(struct liov_dev *ldev, u32 status)
{
	bool usable = (status & (LIOV_STATUS_READY | LIOV_STATUS_QUEUES_LOST |
				 LIOV_STATUS_QUARANTINED | LIOV_STATUS_DEAD)) ==
		      LIOV_STATUS_READY;
	bool timed_out = atomic_xchg(&ldev->timed_out, 0);

	switch (ldev->state) {
	case LIOV_LIVE:
		return timed_out || !usable;
	case LIOV_FAILED:
		return status == U32_MAX || !(status & LIOV_STATUS_QUARANTINED);
	default:
		return false;
	}
}

/**
 * liov_recover() - bring the device into the state the host reports
 * @ldev: device
 */
void liov_recover(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	bool was_dead, is_dead;
	u32 generation, status;
	unsigned int i;
	int err;

	mutex_lock(&ldev->lock);
	was_dead = ldev->state == LIOV_DEAD;
	do {
		generation = liov_read32(ldev, LIOV_REG_GENERATION);
		status = liov_read32(ldev, LIOV_REG_STATUS);
		if (status != U32_MAX && status & LIOV_STATUS_RELEASE)
			dev_notice(dev, "the host asks for the device back: unmount what is on it and unplug it\n");
		if (!liov_needs_restart(ldev, status))
			break;

		dev_warn(dev, "restarting, host status %#x\n", status);
		err = liov_restart(ldev, false);
		liov_report(ldev, liov_read32(ldev, LIOV_REG_STATUS), err);
		/* Events that came meanwhile may have been for the old state. */
	} while (liov_read32(ldev, LIOV_REG_GENERATION) != generation);
	is_dead = ldev->state == LIOV_DEAD;
	mutex_unlock(&ldev->lock);

	/* File systems learn of it at once rather than at their next write. */
	for (i = 0; is_dead && !was_dead && i < ldev->nr_ns; i++)
		blk_mark_disk_dead(ldev->ns[i].disk);
}

void liov_recover_work(struct work_struct *work)
{
	liov_recover(container_of(work, struct liov_dev, recover_work));
}
