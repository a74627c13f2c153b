// SPDX-License-Identifier: GPL-2.0-only
/*
 * One block device for each extent: it comes, follows, and goes while the
 * others' I/O goes on.
 *
 * To come or to go, a disk waits for I/O, of its own and of those who look at
 * it, and for CPUs that go offline, which wait for I/O.  What recovers I/O that
 * hangs must not wait for that: see the lock order in guest.h.
 */
#include <linux/blkdev.h>

#include "compat.h"
#include "guest.h"

/* How often those who wait for a disk's requests look for what is polled. */
#define LIOV_FREEZE_POLL_MS	20

struct workqueue_struct *liov_disks_wq;

static sector_t liov_sectors(const struct liov_ns *ns)
{
	return ns->lba_count << (ns->lba_shift - SECTOR_SHIFT);
}

/* --- openers -------------------------------------------------------------- */

/* Under the disk's open_mutex, as is the next one. */
int liov_disk_open(struct gendisk *disk)
{
	struct liov_ns *ns = disk->private_data;

	return ns->leaving ? -ENXIO : 0;
}

void liov_disk_release(struct gendisk *disk)
{
	struct liov_ns *ns = disk->private_data;

	/* Once unregistered, which takes open_mutex, @ldev may be gone. */
	if (disk_live(disk) && !disk_openers(disk) &&
	    (READ_ONCE(ns->asked) || READ_ONCE(ns->gone)))
		queue_work(liov_disks_wq, &ns->ldev->disks_work);
}

/* Have nobody open it any more, if nobody has it open. */
static bool liov_disk_claim(struct liov_ns *ns)
{
	mutex_lock(&ns->disk->open_mutex);
	ns->leaving = !disk_openers(ns->disk);
	mutex_unlock(&ns->disk->open_mutex);
	return ns->leaving;
}

static void liov_disk_free(struct gendisk *disk)
{
	kfree(disk->private_data);
}

static const struct block_device_operations liov_disk_ops = {
	.owner		= THIS_MODULE,
	.open		= liov_open,
	.release	= liov_release,
	.free_disk	= liov_disk_free,
	.get_unique_id	= liov_disk_unique_id,
};

/* --- come ----------------------------------------------------------------- */

static int liov_disk_alloc(struct liov_ns *ns,
			   const struct liov_namespace_info *info)
{
	struct liov_dev *ldev = ns->ldev;
	struct queue_limits lim = {};
	struct gendisk *disk;

	/* The DMA API looks at the table of RAM, which a restart replaces. */
	mutex_lock(&ldev->lock);
	liov_disk_limits(ns, info, &lim);
	mutex_unlock(&ldev->lock);
	disk = liov_alloc_disk(&ldev->tag_set, &lim,
			       ldev->features & LIOV_FEATURE_VOLATILE_CACHE,
			       ns);
	if (IS_ERR(disk))
		return PTR_ERR(disk);

	ns->disk = disk;
	disk->fops = &liov_disk_ops;
	disk->private_data = ns;
	set_capacity(disk, liov_sectors(ns));
	set_disk_ro(disk, ns->read_only);
	return 0;
}

/*
 * Recovery looks after the disk's requests from here on.  Its number is its
 * slot's, unless one that came back from hibernation in another slot has that.
 */
static int liov_disk_publish(struct liov_ns *ns)
{
	struct liov_dev *ldev = ns->ldev;
	unsigned int i = ns->slot;

	mutex_lock(&ldev->lock);
	if (test_bit(i, ldev->numbers))
		i = find_first_zero_bit(ldev->numbers, LIOV_MAX_NAMESPACES);
	if (i < LIOV_MAX_NAMESPACES) {
		snprintf(ns->disk->disk_name, DISK_NAME_LEN, "liov%dn%u",
			 ldev->instance, i + 1);
		/* It has no request yet that would be waited for. */
		if (liov_is_quiet(ldev))
			blk_mq_quiesce_queue_nowait(ns->disk->queue);
		ns->number = i;
		__set_bit(i, ldev->numbers);
		list_add_tail(&ns->node, &ldev->disks);
		/* The table may have changed since its entry was copied. */
		liov_extent_follow(ns);
	}
	mutex_unlock(&ldev->lock);
	return i < LIOV_MAX_NAMESPACES ? 0 : -ENOSPC;
}

static void liov_disk_unpublish(struct liov_ns *ns)
{
	struct liov_dev *ldev = ns->ldev;

	mutex_lock(&ldev->lock);
	list_del(&ns->node);
	__clear_bit(ns->number, ldev->numbers);
	mutex_unlock(&ldev->lock);
}

static int liov_disk_register(struct liov_ns *ns,
			      const struct liov_namespace_info *info)
{
	struct gendisk *disk;
	int err;

	err = liov_disk_alloc(ns, info);
	if (err)
		return err;
	disk = ns->disk;

	err = liov_disk_publish(ns);
	if (err)
		goto put;
	err = device_add_disk(&ns->ldev->pdev->dev, disk, liov_disk_groups);
	if (err)
		goto unpublish;
	return 0;

unpublish:
	liov_disk_unpublish(ns);
put:
	/* Not liov_disk_free(): that is for disks that were registered. */
	put_disk(disk);
	return err;
}

static int liov_disk_make(struct liov_dev *ldev, unsigned int slot,
			  const struct liov_namespace_info *info)
{
	struct liov_ns *ns;
	int err;

	ns = kzalloc_node(sizeof(*ns), GFP_KERNEL,
			  dev_to_node(&ldev->pdev->dev));
	if (!ns)
		return -ENOMEM;

	err = liov_extent_parse(ldev, slot, info, ns);
	if (!err)
		err = liov_disk_register(ns, info);
	if (err)
		kfree(ns);
	return err;
}

/* --- follow and go -------------------------------------------------------- */

/* File systems learn of it before their next write. */
static void liov_disk_tell_dead(struct liov_ns *ns)
{
	if (!ns->dead)
		blk_mark_disk_dead(ns->disk);
	ns->dead = true;
}

/* Programs in the VM may listen, and unmount what is on it. */
static void liov_disk_tell_asked(struct liov_ns *ns, bool asked)
{
	struct device *dev = &ns->ldev->pdev->dev;
	char *env[2] = {
		asked ? "LIGHTIOV_RELEASE=1" : "LIGHTIOV_RELEASE=0",
	};

	if (asked == ns->told_asked)
		return;
	if (asked)
		dev_notice(dev, "%s: the host asks for it back: unmount what is on it, and it goes once nobody has it open\n",
			   ns->disk->disk_name);
	else
		dev_notice(dev, "%s: the host does not ask for it back any more\n",
			   ns->disk->disk_name);
	kobject_uevent_env(&disk_to_dev(ns->disk)->kobj, KOBJ_CHANGE, env);
	ns->told_asked = asked;
}

static void liov_disk_remove(struct liov_ns *ns)
{
	struct gendisk *disk = ns->disk;

	/* Still published: recovery ends the I/O that this waits for. */
	del_gendisk(disk);
	liov_disk_unpublish(ns);
	/* Until then liov_disks_retry_now() may have started it again. */
	cancel_delayed_work_sync(&disk->queue->requeue_work);
	put_disk(disk);
}

static void liov_disk_follow(struct liov_ns *ns)
{
	struct liov_dev *ldev = ns->ldev;
	bool fails, asked, gone, lost, read_only;
	sector_t sectors;

	mutex_lock(&ldev->lock);
	gone = ns->gone;
	fails = gone || ldev->state == LIOV_DEAD;
	lost = ns->lost;
	asked = ns->asked;
	read_only = ns->read_only;
	sectors = liov_sectors(ns);
	mutex_unlock(&ldev->lock);

	if (fails) {
		liov_disk_tell_dead(ns);
	} else {
		set_capacity_and_notify(ns->disk, sectors);
		set_disk_ro(ns->disk, read_only);
		liov_disk_tell_asked(ns, asked);
	}
	if (lost || ((asked || gone) && liov_disk_claim(ns)))
		liov_disk_remove(ns);
}

/* An extent without a disk gets one, or goes back if the host asks for it. */
static void liov_slot_follow(struct liov_dev *ldev, unsigned int slot)
{
	struct device *dev = &ldev->pdev->dev;
	struct liov_namespace_info info;
	bool make = false;
	u32 flags;
	int err;

	mutex_lock(&ldev->lock);
	info = ldev->table[slot];
	flags = le32_to_cpu(info.flags);
	if (info.nsid && !liov_is_quiet(ldev) && !ldev->unsettled &&
	    !liov_extent_has_disk(ldev, slot)) {
		if (flags & LIOV_NS_ASKED)
			liov_extent_release(ldev, slot);
		else
			make = ldev->state == LIOV_LIVE &&
			       !test_bit(slot, ldev->refused);
	}
	/* Once: it is made when what the table says of it changes. */
	if (make)
		__set_bit(slot, ldev->refused);
	mutex_unlock(&ldev->lock);
	if (!make)
		return;

	if (flags & LIOV_NS_GONE) {
		dev_err(dev, "namespace %u was deleted or detached: it gets no disk\n",
			le32_to_cpu(info.nsid));
		return;
	}
	err = liov_disk_make(ldev, slot, &info);
	if (err)
		dev_err(dev, "namespace %u gets no disk (%pe): look for the cause above\n",
			le32_to_cpu(info.nsid), ERR_PTR(err));
}

/**
 * liov_disks_update() - have the disks be what the host's table says
 * @ldev: device; what its lock protects, I/O is waited for without
 */
void liov_disks_update(struct liov_dev *ldev)
{
	struct liov_ns *ns, *next;
	unsigned int i;

	mutex_lock(&ldev->disks_lock);
	list_for_each_entry_safe(ns, next, &ldev->disks, node)
		if (!READ_ONCE(ldev->unsettled))
			liov_disk_follow(ns);
	for (i = 0; i < LIOV_MAX_NAMESPACES; i++)
		liov_slot_follow(ldev, i);
	mutex_unlock(&ldev->disks_lock);
}

void liov_disks_work(struct work_struct *work)
{
	liov_disks_update(container_of(work, struct liov_dev, disks_work));
}

/**
 * liov_disks_remove() - end the I/O of all disks and remove them
 * @ldev: device that is being removed, and is live, or whose requests fail
 */
void liov_disks_remove(struct liov_dev *ldev)
{
	struct liov_ns *ns, *next;

	mutex_lock(&ldev->disks_lock);
	list_for_each_entry_safe(ns, next, &ldev->disks, node) {
		if (READ_ONCE(ldev->state) == LIOV_DEAD ||
		    READ_ONCE(ns->gone))
			liov_disk_tell_dead(ns);
		liov_disk_remove(ns);
	}
	mutex_unlock(&ldev->disks_lock);
}

/* --- all at once ---------------------------------------------------------- */

/**
 * liov_disks_quiesce() - hand no request to the driver, and wait until none is
 *	just being handed
 * @ldev: device
 */
void liov_disks_quiesce(struct liov_dev *ldev)
{
	struct liov_ns *ns;

	lockdep_assert_held(&ldev->lock);
	list_for_each_entry(ns, &ldev->disks, node)
		blk_mq_quiesce_queue_nowait(ns->disk->queue);
	liov_wait_quiesced(ldev->anchor->queue);
}

void liov_disks_unquiesce(struct liov_dev *ldev)
{
	struct liov_ns *ns;

	lockdep_assert_held(&ldev->lock);
	list_for_each_entry(ns, &ldev->disks, node)
		blk_mq_unquiesce_queue(ns->disk->queue);
}

/* Until a frozen disk has no request, or the time is over; what is left of it. */
static long liov_freeze_wait(struct liov_ns *ns, long left)
{
	struct request_queue *queue = ns->disk->queue;
	long step, rest;

	do {
		/* Those who poll are frozen, too. */
		liov_queues_poll(ns->ldev);
		step = min_t(long, left, msecs_to_jiffies(LIOV_FREEZE_POLL_MS));
		rest = blk_mq_freeze_queue_wait_timeout(queue, step);
		left -= step - rest;
	} while (!rest && left > 0);
	return left;
}

/**
 * liov_disks_freeze() - let no request in, and wait until all have ended
 * @ldev: device whose lock is not held, so that what hangs can be recovered, and
 *	whose disks are the same until liov_disks_unfreeze()
 *
 * Return: 0; or -EBUSY, with nothing changed, when some did not end in
 * LIOV_FREEZE_TIMEOUTS.
 */
int liov_disks_freeze(struct liov_dev *ldev)
{
	long left = msecs_to_jiffies(LIOV_FREEZE_TIMEOUTS * ldev->timeout_ms);
	struct liov_ns *ns;

	list_for_each_entry(ns, &ldev->disks, node)
		liov_freeze_start(ns->disk->queue);
	list_for_each_entry(ns, &ldev->disks, node)
		if (left > 0)
			left = liov_freeze_wait(ns, left);
	if (left > 0)
		return 0;

	liov_disks_unfreeze(ldev);
	return -EBUSY;
}

void liov_disks_unfreeze(struct liov_dev *ldev)
{
	struct liov_ns *ns;

	list_for_each_entry(ns, &ldev->disks, node)
		liov_unfreeze(ns->disk->queue);
}

/**
 * liov_disks_retry_now() - have requests that wait to be tried again not wait
 * @ldev: device
 */
void liov_disks_retry_now(struct liov_dev *ldev)
{
	struct liov_ns *ns;

	lockdep_assert_held(&ldev->lock);
	list_for_each_entry(ns, &ldev->disks, node)
		blk_mq_kick_requeue_list(ns->disk->queue);
}
