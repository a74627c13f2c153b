// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes this VM's RAM reachable for the controller.
 *
 * The controller sees the VM's physical address 0 at the base of a window of
 * its I/O virtual addresses.  All RAM is announced to the host, which pins it
 * and maps it there; dev->dma_range_map then makes the DMA API hand out
 * addresses inside the window, so that nothing else in the driver needs to
 * know about it.
 */
#include <linux/ioport.h>
#include <linux/iommu.h>
#include <linux/memory.h>
#include <linux/memory_hotplug.h>
#include <linux/sizes.h>

#include "compat.h"
#include "guest.h"

/* x86 keeps the first MiB from the page allocator; firmware may own it. */
#define LIOV_FIRST_RAM		SZ_1M

/* Regions that hot-plugged memory may take before the table is made anew. */
#define LIOV_SPARE_REGIONS	32

/**
 * struct liov_walk - a window, and the RAM that is announced in it
 * @ldev: device, whose own window stays until all of this succeeded
 * @nr: ranges of RAM
 * @top: end of the highest
 * @window_base: as in struct liov_dev
 * @window_size: as in struct liov_dev
 * @regions: as in struct liov_dev
 * @nr_regions: as in struct liov_dev
 * @max_regions: as in struct liov_dev
 */
struct liov_walk {
	struct liov_dev *ldev;
	unsigned int nr;
	u64 top;
	u64 window_base;
	u64 window_size;
	struct bus_dma_region *regions;
	unsigned int nr_regions;
	unsigned int max_regions;
};

/**
 * liov_memory_check() - can the DMA API be pointed into a window at all?
 * @ldev: device
 *
 * Return: 0, or -EOPNOTSUPP when something of this VM translates the device's
 * addresses already.
 */
int liov_memory_check(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	if (domain && domain->type != IOMMU_DOMAIN_IDENTITY) {
		dev_err(dev, "this VM's own IOMMU translates the device, which LightIOV cannot work with: boot the VM with iommu=pt or remove its virtual IOMMU\n");
		return -EOPNOTSUPP;
	}
	if (dev->dma_range_map) {
		dev_err(dev, "this VM's firmware gives the device a DMA offset, which LightIOV cannot work with: use a machine type without one\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int liov_range_found(struct resource *res, void *data)
{
	return 1;
}

/*
 * Is there memory in the range that comes and goes by parts too small for the
 * memory notifier to tell?  That is virtio-mem's: its regions, and no others,
 * are marked as RAM that only a driver may look into.
 */
static bool liov_comes_and_goes(u64 start, u64 end)
{
	return walk_iomem_res_desc(IORES_DESC_NONE,
				   IORESOURCE_SYSTEM_RAM | IORESOURCE_EXCLUSIVE,
				   start, end - 1, NULL, liov_range_found) == 1;
}

int liov_refuse_virtio_mem(struct liov_dev *ldev, u64 start, u64 end)
{
	if (!liov_comes_and_goes(start, end))
		return 0;
	dev_err(&ldev->pdev->dev,
		"memory at %#llx-%#llx is virtio-mem's, of which the host may take parts back that the controller writes to: give the VM memory otherwise, such as by DIMMs\n",
		start, end - 1);
	return -EOPNOTSUPP;
}

/* Call @fn for each range of RAM. */
static int liov_walk_ram(struct liov_walk *walk,
			 int (*fn)(struct resource *, void *))
{
	return walk_iomem_res_desc(IORES_DESC_NONE,
				   IORESOURCE_SYSTEM_RAM | IORESOURCE_BUSY,
				   LIOV_FIRST_RAM, -1, walk, fn);
}

static int liov_count_region(struct resource *res, void *data)
{
	struct liov_walk *walk = data;

	walk->nr++;
	walk->top = max(walk->top, (u64)res->end + 1);
	return 0;
}

/*
 * Announce one range in chunks that end at multiples of LIOV_MAX_ADD.  The
 * sections which memory hotplug works with are multiples of it, too, so a
 * chunk is online or offline as a whole.
 */
static u64 liov_chunk_end(u64 start, u64 end)
{
	return min(end, round_down(start, LIOV_MAX_ADD) + LIOV_MAX_ADD);
}

void liov_remove_range(struct liov_dev *ldev, u64 start, u64 end)
{
	u64 next;

	for (; start < end; start = next) {
		next = liov_chunk_end(start, end);
		liov_command(ldev, LIOV_CMD_REMOVE_MEMORY, start, next - start,
			     0, 0);
	}
}

static int liov_add_chunk(struct liov_dev *ldev, u64 start, u64 end)
{
	int err = liov_command(ldev, LIOV_CMD_ADD_MEMORY, start, end - start,
			       0, 0);

	if (err == -EBUSY)	/* added before */
		return 0;
	if (err && err != -EAGAIN)
		dev_err(&ldev->pdev->dev,
			"the host cannot map this VM's memory at %#llx-%#llx (%pe): look for the cause in the host's kernel log, such as the limit of locked memory\n",
			start, end - 1, ERR_PTR(err));
	return err;
}

int liov_add_range(struct liov_dev *ldev, u64 start, u64 end)
{
	u64 pos, next;
	int err;

	for (pos = start; pos < end; pos = next) {
		next = liov_chunk_end(pos, end);
		err = liov_add_chunk(ldev, pos, next);
		if (err) {
			liov_remove_range(ldev, start, pos);
			return err;
		}
	}
	return 0;
}

static int liov_add_region(struct resource *res, void *data)
{
	struct liov_walk *walk = data;
	u64 start = PAGE_ALIGN((u64)res->start);
	u64 end = ALIGN_DOWN((u64)res->end + 1, PAGE_SIZE);
	u64 next;
	int err;

	if (start >= end)
		return 0;

	/* Memory that was plugged since it was counted: count again. */
	if (walk->nr_regions == walk->max_regions || end > walk->window_size)
		return -EAGAIN;

	for (; start < end; start = next) {
		next = liov_chunk_end(start, end);
		/* The notifier adds what is offline when it goes online. */
		if (!pfn_to_online_page(PHYS_PFN(start)))
			continue;
		err = liov_refuse_virtio_mem(walk->ldev, start, next);
		if (err)
			return err;
		err = liov_add_chunk(walk->ldev, start, next);
		if (err)
			return err;
	}

	start = PAGE_ALIGN((u64)res->start);
	liov_region_set(&walk->regions[walk->nr_regions++], start,
			walk->window_base + start, end - start);
	return 0;
}

static int liov_open_window(struct liov_walk *walk)
{
	struct liov_dev *ldev = walk->ldev;
	struct device *dev = &ldev->pdev->dev;
	u64 bytes = PAGE_ALIGN(walk->top);
	u64 base, size;
	int err;

	err = liov_command(ldev, LIOV_CMD_OPEN_WINDOW, bytes, 0, 0, 0);
	if (err == -EAGAIN)
		return err;
	if (err) {
		dev_err(dev, "the host has no window of %#llx bytes for this VM's memory (%pe): give the controller fewer VMs or the VM less memory\n",
			bytes, ERR_PTR(err));
		return err;
	}

	base = liov_read64(ldev, LIOV_REG_WINDOW_BASE);
	size = liov_read64(ldev, LIOV_REG_WINDOW_SIZE);
	/* A reset took it back. */
	if (!size)
		return -EAGAIN;
	if (size < bytes || base + size < base || !IS_ALIGNED(base, PAGE_SIZE)) {
		dev_err(dev, "the host offers a window at %#llx of %#llx bytes where %#llx are needed: update the host's lightiov module\n",
			base, size, bytes);
		return -EIO;
	}
	walk->window_base = base;
	walk->window_size = size;
	return 0;
}

/*
 * Rings and pools have addresses of the window they were made in, and the DMA
 * API needs the table they were made with to free them.  No mapping of a
 * request is in use.
 */
static void liov_move_into(struct liov_dev *ldev, const struct liov_walk *walk)
{
	if (walk->window_base != ldev->window_base)
		liov_rings_free(ldev);

	ldev->window_base = walk->window_base;
	ldev->window_size = walk->window_size;
	ldev->pdev->dev.dma_range_map = walk->regions;
	kfree(ldev->regions);
	ldev->regions = walk->regions;
	ldev->nr_regions = walk->nr_regions;
	ldev->max_regions = walk->max_regions;
	ldev->announced = true;
}

/**
 * liov_memory_add() - open a window and announce all RAM that is online
 * @ldev: device, after LIOV_CMD_RESET, without any request in flight
 *
 * Return: 0 or a negative error; -EAGAIN when the memory changed meanwhile.
 */
int liov_memory_add(struct liov_dev *ldev)
{
	struct liov_walk walk = {
		.ldev = ldev,
		.top = ldev->window_need,
	};
	int err;

	liov_walk_ram(&walk, liov_count_region);
	err = liov_open_window(&walk);
	if (err)
		return err;

	walk.max_regions = walk.nr + LIOV_SPARE_REGIONS;
	walk.regions = kcalloc(walk.max_regions + 1, sizeof(*walk.regions),
			       GFP_KERNEL);
	if (!walk.regions)
		return -ENOMEM;

	err = liov_walk_ram(&walk, liov_add_region);
	if (err) {
		kfree(walk.regions);
		return err;
	}
	liov_move_into(ldev, &walk);
	return 0;
}

void liov_memory_free(struct liov_dev *ldev)
{
	ldev->pdev->dev.dma_range_map = NULL;
	kfree(ldev->regions);
	ldev->regions = NULL;
}

/*
 * Let the DMA API use a hot-plugged range.  Requests are being mapped
 * meanwhile, so regions only ever grow: what goes offline stays in the table,
 * unused, and needs no second entry when it comes back.
 */
bool liov_extend_regions(struct liov_dev *ldev, u64 start, u64 end)
{
	struct bus_dma_region *region;
	unsigned int i;

	for (i = 0; i < ldev->nr_regions; i++) {
		region = &ldev->regions[i];
		if (start >= region->cpu_start &&
		    end <= region->cpu_start + region->size)
			return true;
		if (start == region->cpu_start + region->size) {
			WRITE_ONCE(region->size, end - region->cpu_start);
			return true;
		}
	}
	if (ldev->nr_regions == ldev->max_regions)
		return false;

	liov_region_set(&ldev->regions[ldev->nr_regions++], start,
			ldev->window_base + start, end - start);
	return true;
}
