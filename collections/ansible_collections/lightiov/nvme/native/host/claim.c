// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which namespaces a mediated device has.  A namespace is named by its ID,
 * which is a place on the controller, and, where whoever names it wants to be
 * certain, by its identity too, which moves with the data.
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "mdev.h"

/* Whether @mdev may have what it claims, whoever has it now. */
static int liov_claim_verify(struct liov_mdev *mdev,
			     const struct liov_claim *claim)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	struct liov_namespace *ns = liov_namespace_find(ctrl, claim->nsid);
	struct device *dev = liov_mdev_dev(mdev);
	char found[LIOV_NS_ID_TEXT], wanted[LIOV_NS_ID_TEXT];
	struct liov_ns_id id;

	if (!ns || !ns->present) {
		dev_err(dev,
			"controller %s has no active namespace %u: attach it, or name one that is listed\n",
			dev_name(ctrl->dev), claim->nsid);
		return -ENODEV;
	}
	liov_ns_id_get(ns, &id);
	if (claim->id.len && (claim->id.len != id.len ||
			      memcmp(claim->id.bytes, id.bytes, id.len))) {
		liov_ns_id_print(&claim->id, wanted);
		liov_ns_id_print(&id, found);
		dev_err(dev,
			"namespace %u of controller %s is %s, not %s: it was replaced, name the one that is meant\n",
			claim->nsid, dev_name(ctrl->dev),
			id.len ? found : "without an identity", wanted);
		return -ENODEV;
	}
	if (!ns->usable) {
		dev_err(dev,
			"namespace %u has metadata or is not made of plain blocks: format it without\n",
			claim->nsid);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int liov_claim_check(struct liov_mdev *mdev,
			    const struct liov_claim *claim)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	struct device *dev = liov_mdev_dev(mdev);
	struct liov_mdev *owner;
	int ret;

	ret = liov_claim_verify(mdev, claim);
	if (ret)
		return ret;

	owner = liov_namespace_find(ctrl, claim->nsid)->owner;
	if (owner && owner != mdev) {
		dev_err(dev,
			"namespace %u belongs to %s: remove that device or name another namespace\n",
			claim->nsid, dev_name(liov_mdev_dev(owner)));
		return -EBUSY;
	}
	if (ctrl->ns_changes) {
		dev_err(dev,
			"namespaces of controller %s are being changed by an admin command: try again\n",
			dev_name(ctrl->dev));
		return -EBUSY;
	}
	return 0;
}

/*
 * Claims the given namespaces instead of those the device has, all or none.
 * Caller holds ctrl->lock.
 */
int liov_claims_set(struct liov_mdev *mdev, const struct liov_claim *claims,
		    unsigned int count)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	struct liov_namespace *ns;
	unsigned int i;
	int ret;

	lockdep_assert_held(&ctrl->lock);

	for (i = 0; i < count; i++) {
		ret = liov_claim_check(mdev, &claims[i]);
		if (ret)
			return ret;
	}

	list_for_each_entry(ns, &ctrl->namespaces, node)
		if (ns->owner == mdev)
			ns->owner = NULL;
	for (i = 0; i < count; i++) {
		mdev->claims[i] = claims[i];
		liov_namespace_find(ctrl, claims[i].nsid)->owner = mdev;
	}
	mdev->nr_claims = count;
	return 0;
}

/*
 * Whether what was claimed is still what it was: a namespace may have been
 * replaced by another way to it since.  Caller holds ctrl->lock.
 */
int liov_claims_verify(struct liov_mdev *mdev)
{
	unsigned int i;
	int ret;

	lockdep_assert_held(&mdev->ctrl->lock);

	for (i = 0; i < mdev->nr_claims; i++) {
		ret = liov_claim_verify(mdev, &mdev->claims[i]);
		if (ret)
			return ret;
	}
	return 0;
}

/* "NSID" or "NSID=eui.HEX" */
static int liov_claim_parse(struct liov_claim *claim, char *word)
{
	char *nsid = strsep(&word, "=");
	int ret;

	ret = kstrtou32(nsid, 0, &claim->nsid);
	if (!ret && word)
		ret = liov_ns_id_parse(&claim->id, word);
	return ret;
}

/* Returns how many different namespaces @buf lists, or an errno. */
int liov_claims_parse(const char *buf, struct liov_claim *claims)
{
	char *copy, *rest, *word;
	int i, ret = 0, count = 0;

	copy = kstrdup(buf, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;

	rest = copy;
	while (!ret && (word = strsep(&rest, " ,\n"))) {
		if (!*word)
			continue;
		if (count == LIOV_MAX_NAMESPACES) {
			ret = -E2BIG;
			break;
		}
		ret = liov_claim_parse(&claims[count], word);
		for (i = 0; i < count; i++)
			if (claims[i].nsid == claims[count].nsid)
				ret = -EINVAL;
		count++;
	}
	kfree(copy);
	return ret ?: count;
}
