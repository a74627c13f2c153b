// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controller's I/O virtual addresses.  All of its queues share one PCI
 * requester ID and so one IOMMU domain; each mediated device gets a window of
 * it, and the host an area for the admin queue.
 */
#include <linux/log2.h>
#include <linux/slab.h>

#include "controller.h"

/* Larger apertures only make the allocator's bitmap larger. */
#define LIOV_MAX_APERTURE	BIT_ULL(48)

/*
 * Give the allocator all granules from @base to @end that no reserved region
 * (the MSI hole, memory that firmware uses) touches.
 */
static int liov_windows_add(struct liov_ctrl *ctrl, u64 base, u64 end,
			    struct list_head *reserved)
{
	struct iommu_resv_region *region;
	u64 first, stop;
	int ret;

	while (base < end) {
		stop = end;
		first = base;
		list_for_each_entry(region, reserved, list) {
			u64 from = round_down(region->start, LIOV_GRANULE);
			u64 to = round_up(region->start + region->length,
					  LIOV_GRANULE);

			if (to <= base || from >= end)
				continue;
			if (from <= base)
				first = max(first, to);
			else
				stop = min(stop, from);
		}
		if (first > base) {
			base = first;
			continue;
		}

		ret = gen_pool_add(ctrl->windows, base, stop - base,
				   NUMA_NO_NODE);
		if (ret)
			return ret;
		base = stop;
	}
	return 0;
}

/* Where interrupts go through the IOMMU too, each domain has to map them. */
static int liov_windows_check(struct liov_ctrl *ctrl,
			      struct list_head *reserved)
{
	struct iommu_resv_region *region;

	list_for_each_entry(region, reserved, list) {
		if (region->type != IOMMU_RESV_SW_MSI)
			continue;
		dev_err(ctrl->dev,
			"this machine's IOMMU translates interrupts like data, as on ARM, which LightIOV cannot set up: use an x86 host\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int liov_windows_fill(struct liov_ctrl *ctrl)
{
	struct iommu_domain_geometry *geometry = &ctrl->domain->geometry;
	struct iommu_resv_region *region, *next;
	LIST_HEAD(reserved);
	u64 base, end;
	int ret;

	/* 0 is how the allocator says that it failed: leave that granule out. */
	base = max_t(u64, LIOV_GRANULE,
		     round_up(geometry->aperture_start, LIOV_GRANULE));
	end = min_t(u64, LIOV_MAX_APERTURE, geometry->aperture_end + 1ULL ?:
		    LIOV_MAX_APERTURE);
	end = round_down(end, LIOV_GRANULE);

	ret = iommu_get_group_resv_regions(ctrl->group, &reserved);
	if (!ret)
		ret = liov_windows_check(ctrl, &reserved);
	if (!ret)
		ret = liov_windows_add(ctrl, base, end, &reserved);
	list_for_each_entry_safe(region, next, &reserved, list)
		kfree(region);
	return ret;
}

static int liov_windows_create(struct liov_ctrl *ctrl)
{
	int ret = -ENOMEM;

	ctrl->windows = gen_pool_create(LIOV_GRANULE_SHIFT, NUMA_NO_NODE);
	if (!ctrl->windows)
		return ret;
	gen_pool_set_algo(ctrl->windows, gen_pool_first_fit_order_align, NULL);

	ctrl->host_pool = gen_pool_create(PAGE_SHIFT, NUMA_NO_NODE);
	if (!ctrl->host_pool)
		goto out_windows;

	ret = liov_windows_fill(ctrl);
	if (ret)
		goto out_host_pool;

	ret = -ENOSPC;
	ctrl->host_area = gen_pool_alloc(ctrl->windows, LIOV_GRANULE);
	if (!ctrl->host_area)
		goto out_host_pool;

	ret = gen_pool_add(ctrl->host_pool, ctrl->host_area, LIOV_GRANULE,
			   NUMA_NO_NODE);
	if (ret)
		goto out_host_area;
	return 0;

out_host_area:
	gen_pool_free(ctrl->windows, ctrl->host_area, LIOV_GRANULE);
out_host_pool:
	gen_pool_destroy(ctrl->host_pool);
out_windows:
	gen_pool_destroy(ctrl->windows);
	return ret;
}

int liov_windows_init(struct liov_ctrl *ctrl)
{
	struct device *dev = ctrl->dev;
	int ret;

	ctrl->group = iommu_group_get(dev);
	if (!ctrl->group || !device_iommu_capable(dev, IOMMU_CAP_CACHE_COHERENCY)) {
		dev_err(dev,
			"no cache-coherent IOMMU translates this controller: boot with intel_iommu=on or amd_iommu=on\n");
		ret = -ENODEV;
		goto out_group;
	}
	if (!liov_isolated_msi(dev, ctrl->group)) {
		dev_err(dev,
			"a VM could forge interrupts through this controller: enable interrupt remapping\n");
		ret = -ENODEV;
		goto out_group;
	}

	ret = iommu_group_claim_dma_owner(ctrl->group, ctrl);
	if (ret) {
		dev_err(dev,
			"another device of IOMMU group %d is in use: unbind its driver or put the controller into another slot\n",
			iommu_group_id(ctrl->group));
		goto out_group;
	}

	ctrl->domain = iommu_paging_domain_alloc(dev);
	if (IS_ERR(ctrl->domain)) {
		ret = PTR_ERR(ctrl->domain);
		goto out_owner;
	}

	ret = iommu_attach_group(ctrl->domain, ctrl->group);
	if (ret)
		goto out_domain;

	ret = liov_windows_create(ctrl);
	if (ret)
		goto out_detach;
	return 0;

out_detach:
	iommu_detach_group(ctrl->domain, ctrl->group);
out_domain:
	iommu_domain_free(ctrl->domain);
out_owner:
	iommu_group_release_dma_owner(ctrl->group);
out_group:
	iommu_group_put(ctrl->group);
	return ret;
}

void liov_windows_exit(struct liov_ctrl *ctrl)
{
	gen_pool_free(ctrl->windows, ctrl->host_area, LIOV_GRANULE);
	gen_pool_destroy(ctrl->host_pool);
	gen_pool_destroy(ctrl->windows);
	iommu_detach_group(ctrl->domain, ctrl->group);
	iommu_domain_free(ctrl->domain);
	iommu_group_release_dma_owner(ctrl->group);
	iommu_group_put(ctrl->group);
}

/* @size is a power of two and at least a granule.  Returns 0 if none is free. */
unsigned long liov_window_alloc(struct liov_ctrl *ctrl, u64 size)
{
	return gen_pool_alloc(ctrl->windows, size);
}

void liov_window_free(struct liov_ctrl *ctrl, unsigned long base, u64 size)
{
	gen_pool_free(ctrl->windows, base, size);
}

/*
 * The DMA API would map into the default domain, which is not the one that is
 * attached, so the host maps its own pages.  VMs' commands reach them there as
 * those of the host do: what the controller only reads, nobody may write.
 */
int liov_dma_alloc(struct liov_ctrl *ctrl, struct liov_dma *dma, size_t size,
		   enum dma_data_direction direction)
{
	int prot = IOMMU_READ | IOMMU_CACHE;
	int ret = -ENOMEM;

	if (direction != DMA_TO_DEVICE)
		prot |= IOMMU_WRITE;

	dma->size = PAGE_ALIGN(size);
	dma->cpu = alloc_pages_exact(dma->size, GFP_KERNEL | __GFP_ZERO);
	if (!dma->cpu)
		return ret;

	dma->iova = gen_pool_alloc(ctrl->host_pool, dma->size);
	if (!dma->iova)
		goto out_pages;

	ret = liov_iommu_map(ctrl->domain, dma->iova, virt_to_phys(dma->cpu),
			     dma->size, prot);
	if (ret)
		goto out_iova;
	return 0;

out_iova:
	gen_pool_free(ctrl->host_pool, dma->iova, dma->size);
out_pages:
	free_pages_exact(dma->cpu, dma->size);
	return ret;
}

void liov_dma_free(struct liov_ctrl *ctrl, struct liov_dma *dma)
{
	iommu_unmap(ctrl->domain, dma->iova, dma->size);
	gen_pool_free(ctrl->host_pool, dma->iova, dma->size);
	free_pages_exact(dma->cpu, dma->size);
}
