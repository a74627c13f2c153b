// SPDX-License-Identifier: GPL-2.0-only
/*
 * The folder lightiov/ of a controller's PCI device: what there is to share.
 */
#include <linux/mm.h>
#include <linux/sysfs.h>

#include "top.h"

/* DEVICE_ATTR_RO() would give it the name of the mdev's attribute. */
#define LIOV_CTRL_ATTR_RO(name)						\
static struct device_attribute liov_ctrl_attr_##name =			\
	__ATTR(name, 0444, liov_ctrl_##name##_show, NULL)

static ssize_t liov_ctrl_serial_show(struct device *dev,
				     struct device_attribute *attr, char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	return liov_emit_padded(buf, ctrl->serial, sizeof(ctrl->serial));
}
LIOV_CTRL_ATTR_RO(serial);

static ssize_t liov_ctrl_model_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	return liov_emit_padded(buf, ctrl->model, sizeof(ctrl->model));
}
LIOV_CTRL_ATTR_RO(model);

static ssize_t liov_ctrl_firmware_show(struct device *dev,
				       struct device_attribute *attr, char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);
	ssize_t ret;

	mutex_lock(&ctrl->lock);
	ret = liov_emit_padded(buf, ctrl->firmware, sizeof(ctrl->firmware));
	mutex_unlock(&ctrl->lock);
	return ret;
}
LIOV_CTRL_ATTR_RO(firmware);

#define LIOV_NUMBER(number, value)					\
static ssize_t liov_ctrl_##number##_show(struct device *dev,		\
					 struct device_attribute *attr,	\
					 char *buf)			\
{									\
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);			\
									\
	return sysfs_emit(buf, "%lu\n", (unsigned long)(value));	\
}									\
LIOV_CTRL_ATTR_RO(number)

LIOV_NUMBER(queue_pairs, ctrl->nr_queue_pairs);
LIOV_NUMBER(queue_pairs_free, READ_ONCE(ctrl->nr_queue_pairs_free));
LIOV_NUMBER(vectors, ctrl->nr_vectors);
LIOV_NUMBER(queue_entries, ctrl->queue_entries);
LIOV_NUMBER(windows, gen_pool_size(ctrl->windows) - LIOV_GRANULE);
LIOV_NUMBER(host_memory, READ_ONCE(ctrl->hmb.given) ? ctrl->hmb.size : 0);

static ssize_t liov_ctrl_tenant_show(struct device *dev,
				     struct device_attribute *attr, char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);
	ssize_t ret;

	mutex_lock(&ctrl->lock);
	ret = sysfs_emit(buf, "%s\n", ctrl->tenant_users ? ctrl->tenant : "");
	mutex_unlock(&ctrl->lock);
	return ret;
}
LIOV_CTRL_ATTR_RO(tenant);

static ssize_t liov_ctrl_admin_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", ctrl->misc_name);
}
LIOV_CTRL_ATTR_RO(admin);

static ssize_t liov_ctrl_state_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[LIOV_CTRL_LIVE]      = "live",
		[LIOV_CTRL_RESETTING] = "resetting",
		[LIOV_CTRL_DEAD]      = "dead",
	};
	struct liov_ctrl *ctrl = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", names[liov_ctrl_state(ctrl)]);
}
LIOV_CTRL_ATTR_RO(state);

/*
 * NSID, LBA size, LBA count, then owner and identity, or a dash for each, and
 * the granularity of extents in bytes.  Several owners are but counted.
 */
#define LIOV_NAMESPACE_LINE	sizeof("4294967295 9223372036854775808 " \
				       "18446744073709551615 " \
				       "01234567-89ab-cdef-0123-456789abcdef " \
				       "eui.0123456789abcdef0123456789abcdef " \
				       "18446744073709551615\n")

/* @text has room for a UUID. */
static void liov_print_owner(struct liov_ctrl *ctrl,
			     const struct liov_namespace *ns, char *text)
{
	struct liov_mdev *owner;
	unsigned int owners = liov_namespace_owners(ctrl, ns, &owner);

	if (!owners)
		strscpy(text, "-", UUID_STRING_LEN + 1);
	else if (owners == 1)
		strscpy(text, dev_name(liov_mdev_dev(owner)),
			UUID_STRING_LEN + 1);
	else
		snprintf(text, UUID_STRING_LEN + 1, "%umdevs", owners);
}

/* Binary only because a controller's namespaces may take more than a page. */
static ssize_t namespaces_read(struct file *file, struct kobject *kobj,
			       LIOV_BIN_CONST struct bin_attribute *attr,
			       char *buf, loff_t pos, size_t count)
{
	struct liov_ctrl *ctrl = dev_get_drvdata(kobj_to_dev(kobj));
	size_t len = 0, size;
	char id_text[LIOV_NS_ID_TEXT], owner[UUID_STRING_LEN + 1];
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
		liov_print_owner(ctrl, ns, owner);
		len += scnprintf(text + len, size - len,
				 "%u %lu %llu %s %s %llu\n", ns->nsid,
				 BIT(ns->lba_shift), ns->lba_count, owner,
				 id.len ? id_text : "-",
				 (u64)ns->granularity << ns->lba_shift);
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
	&liov_ctrl_attr_serial.attr,
	&liov_ctrl_attr_model.attr,
	&liov_ctrl_attr_firmware.attr,
	&liov_ctrl_attr_queue_pairs.attr,
	&liov_ctrl_attr_queue_pairs_free.attr,
	&liov_ctrl_attr_vectors.attr,
	&liov_ctrl_attr_queue_entries.attr,
	&liov_ctrl_attr_windows.attr,
	&liov_ctrl_attr_host_memory.attr,
	&liov_ctrl_attr_tenant.attr,
	&liov_ctrl_attr_admin.attr,
	&liov_ctrl_attr_state.attr,
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
