// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of a disk's requests: the controller's, the VM's, and what the
 * namespace prefers.
 */
#include <linux/blkdev.h>
#include <linux/dma-mapping.h>
#include <linux/math64.h>
#include <linux/swiotlb.h>

#include "compat.h"
#include "guest.h"

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
 * What power loss does not tear, in bytes; 0 if that is not told.  It has to be
 * aligned to its number in the namespace, and what is aligned in a slice is so
 * only as far as the slice's beginning is.
 */
static unsigned int liov_atomic_write(const struct liov_ns *ns,
				      const struct liov_namespace_info *info)
{
	u32 lbas = le32_to_cpu(info->atomic_write);

	if (ns->start_lba)
		lbas = min_t(u64, lbas, 1ULL << __ffs64(ns->start_lba));
	return liov_lba_bytes(ns, lbas);
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
	unsigned int atomic = liov_atomic_write(ns, info);

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

/**
 * liov_disk_limits() - the limits of a block device's requests, under the lock
 * @ns: what it is to be the block device of
 * @info: what the host says of it
 * @lim: filled in, as Linux's nvme driver does for the same namespace
 */
void liov_disk_limits(const struct liov_ns *ns,
		      const struct liov_namespace_info *info,
		      struct queue_limits *lim)
{
	liov_limit_transfers(ns->ldev, lim);
	liov_limit_blocks(ns, info, lim);
	liov_limit_write_zeroes(ns, lim);
	liov_limit_discard(ns, info, lim);
}
