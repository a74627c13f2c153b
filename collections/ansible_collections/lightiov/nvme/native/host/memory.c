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
#include <linux/scatterlist.h>
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

/*
 * Map a batch of pinned pages with as few and as large mappings as they allow,
 * and one flush for all where an IOMMU wants one for new mappings.
 */
static int liov_memory_map(struct liov_mdev *mdev, u64 gpa, int count)
{
	size_t size = (size_t)count << PAGE_SHIFT;
	struct sg_table table;
	ssize_t mapped;
	int ret;

	ret = sg_alloc_table_from_pages(&table, mdev->pages, count, 0, size,
					GFP_KERNEL);
	if (ret)
		return ret;
	mapped = liov_iommu_map_sg(mdev->ctrl->domain, mdev->window + gpa,
				   &table,
				   IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE);
	sg_free_table(&table);
	return mapped < 0 ? mapped : 0;
}

static int liov_memory_pin(struct liov_mdev *mdev, struct liov_range *range)
{
	u64 gpa = range->node.start;
	u64 size = range->node.last - gpa + 1;
	u64 pinned = 0, mapped = 0;
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
		count = ret;
		pinned += (u64)count << PAGE_SHIFT;
		mdev->stats.pinned_bytes += (u64)count << PAGE_SHIFT;

		ret = liov_memory_map(mdev, gpa + mapped, count);
		if (ret)
			goto out_undo;
		mapped = pinned;
		cond_resched();

		if (READ_ONCE(range->unwanted)) {
			ret = -EAGAIN;
			goto out_undo;
		}
	}
	return 0;

out_undo:
	liov_memory_unmap(mdev, gpa, mapped);
	liov_memory_unpin(mdev, gpa, pinned);
	return ret;
}

/* Also without mdev->lock: then a range may be just coming or going. */
bool liov_memory_overlaps(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	bool found;

	spin_lock(&mdev->ranges_lock);
	found = interval_tree_iter_first(&mdev->ranges, gpa, gpa + size - 1);
	spin_unlock(&mdev->ranges_lock);
	return found;
}

static bool liov_memory_unmapping(struct liov_mdev *mdev,
				  struct liov_range *range)
{
	struct liov_unmapping *unmapping;

	list_for_each_entry(unmapping, &mdev->unmappings, node)
		if (range->node.start <= unmapping->last &&
		    unmapping->first <= range->node.last)
			return true;
	return false;
}

/* Either whoever takes memory back finds the range, or it finds them. */
static int liov_memory_insert(struct liov_mdev *mdev, struct liov_range *range)
{
	int ret = -EAGAIN;

	spin_lock(&mdev->ranges_lock);
	if (!liov_memory_unmapping(mdev, range)) {
		interval_tree_insert(&range->node, &mdev->ranges);
		ret = 0;
	}
	spin_unlock(&mdev->ranges_lock);
	return ret;
}

void liov_unmapping_begin(struct liov_unmapping *unmapping)
{
	struct liov_mdev *mdev = unmapping->mdev;
	struct interval_tree_node *node;

	spin_lock(&mdev->ranges_lock);
	list_add(&unmapping->node, &mdev->unmappings);
	for (node = interval_tree_iter_first(&mdev->ranges, unmapping->first,
					     unmapping->last);
	     node; node = interval_tree_iter_next(node, unmapping->first,
						  unmapping->last))
		WRITE_ONCE(container_of(node, struct liov_range,
					node)->unwanted, true);
	spin_unlock(&mdev->ranges_lock);
}

void liov_unmapping_end(struct liov_unmapping *unmapping)
{
	spin_lock(&unmapping->mdev->ranges_lock);
	list_del(&unmapping->node);
	spin_unlock(&unmapping->mdev->ranges_lock);
}

static void liov_memory_forget(struct liov_mdev *mdev, struct liov_range *range)
{
	spin_lock(&mdev->ranges_lock);
	interval_tree_remove(&range->node, &mdev->ranges);
	spin_unlock(&mdev->ranges_lock);
	kfree(range);
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
	range->node.start = gpa;
	range->node.last = gpa + size - 1;
	ret = liov_memory_insert(mdev, range);
	if (ret) {
		kfree(range);
		return ret;
	}

	ret = liov_memory_pin(mdev, range);
	if (ret)
		liov_memory_forget(mdev, range);
	return ret;
}

static void liov_memory_drop_range(struct liov_mdev *mdev,
				   struct liov_range *range)
{
	u64 gpa = range->node.start;
	u64 size = range->node.last - gpa + 1;

	liov_memory_unmap(mdev, gpa, size);
	liov_memory_unpin(mdev, gpa, size);
	liov_memory_forget(mdev, range);
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
