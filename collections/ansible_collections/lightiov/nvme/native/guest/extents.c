// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's table of extents, each a namespace or a part of one: what there is
 * now, which of it each disk is of, and giving one back.
 */
#include <linux/blkdev.h>

#include "guest.h"

/* Can a block device have that many LBAs? */
static bool liov_fits(const struct liov_ns *ns, u64 lba_count)
{
	return lba_count <= (u64)LLONG_MAX >> ns->lba_shift &&
	       ns->start_lba + lba_count >= ns->start_lba;
}

/**
 * liov_extent_parse() - fill in what a disk knows of its extent
 * @ldev: device
 * @slot: of the table
 * @info: what the table says there
 * @ns: filled in
 *
 * Return: 0 or -EINVAL, an extent that cannot be a block device.
 */
int liov_extent_parse(struct liov_dev *ldev, unsigned int slot,
		      const struct liov_namespace_info *info,
		      struct liov_ns *ns)
{
	u32 flags = le32_to_cpu(info->flags);

	ns->ldev = ldev;
	ns->slot = slot;
	ns->nsid = le32_to_cpu(info->nsid);
	ns->lba_shift = le32_to_cpu(info->lba_shift);
	ns->slice = flags & LIOV_NS_SLICE;
	ns->read_only = flags & LIOV_NS_READ_ONLY;
	ns->start_lba = le64_to_cpu(info->start_lba);
	ns->lba_count = le64_to_cpu(info->lba_count);
	memcpy(ns->nguid, info->nguid, sizeof(ns->nguid));
	memcpy(ns->eui64, info->eui64, sizeof(ns->eui64));
	memcpy(ns->uuid, info->uuid, sizeof(ns->uuid));
	memcpy(ns->extent_id, info->extent_id, sizeof(ns->extent_id));

	if (ns->lba_shift < SECTOR_SHIFT || ns->lba_shift > PAGE_SHIFT ||
	    !liov_fits(ns, ns->lba_count)) {
		dev_err(&ldev->pdev->dev,
			"namespace %u: %llu LBAs of 2^%u bytes from LBA %llu are not supported: format it with LBAs of 512 to %lu bytes\n",
			ns->nsid, ns->lba_count, ns->lba_shift, ns->start_lba,
			PAGE_SIZE);
		return -EINVAL;
	}
	return 0;
}

/*
 * A disk may be older than its extent's ID: a VM that hibernated on a host of
 * before ABI 1.2 has whole namespaces, which that host knew by themselves.
 */
static bool liov_same_id(const struct liov_ns *ns,
			 const struct liov_namespace_info *info)
{
	return !memcmp(info->extent_id, ns->extent_id, sizeof(ns->extent_id)) ||
	       !memchr_inv(ns->extent_id, 0, sizeof(ns->extent_id));
}

/* All that a disk's requests and its identity go by. */
static bool liov_same_extent(const struct liov_ns *ns,
			     const struct liov_namespace_info *info)
{
	bool slice = le32_to_cpu(info->flags) & LIOV_NS_SLICE;

	return liov_same_id(ns, info) && slice == ns->slice &&
	       le32_to_cpu(info->nsid) == ns->nsid &&
	       le32_to_cpu(info->lba_shift) == ns->lba_shift &&
	       le64_to_cpu(info->start_lba) == ns->start_lba &&
	       !memcmp(info->nguid, ns->nguid, sizeof(ns->nguid)) &&
	       !memcmp(info->eui64, ns->eui64, sizeof(ns->eui64)) &&
	       !memcmp(info->uuid, ns->uuid, sizeof(ns->uuid));
}

/**
 * liov_extent_has_disk() - is there a disk of the extent in this slot?
 * @ldev: device
 * @slot: of the table
 */
bool liov_extent_has_disk(struct liov_dev *ldev, unsigned int slot)
{
	struct liov_ns *ns;

	lockdep_assert_held(&ldev->lock);
	list_for_each_entry(ns, &ldev->disks, node)
		if (!ns->lost && liov_same_extent(ns, &ldev->table[slot]))
			return true;
	return false;
}

/*
 * The slot of a disk's extent is where it was: the host moves none, and one that
 * is in another slot has been given back, and perhaps been another VM's, while
 * this one did not look.  Only a VM that has hibernated finds the slots of a
 * device that is opened anew.
 */
static const struct liov_namespace_info *
liov_extent_find(struct liov_dev *ldev, struct liov_ns *ns)
{
	unsigned int i;

	if (liov_same_extent(ns, &ldev->table[ns->slot]))
		return &ldev->table[ns->slot];
	if (!ldev->restored)
		return NULL;
	for (i = 0; i < ldev->nr_slots; i++) {
		if (liov_same_extent(ns, &ldev->table[i])) {
			ns->slot = i;
			return &ldev->table[i];
		}
	}
	return NULL;
}

static void liov_extent_fail(struct liov_ns *ns, const char *why)
{
	if (!ns->gone)
		dev_err(&ns->ldev->pdev->dev,
			"%s: the host has %s namespace %u: its I/O fails, unmount what is on it\n",
			ns->disk->disk_name, why, ns->nsid);
	WRITE_ONCE(ns->gone, true);
}

/**
 * liov_extent_follow() - learn what has become of a disk's extent
 * @ns: what it was
 */
void liov_extent_follow(struct liov_ns *ns)
{
	struct liov_dev *ldev = ns->ldev;
	const struct liov_namespace_info *info;
	u64 lba_count;
	u32 flags;

	lockdep_assert_held(&ldev->lock);
	info = liov_extent_find(ldev, ns);
	if (!info) {
		if (ldev->state == LIOV_DEAD)
			return;
		liov_extent_fail(ns, "taken away its extent of");
		ns->lost = true;
		return;
	}

	flags = le32_to_cpu(info->flags);
	lba_count = le64_to_cpu(info->lba_count);
	if (flags & LIOV_NS_GONE)
		liov_extent_fail(ns, "deleted or detached");
	/* Of a VM that runs the disk just follows, and its users are told. */
	if (ldev->restored && lba_count < ns->lba_count)
		liov_extent_fail(ns, "shrunk");
	WRITE_ONCE(ns->asked, flags & LIOV_NS_ASKED);
	WRITE_ONCE(ns->read_only, flags & LIOV_NS_READ_ONLY);
	if (liov_fits(ns, lba_count))
		ns->lba_count = lba_count;
	memcpy(ns->extent_id, info->extent_id, sizeof(ns->extent_id));
}

/*
 * The host may change an entry while it is read, and counts what it changes.
 * The namespace ID comes first: an entry that is being filled is seen as empty
 * or whole.
 */
static int liov_slot_read(struct liov_dev *ldev, unsigned int slot,
			  struct liov_namespace_info *info)
{
	unsigned int attempt;
	u32 generation;

	for (attempt = 0; attempt < LIOV_ATTEMPTS; attempt++) {
		generation = liov_read32(ldev, LIOV_REG_GENERATION);
		liov_read_block(ldev, LIOV_REG_NAMESPACE(slot), info,
				sizeof(*info));
		if (liov_read32(ldev, LIOV_REG_GENERATION) == generation)
			return generation == U32_MAX ? -ENODEV : 0;
	}
	return -EAGAIN;
}

static int liov_table_read(struct liov_dev *ldev)
{
	unsigned int nr = liov_read32(ldev, LIOV_REG_NAMESPACES);
	struct liov_namespace_info info;
	unsigned int i;
	int err;

	if (nr == U32_MAX)
		return -ENODEV;

	/* Slots past the end, too: the host waits until they are seen empty. */
	ldev->nr_slots = max(ldev->nr_slots, min(nr, LIOV_MAX_NAMESPACES));
	for (i = 0; i < ldev->nr_slots; i++) {
		err = liov_slot_read(ldev, i, &info);
		if (err)
			return err;
		if (memcmp(&info, &ldev->table[i], sizeof(info)))
			__clear_bit(i, ldev->refused);
		ldev->table[i] = info;
	}
	return 0;
}

/**
 * liov_extents_look() - learn what extents there are, and what became of disks'
 * @ldev: device that has its registers
 *
 * liov_disks_update() has the disks be like that.
 *
 * Return: 0 or a negative error; -EAGAIN: the host changes the table all the
 * time, and reports another event; -ESTALE: the table is not that of the disks.
 */
int liov_extents_look(struct liov_dev *ldev)
{
	struct liov_ns *ns;
	int err;

	lockdep_assert_held(&ldev->lock);
	if (ldev->stranger)
		return -ESTALE;
	err = liov_table_read(ldev);
	/*
	 * Also after half of it: a slot that was read as empty may have the
	 * same extent the next time, which others have written to meanwhile.
	 * After hibernation the other half may have what is searched for.
	 */
	if (!err || (err == -EAGAIN && !ldev->restored))
		list_for_each_entry(ns, &ldev->disks, node)
			liov_extent_follow(ns);
	if (!err)
		ldev->restored = false;
	return err;
}

/**
 * liov_extent_release() - give the host the extent back that it asks for
 * @ldev: device without a disk of it, so without a command for it
 * @slot: of the table
 */
void liov_extent_release(struct liov_dev *ldev, unsigned int slot)
{
	struct liov_namespace_info *info = &ldev->table[slot];
	__le64 id[2];
	int err;

	BUILD_BUG_ON(sizeof(id) != sizeof(info->extent_id));
	memcpy(id, info->extent_id, sizeof(id));
	err = liov_command(ldev, LIOV_CMD_RELEASE_EXTENT, slot,
			   le64_to_cpu(id[0]), le64_to_cpu(id[1]), 0);
	switch (err) {
	case 0:
		dev_info(&ldev->pdev->dev, "gave the extent %pU of namespace %u back to the host\n",
			 info->extent_id, le32_to_cpu(info->nsid));
		memset(info, 0, sizeof(*info));
		break;
	case -EINVAL:	/* not asked for any more */
	case -ENOENT:	/* taken away */
	case -ENODEV:
		/* The event that says so is on its way. */
		break;
	default:
		dev_err(&ldev->pdev->dev, "the host does not take the extent %pU of namespace %u back (%pe): look for the cause in the host's kernel log\n",
			info->extent_id, le32_to_cpu(info->nsid), ERR_PTR(err));
	}
}
