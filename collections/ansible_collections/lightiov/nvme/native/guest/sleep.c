// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleep, and resets from outside: requests wait, and nothing of the device is in
 * use until it is back.
 */
#include <linux/pm.h>

#include "guest.h"

/* Suspend, and a reset from outside: requests wait until the device is back. */
static void liov_pause(struct liov_dev *ldev)
{
	mutex_lock(&ldev->lock);
	if (ldev->state != LIOV_DEAD)
		liov_stop(ldev, true);
	mutex_unlock(&ldev->lock);
}

static void liov_unpause(struct liov_dev *ldev)
{
	int err;

	mutex_lock(&ldev->lock);
	err = liov_restart(ldev, false);
	if (err)
		liov_report(ldev, err);
	mutex_unlock(&ldev->lock);

	/* Extents may have changed meanwhile. */
	mod_delayed_work(liov_wq, &ldev->recover_work, 0);
}

/*
 * The other CPUs go offline for sleep, and each waits for all requests of its
 * hardware context: there must be none, not even one that waits.  What comes
 * later waits outside, frozen.
 */
static int liov_suspend(struct device *dev)
{
	struct liov_dev *ldev = dev_get_drvdata(dev);
	int err;

	/* No disk comes or goes: @liov_disks_wq is frozen, and probing is over. */
	err = liov_disks_freeze(ldev);
	if (err) {
		dev_err(dev, "cannot sleep, since its I/O did not end within %u ms: have the VM sleep when the device works again, or unplug it\n",
			LIOV_FREEZE_TIMEOUTS * ldev->timeout_ms);
		return err;
	}
	liov_event_irq_drop(ldev);
	liov_pause(ldev);
	cancel_delayed_work_sync(&ldev->recover_work);
	liov_interrupts_drop(ldev);
	ldev->asleep = true;
	return 0;
}

static int liov_resume(struct device *dev)
{
	struct liov_dev *ldev = dev_get_drvdata(dev);
	int err;

	err = liov_interrupts_retake(ldev);
	if (err) {
		mutex_lock(&ldev->lock);
		liov_kill(ldev);
		mutex_unlock(&ldev->lock);
	}
	liov_unpause(ldev);
	liov_disks_unfreeze(ldev);
	ldev->asleep = false;
	return err;
}

/* The VM wakes up from an image, perhaps on another host. */
static int liov_restore(struct device *dev)
{
	struct liov_dev *ldev = dev_get_drvdata(dev);

	mutex_lock(&ldev->lock);
	ldev->stranger = true;
	ldev->restored = true;
	mutex_unlock(&ldev->lock);
	return liov_resume(dev);
}

const struct dev_pm_ops liov_pm_ops = {
	.suspend	= pm_sleep_ptr(liov_suspend),
	.resume		= pm_sleep_ptr(liov_resume),
	.freeze		= pm_sleep_ptr(liov_suspend),
	.thaw		= pm_sleep_ptr(liov_resume),
	.poweroff	= pm_sleep_ptr(liov_suspend),
	.restore	= pm_sleep_ptr(liov_restore),
};

void liov_reset_prepare(struct pci_dev *pdev)
{
	liov_pause(pci_get_drvdata(pdev));
}

void liov_reset_done(struct pci_dev *pdev)
{
	liov_unpause(pci_get_drvdata(pdev));
}
