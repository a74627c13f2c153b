// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which tenant a controller serves.
 *
 * A passthrough VM's commands reach all that is mapped in the controller's one
 * IOMMU domain and all of its namespaces, whichever kinds the other devices
 * are: so the rule asks for no kind.  One tenant's device of any kind keeps
 * all others' away.
 */
#include "mdev.h"

static void liov_tenant_leave(struct liov_mdev *mdev)
{
	struct liov_ctrl *ctrl = mdev->ctrl;

	if (!mdev->has_tenant)
		return;
	mdev->has_tenant = false;
	ctrl->tenant_users--;
	ctrl->tenant_epoch = READ_ONCE(ctrl->epoch);
}

/*
 * Joins the device to a tenant, or with an empty name to none.  All mediated
 * devices of one controller can do harm to each other, so that it has one
 * tenant at a time, and is reset between two.  Caller holds ctrl->lock.
 *
 * Return: 0, -EPERM, or -EAGAIN: the device has no tenant any more, and gets the
 * new one after a reset.
 */
int liov_tenant_set(struct liov_mdev *mdev, const char *name)
{
	struct liov_ctrl *ctrl = mdev->ctrl;

	lockdep_assert_held(&ctrl->lock);

	if (*name && ctrl->tenant_users > mdev->has_tenant &&
	    strcmp(name, ctrl->tenant)) {
		dev_err(liov_mdev_dev(mdev),
			"controller %s serves tenant %s: use another controller for tenant %s\n",
			dev_name(ctrl->dev), ctrl->tenant, name);
		return -EPERM;
	}
	/* Before the test: nothing was reset since a tenant that goes just now. */
	if (strcmp(name, ctrl->tenant))
		liov_tenant_leave(mdev);
	if (*name && *ctrl->tenant && strcmp(name, ctrl->tenant) &&
	    READ_ONCE(ctrl->epoch) == ctrl->tenant_epoch)
		return -EAGAIN;

	if (*name && !mdev->has_tenant) {
		mdev->has_tenant = true;
		ctrl->tenant_users++;
		strscpy(ctrl->tenant, name, sizeof(ctrl->tenant));
	}
	return 0;
}

static int liov_tenant_try(struct liov_mdev *mdev, const char *name)
{
	lockdep_assert_held(&mdev->ctrl->lock);

	return liov_mdev_check_closed(mdev, "tenant") ?:
	       liov_tenant_set(mdev, name);
}

/*
 * Caller holds ctrl->lock, which is not held meanwhile, and has found that the
 * controller has no tenant: no device is open, and none is opened, not even of
 * the former tenant, which would lose its queues to the reset.  Nor does an admin
 * command begin whose end it must not be.
 */
static int liov_tenant_reset(struct liov_mdev *mdev, const char *name)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	u32 epoch = ctrl->tenant_epoch;

	if (ctrl->stalls || ctrl->ns_changes) {
		dev_err(liov_mdev_dev(mdev),
			"controller %s has to be reset before tenant %s has it, which would cut an admin command short (Format, Sanitize, namespaces, firmware): try again when that has ended\n",
			dev_name(ctrl->dev), name);
		return -EBUSY;
	}
	dev_info(liov_mdev_dev(mdev),
		 "controller %s is reset before tenant %s has it, so that nothing of another one is left\n",
		 dev_name(ctrl->dev), name);
	ctrl->tenant_resets++;
	mutex_unlock(&ctrl->lock);
	liov_ctrl_reset(ctrl, epoch);
	mutex_lock(&ctrl->lock);
	ctrl->tenant_resets--;
	return 0;
}

/* The same for who holds no lock, with the reset that it may need. */
int liov_tenant_change(struct liov_mdev *mdev, const char *name)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	int ret;

	mutex_lock(&ctrl->lock);
	ret = liov_tenant_try(mdev, name);
	if (ret == -EAGAIN)
		ret = liov_tenant_reset(mdev, name) ?:
		      liov_tenant_try(mdev, name);
	mutex_unlock(&ctrl->lock);
	if (ret == -EAGAIN) {
		dev_err(liov_mdev_dev(mdev),
			"controller %s was not reset, so tenant %s cannot have it: bind it to the driver again\n",
			dev_name(ctrl->dev), name);
		ret = -EIO;
	}
	return ret;
}
