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

#include "memory.h"
#include "trace.h"

#define LIOV_PIN_BATCH	VFIO_PIN_PAGES_MAX_ENTRIES

int liov_memory_init(struct liov_memory *memory, struct liov_ctrl *ctrl,
		     struct vfio_device *vdev, struct mutex *lock)
{
	memory->ctrl = ctrl;
	memory->vdev = vdev;
	memory->lock = lock;
	spin_lock_init(&memory->ranges_lock);
	memory->ranges = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&memory->unmappings);
	memory->pages = kcalloc(LIOV_PIN_BATCH, sizeof(*memory->pages),
				GFP_KERNEL);
	return memory->pages ? 0 : -ENOMEM;
}

void liov_memory_exit(struct liov_memory *memory)
{
	kfree(memory->pages);
}

int liov_memory_open_window(struct liov_memory *memory, u64 size)
{
	if (memory->window)
		return -EEXIST;
	if (!size || size > gen_pool_size(memory->ctrl->windows))
		return size ? -ENOSPC : -EINVAL;

	size = roundup_pow_of_two(max_t(u64, size, LIOV_GRANULE));
	memory->window = liov_window_alloc(memory->ctrl, size);
	if (!memory->window)
		return -ENOSPC;
	memory->window_size = size;
	trace_liov_window_open(memory);
	return 0;
}

void liov_memory_close_window(struct liov_memory *memory)
{
	if (!memory->window)
		return;
	trace_liov_window_close(memory);
	liov_window_free(memory->ctrl, memory->window, memory->window_size);
	memory->window = 0;
	memory->window_size = 0;
}

static void liov_memory_unpin(struct liov_memory *memory, u64 gpa, u64 size)
{
	u64 left = size >> PAGE_SHIFT;
	int batch;

	while (left) {
		batch = min_t(u64, left, LIOV_PIN_BATCH);
		vfio_unpin_pages(memory->vdev, gpa, batch);
		gpa += (u64)batch << PAGE_SHIFT;
		left -= batch;
		cond_resched();
	}
	memory->pinned_bytes -= size;
}

static void liov_memory_unmap(struct liov_memory *memory, u64 gpa, u64 size)
{
	size_t unmapped;

	if (!size)
		return;
	unmapped = iommu_unmap(memory->ctrl->domain, memory->window + gpa, size);
	WARN_ON_ONCE(unmapped != size);
}

/*
 * Map a batch of pinned pages with as few and as large mappings as they allow,
 * and one flush for all where an IOMMU wants one for new mappings.
 */
static int liov_memory_map(struct liov_memory *memory, u64 gpa, int count)
{
	size_t size = (size_t)count << PAGE_SHIFT;
	struct sg_table table;
	ssize_t mapped;
	int ret;

	ret = sg_alloc_table_from_pages(&table, memory->pages, count, 0, size,
					GFP_KERNEL);
	if (ret)
		return ret;
	mapped = liov_iommu_map_sg(memory->ctrl->domain, memory->window + gpa,
				   &table,
				   IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE);
	sg_free_table(&table);
	return mapped < 0 ? mapped : 0;
}

static int liov_memory_pin(struct liov_memory *memory, struct liov_range *range)
{
	u64 gpa = range->node.start;
	u64 size = range->node.last - gpa + 1;
	u64 pinned = 0, mapped = 0;
	int count, ret;

	while (pinned < size) {
		count = min_t(u64, (size - pinned) >> PAGE_SHIFT,
			      LIOV_PIN_BATCH);
		ret = vfio_pin_pages(memory->vdev, gpa + pinned, count,
				     IOMMU_READ | IOMMU_WRITE, memory->pages);
		if (ret <= 0) {
			/* Type 1 and iommufd differ in what they call it. */
			ret = -ENOMEM;
			goto out_undo;
		}
		count = ret;
		pinned += (u64)count << PAGE_SHIFT;
		memory->pinned_bytes += (u64)count << PAGE_SHIFT;

		ret = liov_memory_map(memory, gpa + mapped, count);
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
	liov_memory_unmap(memory, gpa, mapped);
	liov_memory_unpin(memory, gpa, pinned);
	return ret;
}

/* Also without memory->lock: then a range may be just coming or going. */
bool liov_memory_overlaps(struct liov_memory *memory, u64 gpa, u64 size)
{
	bool found;

	spin_lock(&memory->ranges_lock);
	found = interval_tree_iter_first(&memory->ranges, gpa, gpa + size - 1);
	spin_unlock(&memory->ranges_lock);
	return found;
}

/* Either whoever takes memory back finds the range, or it finds them. */
static int liov_memory_insert(struct liov_memory *memory, struct liov_range *range)
{
	int ret = -EAGAIN;

	spin_lock(&memory->ranges_lock);
	if (!liov_unmapping_covers(memory, range)) {
		interval_tree_insert(&range->node, &memory->ranges);
		ret = 0;
	}
	spin_unlock(&memory->ranges_lock);
	return ret;
}

static void liov_memory_forget(struct liov_memory *memory, struct liov_range *range)
{
	spin_lock(&memory->ranges_lock);
	interval_tree_remove(&range->node, &memory->ranges);
	spin_unlock(&memory->ranges_lock);
	kfree(range);
}

/* @gpa and @size are page aligned and do not wrap. */
int liov_memory_add(struct liov_memory *memory, u64 gpa, u64 size)
{
	struct liov_range *range;
	int ret;

	lockdep_assert_held(memory->lock);

	if (!memory->window)
		return -ENOENT;
	if (gpa + size > memory->window_size)
		return -EINVAL;
	if (liov_memory_overlaps(memory, gpa, size))
		return -EEXIST;

	range = kzalloc(sizeof(*range), GFP_KERNEL_ACCOUNT);
	if (!range)
		return -ENOMEM;
	range->node.start = gpa;
	range->node.last = gpa + size - 1;
	ret = liov_memory_insert(memory, range);
	if (ret) {
		kfree(range);
		return ret;
	}

	ret = liov_memory_pin(memory, range);
	if (ret)
		liov_memory_forget(memory, range);
	return ret;
}

static void liov_memory_drop_range(struct liov_memory *memory,
				   struct liov_range *range)
{
	u64 gpa = range->node.start;
	u64 size = range->node.last - gpa + 1;

	liov_memory_unmap(memory, gpa, size);
	liov_memory_unpin(memory, gpa, size);
	liov_memory_forget(memory, range);
}

/* Drops each range that has a byte between @first and @last. */
void liov_memory_drop(struct liov_memory *memory, u64 first, u64 last)
{
	struct interval_tree_node *node;

	lockdep_assert_held(memory->lock);

	while ((node = interval_tree_iter_first(&memory->ranges, first, last)))
		liov_memory_drop_range(memory, container_of(node,
							    struct liov_range,
							    node));
}

/* Whether added ranges cover all of it; they need not be one. */
bool liov_memory_covers(struct liov_memory *memory, u64 gpa, u64 size)
{
	u64 end = gpa + size;
	struct interval_tree_node *node;

	while (gpa < end) {
		node = interval_tree_iter_first(&memory->ranges, gpa, gpa);
		if (!node)
			return false;
		gpa = node->last + 1;
	}
	return true;
}

/* Whether it is made of whole ranges, at least at its ends. */
bool liov_memory_is_whole(struct liov_memory *memory, u64 gpa, u64 size)
{
	struct interval_tree_node *first, *last;

	first = interval_tree_iter_first(&memory->ranges, gpa, gpa);
	last = interval_tree_iter_first(&memory->ranges, gpa + size - 1,
					gpa + size - 1);
	return first && last && first->start == gpa &&
	       last->last == gpa + size - 1;
}
