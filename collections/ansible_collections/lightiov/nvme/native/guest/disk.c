// SPDX-License-Identifier: GPL-2.0-only
/*
 * One block device for each namespace, named and identified as users of NVMe
 * expect it.
 */
#include <linux/blkdev.h>
#include <linux/dma-mapping.h>
#include <linux/math64.h>
#include <linux/sched/mm.h>
#include <linux/swiotlb.h>
#include <linux/uuid.h>

#include "compat.h"
#include "guest.h"

/* --- identity in sysfs ---------------------------------------------------- */

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

/* What is worldwide unique of it: the best of what the namespace has. */
static ssize_t wwid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	struct liov_ns *ns = dev_to_ns(dev);
	int len;

	if (memchr_inv(ns->uuid, 0, sizeof(ns->uuid)))
		len = sysfs_emit(buf, "uuid.%pU", ns->uuid);
	else
		len = liov_emit_host_id(ns, buf);
	if (!len)
		len = sysfs_emit(buf, "nvme.%s-%s-%08x", ns->ldev->model,
				 ns->ldev->serial, ns->nsid);
	/* One namespace may hold several slices. */
	if (ns->start_lba)
		len += sysfs_emit_at(buf, len, "-%llx", ns->start_lba);
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
	&dev_attr_wwid.attr,
	NULL
};

static umode_t liov_disk_attr_visible(struct kobject *kobj,
				      struct attribute *attr, int n)
{
	struct liov_ns *ns = dev_to_ns(kobj_to_dev(kobj));
	const u8 *id;

	if (attr == &dev_attr_nguid.attr &&
	    !memchr_inv(ns->nguid, 0, sizeof(ns->nguid)))
		return 0;
	if (attr == &dev_attr_eui.attr &&
	    !memchr_inv(ns->eui64, 0, sizeof(ns->eui64)))
		return 0;
	if (attr == &dev_attr_uuid.attr &&
	    !memchr_inv(ns->uuid, 0, sizeof(ns->uuid)))
		return 0;
	if (attr == &dev_attr_host_id.attr && !liov_host_id(ns, &id))
		return 0;
	return attr->mode;
}

static const struct attribute_group liov_disk_group = {
	.attrs		= liov_disk_attrs,
	.is_visible	= liov_disk_attr_visible,
};

static const struct attribute_group *liov_disk_groups[] = {
	&liov_disk_group,
	NULL
};

/* --- disks ---------------------------------------------------------------- */

static int liov_get_unique_id(struct gendisk *disk, u8 id[16],
			      enum blk_unique_id type)
{
	struct liov_ns *ns = disk->private_data;
	const u8 *host_id;
	int size;

	/* One namespace may hold several slices. */
	if (type != BLK_UID_EUI64 || ns->start_lba)
		return -EINVAL;
	size = liov_host_id(ns, &host_id);
	if (!size)
		return -EINVAL;
	memcpy(id, host_id, size);
	return size;
}

static const struct block_device_operations liov_disk_ops = {
	.owner		= THIS_MODULE,
	.get_unique_id	= liov_get_unique_id,
};

/* Can a block device have that many LBAs? */
static bool liov_fits(const struct liov_ns *ns, u64 lba_count)
{
	return lba_count <= (u64)LLONG_MAX >> ns->lba_shift &&
	       ns->start_lba + lba_count >= ns->start_lba;
}

static sector_t liov_sectors(const struct liov_ns *ns)
{
	return ns->lba_count << (ns->lba_shift - SECTOR_SHIFT);
}

static int liov_read_namespace(struct liov_dev *ldev, unsigned int index,
			       struct liov_namespace_info *info,
			       struct liov_ns *ns)
{
	u32 flags;

	liov_read_block(ldev, LIOV_REG_NAMESPACE(index), info, sizeof(*info));
	flags = le32_to_cpu(info->flags);

	ns->ldev = ldev;
	ns->index = index;
	ns->nsid = le32_to_cpu(info->nsid);
	ns->lba_shift = le32_to_cpu(info->lba_shift);
	ns->read_only = flags & LIOV_NS_READ_ONLY;
	ns->gone = flags & LIOV_NS_GONE;
	ns->start_lba = le64_to_cpu(info->start_lba);
	ns->lba_count = le64_to_cpu(info->lba_count);
	memcpy(ns->nguid, info->nguid, sizeof(ns->nguid));
	memcpy(ns->eui64, info->eui64, sizeof(ns->eui64));
	memcpy(ns->uuid, info->uuid, sizeof(ns->uuid));

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

/* Bytes of so many LBAs; 0 if that is more than a limit can say. */
static unsigned int liov_lba_bytes(const struct liov_ns *ns, u32 lbas)
{
	return lbas <= UINT_MAX >> ns->lba_shift ? lbas << ns->lba_shift : 0;
}

/*
 * A multiple that the namespace prefers, in bytes; 0 for none.  It counts from
 * the namespace's own LBA 0, so a slice has to begin at one.
 */
static unsigned int liov_multiple(const struct liov_ns *ns, __le32 multiple)
{
	u32 lbas = le32_to_cpu(multiple);
	u32 rest;

	if (!lbas)
		return 0;
	div_u64_rem(ns->start_lba, lbas, &rest);
	return rest ? 0 : liov_lba_bytes(ns, lbas);
}

/*
 * Bounce buffers, where the VM must use them, are small.  That RAM outside of
 * the window would have to bounce is no reason: the first MiB always is, and
 * nobody does I/O to it, yet since Linux 6.10 it counts for all.
 */
static size_t liov_max_mapping(struct device *dev)
{
	return is_swiotlb_force_bounce(dev) ? dma_max_mapping_size(dev) :
					      SIZE_MAX;
}

/* Limits that every namespace of the device has. */
static void liov_limit_transfers(struct liov_dev *ldev,
				 struct queue_limits *lim)
{
	size_t max_transfer = min_t(size_t, ldev->max_transfer,
				    liov_max_mapping(&ldev->pdev->dev));

	lim->virt_boundary_mask = LIOV_PRP_MASK;
	lim->dma_alignment = 3;
	lim->max_hw_sectors = max_transfer >> SECTOR_SHIFT;
	lim->max_segments = LIOV_MAX_SEGMENTS;
}

static void liov_limit_blocks(const struct liov_ns *ns,
			      const struct liov_namespace_info *info,
			      struct queue_limits *lim)
{
	unsigned int lba_size = 1u << ns->lba_shift;
	unsigned int best = liov_multiple(ns, info->write_granularity);
	unsigned int boundary = liov_multiple(ns, info->boundary);
	unsigned int atomic;

	atomic = liov_lba_bytes(ns, le32_to_cpu(info->atomic_write));
	if (atomic)
		liov_limit_atomic(lim, lba_size, atomic);

	lim->logical_block_size = lba_size;
	lim->physical_block_size = lba_size;
	/* File systems rely on a physical block's being written as a whole. */
	if (is_power_of_2(min(best, atomic)))
		lim->physical_block_size = min(best, atomic);
	lim->io_min = best ?: lba_size;
	lim->io_opt = liov_multiple(ns, info->write_optimal);
	if (is_power_of_2(boundary))
		lim->chunk_sectors = boundary >> SECTOR_SHIFT;
}

static void liov_limit_write_zeroes(const struct liov_ns *ns,
				    struct queue_limits *lim)
{
	/* The command counts LBAs in 16 bits. */
	unsigned int most = liov_lba_bytes(ns, U16_MAX + 1u) ?: UINT_MAX;
	unsigned int bytes = ns->ldev->write_zeroes;

	if (!(ns->ldev->features & LIOV_FEATURE_WRITE_ZEROES))
		return;
	lim->max_write_zeroes_sectors =
		bytes ? min(bytes, most) >> SECTOR_SHIFT : lim->max_hw_sectors;
}

static void liov_limit_discard(const struct liov_ns *ns,
			       const struct liov_namespace_info *info,
			       struct queue_limits *lim)
{
	unsigned int sector_shift = ns->lba_shift - SECTOR_SHIFT;
	struct liov_dev *ldev = ns->ldev;

	if (!(ldev->features & LIOV_FEATURE_DEALLOCATE))
		return;
	lim->max_hw_discard_sectors = UINT_MAX;
	if (ldev->dealloc_lbas &&
	    ldev->dealloc_lbas <= UINT_MAX >> sector_shift)
		lim->max_hw_discard_sectors = ldev->dealloc_lbas << sector_shift;
	lim->max_discard_segments = min_not_zero(ldev->dealloc_ranges,
						 LIOV_DSM_RANGES);
	lim->discard_granularity =
		liov_multiple(ns, info->dealloc_granularity) ?:
		lim->logical_block_size;
}

/* As Linux's nvme driver has them for the same namespace. */
static void liov_disk_limits(const struct liov_ns *ns,
			     const struct liov_namespace_info *info,
			     struct queue_limits *lim)
{
	liov_limit_transfers(ns->ldev, lim);
	liov_limit_blocks(ns, info, lim);
	liov_limit_write_zeroes(ns, lim);
	liov_limit_discard(ns, info, lim);
}

static int liov_disk_alloc(struct liov_dev *ldev, unsigned int index,
			   struct liov_ns *ns)
{
	struct liov_namespace_info info;
	struct queue_limits lim = {};
	struct gendisk *disk;
	int err;

	err = liov_read_namespace(ldev, index, &info, ns);
	if (err)
		return err;
	if (ns->gone) {
		dev_err(&ldev->pdev->dev,
			"namespace %u was deleted or detached: it gets no disk\n",
			ns->nsid);
		return -ENODEV;
	}

	liov_disk_limits(ns, &info, &lim);
	disk = liov_alloc_disk(&ldev->tag_set, &lim,
			       ldev->features & LIOV_FEATURE_VOLATILE_CACHE,
			       ns);
	if (IS_ERR(disk))
		return PTR_ERR(disk);

	ns->disk = disk;
	disk->fops = &liov_disk_ops;
	disk->private_data = ns;
	snprintf(disk->disk_name, DISK_NAME_LEN, "liov%dn%u", ldev->instance,
		 index + 1);
	set_capacity(disk, liov_sectors(ns));
	set_disk_ro(disk, ns->read_only);
	return 0;
}

/**
 * liov_disks_add() - make the block devices of all namespaces
 * @ldev: device that is live
 *
 * A namespace that cannot be used does not keep the others from it.
 *
 * Return: 0 or a negative error.
 */
int liov_disks_add(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	unsigned int nr = liov_read32(ldev, LIOV_REG_NAMESPACES);
	unsigned int i, noio;
	int err;

	nr = min(nr, LIOV_MAX_NAMESPACES);
	ldev->ns = kcalloc(nr, sizeof(*ldev->ns), GFP_KERNEL);
	if (nr && !ldev->ns)
		return -ENOMEM;

	/* Recovery looks after the requests of all that the tag set has. */
	mutex_lock(&ldev->lock);
	noio = memalloc_noio_save();
	for (i = 0; i < nr; i++) {
		struct liov_ns *ns = &ldev->ns[ldev->nr_ns];

		if (liov_disk_alloc(ldev, i, ns))
			continue;
		if (liov_is_quiet(ldev))
			blk_mq_quiesce_queue(ns->disk->queue);
		ldev->nr_ns++;
	}
	memalloc_noio_restore(noio);
	mutex_unlock(&ldev->lock);

	for (i = 0; i < ldev->nr_ns; i++) {
		struct gendisk *disk = ldev->ns[i].disk;

		err = device_add_disk(dev, disk, liov_disk_groups);
		if (err)
			dev_err(dev, "%s cannot be registered (%pe): look for the cause above\n",
				disk->disk_name, ERR_PTR(err));
	}
	return 0;
}

/**
 * liov_disks_freeze() - let no request in, and wait until all have ended
 * @ldev: device whose lock is not held, so that what hangs can be recovered
 *
 * Return: 0; or -EBUSY, with nothing changed, when some did not end in
 * LIOV_FREEZE_TIMEOUTS.
 */
int liov_disks_freeze(struct liov_dev *ldev)
{
	long left = msecs_to_jiffies(LIOV_FREEZE_TIMEOUTS * ldev->timeout_ms);
	unsigned int i;

	for (i = 0; i < ldev->nr_ns; i++)
		liov_freeze_start(ldev->ns[i].disk->queue);
	for (i = 0; i < ldev->nr_ns && left > 0; i++)
		left = blk_mq_freeze_queue_wait_timeout(ldev->ns[i].disk->queue,
							left);
	if (left > 0)
		return 0;

	liov_disks_unfreeze(ldev);
	return -EBUSY;
}

void liov_disks_unfreeze(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_ns; i++)
		liov_unfreeze(ldev->ns[i].disk->queue);
}

/**
 * liov_disks_retry_now() - have requests that wait to be tried again not wait
 * @ldev: device
 */
void liov_disks_retry_now(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_ns; i++)
		blk_mq_kick_requeue_list(ldev->ns[i].disk->queue);
}

static bool liov_same_namespace(const struct liov_ns *ns,
				const struct liov_ns *now)
{
	return now->nsid == ns->nsid && now->lba_shift == ns->lba_shift &&
	       now->start_lba == ns->start_lba &&
	       now->lba_count >= ns->lba_count &&
	       !memcmp(now->nguid, ns->nguid, sizeof(ns->nguid)) &&
	       !memcmp(now->eui64, ns->eui64, sizeof(ns->eui64)) &&
	       !memcmp(now->uuid, ns->uuid, sizeof(ns->uuid));
}

/**
 * liov_disks_check_same() - check that each block device still has its namespace
 * @ldev: device that is about to be started
 *
 * Return: 0 or -ESTALE.
 */
int liov_disks_check_same(struct liov_dev *ldev)
{
	unsigned int nr = liov_read32(ldev, LIOV_REG_NAMESPACES);
	struct liov_namespace_info info;
	struct liov_ns now;
	unsigned int i;

	lockdep_assert_held(&ldev->lock);
	for (i = 0; i < ldev->nr_ns; i++) {
		struct liov_ns *ns = &ldev->ns[i];

		/* Its disk is as good as removed, whatever is there now. */
		if (ns->gone)
			continue;
		if (ns->index >= nr ||
		    liov_read_namespace(ldev, ns->index, &info, &now) ||
		    !(now.gone || liov_same_namespace(ns, &now))) {
			dev_err(&ldev->pdev->dev,
				"%s is no longer namespace %u with its identity and size: give the VM back what it had, or restart it\n",
				ns->disk->disk_name, ns->nsid);
			return -ESTALE;
		}
	}
	return 0;
}

static void liov_disk_look(struct liov_ns *ns)
{
	unsigned int entry = LIOV_REG_NAMESPACE(ns->index);
	struct liov_dev *ldev = ns->ldev;
	u32 flags;
	u64 lba_count;

	flags = liov_read32(ldev, entry + offsetof(struct liov_namespace_info,
						   flags));
	lba_count = liov_read64(ldev,
				entry + offsetof(struct liov_namespace_info,
						 lba_count));
	/* Unplugged: not this table's to tell. */
	if (flags == U32_MAX)
		return;

	if (flags & LIOV_NS_GONE && !ns->gone) {
		dev_err(&ldev->pdev->dev,
			"%s: the host has deleted or detached namespace %u: its I/O fails, unmount what is on it\n",
			ns->disk->disk_name, ns->nsid);
		WRITE_ONCE(ns->gone, true);
	}
	ns->read_only = flags & LIOV_NS_READ_ONLY;
	if (liov_fits(ns, lba_count))
		ns->lba_count = lba_count;
}

/**
 * liov_disks_look() - learn what has become of the namespaces
 * @ldev: device that is live, so that they are still those of its disks
 *
 * liov_disks_follow() has the disks be like that.
 */
void liov_disks_look(struct liov_dev *ldev)
{
	unsigned int i;

	lockdep_assert_held(&ldev->lock);
	for (i = 0; i < ldev->nr_ns; i++)
		liov_disk_look(&ldev->ns[i]);
}

static void liov_disk_follow(struct liov_ns *ns)
{
	struct liov_dev *ldev = ns->ldev;

	if (READ_ONCE(ldev->state) == LIOV_DEAD || ns->gone) {
		/* File systems learn of it before their next write. */
		if (!ns->dead)
			blk_mark_disk_dead(ns->disk);
		ns->dead = true;
	} else if (!READ_ONCE(ldev->removing)) {
		set_capacity_and_notify(ns->disk, liov_sectors(ns));
		set_disk_ro(ns->disk, ns->read_only);
	}
}

/**
 * liov_disks_follow() - tell the block layer and udev what the namespaces are now
 * @ldev: device; its lock is not held, since those who listen may do I/O.  Only
 *	the recovery work does this.
 */
void liov_disks_follow(struct liov_dev *ldev)
{
	unsigned int i, nr;

	mutex_lock(&ldev->lock);
	nr = ldev->nr_ns;
	mutex_unlock(&ldev->lock);

	for (i = 0; i < nr; i++)
		liov_disk_follow(&ldev->ns[i]);
}

/**
 * liov_disks_remove() - end the I/O of all block devices and unregister them
 * @ldev: device that is live, or whose requests fail
 */
void liov_disks_remove(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_ns; i++)
		if (disk_live(ldev->ns[i].disk))
			del_gendisk(ldev->ns[i].disk);
}

/**
 * liov_disks_free() - free what liov_disks_remove() has unregistered
 * @ldev: device whose recovery work does not run any more
 */
void liov_disks_free(struct liov_dev *ldev)
{
	unsigned int i, nr = ldev->nr_ns;

	mutex_lock(&ldev->lock);
	ldev->nr_ns = 0;
	mutex_unlock(&ldev->lock);

	for (i = 0; i < nr; i++)
		put_disk(ldev->ns[i].disk);
	kfree(ldev->ns);
}
