// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which parts of namespaces a mediated device has.  A namespace is named by its
 * ID, which is a place on the controller, and, where whoever names it wants to
 * be certain, by its identity too, which moves with the data.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "mdev.h"
#include "trace.h"

static struct liov_extent *liov_extent_find(struct liov_mdev *mdev,
					    const uuid_t *id)
{
	unsigned int i;

	lockdep_assert_held(&mdev->ctrl->lock);

	for (i = 0; i < LIOV_MAX_NAMESPACES; i++) {
		struct liov_extent *extent = mdev->slots.extents[i];

		if (extent && uuid_equal(&extent->id, id))
			return extent;
	}
	return NULL;
}

/* Whether the namespace is there, and the one that is meant. */
static int liov_extent_verify(struct liov_mdev *mdev,
			      const struct liov_extent *want)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	struct liov_namespace *ns = liov_namespace_find(ctrl, want->nsid);
	struct device *dev = liov_mdev_dev(mdev);
	char found[LIOV_NS_ID_TEXT], wanted[LIOV_NS_ID_TEXT];
	struct liov_ns_id id;

	if (!ns || !ns->present) {
		dev_err(dev,
			"controller %s has no active namespace %u: attach it, or name one that is listed\n",
			dev_name(ctrl->dev), want->nsid);
		return -ENODEV;
	}
	liov_ns_id_get(ns, &id);
	if (want->ns_id.len && !liov_ns_id_equal(&want->ns_id, &id)) {
		liov_ns_id_print(&want->ns_id, wanted);
		liov_ns_id_print(&id, found);
		dev_err(dev,
			"namespace %u of controller %s is %s, not %s: it was replaced, name the one that is meant\n",
			want->nsid, dev_name(ctrl->dev),
			id.len ? found : "without an identity", wanted);
		return -ENODEV;
	}
	if (!ns->usable) {
		dev_err(dev,
			"namespace %u has metadata or is not made of plain blocks: format it without\n",
			want->nsid);
		return -EOPNOTSUPP;
	}
	if (!liov_lbas_fit(&want->lbas, ns->lba_count)) {
		dev_err(dev,
			"extent %s (LBA %llu, %llu LBAs) ends beyond namespace %u, which has %llu LBAs: make it smaller, or the namespace larger\n",
			want->name, want->lbas.first, want->lbas.count,
			want->nsid, ns->lba_count);
		return -ERANGE;
	}
	return 0;
}

/* Data that nobody writes may be many devices'. */
static int liov_extent_check_overlap(struct liov_mdev *mdev,
				     const struct liov_extent *want,
				     bool replacing)
{
	struct liov_namespace *ns = liov_namespace_find(mdev->ctrl, want->nsid);
	struct liov_extent *other;

	list_for_each_entry(other, &ns->extents, node) {
		if (other->mdev == mdev &&
		    (replacing || uuid_equal(&other->id, &want->id)))
			continue;
		if ((other->read_only && want->read_only) ||
		    !liov_lbas_overlap(&other->lbas, &want->lbas))
			continue;
		dev_err(liov_mdev_dev(mdev),
			"extent %s of namespace %u overlaps extent %s of device %s: choose another place, or release that one first\n",
			want->name, want->nsid, other->name,
			dev_name(liov_mdev_dev(other->mdev)));
		return -EBUSY;
	}
	return 0;
}

/*
 * Whether @mdev can have @want.  What it has under the same ID is not in its
 * way, nor, if @replacing, anything else that it has.
 */
static int liov_extent_check(struct liov_mdev *mdev,
			     const struct liov_extent *want, bool replacing)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	struct device *dev = liov_mdev_dev(mdev);
	u32 granularity;
	int ret;

	if (!mdev->has_serial) {
		dev_err(dev,
			"namespace IDs mean nothing without their controller: write the attribute serial first\n");
		return -ENODATA;
	}
	if (ctrl->ns_changes) {
		dev_err(dev,
			"namespaces of controller %s are being changed by an admin command: try again\n",
			dev_name(ctrl->dev));
		return -EBUSY;
	}
	ret = liov_extent_verify(mdev, want);
	if (ret)
		return ret;

	granularity = liov_namespace_find(ctrl, want->nsid)->granularity;
	if (!liov_lbas_aligned(&want->lbas, granularity)) {
		dev_err(dev,
			"extent %s (LBA %llu, %llu LBAs) is not aligned: make both numbers multiples of %u, the granularity of namespace %u\n",
			want->name, want->lbas.first, want->lbas.count,
			granularity, want->nsid);
		return -EINVAL;
	}
	return liov_extent_check_overlap(mdev, want, replacing);
}

static struct liov_extent *liov_extent_create(struct liov_mdev *mdev,
					      const struct liov_extent *want)
{
	struct liov_extent *extent = kmemdup(want, sizeof(*want), GFP_KERNEL);

	if (!extent)
		return NULL;
	extent->mdev = mdev;
	extent->ns = liov_namespace_find(mdev->ctrl, want->nsid);
	return extent;
}

static void liov_extent_insert(struct liov_extent *extent, unsigned int slot)
{
	struct liov_mdev *mdev = extent->mdev;

	extent->slot = slot;
	list_add_tail(&extent->node, &extent->ns->extents);
	mdev->slots.extents[slot] = extent;
	mdev->slots.used++;
	liov_slot_fill(extent);
	trace_liov_extent_add(extent);
	liov_slots_changed(mdev);
}

/* No command in flight is for it. */
static void liov_extent_free(struct liov_extent *extent)
{
	struct liov_mdev *mdev = extent->mdev;
	struct liov_slots *slots = &mdev->slots;

	list_del(&extent->node);
	slots->extents[extent->slot] = NULL;
	slots->used--;
	if (mdev->open)
		liov_vacancy_add(&slots->vacancy, extent->slot);
	trace_liov_extent_free(extent);
	liov_slots_changed(mdev);
	kfree(extent);
}

static int liov_extent_grow(struct liov_extent *extent,
			    const struct liov_extent *want)
{
	struct liov_mdev *mdev = extent->mdev;
	int ret;

	if (extent->nsid != want->nsid ||
	    extent->lbas.first != want->lbas.first ||
	    extent->read_only != want->read_only ||
	    strcmp(extent->name, want->name) ||
	    !extent->lbas.count != !want->lbas.count ||
	    extent->lbas.count > want->lbas.count) {
		dev_err(liov_mdev_dev(mdev),
			"extent %s (LBA %llu, %llu LBAs of namespace %u) can grow at its end and not change otherwise: release it, and add another\n",
			extent->name, extent->lbas.first, extent->lbas.count,
			extent->nsid);
		return -EINVAL;
	}
	if (extent->lbas.count == want->lbas.count &&
	    (!want->ns_id.len ||
	     liov_ns_id_equal(&extent->ns_id, &want->ns_id)))
		return 0;
	ret = liov_extent_check(mdev, want, false);
	if (ret)
		return ret;

	/* Whoever names the identity later wants it looked at from now on. */
	if (want->ns_id.len)
		extent->ns_id = want->ns_id;
	extent->lbas.count = want->lbas.count;
	liov_slot_update(extent);
	trace_liov_extent_grow(extent);
	liov_slots_changed(mdev);
	return 0;
}

/* Adds @want, or lets the extent that has its ID grow. */
int liov_extent_add(struct liov_mdev *mdev, const struct liov_extent *want)
{
	struct liov_extent *extent = liov_extent_find(mdev, &want->id);
	int slot, ret;

	if (extent)
		return liov_extent_grow(extent, want);

	if (mdev->slots.used >= LIOV_MAX_EXTENTS) {
		dev_err(liov_mdev_dev(mdev),
			"device has %u extents, and can have no more: release one first\n",
			mdev->slots.used);
		return -E2BIG;
	}
	ret = liov_extent_check(mdev, want, false);
	if (ret)
		return ret;
	slot = liov_slot_find(mdev);
	if (slot < 0)
		return slot;

	extent = liov_extent_create(mdev, want);
	if (!extent)
		return -ENOMEM;
	liov_extent_insert(extent, slot);
	return 0;
}

/* The device is not open, or is removed. */
void liov_extents_drop(struct liov_mdev *mdev)
{
	unsigned int i;

	lockdep_assert_held(&mdev->ctrl->lock);

	for (i = 0; i < LIOV_MAX_NAMESPACES; i++)
		if (mdev->slots.extents[i])
			liov_extent_free(mdev->slots.extents[i]);
}

/*
 * Gives the device @wants instead of what it has: all of them, or on an error
 * none.  The device is not open.
 */
int liov_extents_replace(struct liov_mdev *mdev,
			 const struct liov_extent *wants, unsigned int count)
{
	struct liov_extent *extents[LIOV_MAX_NAMESPACES];
	unsigned int i, created;
	int ret = 0;

	lockdep_assert_held(&mdev->ctrl->lock);

	for (created = 0; created < count; created++) {
		ret = liov_extent_check(mdev, &wants[created], true);
		if (ret)
			break;
		ret = -ENOMEM;
		extents[created] = liov_extent_create(mdev, &wants[created]);
		if (!extents[created])
			break;
		ret = 0;
	}
	if (!ret)
		liov_extents_drop(mdev);
	for (i = 0; i < created; i++) {
		if (ret)
			kfree(extents[i]);
		else
			liov_extent_insert(extents[i], i);
	}
	return ret;
}

static struct liov_extent *liov_extent_get(struct liov_mdev *mdev,
					   const uuid_t *id)
{
	struct liov_extent *extent = liov_extent_find(mdev, id);

	if (!extent)
		dev_err(liov_mdev_dev(mdev),
			"device has no extent %pUb: name one that its attribute extents lists\n",
			id);
	return extent;
}

/* Asks the owner for an extent, or takes that back.  Without an owner it goes. */
int liov_extent_ask(struct liov_mdev *mdev, const uuid_t *id, bool asked)
{
	struct liov_extent *extent = liov_extent_get(mdev, id);

	if (!extent)
		return -ENOENT;
	if (!mdev->open) {
		if (asked)
			liov_extent_free(extent);
		return 0;
	}
	if (extent->asked == asked)
		return 0;
	extent->asked = asked;
	liov_slot_update(extent);
	trace_liov_extent_ask(extent);
	liov_slots_changed(mdev);
	return 0;
}

/*
 * Takes an extent from the owner, which may use it: without its queues it has
 * no command in flight.  It cannot have others before mdev->lock is free.
 * A guest driver of ABI 1.1 fails all its disks then, as lightiov_abi.h says.
 */
int liov_extent_remove(struct liov_mdev *mdev, const uuid_t *id)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	struct liov_extent *extent;

	mutex_lock(&mdev->lock);
	mutex_lock(&ctrl->lock);
	extent = liov_extent_get(mdev, id);
	if (extent && mdev->open) {
		dev_warn(liov_mdev_dev(mdev),
			 "extent %s is taken from the VM, whose queues are lost: its driver starts again without it\n",
			 extent->name);
		/*
		 * The controller is waited for.  Meanwhile the extent stays
		 * where it is: what frees one of an open device holds
		 * mdev->lock.
		 */
		mutex_unlock(&ctrl->lock);
		mdev->kind->stop(mdev);
		mutex_lock(&ctrl->lock);
	}
	if (extent)
		liov_extent_free(extent);
	mutex_unlock(&ctrl->lock);
	mutex_unlock(&mdev->lock);
	return extent ? 0 : -ENOENT;
}

/* The owner has done what it was asked for. */
int liov_extent_let_go(struct liov_mdev *mdev, u64 slot, const uuid_t *id)
{
	struct liov_extent *extent;

	lockdep_assert_held(&mdev->ctrl->lock);

	if (slot >= LIOV_MAX_NAMESPACES)
		return -EINVAL;
	slot = array_index_nospec(slot, LIOV_MAX_NAMESPACES);
	extent = mdev->slots.extents[slot];
	if (!extent || !uuid_equal(&extent->id, id))
		return -ENOENT;
	if (!extent->asked)
		return -EINVAL;
	liov_extent_free(extent);
	return 0;
}

/*
 * Whether what was given is still what it was: a namespace may have been
 * replaced by another way to it since.
 */
int liov_extents_open(struct liov_mdev *mdev)
{
	struct liov_slots *slots = &mdev->slots;
	unsigned int i;
	int ret;

	lockdep_assert_held(&mdev->ctrl->lock);

	for (i = 0; i < LIOV_MAX_NAMESPACES; i++) {
		if (!slots->extents[i])
			continue;
		ret = liov_extent_verify(mdev, slots->extents[i]);
		if (ret)
			return ret;
		liov_slot_fill(slots->extents[i]);
	}
	return 0;
}

/* Whoever had the device open has let everything go, and knows nothing any more. */
void liov_extents_close(struct liov_mdev *mdev)
{
	struct liov_slots *slots = &mdev->slots;
	unsigned int i;

	lockdep_assert_held(&mdev->ctrl->lock);

	for (i = 0; i < LIOV_MAX_NAMESPACES; i++)
		if (slots->extents[i] && slots->extents[i]->asked)
			liov_extent_free(slots->extents[i]);
	slots->vacancy = (struct liov_vacancy) {};
}

/* A scan has found the namespace again. */
void liov_extents_move(struct liov_namespace *from, struct liov_namespace *to)
{
	struct liov_extent *extent;

	list_splice_init(&from->extents, &to->extents);
	list_for_each_entry(extent, &to->extents, node)
		extent->ns = to;
}

/* The namespace has changed, or is gone. */
void liov_extents_update(struct liov_namespace *ns)
{
	struct liov_extent *extent;

	list_for_each_entry(extent, &ns->extents, node) {
		lockdep_assert_held(&extent->mdev->ctrl->lock);
		if (extent->mdev->open)
			liov_slot_update(extent);
		else
			liov_slot_fill(extent);
		liov_slots_changed(extent->mdev);
	}
}

unsigned int liov_namespace_owners(struct liov_ctrl *ctrl,
				   const struct liov_namespace *ns,
				   struct liov_mdev **first)
{
	const struct liov_extent *extent;
	struct liov_mdev *mdev;
	unsigned int count = 0;

	lockdep_assert_held(&ctrl->lock);

	list_for_each_entry(mdev, &ctrl->mdevs, node) {
		list_for_each_entry(extent, &ns->extents, node) {
			if (extent->mdev != mdev)
				continue;
			if (!count++)
				*first = mdev;
			break;
		}
	}
	return count;
}
