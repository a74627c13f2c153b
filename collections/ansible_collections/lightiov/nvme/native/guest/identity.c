// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a disk says it is, in sysfs and to file systems, as users of NVMe expect
 * it.  A slice is known by its extent's ID only: the namespace's identity is
 * that of all slices of it.
 */
#include <linux/blkdev.h>
#include <linux/uuid.h>

#include "guest.h"

static struct liov_ns *dev_to_ns(struct device *dev)
{
	return dev_to_disk(dev)->private_data;
}

static ssize_t serial_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return sysfs_emit(buf, "%s\n", dev_to_ns(dev)->ldev->serial);
}
static DEVICE_ATTR_RO(serial);

static ssize_t model_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%s\n", dev_to_ns(dev)->ldev->model);
}
static DEVICE_ATTR_RO(model);

static ssize_t firmware_rev_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", dev_to_ns(dev)->ldev->firmware);
}
static DEVICE_ATTR_RO(firmware_rev);

static ssize_t nsid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%u\n", dev_to_ns(dev)->nsid);
}
static DEVICE_ATTR_RO(nsid);

static ssize_t nguid_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%pU\n", dev_to_ns(dev)->nguid);
}
static DEVICE_ATTR_RO(nguid);

static ssize_t eui_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	return sysfs_emit(buf, "%8ph\n", dev_to_ns(dev)->eui64);
}
static DEVICE_ATTR_RO(eui);

static ssize_t uuid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%pU\n", dev_to_ns(dev)->uuid);
}
static DEVICE_ATTR_RO(uuid);

/*
 * What the host and its inventory call the namespace: NGUID, or else EUI-64.
 * Returns the length in bytes, 0 if it has neither.
 */
static int liov_host_id(const struct liov_ns *ns, const u8 **id)
{
	*id = ns->nguid;
	if (memchr_inv(ns->nguid, 0, sizeof(ns->nguid)))
		return sizeof(ns->nguid);
	*id = ns->eui64;
	if (memchr_inv(ns->eui64, 0, sizeof(ns->eui64)))
		return sizeof(ns->eui64);
	return 0;
}

/* In the notation of Linux; nothing if it has none. */
static int liov_emit_host_id(const struct liov_ns *ns, char *buf)
{
	const u8 *id;
	int size = liov_host_id(ns, &id);

	return size ? sysfs_emit(buf, "eui.%*phN", size, id) : 0;
}

static ssize_t host_id_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	int len = liov_emit_host_id(dev_to_ns(dev), buf);

	return len + sysfs_emit_at(buf, len, "\n");
}
static DEVICE_ATTR_RO(host_id);

static ssize_t extent_id_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%pU\n", dev_to_ns(dev)->extent_id);
}
static DEVICE_ATTR_RO(extent_id);

static ssize_t start_lba_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%llu\n", dev_to_ns(dev)->start_lba);
}
static DEVICE_ATTR_RO(start_lba);

/* What is worldwide unique of it: the best of what it has. */
static ssize_t wwid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct liov_ns *ns = dev_to_ns(dev);
	int len;

	if (ns->slice)
		len = sysfs_emit(buf, "uuid.%pU", ns->extent_id);
	else if (memchr_inv(ns->uuid, 0, sizeof(ns->uuid)))
		len = sysfs_emit(buf, "uuid.%pU", ns->uuid);
	else
		len = liov_emit_host_id(ns, buf);
	if (!len)
		len = sysfs_emit(buf, "nvme.%s-%s-%08x", ns->ldev->model,
				 ns->ldev->serial, ns->nsid);
	return len + sysfs_emit_at(buf, len, "\n");
}
static DEVICE_ATTR_RO(wwid);

static struct attribute *liov_disk_attrs[] = {
	&dev_attr_serial.attr,
	&dev_attr_model.attr,
	&dev_attr_firmware_rev.attr,
	&dev_attr_nsid.attr,
	&dev_attr_nguid.attr,
	&dev_attr_eui.attr,
	&dev_attr_uuid.attr,
	&dev_attr_host_id.attr,
	&dev_attr_extent_id.attr,
	&dev_attr_start_lba.attr,
	&dev_attr_wwid.attr,
	NULL
};

/* Does the namespace have that ID, and is it the disk's? */
static bool liov_has(const struct liov_ns *ns, const u8 *id, size_t size)
{
	return !ns->slice && memchr_inv(id, 0, size);
}

static umode_t liov_disk_attr_visible(struct kobject *kobj,
				      struct attribute *attr, int n)
{
	struct liov_ns *ns = dev_to_ns(kobj_to_dev(kobj));
	const u8 *id;

	if (attr == &dev_attr_nguid.attr && !liov_has(ns, ns->nguid, 16))
		return 0;
	if (attr == &dev_attr_eui.attr && !liov_has(ns, ns->eui64, 8))
		return 0;
	if (attr == &dev_attr_uuid.attr && !liov_has(ns, ns->uuid, 16))
		return 0;
	if (attr == &dev_attr_host_id.attr && !liov_host_id(ns, &id))
		return 0;
	if (attr == &dev_attr_extent_id.attr &&
	    !memchr_inv(ns->extent_id, 0, sizeof(ns->extent_id)))
		return 0;
	if (attr == &dev_attr_start_lba.attr && !ns->slice)
		return 0;
	return attr->mode;
}

static const struct attribute_group liov_disk_group = {
	.attrs		= liov_disk_attrs,
	.is_visible	= liov_disk_attr_visible,
};

const struct attribute_group *liov_disk_groups[] = {
	&liov_disk_group,
	NULL
};

/**
 * liov_disk_unique_id() - what a file system that many hosts see knows a disk by
 * @disk: the disk, which may be unregistered already
 * @id: filled in
 * @type: which kind of ID
 *
 * Return: its length or a negative error.
 */
int liov_disk_unique_id(struct gendisk *disk, u8 id[16],
			enum blk_unique_id type)
{
	struct liov_ns *ns = disk->private_data;
	const u8 *from = ns->extent_id;
	int size = sizeof(ns->extent_id);

	if (type != BLK_UID_EUI64)
		return -EINVAL;
	if (!ns->slice)
		size = liov_host_id(ns, &from);
	if (!size)
		return -EINVAL;
	memcpy(id, from, size);
	return size;
}
