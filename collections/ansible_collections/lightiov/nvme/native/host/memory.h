/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory space of a VFIO device: the window of the controller's I/O virtual
 * addresses that it has, and which memory of the device's user, added range by
 * range, is pinned and mapped there.
 *
 * Kinds of devices use it.  It uses the controller's windows, and knows neither
 * what a device is nor what runs on its memory: no function may take away what
 * a queue pair could still use, and the callers see to that.
 */
#ifndef LIGHTIOV_MEMORY_H
#define LIGHTIOV_MEMORY_H

#include <linux/interval_tree.h>
#include <linux/vfio.h>

#include "controller.h"

/**
 * struct liov_range - memory of the owner which the controller can reach
 * @node: gpa, first and last byte
 * @mappings: of it, as in struct liov_memory
 * @unwanted: VFIO's user takes it back; no more of it is pinned
 */
struct liov_range {
	struct interval_tree_node node;
	unsigned int mappings;
	bool unwanted;
};

/**
 * struct liov_unmapping - memory that VFIO's user is taking back
 *
 * From VFIO's first word of it until the user's call returns.  VFIO asks again
 * as long as it finds something pinned, and older ones end in a BUG() when they
 * have asked too often: so nothing there may be pinned anew.
 */
struct liov_unmapping {
	struct list_head node;
	struct liov_memory *memory;
	u64 first;
	u64 last;
};

/**
 * struct liov_memory - one memory space
 * @vdev: pins the memory, which it charges to its user
 * @lock: the device's; everything below.  Pinning takes VFIO's IOMMU lock under
 *	it.
 * @ranges_lock: innermost.  @ranges change under it and @lock, and may be read
 *	under either; @unmappings and liov_range.unwanted, under it alone.
 *	VFIO holds its device list's lock, which nests inside its IOMMU lock,
 *	when it calls dma_unmap; so @lock is not for that call unless the memory
 *	is in use, which is the exception: a range is in the tree before its
 *	first page is pinned, until its last one is unpinned.
 * @incomplete: VFIO's user has taken some of it back since the window was opened
 * @pages: of one batch that is being pinned
 * @mappings: entries of the IOMMU's page table, of 2 MiB where a batch is one
 *	such page, else of a page each
 */
struct liov_memory {
	struct liov_ctrl *ctrl;
	struct vfio_device *vdev;
	struct mutex *lock;		/* see above */

	unsigned long window;
	u64 window_size;
	spinlock_t ranges_lock;		/* see above */
	struct rb_root_cached ranges;
	struct list_head unmappings;
	bool incomplete;
	struct page **pages;
	u64 pinned_bytes;
	u64 mappings;
};

/* memory.c */
int liov_memory_init(struct liov_memory *memory, struct liov_ctrl *ctrl,
		     struct vfio_device *vdev, struct mutex *lock);
void liov_memory_exit(struct liov_memory *memory);
int liov_memory_open_window(struct liov_memory *memory, u64 size);
void liov_memory_close_window(struct liov_memory *memory);
int liov_memory_add(struct liov_memory *memory, u64 gpa, u64 size);
bool liov_memory_is_whole(struct liov_memory *memory, u64 gpa, u64 size);
bool liov_memory_covers(struct liov_memory *memory, u64 gpa, u64 size);
bool liov_memory_overlaps(struct liov_memory *memory, u64 gpa, u64 size);
void liov_memory_drop(struct liov_memory *memory, u64 first, u64 last);
void liov_memory_take_back(struct liov_memory *memory, u64 first, u64 last);

/* unmapping.c */
int liov_unmapping_watch(struct liov_memory *memory, u64 first, u64 last);
bool liov_unmapping_covers(struct liov_memory *memory,
			   const struct liov_range *range);

#endif /* LIGHTIOV_MEMORY_H */
