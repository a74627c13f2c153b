// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of passthrough devices: how many queue pairs they are to have,
 * written before a VM opens them, and what they are doing.
 */
#include <linux/sysfs.h>

#include "passthrough.h"

static umode_t liov_passthrough_attr_visible(struct kobject *kobj,
					     struct attribute *attr, int index)
{
	struct liov_mdev *mdev = dev_get_drvdata(kobj_to_dev(kobj));

	return mdev->kind == &liov_passthrough_kind ? attr->mode : 0;
}

static ssize_t queue_pairs_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	struct liov_passthrough *pt = liov_passthrough_of(dev_get_drvdata(dev));

	return sysfs_emit(buf, "%u\n", READ_ONCE(pt->nr_queues));
}

static ssize_t queue_pairs_store(struct device *dev,
				 struct device_attribute *attr,
				 const char *buf, size_t count)
{
	struct liov_passthrough *pt = liov_passthrough_of(dev_get_drvdata(dev));
	struct liov_ctrl *ctrl = pt->mdev.ctrl;
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
	ret = liov_mdev_check_closed(&pt->mdev, "queue_pairs");
	if (!ret)
		ret = liov_queues_reserve(pt, wanted);
	if (ret == -ENOSPC)
		dev_err(dev,
			"controller %s has %u queue pairs free, %u are wanted: give this device fewer or remove another\n",
			dev_name(ctrl->dev),
			ctrl->nr_queue_pairs_free + pt->nr_queues, wanted);
	mutex_unlock(&ctrl->lock);
	return ret ?: count;
}
static DEVICE_ATTR_RW(queue_pairs);

static ssize_t quarantine_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct liov_passthrough *pt = liov_passthrough_of(dev_get_drvdata(dev));

	return sysfs_emit(buf, "%d\n",
			  !!(atomic_read(&pt->status) &
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
	liov_passthrough_quarantine(liov_passthrough_of(dev_get_drvdata(dev)),
				    on);
	return count;
}
static DEVICE_ATTR_RW(quarantine);

static bool liov_passthrough_has_queues(struct liov_passthrough *pt)
{
	unsigned int i;

	for (i = 0; i < pt->nr_queues; i++)
		if (liov_hw_queue_exists(&pt->queues[i]))
			return true;
	return false;
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct liov_passthrough *pt = liov_passthrough_of(dev_get_drvdata(dev));
	u32 status = liov_passthrough_status(pt);
	const char *state;

	mutex_lock(&pt->mdev.lock);
	if (status & LIOV_STATUS_DEAD)
		state = "lost";
	else if (status & LIOV_STATUS_QUARANTINED)
		state = "quarantined";
	else if (!pt->mdev.open)
		state = "closed";
	else if (status & LIOV_STATUS_QUEUES_LOST)
		state = "lost";
	else if (liov_passthrough_has_queues(pt))
		state = "ready";
	else
		state = "open";
	mutex_unlock(&pt->mdev.lock);
	return sysfs_emit(buf, "%s\n", state);
}
static DEVICE_ATTR_RO(state);

static ssize_t queues_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct liov_passthrough *pt = liov_passthrough_of(dev_get_drvdata(dev));
	unsigned int i;
	ssize_t len = 0;

	mutex_lock(&pt->mdev.lock);
	mutex_lock(&pt->mdev.ctrl->lock);
	for (i = 0; i < pt->nr_queues; i++) {
		struct liov_hw_queue *queue = &pt->queues[i];

		len += sysfs_emit_at(buf, len, "%u %u ", i, queue->qid);
		if (!liov_hw_queue_exists(queue))
			len += sysfs_emit_at(buf, len, "- -\n");
		else if (queue->polled)
			len += sysfs_emit_at(buf, len, "- %u\n",
					     queue->entries);
		else
			len += sysfs_emit_at(buf, len, "%d %u\n",
					     queue->vector, queue->entries);
	}
	mutex_unlock(&pt->mdev.ctrl->lock);
	mutex_unlock(&pt->mdev.lock);
	return len;
}
static DEVICE_ATTR_RO(queues);

static ssize_t window_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct liov_passthrough *pt = liov_passthrough_of(dev_get_drvdata(dev));
	ssize_t ret;

	mutex_lock(&pt->mdev.lock);
	if (pt->mdev.memory.window)
		ret = sysfs_emit(buf, "0x%lx 0x%llx\n", pt->mdev.memory.window,
				 pt->mdev.memory.window_size);
	else
		ret = sysfs_emit(buf, "-\n");
	mutex_unlock(&pt->mdev.lock);
	return ret;
}
static DEVICE_ATTR_RO(window);

static struct attribute *liov_passthrough_attrs[] = {
	&dev_attr_queue_pairs.attr,
	&dev_attr_quarantine.attr,
	&dev_attr_state.attr,
	&dev_attr_queues.attr,
	&dev_attr_window.attr,
	NULL
};

const struct attribute_group liov_passthrough_group = {
	.attrs = liov_passthrough_attrs,
	.is_visible = liov_passthrough_attr_visible,
};

static ssize_t interrupts_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct liov_passthrough *pt = liov_passthrough_of(dev_get_drvdata(dev));
	unsigned int i;
	u64 sum = 0;

	mutex_lock(&pt->mdev.ctrl->lock);
	for (i = 0; i < pt->nr_queues; i++)
		sum += READ_ONCE(pt->triggers[i].count);
	mutex_unlock(&pt->mdev.ctrl->lock);
	return sysfs_emit(buf, "%llu\n", sum);
}
static DEVICE_ATTR_RO(interrupts);

/* The others are counted in struct liov_passthrough, at the offset in @var. */
static ssize_t liov_stat_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct dev_ext_attribute *stat =
		container_of(attr, struct dev_ext_attribute, attr);
	struct liov_passthrough *pt = liov_passthrough_of(dev_get_drvdata(dev));
	const u64 *value = (void *)pt + (size_t)stat->var;

	return sysfs_emit(buf, "%llu\n", READ_ONCE(*value));
}

#define LIOV_STAT(name, member)	{					\
	.attr = __ATTR(name, 0444, liov_stat_show, NULL),		\
	.var = (void *)offsetof(struct liov_passthrough, member),		\
}

static struct dev_ext_attribute liov_stats[] = {
	LIOV_STAT(mmio, stats.mmio),
	LIOV_STAT(commands, stats.commands),
	LIOV_STAT(doorbell_faults, stats.doorbell_faults),
	LIOV_STAT(revocations, stats.revocations),
	LIOV_STAT(resets, stats.resets),
	LIOV_STAT(queue_resets, stats.queue_resets),
	LIOV_STAT(pinned_bytes, mdev.memory.pinned_bytes),
	LIOV_STAT(iommu_mappings, mdev.memory.mappings),
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
	&liov_stats[7].attr.attr,
	&liov_stats[8].attr.attr,
	NULL
};

const struct attribute_group liov_statistics_group = {
	.name = "statistics",
	.is_visible = liov_passthrough_attr_visible,
	.attrs = liov_statistics_attrs,
};
