// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device's folder in sysfs tells: its state, and what has happened to its
 * requests since the driver was bound.
 */
#include <linux/device.h>

#include "guest.h"

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	static const char * const names[] = {
		[LIOV_STOPPED]	= "stopped",
		[LIOV_WAITING]	= "waiting",
		[LIOV_LIVE]	= "live",
		[LIOV_FAILED]	= "failed",
		[LIOV_DEAD]	= "dead",
	};
	struct liov_dev *ldev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", names[READ_ONCE(ldev->state)]);
}
static DEVICE_ATTR_RO(state);

static struct attribute *liov_attrs[] = {
	&dev_attr_state.attr,
	NULL
};

static const struct attribute_group liov_group = {
	.attrs = liov_attrs,
};

/* Where a counter is, in struct liov_dev or struct liov_queue. */
static size_t liov_stat_offset(struct device_attribute *attr)
{
	return (size_t)container_of(attr, struct dev_ext_attribute, attr)->var;
}

static ssize_t liov_stat_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	const atomic_t *value = dev_get_drvdata(dev) + liov_stat_offset(attr);

	return sysfs_emit(buf, "%u\n", atomic_read(value));
}

/* There are queues for as long as there are attributes. */
static ssize_t liov_queue_stat_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct liov_dev *ldev = dev_get_drvdata(dev);
	const unsigned long *value;
	unsigned long sum = 0;
	unsigned int i;

	for (i = 0; i < ldev->nr_queues; i++) {
		value = (void *)&ldev->queues[i] + liov_stat_offset(attr);
		sum += READ_ONCE(*value);
	}
	return sysfs_emit(buf, "%lu\n", sum);
}

#define LIOV_STAT(name, member)	{					\
	.attr = __ATTR(name, 0444, liov_stat_show, NULL),		\
	.var = (void *)offsetof(struct liov_dev, member),		\
}

#define LIOV_QUEUE_STAT(name, member)	{				\
	.attr = __ATTR(name, 0444, liov_queue_stat_show, NULL),		\
	.var = (void *)offsetof(struct liov_queue, member),		\
}

static struct dev_ext_attribute liov_stats[] = {
	LIOV_STAT(errors, stats.errors),
	LIOV_STAT(retries, stats.retries),
	LIOV_STAT(timeouts, stats.timeouts),
	LIOV_STAT(resets, stats.resets),
	LIOV_QUEUE_STAT(sq_doorbells, sq_doorbells),
	LIOV_QUEUE_STAT(cq_doorbells, cq_doorbells),
};

static struct attribute *liov_statistics_attrs[] = {
	&liov_stats[0].attr.attr,
	&liov_stats[1].attr.attr,
	&liov_stats[2].attr.attr,
	&liov_stats[3].attr.attr,
	&liov_stats[4].attr.attr,
	&liov_stats[5].attr.attr,
	NULL
};

static const struct attribute_group liov_statistics_group = {
	.name = "statistics",
	.attrs = liov_statistics_attrs,
};

const struct attribute_group *liov_device_groups[] = {
	&liov_group,
	&liov_statistics_group,
	NULL
};
