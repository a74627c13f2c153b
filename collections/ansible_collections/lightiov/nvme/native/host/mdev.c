// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mediated device of any kind is opened by a VM, and closed.
 */
#include "mdev.h"

/* Freezes some attributes; fails if one is missing or no longer true. */
static int liov_mdev_set_open(struct liov_mdev *mdev)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	const char *missing = NULL;
	int ret = -EINVAL;

	mutex_lock(&ctrl->lock);
	if (ctrl->stalls || ctrl->tenant_resets) {
		dev_err(liov_mdev_dev(mdev),
			"device cannot be opened while an admin command or a reset between tenants keeps controller %s busy: try again when that has ended\n",
			dev_name(ctrl->dev));
		ret = -EBUSY;
	} else if (!mdev->has_tenant) {
		missing = "tenant";
	} else {
		missing = mdev->kind->missing(mdev);
		if (!missing)
			ret = liov_extents_open(mdev);
	}
	mdev->open = !ret;
	mutex_unlock(&ctrl->lock);

	if (missing)
		dev_err(liov_mdev_dev(mdev),
			"device cannot be opened yet: write its attribute %s first\n",
			missing);
	return ret;
}

int liov_mdev_open(struct liov_mdev *mdev)
{
	int ret = -ENODEV;

	mutex_lock(&mdev->lock);
	if (liov_ctrl_state(mdev->ctrl) == LIOV_CTRL_DEAD)
		goto out_unlock;
	ret = liov_mdev_set_open(mdev);
	if (ret)
		goto out_unlock;

	liov_config_init(mdev);
	mdev->kind->open(mdev);

out_unlock:
	mutex_unlock(&mdev->lock);
	return ret;
}

void liov_mdev_close(struct liov_mdev *mdev)
{
	mutex_lock(&mdev->lock);
	mdev->kind->close(mdev);
	liov_trigger_clear(&mdev->release);

	mutex_lock(&mdev->ctrl->lock);
	mdev->open = false;
	liov_extents_close(mdev);
	mutex_unlock(&mdev->ctrl->lock);
	mutex_unlock(&mdev->lock);
}
