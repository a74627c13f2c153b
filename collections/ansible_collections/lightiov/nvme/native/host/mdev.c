// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a mediated device of any kind: created through sysfs, opened by a VM,
 * told what becomes of its controller, closed, removed.
 */
#include "mdev.h"

void liov_mdev_request_release(struct liov_mdev *mdev)
{
	mdev->kind->request_release(mdev);
	liov_trigger_fire(&mdev->release);
}

/* Freezes some attributes; fails if one is missing or no longer true. */
static int liov_mdev_set_open(struct liov_mdev *mdev)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	const char *missing = NULL;
	int ret = -EINVAL;

	mutex_lock(&ctrl->lock);
	if (ctrl->stalls) {
		dev_err(liov_mdev_dev(mdev),
			"device cannot be opened while an admin command keeps controller %s busy: try again when that has ended\n",
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

int liov_mdev_probe(struct mdev_device *mdev_dev)
{
	const struct liov_kind *kind = liov_type_kind(mdev_dev->type);
	struct liov_ctrl *ctrl = liov_type_ctrl(mdev_dev->type);
	struct liov_mdev *mdev;
	int ret;

	mdev = kind->alloc(&mdev_dev->dev, &liov_vfio_ops);
	if (IS_ERR(mdev))
		return PTR_ERR(mdev);
	dev_set_drvdata(&mdev_dev->dev, mdev);

	mutex_lock(&ctrl->lock);
	list_add_tail(&mdev->node, &ctrl->mdevs);
	mutex_unlock(&ctrl->lock);

	ret = vfio_register_emulated_iommu_dev(&mdev->vdev);
	if (ret)
		goto out_put;
	return 0;

out_put:
	mutex_lock(&ctrl->lock);
	list_del(&mdev->node);
	mutex_unlock(&ctrl->lock);
	vfio_put_device(&mdev->vdev);
	return ret;
}

/* Waits until the device is closed; VFIO asks its user to do so. */
void liov_mdev_remove(struct mdev_device *mdev_dev)
{
	struct liov_mdev *mdev = dev_get_drvdata(&mdev_dev->dev);
	struct liov_ctrl *ctrl = mdev->ctrl;

	vfio_unregister_group_dev(&mdev->vdev);

	mutex_lock(&ctrl->lock);
	list_del(&mdev->node);
	mdev->kind->remove(mdev);
	liov_extents_drop(mdev);
	liov_tenant_set(mdev, "");
	mutex_unlock(&ctrl->lock);

	vfio_put_device(&mdev->vdev);
}
