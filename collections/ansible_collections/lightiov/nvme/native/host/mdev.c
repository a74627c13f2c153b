// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a mediated device: created through sysfs, opened by a VM, reset by
 * it or because of its controller, closed, removed.
 */
#include "mdev.h"

/* Caller holds mdev->lock.  The order is what keeps the host safe. */
static void liov_mdev_tear_down(struct liov_mdev *mdev)
{
	liov_doorbell_update(mdev, LIOV_REVOKED_CLOSED, 0);
	liov_queues_delete(mdev);
	liov_memory_drop(&mdev->memory, 0, ULONG_MAX);
	liov_memory_close_window(&mdev->memory);
}

/*
 * Caller holds mdev->lock and has torn everything down.  A controller reset
 * either was before, and is over, or comes after and says so again.
 */
static void liov_mdev_set_up(struct liov_mdev *mdev)
{
	struct liov_ctrl *ctrl = mdev->ctrl;

	mutex_lock(&ctrl->reset_lock);
	if (liov_ctrl_state(ctrl) == LIOV_CTRL_LIVE) {
		atomic_andnot(LIOV_STATUS_QUEUES_LOST, &mdev->status);
		liov_doorbell_update(mdev, 0,
				     LIOV_REVOKED_CLOSED | LIOV_REVOKED_LOST);
	}
	mutex_unlock(&ctrl->reset_lock);
}

/* Caller holds mdev->lock. */
void liov_mdev_reset(struct liov_mdev *mdev)
{
	liov_mdev_tear_down(mdev);
	liov_mdev_set_up(mdev);
	liov_regs_update_window(mdev);
	mdev->stats.resets++;
}

/* Memory or an extent goes away under the queues.  Caller holds mdev->lock. */
void liov_mdev_lose_queues(struct liov_mdev *mdev)
{
	liov_doorbell_update(mdev, LIOV_REVOKED_LOST, 0);
	liov_queues_delete(mdev);
	liov_mdev_event(mdev, LIOV_STATUS_QUEUES_LOST, 0);
}

void liov_mdev_event(struct liov_mdev *mdev, u32 set, u32 clear)
{
	atomic_andnot(clear, &mdev->status);
	atomic_or(set, &mdev->status);
	atomic_inc(&mdev->generation);
	liov_trigger_fire(&mdev->event);
}

u32 liov_mdev_status(struct liov_mdev *mdev)
{
	enum liov_ctrl_state state = liov_ctrl_state(mdev->ctrl);
	u32 status = atomic_read(&mdev->status);

	if (state == LIOV_CTRL_DEAD)
		status |= LIOV_STATUS_DEAD;
	else if (state == LIOV_CTRL_LIVE &&
		 !(status & (LIOV_STATUS_QUEUES_LOST |
			     LIOV_STATUS_QUARANTINED)))
		status |= LIOV_STATUS_READY;
	return status;
}

/* Takes no lock that a command to the controller may hold: it acts at once. */
void liov_mdev_quarantine(struct liov_mdev *mdev, bool on)
{
	if (on) {
		liov_doorbell_update(mdev, LIOV_REVOKED_QUARANTINE, 0);
		liov_mdev_event(mdev, LIOV_STATUS_QUARANTINED, 0);
	} else {
		liov_doorbell_update(mdev, 0, LIOV_REVOKED_QUARANTINE);
		liov_mdev_event(mdev, 0, LIOV_STATUS_QUARANTINED);
	}
}

void liov_mdev_request_release(struct liov_mdev *mdev)
{
	liov_mdev_event(mdev, LIOV_STATUS_RELEASE, 0);
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
	} else if (!mdev->nr_queues) {
		missing = "queue_pairs";
	} else {
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

	clear_page(page_address(mdev->sink));
	memset(mdev->regs, 0, LIOV_REGS_SIZE);
	liov_regs_init(mdev);
	liov_config_init(mdev);
	atomic_andnot(LIOV_STATUS_RELEASE, &mdev->status);
	liov_mdev_set_up(mdev);

out_unlock:
	mutex_unlock(&mdev->lock);
	return ret;
}

void liov_mdev_close(struct liov_mdev *mdev)
{
	mutex_lock(&mdev->lock);
	liov_mdev_tear_down(mdev);
	liov_trigger_clear(&mdev->event);
	liov_trigger_clear(&mdev->release);
	liov_queues_clear_triggers(mdev);

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
	list_for_each_entry(mdev, &ctrl->mdevs, node) {
		liov_doorbell_update(mdev, LIOV_REVOKED_LOST, 0);
		atomic_or(LIOV_STATUS_QUEUES_LOST, &mdev->status);
	}
	mutex_unlock(&ctrl->lock);
}

/* The controller's state has changed. */
void liov_mdevs_event(struct liov_ctrl *ctrl)
{
	struct liov_mdev *mdev;

	mutex_lock(&ctrl->lock);
	list_for_each_entry(mdev, &ctrl->mdevs, node)
		liov_mdev_event(mdev, 0, 0);
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

static int liov_mdev_probe(struct mdev_device *mdev_dev)
{
	struct liov_ctrl *ctrl;
	struct liov_mdev *mdev;
	int ret;

	mdev = vfio_alloc_device(liov_mdev, vdev, &mdev_dev->dev,
				 &liov_vfio_ops);
	if (IS_ERR(mdev))
		return PTR_ERR(mdev);
	ctrl = mdev->ctrl;
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
static void liov_mdev_remove(struct mdev_device *mdev_dev)
{
	struct liov_mdev *mdev = dev_get_drvdata(&mdev_dev->dev);
	struct liov_ctrl *ctrl = mdev->ctrl;

	vfio_unregister_group_dev(&mdev->vdev);

	mutex_lock(&ctrl->lock);
	list_del(&mdev->node);
	liov_queues_reserve(mdev, 0);
	liov_extents_drop(mdev);
	liov_tenant_set(mdev, "");
	mutex_unlock(&ctrl->lock);

	vfio_put_device(&mdev->vdev);
}

static unsigned int liov_mdev_available(struct mdev_type *type)
{
	struct liov_ctrl *ctrl = container_of(type, struct liov_ctrl, type);

	/* Each needs at least one queue pair. */
	return READ_ONCE(ctrl->nr_queue_pairs_free);
}

static ssize_t liov_mdev_description(struct mdev_type *type, char *buf)
{
	return sysfs_emit(buf,
			  "hardware I/O queue pairs of an NVMe controller, for VMs of one tenant\n");
}

struct mdev_driver liov_mdev_driver = {
	.device_api	  = VFIO_DEVICE_API_PCI_STRING,
	.probe		  = liov_mdev_probe,
	.remove		  = liov_mdev_remove,
	.get_available	  = liov_mdev_available,
	.show_description = liov_mdev_description,
	.driver		  = {
		.name	    = "lightiov_passthrough",
		.owner	    = THIS_MODULE,
		.mod_name   = KBUILD_MODNAME,
		.dev_groups = liov_mdev_groups,
	},
};
