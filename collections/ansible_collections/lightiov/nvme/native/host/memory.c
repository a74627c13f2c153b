// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the VM that the controller can reach: pinned through VFIO, which
 * charges it to the VM, and mapped at window base + gpa.
 *
 * No function here may run while a queue pair could still use what it takes
 * away; the callers see to that.  Unmapping flushes the IOTLB before it
 * returns, and only then is the memory unpinned.
 */
#include <linux/log2.h>
#include <linux/slab.h>

#include "mdev.h"
#include "trace.h"

#define LIOV_PIN_BATCH	VFIO_PIN_PAGES_MAX_ENTRIES

int liov_memory_open_window(struct liov_mdev *mdev, u64 size)
{
	if (mdev->window)
		return -EEXIST;
	if (!size || size > gen_pool_size(mdev->ctrl->windows))
		return size ? -ENOSPC : -EINVAL;

	size = roundup_pow_of_two(max_t(u64, size, LIOV_GRANULE));
	mdev->window = liov_window_alloc(mdev->ctrl, size);
	if (!mdev->window)
		return -ENOSPC;
	mdev->window_size = size;
	trace_liov_window_open(mdev);
	return 0;
}

void liov_memory_close_window(struct liov_mdev *mdev)
{
	if (!mdev->window)
		return;
	trace_liov_window_close(mdev);
	liov_window_free(mdev->ctrl, mdev->window, mdev->window_size);
	mdev->window = 0;
	mdev->window_size = 0;
}

static void liov_memory_unpin(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	u64 left = size >> PAGE_SHIFT;
	int batch;

	while (left) {
		batch = min_t(u64, left, LIOV_PIN_BATCH);
		vfio_unpin_pages(&mdev->vdev, gpa, batch);
		gpa += (u64)batch << PAGE_SHIFT;
		left -= batch;
		cond_resched();
	}
	mdev->stats.pinned_bytes -= size;
}

static void liov_memory_unmap(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	size_t unmapped;

	if (!size)
		return;
	unmapped = iommu_unmap(mdev->ctrl->domain, mdev->window + gpa, size);
	WARN_ON_ONCE(unmapped != size);
}

/* Pages next to each other, collected for one mapping as large as possible. */
struct liov_run {
	u64 gpa;
	phys_addr_t phys;
	u64 size;
};

static int liov_memory_map_run(struct liov_mdev *mdev, struct liov_run *run)
{
	int ret;

	if (!run->size)
		return 0;
	ret = liov_iommu_map(mdev->ctrl->domain, mdev->window + run->gpa,
			     run->phys, run->size,
			     IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE);
	if (ret)
		return ret;

	run->gpa += run->size;
	run->size = 0;
	return 0;
}

static int liov_memory_map_pages(struct liov_mdev *mdev, struct liov_run *run,
				 int count)
{
	int i, ret;

	for (i = 0; i < count; i++) {
		phys_addr_t phys = page_to_phys(mdev->pages[i]);

		if (run->size && phys != run->phys + run->size) {
			ret = liov_memory_map_run(mdev, run);
			if (ret)
				return ret;
		}
		if (!run->size)
			run->phys = phys;
		run->size += PAGE_SIZE;
	}
	return 0;
}

static int liov_memory_pin(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	struct liov_run run = { .gpa = gpa };
	u64 pinned = 0;
	int count, ret;

	while (pinned < size) {
		count = min_t(u64, (size - pinned) >> PAGE_SHIFT,
			      LIOV_PIN_BATCH);
		ret = vfio_pin_pages(&mdev->vdev, gpa + pinned, count,
				     IOMMU_READ | IOMMU_WRITE, mdev->pages);
		if (ret <= 0) {
			ret = ret ?: -EFAULT;
			goto out_undo;
		}
		mdev->stats.pinned_bytes += (u64)ret << PAGE_SHIFT;
		pinned += (u64)ret << PAGE_SHIFT;

		ret = liov_memory_map_pages(mdev, &run, ret);
		if (ret)
			goto out_undo;
		cond_resched();
	}
	ret = liov_memory_map_run(mdev, &run);
	if (ret)
		goto out_undo;
	return 0;

out_undo:
	/* @run begins where mapping ended. */
	liov_memory_unmap(mdev, gpa, run.gpa - gpa);
	liov_memory_unpin(mdev, gpa, pinned);
	return ret;
}

bool liov_memory_overlaps(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	return interval_tree_iter_first(&mdev->ranges, gpa, gpa + size - 1);
}

/* @gpa and @size are page aligned and do not wrap. */
int liov_memory_add(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	struct liov_range *range;
	int ret;

	lockdep_assert_held(&mdev->lock);

	if (!mdev->window)
		return -ENOENT;
	if (gpa + size > mdev->window_size)
		return -EINVAL;
	if (liov_memory_overlaps(mdev, gpa, size))
		return -EEXIST;

	range = kzalloc(sizeof(*range), GFP_KERNEL_ACCOUNT);
	if (!range)
		return -ENOMEM;
	ret = liov_memory_pin(mdev, gpa, size);
	if (ret) {
		kfree(range);
		return ret;
	}

	range->node.start = gpa;
	range->node.last = gpa + size - 1;
	interval_tree_insert(&range->node, &mdev->ranges);
	return 0;
}

static void liov_memory_drop_range(struct liov_mdev *mdev,
				   struct liov_range *range)
{
	u64 gpa = range->node.start;
	u64 size = range->node.last - gpa + 1;

	interval_tree_remove(&range->node, &mdev->ranges);
	kfree(range);
	liov_memory_unmap(mdev, gpa, size);
	liov_memory_unpin(mdev, gpa, size);
}

/* Drops each range that has a byte between @first and @last. */
void liov_memory_drop(struct liov_mdev *mdev, u64 first, u64 last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(&mdev->lock);

	while ((node = interval_tree_iter_first(&mdev->ranges, first, last)))
		liov_memory_drop_range(mdev, container_of(node,
							  struct liov_range,
							  node));
}

/* Whether added ranges cover all of it; they need not be one. */
bool liov_memory_covers(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	u64 end = gpa + size;
	struct interval_tree_node *node;

	while (gpa < end) {
		node = interval_tree_iter_first(&mdev->ranges, gpa, gpa);
		if (!node)
			return false;
		gpa = node->last + 1;
	}
	return true;
}

/* Removes whole ranges, or nothing. */
int liov_memory_remove(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	struct interval_tree_node *first, *last;

	first = interval_tree_iter_first(&mdev->ranges, gpa, gpa);
	last = interval_tree_iter_first(&mdev->ranges, gpa + size - 1,
					gpa + size - 1);
	if (!first || !last || first->start != gpa ||
	    last->last != gpa + size - 1)
		return -ENOENT;
	if (liov_queues_use(mdev, gpa, size))
		return -EBUSY;

	liov_memory_drop(mdev, gpa, gpa + size - 1);
	return 0;
}
