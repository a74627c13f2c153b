// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of a mediated device of any kind: whose it is, written before a VM
 * opens it.
 */
#include <linux/ctype.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "mdev.h"

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

/* Whether the first @len characters of @text, if any, are one. */
bool liov_is_name(const char *text, size_t len, size_t max)
{
	static const char valid[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	return len <= max && strspn(text, valid) >= len;
}

static ssize_t tenant_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	char name[LIOV_TENANT_LEN + 1];
	size_t len = strcspn(buf, "\n");
	int ret;

	if (!liov_is_name(buf, len, LIOV_TENANT_LEN)) {
		dev_err(dev,
			"tenant is not a name: write 1 to %u letters, digits, dots, underscores or dashes\n",
			LIOV_TENANT_LEN);
		return -EINVAL;
	}
	memcpy(name, buf, len);
	name[len] = '\0';

	ret = liov_tenant_change(mdev, name);
	return ret ?: count;
}
static DEVICE_ATTR_RW(tenant);

static struct attribute *liov_mdev_attrs[] = {
	&dev_attr_serial.attr,
	&dev_attr_label.attr,
	&dev_attr_tenant.attr,
	NULL
};

const struct attribute_group liov_mdev_group = {
	.attrs = liov_mdev_attrs,
};
