// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the VM that the controller can reach: pinned through VFIO, which
 * charges it to the VM, and mapped at window base + gpa.
 *
 * No function here may run while a queue pair could still use what it takes
 * away; the callers see to that.  What is taken away is unmapped, the IOTLB is
 * flushed, and only then is the memory unpinned.
 */
#include <linux/log2.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "memory.h"
#include "trace.h"

/* Is pinned at once, and mapped by one entry where addresses allow. */
#define LIOV_BATCH		SZ_2M
#define LIOV_BATCH_PAGES	(LIOV_BATCH >> PAGE_SHIFT)

int liov_memory_init(struct liov_memory *memory, struct liov_ctrl *ctrl,
		     struct vfio_device *vdev, struct mutex *lock)
{
	memory->ctrl = ctrl;
	memory->vdev = vdev;
	memory->lock = lock;
	spin_lock_init(&memory->ranges_lock);
	memory->ranges = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&memory->unmappings);
	memory->pages = kcalloc(LIOV_BATCH_PAGES, sizeof(*memory->pages),
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
	memory->incomplete = false;
}

/*
 * Bytes from @gpa to the end of its batch, or to @end.  Windows are aligned, so
 * the batches of a range that begins anywhere are where large pages may be.
 */
static u64 liov_memory_batch(u64 gpa, u64 end)
{
	return min(end, round_down(gpa, LIOV_BATCH) + LIOV_BATCH) - gpa;
}

/* By the batches in which it was pinned: iommufd wants to hear of the same. */
static void liov_memory_unpin(struct liov_memory *memory, u64 gpa, u64 size)
{
	u64 end = gpa + size;
	u64 bytes;

	for (; gpa < end; gpa += bytes) {
		bytes = liov_memory_batch(gpa, end);
		vfio_unpin_pages(memory->vdev, gpa, bytes >> PAGE_SHIFT);
		cond_resched();
	}
	memory->pinned_bytes -= size;
}

/*
 * It is unreachable once the IOTLB is flushed of what @gather collects.  One that is
 * empty, with its start beyond its end, older kernels give to the IOMMU's driver,
 * too: the callers flush only what they have unmapped.
 */
static void liov_memory_unmap(struct liov_memory *memory, u64 gpa, u64 size,
			      struct iommu_iotlb_gather *gather)
{
	size_t unmapped;

	unmapped = iommu_unmap_fast(memory->ctrl->domain, memory->window + gpa,
				    size, gather);
	WARN_ON_ONCE(unmapped != size);
}

/* Whether one entry of the IOMMU's page table is enough for all of a batch. */
static bool liov_memory_is_large(struct liov_memory *memory, u64 gpa,
				 const struct sg_table *table)
{
	return table->sgl->length == LIOV_BATCH &&
	       IS_ALIGNED(gpa | sg_phys(table->sgl), LIOV_BATCH) &&
	       memory->ctrl->domain->pgsize_bitmap & LIOV_BATCH;
}

/*
 * Map a batch of pinned pages with as few and as large mappings as they allow,
 * and one flush for all where an IOMMU wants one for new mappings.
 *
 * Return: how many entries of its page table that took, or an error.
 */
static int liov_memory_map(struct liov_memory *memory, u64 gpa, int count)
{
	size_t size = (size_t)count << PAGE_SHIFT;
	struct sg_table table;
	ssize_t mapped;
	bool large;
	int ret;

	ret = sg_alloc_table_from_pages(&table, memory->pages, count, 0, size,
					GFP_KERNEL);
	if (ret)
		return ret;
	mapped = liov_iommu_map_sg(memory->ctrl->domain, memory->window + gpa,
				   &table,
				   IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE);
	large = liov_memory_is_large(memory, gpa, &table);
	sg_free_table(&table);
	if (mapped < 0)
		return mapped;
	return large ? 1 : count;
}

static int liov_memory_pin_batch(struct liov_memory *memory,
				 struct liov_range *range, u64 gpa, u64 bytes)
{
	int count = bytes >> PAGE_SHIFT;
	int ret;

	ret = vfio_pin_pages(memory->vdev, gpa, count,
			     IOMMU_READ | IOMMU_WRITE, memory->pages);
	if (ret != count) {
		if (ret > 0)
			vfio_unpin_pages(memory->vdev, gpa, ret);
		/* Type 1 and iommufd differ in what they call it. */
		return -ENOMEM;
	}
	memory->pinned_bytes += bytes;

	ret = liov_memory_map(memory, gpa, count);
	if (ret < 0) {
		liov_memory_unpin(memory, gpa, bytes);
		return ret;
	}
	range->mappings += ret;
	memory->mappings += ret;
	return 0;
}

static int liov_memory_pin(struct liov_memory *memory, struct liov_range *range)
{
	u64 start = range->node.start, end = range->node.last + 1;
	struct iommu_iotlb_gather gather;
	u64 gpa, bytes;
	int ret;

	for (gpa = start; gpa < end;) {
		bytes = liov_memory_batch(gpa, end);
		ret = liov_memory_pin_batch(memory, range, gpa, bytes);
		if (ret)
			goto out_undo;
		gpa += bytes;
		cond_resched();

		ret = -EAGAIN;
		if (READ_ONCE(range->unwanted))
			goto out_undo;
	}
	return 0;

out_undo:
	if (gpa == start)
		return ret;
	iommu_iotlb_gather_init(&gather);
	liov_memory_unmap(memory, start, gpa - start, &gather);
	iommu_iotlb_sync(memory->ctrl->domain, &gather);
	liov_memory_unpin(memory, start, gpa - start);
	memory->mappings -= range->mappings;
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

static void liov_memory_unmap_ranges(struct liov_memory *memory, u64 first,
				     u64 last)
{
	struct iommu_iotlb_gather gather;
	struct interval_tree_node *node;

	node = interval_tree_iter_first(&memory->ranges, first, last);
	if (!node)
		return;
	iommu_iotlb_gather_init(&gather);
	for (; node; node = interval_tree_iter_next(node, first, last)) {
		liov_memory_unmap(memory, node->start,
				  node->last - node->start + 1, &gather);
		cond_resched();
	}
	iommu_iotlb_sync(memory->ctrl->domain, &gather);
}

/*
 * Drops each range that has a byte between @first and @last: one flush for all
 * of them, between the last mapping and the first pin that goes.
 */
void liov_memory_drop(struct liov_memory *memory, u64 first, u64 last)
{
	struct interval_tree_node *node;
	struct liov_range *range;

	lockdep_assert_held(memory->lock);

	liov_memory_unmap_ranges(memory, first, last);
	while ((node = interval_tree_iter_first(&memory->ranges, first, last))) {
		range = container_of(node, struct liov_range, node);
		liov_memory_unpin(memory, node->start,
				  node->last - node->start + 1);
		memory->mappings -= range->mappings;
		liov_memory_forget(memory, range);
	}
}

/* VFIO's user wants it, and the owner has not been asked. */
void liov_memory_take_back(struct liov_memory *memory, u64 first, u64 last)
{
	liov_memory_drop(memory, first, last);
	memory->incomplete = true;
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
