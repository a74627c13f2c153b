// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of a mediated device: what it is to have, written before a VM
 * opens it, and what it is doing.
 */
#include <linux/ctype.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

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

static ssize_t serial_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	ssize_t ret;

	mutex_lock(&mdev->ctrl->lock);
	ret = liov_emit_padded(buf, mdev->ctrl->serial,
			       mdev->has_serial ? LIOV_SERIAL_LEN : 0);
	mutex_unlock(&mdev->ctrl->lock);
	return ret;
}

/*
 * A definition of a device is kept by the PCI address of its controller, which
 * another controller may have tomorrow: so it says which one it means.
 */
static ssize_t serial_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	struct liov_ctrl *ctrl = mdev->ctrl;
	char own[LIOV_SERIAL_LEN + 1] = {};
	char *copy, *wanted, *found;
	int ret = 0;

	copy = kstrdup(buf, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	wanted = strim(copy);
	memcpy(own, ctrl->serial, LIOV_SERIAL_LEN);
	found = strim(own);

	if (strcmp(wanted, found)) {
		dev_err(dev,
			"controller %s has the serial %s, not %.64s: the device belongs to another controller, or controllers have changed places\n",
			dev_name(ctrl->dev), found, wanted);
		ret = -ENODEV;
		goto out_free;
	}
	mutex_lock(&ctrl->lock);
	mdev->has_serial = true;
	mutex_unlock(&ctrl->lock);

out_free:
	kfree(copy);
	return ret ?: count;
}
static DEVICE_ATTR_RW(serial);

static ssize_t label_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	ssize_t ret;

	mutex_lock(&mdev->ctrl->lock);
	ret = sysfs_emit(buf, "%s\n", mdev->label);
	mutex_unlock(&mdev->ctrl->lock);
	return ret;
}

/* Says nothing to the module: whoever defined the device knows it by it. */
static ssize_t label_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t count)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	size_t len = strcspn(buf, "\n"), i;
	bool valid = len <= LIOV_LABEL_LEN;

	for (i = 0; valid && i < len; i++)
		valid = isascii(buf[i]) && isgraph(buf[i]);
	if (!valid) {
		dev_err(dev,
			"label is not a word: write at most %u printable ASCII characters without blanks\n",
			LIOV_LABEL_LEN);
		return -EINVAL;
	}

	mutex_lock(&mdev->ctrl->lock);
	memcpy(mdev->label, buf, len);
	mdev->label[len] = '\0';
	mutex_unlock(&mdev->ctrl->lock);
	return count;
}
static DEVICE_ATTR_RW(label);

/*
 * Joins the device to a tenant, or with an empty name to none.  All mediated
 * devices of one controller can do harm to each other, so that it has one
 * tenant at a time, and is reset between two.  Caller holds ctrl->lock.
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
	if (*name && *ctrl->tenant && strcmp(name, ctrl->tenant) &&
	    READ_ONCE(ctrl->epoch) == ctrl->tenant_epoch)
		return -EAGAIN;

	if (mdev->has_tenant)
		ctrl->tenant_epoch = READ_ONCE(ctrl->epoch);
	ctrl->tenant_users -= mdev->has_tenant;
	mdev->has_tenant = *name;
	ctrl->tenant_users += mdev->has_tenant;
	if (mdev->has_tenant)
		strscpy(ctrl->tenant, name, sizeof(ctrl->tenant));
	return 0;
}

static int liov_tenant_try(struct liov_mdev *mdev, const char *name, u32 *epoch)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	int ret;

	mutex_lock(&ctrl->lock);
	ret = liov_mdev_check_closed(mdev, "tenant");
	if (!ret)
		ret = liov_tenant_set(mdev, name);
	*epoch = ctrl->tenant_epoch;
	mutex_unlock(&ctrl->lock);
	return ret;
}

static ssize_t tenant_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	ssize_t ret;

	mutex_lock(&mdev->ctrl->lock);
	ret = sysfs_emit(buf, "%s\n",
			 mdev->has_tenant ? mdev->ctrl->tenant : "");
	mutex_unlock(&mdev->ctrl->lock);
	return ret;
}

static ssize_t tenant_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	static const char valid[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	struct liov_ctrl *ctrl = mdev->ctrl;
	char name[LIOV_TENANT_LEN + 1];
	size_t len = strcspn(buf, "\n");
	u32 epoch;
	int ret;

	if (len > LIOV_TENANT_LEN || strspn(buf, valid) < len) {
		dev_err(dev,
			"tenant is not a name: write 1 to %u letters, digits, dots, underscores or dashes\n",
			LIOV_TENANT_LEN);
		return -EINVAL;
	}
	memcpy(name, buf, len);
	name[len] = '\0';

	ret = liov_tenant_try(mdev, name, &epoch);
	if (ret == -EAGAIN) {
		/* Nobody has the controller: it has no tenant. */
		dev_info(dev,
			 "controller %s is reset before tenant %s has it, so that nothing of another one is left\n",
			 dev_name(ctrl->dev), name);
		liov_ctrl_reset(ctrl, epoch);
		ret = liov_tenant_try(mdev, name, &epoch);
	}
	if (ret == -EAGAIN) {
		dev_err(dev,
			"controller %s was not reset, so tenant %s cannot have it: bind it to the driver again\n",
			dev_name(ctrl->dev), name);
		ret = -EIO;
	}
	return ret ?: count;
}
static DEVICE_ATTR_RW(tenant);

static ssize_t queue_pairs_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%u\n", READ_ONCE(mdev->nr_queues));
}

static ssize_t queue_pairs_store(struct device *dev,
				 struct device_attribute *attr,
				 const char *buf, size_t count)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	struct liov_ctrl *ctrl = mdev->ctrl;
	unsigned int wanted;
	int ret;

	ret = kstrtouint(buf, 0, &wanted);
	if (ret || wanted > LIOV_MAX_QUEUE_PAIRS) {
		dev_err(dev,
			"queue_pairs is not a valid number: write 1 to %u, or 0 to give all back\n",
			LIOV_MAX_QUEUE_PAIRS);
		return ret ?: -EINVAL;
	}

	mutex_lock(&ctrl->lock);
	ret = liov_mdev_check_closed(mdev, "queue_pairs");
	if (!ret)
		ret = liov_queues_reserve(mdev, wanted);
	if (ret == -ENOSPC)
		dev_err(dev,
			"controller %s has %u queue pairs free, %u are wanted: give this device fewer or remove another\n",
			dev_name(ctrl->dev),
			ctrl->nr_queue_pairs_free + mdev->nr_queues, wanted);
	mutex_unlock(&ctrl->lock);
	return ret ?: count;
}
static DEVICE_ATTR_RW(queue_pairs);

static ssize_t quarantine_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%d\n",
			  !!(atomic_read(&mdev->status) &
			     LIOV_STATUS_QUARANTINED));
}

static ssize_t quarantine_store(struct device *dev,
				struct device_attribute *attr,
				const char *buf, size_t count)
{
	bool on;
	int ret = kstrtobool(buf, &on);

	if (ret)
		return ret;
	liov_mdev_quarantine(dev_get_drvdata(dev), on);
	return count;
}
static DEVICE_ATTR_RW(quarantine);

static bool liov_mdev_has_queues(struct liov_mdev *mdev)
{
	unsigned int i;

	for (i = 0; i < mdev->nr_queues; i++)
		if (liov_hw_queue_exists(&mdev->queues[i]))
			return true;
	return false;
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	u32 status = liov_mdev_status(mdev);
	const char *state;

	mutex_lock(&mdev->lock);
	if (status & LIOV_STATUS_DEAD)
		state = "lost";
	else if (status & LIOV_STATUS_QUARANTINED)
		state = "quarantined";
	else if (!mdev->open)
		state = "closed";
	else if (status & LIOV_STATUS_QUEUES_LOST)
		state = "lost";
	else if (liov_mdev_has_queues(mdev))
		state = "ready";
	else
		state = "open";
	mutex_unlock(&mdev->lock);
	return sysfs_emit(buf, "%s\n", state);
}
static DEVICE_ATTR_RO(state);

static ssize_t queues_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	unsigned int i;
	ssize_t len = 0;

	mutex_lock(&mdev->lock);
	mutex_lock(&mdev->ctrl->lock);
	for (i = 0; i < mdev->nr_queues; i++) {
		struct liov_hw_queue *queue = &mdev->queues[i];

		len += sysfs_emit_at(buf, len, "%u %u ", i, queue->qid);
		if (liov_hw_queue_exists(queue))
			len += sysfs_emit_at(buf, len, "%d %u\n",
					     queue->vector, queue->entries);
		else
			len += sysfs_emit_at(buf, len, "- -\n");
	}
	mutex_unlock(&mdev->ctrl->lock);
	mutex_unlock(&mdev->lock);
	return len;
}
static DEVICE_ATTR_RO(queues);

static ssize_t window_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	ssize_t ret;

	mutex_lock(&mdev->lock);
	if (mdev->memory.window)
		ret = sysfs_emit(buf, "0x%lx 0x%llx\n", mdev->memory.window,
				 mdev->memory.window_size);
	else
		ret = sysfs_emit(buf, "-\n");
	mutex_unlock(&mdev->lock);
	return ret;
}
static DEVICE_ATTR_RO(window);

static struct attribute *liov_mdev_attrs[] = {
	&dev_attr_serial.attr,
	&dev_attr_label.attr,
	&dev_attr_tenant.attr,
	&dev_attr_queue_pairs.attr,
	&dev_attr_quarantine.attr,
	&dev_attr_state.attr,
	&dev_attr_queues.attr,
	&dev_attr_window.attr,
	NULL
};

static const struct attribute_group liov_mdev_group = {
	.attrs = liov_mdev_attrs,
};

static ssize_t interrupts_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	unsigned int i;
	u64 sum = 0;

	mutex_lock(&mdev->ctrl->lock);
	for (i = 0; i < mdev->nr_queues; i++)
		sum += READ_ONCE(mdev->triggers[i].count);
	mutex_unlock(&mdev->ctrl->lock);
	return sysfs_emit(buf, "%llu\n", sum);
}
static DEVICE_ATTR_RO(interrupts);

/* The others are counted in struct liov_mdev, at the offset in @var. */
static ssize_t liov_stat_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct dev_ext_attribute *stat =
		container_of(attr, struct dev_ext_attribute, attr);
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	const u64 *value = (void *)mdev + (size_t)stat->var;

	return sysfs_emit(buf, "%llu\n", READ_ONCE(*value));
}

#define LIOV_STAT(name, member)	{					\
	.attr = __ATTR(name, 0444, liov_stat_show, NULL),		\
	.var = (void *)offsetof(struct liov_mdev, member),		\
}

static struct dev_ext_attribute liov_stats[] = {
	LIOV_STAT(mmio, stats.mmio),
	LIOV_STAT(commands, stats.commands),
	LIOV_STAT(doorbell_faults, stats.doorbell_faults),
	LIOV_STAT(revocations, stats.revocations),
	LIOV_STAT(resets, stats.resets),
	LIOV_STAT(pinned_bytes, memory.pinned_bytes),
	LIOV_STAT(queues_created, stats.queues_created),
};

static struct attribute *liov_statistics_attrs[] = {
	&dev_attr_interrupts.attr,
	&liov_stats[0].attr.attr,
	&liov_stats[1].attr.attr,
	&liov_stats[2].attr.attr,
	&liov_stats[3].attr.attr,
	&liov_stats[4].attr.attr,
	&liov_stats[5].attr.attr,
	&liov_stats[6].attr.attr,
	NULL
};

static const struct attribute_group liov_statistics_group = {
	.name = "statistics",
	.attrs = liov_statistics_attrs,
};

const struct attribute_group *liov_mdev_groups[] = {
	&liov_mdev_group,
	&liov_extents_group,
	&liov_statistics_group,
	NULL
};
