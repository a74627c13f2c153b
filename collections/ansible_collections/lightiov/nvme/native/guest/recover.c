// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stopping and starting, and what to do when the host reports an event or a
 * command gets no answer.
 *
 * The rule behind all of it: a request is completed only when the controller
 * can no longer reach its memory, that is, when the controller answered it,
 * when the host deleted the queue, or when the controller is gone.
 *
 * Where nothing of that is known, since a device that is still there obeys in no
 * way, requests in flight and rings are kept (liov_dev.has_queues), and each
 * reset that is tried later may end that.  Whoever waits for such requests, to
 * remove a disk or to sleep, waits as long: memory that the controller may still
 * write to must not become somebody else's.
 */
#include <linux/delay.h>
#include <linux/sched/mm.h>

#include "guest.h"

#define LIOV_POLL_MS		20

struct workqueue_struct *liov_wq;

static void liov_drain(struct liov_dev *ldev)
{
	unsigned int waited;

	for (waited = 0; waited < ldev->timeout_ms; waited += LIOV_POLL_MS) {
		liov_queues_poll(ldev);
		if (!liov_requests_busy(ldev))
			break;
		msleep(LIOV_POLL_MS);
	}
}

/* The queues are gone: end what was in them. */
static void liov_take_back(struct liov_dev *ldev)
{
	unsigned int i;

	if (!ldev->has_queues)
		return;
	/* What completed before they went has its true status. */
	for (i = 0; i < ldev->nr_queues; i++)
		liov_queue_reap(&ldev->queues[i], NULL);
	liov_requests_cancel(ldev);
	ldev->has_queues = false;
}

/*
 * Registers that are out of reach took no command, whatever they seem to return:
 * they read as ones on a bus, and as zeroes, which is success, in a VM whose
 * device has memory switched off.
 */
static bool liov_answers(struct liov_dev *ldev)
{
	return liov_read32(ldev, LIOV_REG_MAGIC) == LIOV_MAGIC;
}

/*
 * Delete all queues, and have the host forget all memory.  Afterwards the
 * controller reaches none of it, whatever is returned, unless the device still
 * has_queues; -ENODEV: the device is gone.
 */
static int liov_reset_all(struct liov_dev *ldev)
{
	int err;

	ldev->announced = false;
	err = liov_command(ldev, LIOV_CMD_RESET, 0, 0, 0, 0);
	if (!liov_answers(ldev)) {
		/* The queues of a device that is still there would go on. */
		if (pci_device_is_present(ldev->pdev) &&
		    pcie_reset_flr(ldev->pdev, PCI_RESET_DO_RESET))
			return -EIO;
		err = -ENODEV;
	}
	liov_take_back(ldev);
	return err;
}

/*
 * The same, but memory that the host has been told of stays where it is, since
 * pinning a VM's memory is the longest part of a start.  A host from before ABI
 * 1.3 does not know the command, and one that lost memory meanwhile refuses it.
 */
static int liov_reset(struct liov_dev *ldev)
{
	if (!ldev->announced ||
	    liov_command(ldev, LIOV_CMD_RESET_QUEUES, 0, 0, 0, 0) ||
	    !liov_answers(ldev))
		return liov_reset_all(ldev);
	liov_take_back(ldev);
	return 0;
}

/**
 * liov_stop() - take the device out of use; requests wait from here on
 * @ldev: device that is not dead
 * @leave: wait for the commands in flight, rather than take them back, and leave
 *	nothing at the host, rather than the memory for the next start
 *
 * Leaves it LIOV_STOPPED.
 */
void liov_stop(struct liov_dev *ldev, bool leave)
{
	lockdep_assert_held(&ldev->lock);
	if (!liov_is_quiet(ldev))
		liov_disks_quiesce(ldev);

	if (ldev->state == LIOV_LIVE) {
		if (leave)
			liov_drain(ldev);
		/* Nobody rings a doorbell whose queue is being deleted. */
		liov_queues_go_quiet(ldev);
		if (leave)
			liov_reset_all(ldev);
		else
			liov_reset(ldev);
		if (ldev->has_queues)
			dev_err(&ldev->pdev->dev,
				"does not answer and cannot be reset: the controller may still use this VM's memory, so that requests in flight wait until it can be, or until it is unplugged\n");
	}
	WRITE_ONCE(ldev->state, LIOV_STOPPED);
}

/*
 * The host may be resetting the controller, which ends soon; then it asks for
 * another reset, of what that took away.
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
	/* Also of a device that is not ready: its table is looked at anyway. */
	err = liov_check_same(ldev);
	ldev->stranger = err;
	if (err)
		return err;
	err = liov_wait_ready(ldev);
	if (err)
		return err;
	/* A disk whose extent is gone fails, and the others go on. */
	err = liov_extents_look(ldev);
	if (err)
		return err;
	err = liov_queues_locate(ldev);
	if (err)
		return err;
	pci_set_master(ldev->pdev);
	if (!ldev->announced)
		err = liov_memory_add(ldev);
	if (err)
		return err;
	err = liov_rings_alloc(ldev);
	if (err)
		return err;
	ldev->has_queues = true;
	err = liov_queues_create(ldev);
	if (err)
		return err;

	liov_queues_go_live(ldev);
	WRITE_ONCE(ldev->state, LIOV_LIVE);
	return 0;
}

/* What a later try may not meet: the rest is a verdict. */
static bool liov_may_pass(int err)
{
	switch (err) {
	case -EAGAIN:		/* reset again and again */
	case -ETIMEDOUT:	/* reset at length */
	case -EIO:		/* an unwell controller */
	case -ENOMEM:
	case -ENOSPC:		/* no window */
		return true;
	default:
		return false;
	}
}

/* The state that a start which failed leaves behind. */
static enum liov_state liov_state_after(struct liov_dev *ldev, int err)
{
	if (err == -ENODEV)
		return LIOV_DEAD;
	if (liov_may_pass(err) && !ldev->unsettled &&
	    time_before(jiffies, ldev->give_up))
		return LIOV_WAITING;
	return LIOV_FAILED;
}

/**
 * liov_restart() - stop the device if it runs, and start it
 * @ldev: device
 * @leave: see liov_stop()
 *
 * Requests flow again afterwards, fail, or wait while @recover_work tries again.
 *
 * Return: 0 or a negative error.
 */
int liov_restart(struct liov_dev *ldev, bool leave)
{
	unsigned int attempt, noio;
	int err;

	if (ldev->state == LIOV_DEAD)
		return -ENODEV;
	if (ldev->state != LIOV_WAITING) {
		ldev->give_up = jiffies + LIOV_PATIENCE_SECONDS * HZ;
		ldev->retry_ms = LIOV_RETRY_MS;
	}

	/* The memory that is allocated must not wait for this device. */
	noio = memalloc_noio_save();
	liov_stop(ldev, leave);
	for (attempt = 0; attempt < LIOV_ATTEMPTS; attempt++) {
		err = liov_start(ldev);
		if (err != -EAGAIN)
			break;
	}
	memalloc_noio_restore(noio);

	if (err) {
		/* Undo what it got to. */
		if ((err != -ENODEV || ldev->announced) &&
		    liov_reset_all(ldev) == -ENODEV)
			err = -ENODEV;
		WRITE_ONCE(ldev->state, liov_state_after(ldev, err));
	}

	if (ldev->state == LIOV_DEAD)
		queue_delayed_work(liov_wq, &ldev->recover_work, 0);
	if (ldev->state == LIOV_WAITING) {
		queue_delayed_work(liov_wq, &ldev->recover_work,
				   msecs_to_jiffies(ldev->retry_ms));
		ldev->retry_ms = min(2 * ldev->retry_ms, LIOV_RETRY_MAX_MS);
	} else {
		liov_disks_unquiesce(ldev);
	}
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
	liov_stop(ldev, true);
	WRITE_ONCE(ldev->state, LIOV_DEAD);
	liov_disks_unquiesce(ldev);
	liov_disks_retry_now(ldev);
}

/**
 * liov_report() - say what came of a restart
 * @ldev: device
 * @err: what liov_restart() returned
 */
void liov_report(struct liov_dev *ldev, int err)
{
	struct device *dev = &ldev->pdev->dev;

	switch (ldev->state) {
	case LIOV_LIVE:
		dev_info(dev, "works again\n");
		break;
	case LIOV_WAITING:
		dev_warn(dev, "cannot be started yet (%pe): its I/O waits, for %u seconds at most\n",
			 ERR_PTR(err), LIOV_PATIENCE_SECONDS);
		break;
	case LIOV_DEAD:
		dev_err(dev, "the device is gone: its I/O fails\n");
		break;
	default:
		if (err == -EPERM)
			dev_err(dev, "the host's operator quarantines the device: its I/O fails until that is lifted\n");
		else
			dev_err(dev, "cannot be started again (%pe): its I/O fails until the host reports a change\n",
				ERR_PTR(err));
	}
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
	case LIOV_WAITING:
		return true;
	case LIOV_FAILED:
		return status == U32_MAX || !(status & LIOV_STATUS_QUARANTINED);
	default:
		return false;
	}
}

/* Once: events of other kinds come meanwhile, and starts are tried again. */
static void liov_tell_release(struct liov_dev *ldev, u32 status)
{
	bool asked = status != U32_MAX && status & LIOV_STATUS_RELEASE;

	if (asked && !ldev->told_release)
		dev_notice(&ldev->pdev->dev,
			   "the host asks for the device back: unmount what is on it and unplug it\n");
	ldev->told_release = asked;
}

/* Bring the device into the state the host reports. */
static void liov_recover(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	enum liov_state before;
	u32 generation, status;
	int err;

	mutex_lock(&ldev->lock);
	/* In other states the next start does so. */
	if (ldev->state == LIOV_DEAD && ldev->has_queues)
		liov_reset_all(ldev);
	do {
		generation = liov_read32(ldev, LIOV_REG_GENERATION);
		status = liov_read32(ldev, LIOV_REG_STATUS);
		liov_tell_release(ldev, status);
		if (!liov_needs_restart(ldev, status))
			break;

		before = ldev->state;
		if (before != LIOV_WAITING)
			dev_warn(dev, "restarting, host status %#x\n", status);
		err = liov_restart(ldev, false);
		if (ldev->state != LIOV_WAITING || before != LIOV_WAITING)
			liov_report(ldev, err);
		/* Events that came meanwhile may have been for the old state. */
	} while (ldev->state != LIOV_WAITING &&
		 liov_read32(ldev, LIOV_REG_GENERATION) != generation);
	/* Otherwise the start that is due does so. */
	if (!liov_is_quiet(ldev))
		liov_extents_look(ldev);
	mutex_unlock(&ldev->lock);
}

void liov_recover_work(struct work_struct *work)
{
	struct liov_dev *ldev = container_of(to_delayed_work(work),
					     struct liov_dev, recover_work);

	liov_recover(ldev);
	queue_work(liov_disks_wq, &ldev->disks_work);
}
