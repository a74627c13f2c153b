// SPDX-License-Identifier: GPL-2.0-only
/*
 * What others ask of mediated devices, or tell them: one or all of a controller.
 */
#include "mdev.h"

/* Caller holds ctrl->lock. */
int liov_mdev_check_closed(struct liov_mdev *mdev, const char *attribute)
{
	lockdep_assert_held(&mdev->ctrl->lock);

	if (!mdev->open)
		return 0;
	dev_err(liov_mdev_dev(mdev),
		"attribute %s cannot change while a VM has the device open: shut the VM down first\n",
		attribute);
	return -EBUSY;
}

void liov_mdev_request_release(struct liov_mdev *mdev)
{
	mdev->kind->request_release(mdev);
	liov_trigger_fire(&mdev->release);
}

/* The controller is about to lose all queues. */
void liov_mdevs_lost(struct liov_ctrl *ctrl)
{
	struct liov_mdev *mdev;

	mutex_lock(&ctrl->lock);
	list_for_each_entry(mdev, &ctrl->mdevs, node)
		mdev->kind->lost(mdev);
	mutex_unlock(&ctrl->lock);
}

/* The controller's state has changed. */
void liov_mdevs_event(struct liov_ctrl *ctrl)
{
	struct liov_mdev *mdev;

	mutex_lock(&ctrl->lock);
	list_for_each_entry(mdev, &ctrl->mdevs, node)
		mdev->kind->changed(mdev);
	mutex_unlock(&ctrl->lock);
}

void liov_mdevs_request_release(struct liov_ctrl *ctrl)
{
	struct liov_mdev *mdev;

	mutex_lock(&ctrl->lock);
	list_for_each_entry(mdev, &ctrl->mdevs, node)
		liov_mdev_request_release(mdev);
	mutex_unlock(&ctrl->lock);
}
