// SPDX-License-Identifier: GPL-2.0-only
/*
 * The folder lightiov/ of a controller's PCI device: what there is to share.
 */
#include <linux/mm.h>
#include <linux/sysfs.h>

#include "mdev.h"

/* Identify pads its strings with spaces. */
ssize_t liov_emit_padded(char *buf, const char *text, size_t size)
{
	while (size && text[size - 1] == ' ')
		size--;
	return sysfs_emit(buf, "%.*s\n", (int)size, text);
}

static ssize_t serial_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	return liov_emit_padded(buf, ctrl->serial, sizeof(ctrl->serial));
}
static DEVICE_ATTR_RO(serial);

static ssize_t model_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	return liov_emit_padded(buf, ctrl->model, sizeof(ctrl->model));
}
static DEVICE_ATTR_RO(model);

static ssize_t firmware_show(struct device *dev,
			     struct device_attribute *attr,
			     char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	return liov_emit_padded(buf, ctrl->firmware, sizeof(ctrl->firmware));
}
static DEVICE_ATTR_RO(firmware);

#define LIOV_NUMBER(number, value)					\
static ssize_t number##_show(struct device *dev,			\
			     struct device_attribute *attr, char *buf)	\
{									\
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);			\
									\
	return sysfs_emit(buf, "%lu\n", (unsigned long)(value));	\
}									\
static DEVICE_ATTR_RO(number)

LIOV_NUMBER(queue_pairs, ctrl->nr_queue_pairs);
LIOV_NUMBER(queue_pairs_free, READ_ONCE(ctrl->nr_queue_pairs_free));
LIOV_NUMBER(vectors, ctrl->nr_vectors);
LIOV_NUMBER(queue_entries, ctrl->queue_entries);
LIOV_NUMBER(windows, gen_pool_size(ctrl->windows) - LIOV_GRANULE);

static ssize_t tenant_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);
	ssize_t ret;

	mutex_lock(&ctrl->lock);
	ret = sysfs_emit(buf, "%s\n", ctrl->tenant_users ? ctrl->tenant : "");
	mutex_unlock(&ctrl->lock);
	return ret;
}
static DEVICE_ATTR_RO(tenant);

static ssize_t admin_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", ctrl->misc_name);
}
static DEVICE_ATTR_RO(admin);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	static const char * const names[] = {
		[LIOV_CTRL_LIVE]      = "live",
		[LIOV_CTRL_RESETTING] = "resetting",
		[LIOV_CTRL_DEAD]      = "dead",
	};
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", names[liov_ctrl_state(ctrl)]);
}
static DEVICE_ATTR_RO(state);

/* NSID, LBA size, LBA count, then owner and identity, or a dash for each. */
#define LIOV_NAMESPACE_LINE	sizeof("4294967295 4096 18446744073709551615 " \
				       "01234567-89ab-cdef-0123-456789abcdef " \
				       "eui.0123456789abcdef0123456789abcdef\n")

/* Binary only because a controller's namespaces may take more than a page. */
static ssize_t namespaces_read(struct file *file, struct kobject *kobj,
			       LIOV_BIN_CONST struct bin_attribute *attr,
			       char *buf, loff_t pos, size_t count)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(kobj_to_dev(kobj));
	size_t len = 0, size;
	char id_text[LIOV_NS_ID_TEXT];
	struct liov_namespace *ns;
	struct liov_ns_id id;
	ssize_t ret = -ENOMEM;
	char *text;

	mutex_lock(&ctrl->lock);
	size = list_count_nodes(&ctrl->namespaces) * LIOV_NAMESPACE_LINE + 1;
	text = kvmalloc(size, GFP_KERNEL);
	if (!text)
		goto out_unlock;

	list_for_each_entry(ns, &ctrl->namespaces, node) {
		if (!ns->present)
			continue;
		liov_ns_id_get(ns, &id);
		liov_ns_id_print(&id, id_text);
		len += scnprintf(text + len, size - len, "%u %lu %llu %s %s\n",
				 ns->nsid, BIT(ns->lba_shift), ns->lba_count,
				 ns->owner ?
				 dev_name(liov_mdev_dev(ns->owner)) : "-",
				 id.len ? id_text : "-");
	}
	ret = memory_read_from_buffer(buf, count, &pos, text, len);
	kvfree(text);

out_unlock:
	mutex_unlock(&ctrl->lock);
	return ret;
}

static LIOV_BIN_CONST struct bin_attribute bin_attr_namespaces = {
	.attr = { .name = "namespaces", .mode = 0444 },
	.read = namespaces_read,
};

static ssize_t reset_controller_store(struct device *dev,
				      struct device_attribute *attr,
				      const char *buf, size_t count)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	liov_ctrl_reset(ctrl, READ_ONCE(ctrl->epoch));
	return liov_ctrl_state(ctrl) == LIOV_CTRL_LIVE ? count : -EIO;
}
static DEVICE_ATTR_WO(reset_controller);

static struct attribute *liov_ctrl_attrs[] = {
	&dev_attr_serial.attr,
	&dev_attr_model.attr,
	&dev_attr_firmware.attr,
	&dev_attr_queue_pairs.attr,
	&dev_attr_queue_pairs_free.attr,
	&dev_attr_vectors.attr,
	&dev_attr_queue_entries.attr,
	&dev_attr_windows.attr,
	&dev_attr_tenant.attr,
	&dev_attr_admin.attr,
	&dev_attr_state.attr,
	&dev_attr_reset_controller.attr,
	NULL
};

static LIOV_BIN_CONST struct bin_attribute *LIOV_BIN_CONST
liov_ctrl_bin_attrs[] = {
	&bin_attr_namespaces,
	NULL
};

static const struct attribute_group liov_ctrl_group = {
	.name = "lightiov",
	.attrs = liov_ctrl_attrs,
	.bin_attrs = liov_ctrl_bin_attrs,
};

const struct attribute_group *liov_ctrl_groups[] = {
	&liov_ctrl_group,
	NULL
};
