// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host memory buffer: what a controller without DRAM borrows, mostly for a
 * cache of its map from LBAs to flash.
 *
 * It lies in the host's area, which no window overlaps.  But a VM's command can
 * name any address there is in the controller's domain, so it may read and write
 * the buffer as the controller does.  Hence the parameter, and hence the buffer
 * is blank whenever the controller gets it: nothing in it outlives a reset, which
 * there is between tenants.
 */
#include <linux/moduleparam.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "controller.h"

/* The rest of the host's area is for the admin queue and its data. */
#define LIOV_HMB_MAX	(LIOV_GRANULE / 2)

/* The name and the default are those of Linux's own driver. */
static unsigned int max_host_mem_size_mb = 128;
module_param(max_host_mem_size_mb, uint, 0444);
MODULE_PARM_DESC(max_host_mem_size_mb,
		 "most MiB of host memory for each controller that asks for it, up to 512 (0: none)");

static int liov_hmb_map(struct liov_ctrl *ctrl)
{
	struct liov_hmb *hmb = &ctrl->hmb;
	unsigned int count = hmb->size >> PAGE_SHIFT, i;
	struct sg_table table;
	struct page **pages;
	ssize_t mapped;
	int ret;

	pages = kvmalloc_array(count, sizeof(*pages), GFP_KERNEL);
	if (!pages)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		pages[i] = vmalloc_to_page(hmb->cpu + i * PAGE_SIZE);

	ret = sg_alloc_table_from_pages(&table, pages, count, 0, hmb->size,
					GFP_KERNEL);
	if (ret)
		goto out_pages;
	mapped = liov_iommu_map_sg(ctrl->domain, hmb->iova, &table,
				   IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE);
	if (mapped < 0)
		ret = mapped;
	sg_free_table(&table);
out_pages:
	kvfree(pages);
	return ret;
}

/* The IOMMU makes one piece of it, so that one entry is list enough. */
static int liov_hmb_describe(struct liov_ctrl *ctrl)
{
	struct liov_hmb *hmb = &ctrl->hmb;
	struct nvme_host_mem_buf_desc *entry;
	int ret;

	ret = liov_dma_alloc(ctrl, &hmb->list, sizeof(*entry), DMA_TO_DEVICE);
	if (ret)
		return ret;
	entry = hmb->list.cpu;
	entry->addr = cpu_to_le64(hmb->iova);
	entry->size = cpu_to_le32(hmb->size >> PAGE_SHIFT);
	return 0;
}

static int liov_hmb_alloc(struct liov_ctrl *ctrl, size_t size)
{
	struct liov_hmb *hmb = &ctrl->hmb;
	int ret = -ENOMEM;

	hmb->size = size;
	hmb->cpu = __vmalloc(size, GFP_KERNEL | __GFP_NOWARN);
	if (!hmb->cpu)
		return ret;
	hmb->iova = gen_pool_alloc(ctrl->host_pool, size);
	if (!hmb->iova)
		goto out_pages;
	ret = liov_hmb_map(ctrl);
	if (ret)
		goto out_iova;
	ret = liov_hmb_describe(ctrl);
	if (ret)
		goto out_unmap;
	return 0;

out_unmap:
	iommu_unmap(ctrl->domain, hmb->iova, size);
out_iova:
	gen_pool_free(ctrl->host_pool, hmb->iova, size);
out_pages:
	vfree(hmb->cpu);
	hmb->cpu = NULL;
	return ret;
}

/*
 * Has a buffer for a controller that asks for one.  It has to work without, too,
 * so there may be none in the end.
 */
void liov_hmb_create(struct liov_ctrl *ctrl)
{
	struct liov_hmb *hmb = &ctrl->hmb;
	u64 limit = min_t(u64, (u64)max_host_mem_size_mb << 20, LIOV_HMB_MAX);
	u64 size = min(hmb->preferred, limit);
	u64 least = max_t(u64, hmb->minimum, PAGE_SIZE);

	if (!hmb->preferred)
		return;
	if (size < least) {
		dev_warn(ctrl->dev,
			 "controller wants at least %llu KiB of host memory, and may have %llu: it will be slower than it could be; raise max_host_mem_size_mb of lightiov_host\n",
			 least >> 10, limit >> 10);
		return;
	}
	for (; size >= least; size = PAGE_ALIGN_DOWN(size / 2))
		if (!liov_hmb_alloc(ctrl, size))
			return;
	dev_warn(ctrl->dev,
		 "no memory for the %llu KiB that the controller wants to borrow: it will be slower than it could be; free some and bind it again\n",
		 hmb->preferred >> 10);
}

/* The controller no longer runs. */
void liov_hmb_destroy(struct liov_ctrl *ctrl)
{
	struct liov_hmb *hmb = &ctrl->hmb;

	if (!hmb->cpu)
		return;
	liov_dma_free(ctrl, &hmb->list);
	iommu_unmap(ctrl->domain, hmb->iova, hmb->size);
	gen_pool_free(ctrl->host_pool, hmb->iova, hmb->size);
	vfree(hmb->cpu);
	hmb->cpu = NULL;
}

static void liov_hmb_command(struct liov_ctrl *ctrl, struct liov_request *rq,
			     u32 flags)
{
	struct liov_hmb *hmb = &ctrl->hmb;

	rq->cmd.features.opcode = nvme_admin_set_features;
	rq->cmd.features.fid = cpu_to_le32(NVME_FEAT_HOST_MEM_BUF);
	rq->cmd.features.dword11 = cpu_to_le32(flags);
	if (!(flags & NVME_HOST_MEM_ENABLE))
		return;
	rq->cmd.features.dword12 = cpu_to_le32(hmb->size >> PAGE_SHIFT);
	rq->cmd.features.dword13 = cpu_to_le32(lower_32_bits(hmb->list.iova));
	rq->cmd.features.dword14 = cpu_to_le32(upper_32_bits(hmb->list.iova));
	rq->cmd.features.dword15 = cpu_to_le32(1);
}

/*
 * To a controller that is starting, which has forgotten what it had.  Not as
 * memory that it knows: whether it is as it was nobody can tell.
 *
 * Return: 0, or an error where the controller gave no answer.
 */
int liov_hmb_give(struct liov_ctrl *ctrl)
{
	struct liov_hmb *hmb = &ctrl->hmb;
	struct liov_request rq = {};
	int ret;

	if (!hmb->cpu)
		return 0;
	memset(hmb->cpu, 0, hmb->size);
	liov_hmb_command(ctrl, &rq, NVME_HOST_MEM_ENABLE);
	ret = liov_admin_exec(ctrl, &rq, LIOV_ADMIN_TIMEOUT);
	if (ret > 0)
		dev_warn(ctrl->dev,
			 "controller refuses the host memory that it asked for (status 0x%x), and works without\n",
			 ret);
	WRITE_ONCE(hmb->given, !ret);
	return min(ret, 0);
}

/*
 * From a live controller that is about to be stopped: so it can write back what
 * it has there.  If it does not answer, or is too busy, stopping it has to do.
 */
void liov_hmb_take_back(struct liov_ctrl *ctrl)
{
	struct liov_request rq = {};

	if (!ctrl->hmb.given || down_trylock(&ctrl->admin.free))
		return;
	liov_hmb_command(ctrl, &rq, 0);
	liov_request_submit(ctrl, &rq, LIOV_CTRL_LIVE);
	if (liov_request_wait(ctrl, &rq, ctrl->shutdown_timeout))
		dev_warn(ctrl->dev,
			 "controller does not let go of its host memory before it is stopped\n");
	WRITE_ONCE(ctrl->hmb.given, false);
}
