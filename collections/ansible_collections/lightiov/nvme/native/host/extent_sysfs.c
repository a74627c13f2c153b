// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of a mediated device that tell and change which extents it has.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "mdev.h"

enum liov_extent_key {
	LIOV_KEY_ID,
	LIOV_KEY_NSID,
	LIOV_KEY_EUI,
	LIOV_KEY_FIRST,
	LIOV_KEY_COUNT,
	LIOV_KEY_READ_ONLY,
	LIOV_KEY_NAME,
};

static const char * const liov_extent_keys[] = {
	[LIOV_KEY_ID]	     = "id",
	[LIOV_KEY_NSID]	     = "nsid",
	[LIOV_KEY_EUI]	     = "eui",
	[LIOV_KEY_FIRST]     = "first",
	[LIOV_KEY_COUNT]     = "count",
	[LIOV_KEY_READ_ONLY] = "read_only",
	[LIOV_KEY_NAME]	     = "name",
};

/* uuid_parse() does not look at what follows. */
static int liov_id_parse(const char *text, uuid_t *id)
{
	if (strlen(text) != UUID_STRING_LEN || uuid_parse(text, id) ||
	    uuid_is_null(id))
		return -EINVAL;
	return 0;
}

static int liov_extent_parse_name(struct liov_extent *want, const char *text)
{
	size_t len = strlen(text);

	if (!len || !liov_is_name(text, len, LIOV_EXTENT_NAME_LEN))
		return -EINVAL;
	strscpy(want->name, text, sizeof(want->name));
	want->named = true;
	return 0;
}

static int liov_extent_parse_key(struct liov_extent *want, int key,
				 const char *value)
{
	bool flag = key == LIOV_KEY_READ_ONLY;

	if (flag == !!value)
		return -EINVAL;

	switch (key) {
	case LIOV_KEY_ID:
		return liov_id_parse(value, &want->id);
	case LIOV_KEY_NSID:
		return kstrtou32(value, 10, &want->nsid);
	case LIOV_KEY_EUI:
		return liov_ns_id_parse(&want->ns_id, value);
	case LIOV_KEY_FIRST:
		return kstrtou64(value, 10, &want->lbas.first);
	case LIOV_KEY_COUNT:
		return kstrtou64(value, 10, &want->lbas.count) ?:
		       want->lbas.count ? 0 : -EINVAL;
	case LIOV_KEY_READ_ONLY:
		want->read_only = true;
		return 0;
	case LIOV_KEY_NAME:
		return liov_extent_parse_name(want, value);
	default:
		return -EINVAL;
	}
}

static int liov_extent_parse(struct liov_extent *want, char *text)
{
	unsigned long given = 0;
	char *value, *name;
	int key, ret;

	while ((value = strsep(&text, ","))) {
		name = strsep(&value, "=");
		key = match_string(liov_extent_keys,
				   ARRAY_SIZE(liov_extent_keys), name);
		if (key < 0 || __test_and_set_bit(key, &given))
			return -EINVAL;
		ret = liov_extent_parse_key(want, key, value);
		if (ret)
			return ret;
	}
	if (!test_bit(LIOV_KEY_ID, &given) ||
	    !test_bit(LIOV_KEY_NSID, &given) ||
	    test_bit(LIOV_KEY_FIRST, &given) !=
	    test_bit(LIOV_KEY_COUNT, &given))
		return -EINVAL;
	if (!want->named)
		snprintf(want->name, sizeof(want->name), "%pUb", &want->id);
	return 0;
}

static ssize_t extent_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	struct liov_extent *want;
	char *copy;
	int ret = -ENOMEM;

	copy = kstrdup(buf, GFP_KERNEL);
	want = kzalloc(sizeof(*want), GFP_KERNEL);
	if (!copy || !want)
		goto out_free;

	ret = liov_extent_parse(want, strim(copy));
	if (ret) {
		dev_err(dev,
			"extent is not valid: write id=UUID,nsid=N[,eui=HEX][,first=LBA,count=LBAS][,read_only][,name=TEXT], each once\n");
		goto out_free;
	}
	mutex_lock(&mdev->ctrl->lock);
	ret = liov_extent_add(mdev, want);
	mutex_unlock(&mdev->ctrl->lock);

out_free:
	kfree(want);
	kfree(copy);
	return ret ?: count;
}
static DEVICE_ATTR_WO(extent);

/* Writes "cancel=UUID" or "UUID" into @id; only where @cancel is not NULL, the former. */
static int liov_parse_extent_id(struct device *dev, const char *buf, uuid_t *id,
				bool *cancel)
{
	static const char prefix[] = "cancel=";
	char *copy, *text;
	int ret;

	copy = kstrdup(buf, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	text = strim(copy);
	if (cancel) {
		*cancel = strstarts(text, prefix);
		if (*cancel)
			text += strlen(prefix);
	}
	ret = liov_id_parse(text, id);
	kfree(copy);
	if (ret)
		dev_err(dev,
			"extent is named by its UUID: write one that the attribute extents lists%s\n",
			cancel ? ", or cancel=UUID" : "");
	return ret;
}

static ssize_t release_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	bool cancel;
	uuid_t id;
	int ret;

	ret = liov_parse_extent_id(dev, buf, &id, &cancel);
	if (ret)
		return ret;
	mutex_lock(&mdev->ctrl->lock);
	ret = liov_extent_ask(mdev, &id, !cancel);
	mutex_unlock(&mdev->ctrl->lock);
	return ret ?: count;
}
static DEVICE_ATTR_WO(release);

/* Not "remove", by which the kernel removes a mediated device as a whole. */
static ssize_t remove_extent_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	uuid_t id;
	int ret;

	ret = liov_parse_extent_id(dev, buf, &id, NULL);
	return ret ?: liov_extent_remove(mdev, &id) ?: count;
}
static DEVICE_ATTR_WO(remove_extent);

/* A comma before each, the first of which is not printed. */
static const char *liov_flags_print(const struct liov_extent *extent,
				    char *text, size_t size)
{
	bool gone = extent->info.flags & cpu_to_le32(LIOV_NS_GONE);

	snprintf(text, size, "%s%s%s", extent->read_only ? ",read_only" : "",
		 extent->asked ? ",asked" : "", gone ? ",gone" : "");
	return *text ? text + 1 : "-";
}

#define LIOV_FLAGS_TEXT		sizeof(",read_only,asked,gone")

/* Slot, ID, NSID, identity, first LBA, LBA count, flags and name. */
#define LIOV_EXTENT_LINE	(sizeof("63 01234567-89ab-cdef-0123-456789abcdef " \
					"4294967295 " \
					"eui.0123456789abcdef0123456789abcdef " \
					"18446744073709551615 " \
					"18446744073709551615 " \
					"read_only,asked,gone -\n") + \
				 LIOV_EXTENT_NAME_LEN)

static size_t liov_extent_print(const struct liov_extent *extent, char *text,
				size_t size)
{
	char id[LIOV_NS_ID_TEXT] = "-", lbas[48] = "- -";
	char flags[LIOV_FLAGS_TEXT];

	if (extent->ns_id.len)
		liov_ns_id_print(&extent->ns_id, id);
	if (extent->lbas.count)
		snprintf(lbas, sizeof(lbas), "%llu %llu", extent->lbas.first,
			 extent->lbas.count);
	return scnprintf(text, size, "%u %pUb %u %s %s %s %s\n", extent->slot,
			 &extent->id, extent->nsid, id, lbas,
			 liov_flags_print(extent, flags, sizeof(flags)),
			 extent->named ? extent->name : "-");
}

/* Binary only because extents may take more than a page. */
static ssize_t extents_read(struct file *file, struct kobject *kobj,
			    LIOV_BIN_CONST struct bin_attribute *attr,
			    char *buf, loff_t pos, size_t count)
{
	struct liov_mdev *mdev = dev_get_drvdata(kobj_to_dev(kobj));
	const struct liov_slots *slots = &mdev->slots;
	size_t len = 0, size;
	ssize_t ret = -ENOMEM;
	unsigned int i;
	char *text;

	mutex_lock(&mdev->ctrl->lock);
	size = slots->used * LIOV_EXTENT_LINE + 1;
	text = kvmalloc(size, GFP_KERNEL);
	if (!text)
		goto out_unlock;

	for (i = 0; i < LIOV_MAX_NAMESPACES; i++)
		if (slots->extents[i])
			len += liov_extent_print(slots->extents[i], text + len,
						 size - len);
	ret = memory_read_from_buffer(buf, count, &pos, text, len);
	kvfree(text);

out_unlock:
	mutex_unlock(&mdev->ctrl->lock);
	return ret;
}

static LIOV_BIN_CONST struct bin_attribute bin_attr_extents = {
	.attr = { .name = "extents", .mode = 0444 },
	.read = extents_read,
};

static ssize_t namespaces_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	char id[LIOV_NS_ID_TEXT];
	unsigned int i;
	ssize_t len = 0;

	mutex_lock(&mdev->ctrl->lock);
	for (i = 0; i < LIOV_MAX_NAMESPACES; i++) {
		const struct liov_extent *extent = mdev->slots.extents[i];

		if (!extent || extent->lbas.count)
			continue;
		len += sysfs_emit_at(buf, len, "%s%u", len ? " " : "",
				     extent->nsid);
		if (!extent->ns_id.len)
			continue;
		liov_ns_id_print(&extent->ns_id, id);
		len += sysfs_emit_at(buf, len, "=%s", id);
	}
	mutex_unlock(&mdev->ctrl->lock);
	len += sysfs_emit_at(buf, len, "\n");
	return len;
}

/* "NSID" or "NSID=eui.HEX" */
static int liov_namespace_parse_word(struct liov_extent *want, char *word)
{
	char *nsid = strsep(&word, "=");
	int ret;

	strscpy(want->name, "(whole)", sizeof(want->name));
	ret = kstrtou32(nsid, 0, &want->nsid);
	if (ret || !word)
		return ret;
	if (!strstarts(word, LIOV_NS_ID_PREFIX))
		return -EINVAL;
	return liov_ns_id_parse(&want->ns_id, word + strlen(LIOV_NS_ID_PREFIX));
}

/* Returns how many different namespaces @text lists, or an errno. */
static int liov_namespaces_parse(struct liov_extent *wants, char *text)
{
	int i, ret, count = 0;
	char *word;

	while ((word = strsep(&text, " ,\n"))) {
		if (!*word)
			continue;
		if (count == LIOV_MAX_NAMESPACES)
			return -E2BIG;
		ret = liov_namespace_parse_word(&wants[count], word);
		if (ret)
			return ret;
		for (i = 0; i < count; i++)
			if (wants[i].nsid == wants[count].nsid)
				return -EINVAL;
		count++;
	}
	return count;
}

/*
 * How devices were given namespaces, all of them at once, before extents: as
 * many as there are slots, as then.
 */
static ssize_t namespaces_store(struct device *dev,
				struct device_attribute *attr,
				const char *buf, size_t count)
{
	struct liov_mdev *mdev = dev_get_drvdata(dev);
	struct liov_extent *wants;
	int number, ret = -ENOMEM;
	char *copy;

	copy = kstrdup(buf, GFP_KERNEL);
	wants = kvcalloc(LIOV_MAX_NAMESPACES, sizeof(*wants), GFP_KERNEL);
	if (!copy || !wants)
		goto out_free;

	ret = liov_namespaces_parse(wants, copy);
	if (ret < 0) {
		dev_err(dev,
			"namespaces is not a list: write up to %u different namespace IDs, NSID or NSID=eui.HEX, separated by commas or spaces\n",
			LIOV_MAX_NAMESPACES);
		goto out_free;
	}
	number = ret;

	mutex_lock(&mdev->ctrl->lock);
	ret = liov_mdev_check_closed(mdev, "namespaces");
	if (!ret)
		ret = liov_extents_replace(mdev, wants, number);
	mutex_unlock(&mdev->ctrl->lock);

out_free:
	kvfree(wants);
	kfree(copy);
	return ret ?: count;
}
static DEVICE_ATTR_RW(namespaces);

static struct attribute *liov_extents_attrs[] = {
	&dev_attr_extent.attr,
	&dev_attr_release.attr,
	&dev_attr_remove_extent.attr,
	&dev_attr_namespaces.attr,
	NULL
};

static LIOV_BIN_CONST struct bin_attribute *LIOV_BIN_CONST
liov_extents_bin_attrs[] = {
	&bin_attr_extents,
	NULL
};

const struct attribute_group liov_extents_group = {
	.attrs = liov_extents_attrs,
	.bin_attrs = liov_extents_bin_attrs,
};
