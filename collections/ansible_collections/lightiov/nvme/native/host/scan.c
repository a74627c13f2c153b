// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which namespaces the controller has, and what guests must know of them.
 */
#include <linux/lcm.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "extent.h"

/*
 * Any of two bits: how to write well is told.  The lower one: NPDG is, which
 * controllers of NVMe 2.1 may replace by what nobody asks them for here.
 */
#define LIOV_NS_FEAT_OPTPERF	(BIT(4) | BIT(5))
#define LIOV_NS_FEAT_NPDG	BIT(4)

#define LIOV_NSIDS_PER_LIST	(NVME_IDENTIFY_DATA_SIZE / sizeof(__le32))

static int liov_namespace_identify(struct liov_ctrl *ctrl, u8 cns, u32 nsid,
				   const struct liov_dma *data)
{
	struct nvme_command cmd;

	liov_admin_identify(&cmd, cns, nsid, data);
	return liov_admin_cmd(ctrl, &cmd, LIOV_ADMIN_TIMEOUT);
}

/* The 0's based fields of a namespace count LBAs. */
static u32 liov_ns_field(__le16 value)
{
	return le16_to_cpu(value) + 1;
}

/*
 * How many LBAs power loss does not tear, if they are aligned to their number.
 * Boundaries within which alone that is promised must not lie among these.
 */
static u32 liov_namespace_atomic(struct liov_ctrl *ctrl,
				 const struct nvme_id_ns *id)
{
	u32 count = ctrl->atomic_write;

	if ((id->nsfeat & NVME_NS_FEAT_ATOMICS) && id->nawupf)
		count = liov_ns_field(id->nawupf);
	if (id->nabo || (id->nabspf && liov_ns_field(id->nabspf) %
			 rounddown_pow_of_two(count)))
		return 1;
	return count;
}

static void liov_namespace_parse_limits(struct liov_ctrl *ctrl,
					struct liov_namespace *ns,
					const struct nvme_id_ns *id)
{
	if (id->nsfeat & LIOV_NS_FEAT_OPTPERF) {
		ns->write_granularity = liov_ns_field(id->npwg);
		ns->write_optimal = id->nows ? liov_ns_field(id->nows) : 0;
	}
	if (id->nsfeat & LIOV_NS_FEAT_NPDG)
		ns->dealloc_granularity = liov_ns_field(id->npdg);
	/* 64 bits, since nonsense from the device shifts by as many as 63. */
	ns->boundary = ctrl->stripe ? (u64)ctrl->stripe >> ns->lba_shift :
				      le16_to_cpu(id->noiob);
	ns->atomic_write = liov_namespace_atomic(ctrl, id);
	/*
	 * A page of the owner's must not be two owners'.  Shifts by 32 and more
	 * of nonsense from the device are not defined.
	 */
	ns->granularity = lcm(SZ_4K >> min(ns->lba_shift, 12U),
			      max(ns->write_granularity, 1U));
}

static void liov_namespace_parse(struct liov_ctrl *ctrl,
				 struct liov_namespace *ns,
				 const struct nvme_id_ns *id)
{
	const struct nvme_lbaf *format = &id->lbaf[nvme_lbaf_index(id->flbas)];

	ns->usable = !format->ms && format->ds >= 9 && format->ds <= PAGE_SHIFT;
	/* Whatever the device says, BIT() of it must be defined. */
	ns->lba_shift = min_t(u8, format->ds, BITS_PER_LONG - 1);
	ns->lba_count = le64_to_cpu(id->nsze);
	ns->read_only = id->nsattr & NVME_NS_ATTR_RO;
	memcpy(ns->nguid, id->nguid, sizeof(ns->nguid));
	memcpy(ns->eui64, id->eui64, sizeof(ns->eui64));
	liov_namespace_parse_limits(ctrl, ns, id);
}

/* Descriptors carry a length each; none may lead beyond the data. */
static void liov_namespace_parse_descriptors(struct liov_namespace *ns,
					     const u8 *data)
{
	const struct nvme_ns_id_desc *desc;
	const u8 *value;
	size_t pos, len;

	for (pos = 0; pos + sizeof(*desc) <= NVME_IDENTIFY_DATA_SIZE;
	     pos += sizeof(*desc) + len) {
		desc = (const void *)(data + pos);
		value = data + pos + sizeof(*desc);
		len = desc->nidl;
		if (!len || pos + sizeof(*desc) + len > NVME_IDENTIFY_DATA_SIZE)
			return;

		if (desc->nidt == NVME_NIDT_EUI64 && len == sizeof(ns->eui64))
			memcpy(ns->eui64, value, len);
		else if (desc->nidt == NVME_NIDT_NGUID &&
			 len == sizeof(ns->nguid))
			memcpy(ns->nguid, value, len);
		else if (desc->nidt == NVME_NIDT_UUID &&
			 len == sizeof(ns->uuid))
			memcpy(ns->uuid, value, len);
		else if (desc->nidt == NVME_NIDT_CSI && *value != NVME_CSI_NVM)
			ns->usable = false;
	}
}

static bool liov_namespace_was_described(struct liov_ctrl *ctrl, u32 nsid)
{
	const struct liov_namespace *old;
	bool described;

	mutex_lock(&ctrl->lock);
	old = liov_namespace_find(ctrl, nsid);
	described = old && old->described;
	mutex_unlock(&ctrl->lock);
	return described;
}

/* Return: as liov_admin_run(). */
static int liov_namespace_read_descriptors(struct liov_ctrl *ctrl,
					   struct liov_namespace *ns,
					   const struct liov_dma *data)
{
	int ret;

	if (ctrl->quirks & LIOV_QUIRK_NO_DESCRIPTORS)
		return 0;
	ret = liov_namespace_identify(ctrl, NVME_ID_CNS_NS_DESC_LIST, ns->nsid,
				      data);
	if (!ret) {
		ns->described = true;
		liov_namespace_parse_descriptors(ns, data->cpu);
	}
	/* Controllers before NVMe 1.3 have none: nothing is missed. */
	if (ret > 0 && !liov_namespace_was_described(ctrl, ns->nsid))
		return 0;
	return ret;
}

/* No identity is better than one that another namespace has too. */
static void liov_namespace_disown(struct liov_namespace *ns)
{
	memset(ns->nguid, 0, sizeof(ns->nguid));
	memset(ns->eui64, 0, sizeof(ns->eui64));
	memset(ns->uuid, 0, sizeof(ns->uuid));
}

/* Takes over what the last scan found. */
static bool liov_namespace_recall(struct liov_ctrl *ctrl,
				  struct liov_namespace *ns)
{
	struct liov_namespace *old;
	bool known;

	mutex_lock(&ctrl->lock);
	old = liov_namespace_find(ctrl, ns->nsid);
	known = old && old->present;
	if (known) {
		*ns = *old;
		INIT_LIST_HEAD(&ns->extents);
	}
	mutex_unlock(&ctrl->lock);
	return known;
}

/* What the namespace says of itself.  Return: as liov_admin_run(). */
static int liov_namespace_ask(struct liov_ctrl *ctrl, struct liov_namespace *ns,
			      const struct liov_dma *data)
{
	int ret;

	ret = liov_namespace_identify(ctrl, NVME_ID_CNS_NS, ns->nsid, data);
	if (ret)
		return ret;
	mutex_lock(&ctrl->lock);
	liov_namespace_parse(ctrl, ns, data->cpu);
	mutex_unlock(&ctrl->lock);
	ret = liov_namespace_read_descriptors(ctrl, ns, data);
	if (ctrl->quirks & LIOV_QUIRK_BOGUS_IDS)
		liov_namespace_disown(ns);
	return ret;
}

/* Returns NULL for one that there is nothing to know of. */
static struct liov_namespace *liov_namespace_read(struct liov_ctrl *ctrl,
						  u32 nsid,
						  const struct liov_dma *data)
{
	struct liov_namespace *ns;
	int ret;

	ns = kzalloc(sizeof(*ns), GFP_KERNEL);
	if (!ns)
		return ERR_PTR(-ENOMEM);
	ns->nsid = nsid;
	ns->present = true;
	ns->granularity = 1;
	INIT_LIST_HEAD(&ns->extents);

	ret = liov_namespace_ask(ctrl, ns, data);
	if (!ret)
		return ns;
	/* If it is invalid, it was detached just now. */
	if (ret > 0 && (ret & LIOV_STATUS_CODE) != NVME_SC_INVALID_NS) {
		dev_warn(ctrl->dev,
			 "namespace %u does not identify itself (status 0x%x): rescan once the controller is well\n",
			 nsid, ret);
		if (liov_namespace_recall(ctrl, ns))
			return ns;
	}
	kfree(ns);
	return ret < 0 ? ERR_PTR(ret) : NULL;
}

/* Reads all active namespaces into @found. */
static int liov_namespaces_read(struct liov_ctrl *ctrl, struct list_head *found)
{
	struct liov_namespace *ns;
	struct liov_dma ids, data;
	u32 nsid = 0;
	int ret, i;

	ret = liov_dma_alloc(ctrl, &ids, NVME_IDENTIFY_DATA_SIZE,
			     DMA_FROM_DEVICE);
	if (ret)
		return ret;
	ret = liov_dma_alloc(ctrl, &data, NVME_IDENTIFY_DATA_SIZE,
			     DMA_FROM_DEVICE);
	if (ret)
		goto out_ids;

	do {
		ret = liov_namespace_identify(ctrl, NVME_ID_CNS_NS_ACTIVE_LIST,
					      nsid, &ids);
		if (ret)
			break;
		for (i = 0; i < LIOV_NSIDS_PER_LIST; i++) {
			u32 next = get_unaligned_le32(ids.cpu + i * sizeof(u32));

			/* The list ascends: anything else would never end. */
			if (next <= nsid || next > READ_ONCE(ctrl->nr_nsids))
				break;
			nsid = next;
			ns = liov_namespace_read(ctrl, nsid, &data);
			if (IS_ERR(ns)) {
				ret = PTR_ERR(ns);
				goto out_data;
			}
			if (ns)
				list_add_tail(&ns->node, found);
		}
	} while (i == LIOV_NSIDS_PER_LIST);

out_data:
	liov_dma_free(ctrl, &data);
out_ids:
	liov_dma_free(ctrl, &ids);
	return liov_admin_errno(ret);
}

/* Whether an owner sees a difference that it has to act upon. */
static bool liov_namespace_differs(const struct liov_namespace *a,
				   const struct liov_namespace *b)
{
	return a->present != b->present || a->usable != b->usable ||
	       a->read_only != b->read_only || a->lba_count != b->lba_count ||
	       a->lba_shift != b->lba_shift ||
	       memcmp(a->nguid, b->nguid, sizeof(a->nguid)) ||
	       memcmp(a->eui64, b->eui64, sizeof(a->eui64)) ||
	       memcmp(a->uuid, b->uuid, sizeof(a->uuid));
}

static void liov_namespace_changed(struct liov_ctrl *ctrl,
				   struct liov_namespace *ns)
{
	if (list_empty(&ns->extents))
		return;
	if (ns->present)
		dev_info(ctrl->dev,
			 "namespace %u has changed: %llu LBAs of %lu bytes%s\n",
			 ns->nsid, ns->lba_count, BIT(ns->lba_shift),
			 ns->read_only ? ", read-only" : "");
	else
		dev_warn(ctrl->dev,
			 "namespace %u is gone, and commands to it fail: attach it again, or remove its extents from all devices\n",
			 ns->nsid);
	liov_extents_update(ns);
}

/* What devices have stays theirs, even if it is no longer there. */
static void liov_namespaces_merge(struct liov_ctrl *ctrl,
				  struct list_head *found)
{
	struct liov_namespace *old, *next, *ns;

	list_for_each_entry(ns, found, node) {
		old = liov_namespace_find(ctrl, ns->nsid);
		if (!old)
			continue;
		liov_extents_move(old, ns);
		if (liov_namespace_differs(old, ns))
			liov_namespace_changed(ctrl, ns);
	}
	list_for_each_entry_safe(old, next, &ctrl->namespaces, node) {
		if (list_empty(&old->extents)) {
			list_del(&old->node);
			kfree(old);
			continue;
		}
		/* Those that were found have lost theirs. */
		if (old->present) {
			old->present = false;
			liov_namespace_changed(ctrl, old);
		}
		list_move_tail(&old->node, found);
	}
	list_splice(found, &ctrl->namespaces);
}

/* One scan after the other, so that what is read last is what stays. */
void liov_namespaces_scan(struct liov_ctrl *ctrl)
{
	LIST_HEAD(found);
	int ret;

	mutex_lock(&ctrl->scan_lock);
	ret = liov_namespaces_read(ctrl, &found);
	if (ret) {
		dev_warn(ctrl->dev,
			 "namespaces could not be listed: error %d, the list may be out of date\n",
			 ret);
		liov_namespaces_free(&found);
	} else {
		mutex_lock(&ctrl->lock);
		liov_namespaces_merge(ctrl, &found);
		mutex_unlock(&ctrl->lock);
	}
	mutex_unlock(&ctrl->scan_lock);
}

void liov_namespaces_free(struct list_head *namespaces)
{
	struct liov_namespace *ns, *next;

	list_for_each_entry_safe(ns, next, namespaces, node)
		kfree(ns);
}
