// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that VFIO's user takes back: from VFIO's first word of it until the
 * user's call returns nothing there is pinned anew.
 */
#include <linux/anon_inodes.h>
#include <linux/slab.h>

#include "memory.h"

/* Caller holds memory->ranges_lock. */
bool liov_unmapping_covers(struct liov_memory *memory,
			   const struct liov_range *range)
{
	struct liov_unmapping *unmapping;

	list_for_each_entry(unmapping, &memory->unmappings, node)
		if (range->node.start <= unmapping->last &&
		    unmapping->first <= range->node.last)
			return true;
	return false;
}

static void liov_unmapping_begin(struct liov_unmapping *unmapping)
{
	struct liov_memory *memory = unmapping->memory;
	struct interval_tree_node *node;

	spin_lock(&memory->ranges_lock);
	list_add(&unmapping->node, &memory->unmappings);
	for (node = interval_tree_iter_first(&memory->ranges, unmapping->first,
					     unmapping->last);
	     node; node = interval_tree_iter_next(node, unmapping->first,
						  unmapping->last))
		WRITE_ONCE(container_of(node, struct liov_range,
					node)->unwanted, true);
	spin_unlock(&memory->ranges_lock);
}

static void liov_unmapping_end(struct liov_unmapping *unmapping)
{
	spin_lock(&unmapping->memory->ranges_lock);
	list_del(&unmapping->node);
	spin_unlock(&unmapping->memory->ranges_lock);
}

static int liov_unmapping_release(struct inode *inode, struct file *file)
{
	struct liov_unmapping *unmapping = file->private_data;

	liov_unmapping_end(unmapping);
	vfio_put_device(unmapping->memory->vdev);
	kfree(unmapping);
	return 0;
}

static const struct file_operations liov_unmapping_fops = {
	.owner	 = THIS_MODULE,
	.release = liov_unmapping_release,
};

/*
 * VFIO does not say when it has unmapped, but by then its user's call returns.
 * So does the release of a file that is put during the call.
 */
int liov_unmapping_watch(struct liov_memory *memory, u64 first, u64 last)
{
	struct liov_unmapping *unmapping;
	struct file *file;

	unmapping = kzalloc(sizeof(*unmapping), GFP_KERNEL);
	if (!unmapping)
		return -ENOMEM;
	unmapping->memory = memory;
	unmapping->first = first;
	unmapping->last = last;

	file = anon_inode_getfile("lightiov-unmapping", &liov_unmapping_fops,
				  unmapping, O_RDONLY);
	if (IS_ERR(file)) {
		kfree(unmapping);
		return PTR_ERR(file);
	}
	get_device(&memory->vdev->device);
	liov_unmapping_begin(unmapping);
	fput(file);
	return 0;
}
