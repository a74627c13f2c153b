// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request's data: from memory to PRP entries of a command, and back.
 */
#include <linux/dma-mapping.h>

#include "compat.h"
#include "request.h"

void liov_unmap_data(struct liov_dev *ldev, struct request *req)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	struct device *dev = &ldev->pdev->dev;

	if (iod->dma_len) {
		dma_unmap_page(dev, iod->dma, iod->dma_len, rq_dma_dir(req));
		iod->dma_len = 0;
	}
	if (iod->prp_list) {
		dma_pool_free(ldev->prp_pool, iod->prp_list, iod->prp_dma);
		iod->prp_list = NULL;
	}
	if (iod->sgt.sgl) {
		dma_unmap_sgtable(dev, &iod->sgt, rq_dma_dir(req), 0);
		mempool_free(iod->sgt.sgl, ldev->sg_pool);
		iod->sgt.sgl = NULL;
	}
}

void liov_free_payload(struct request *req)
{
	if (req->rq_flags & RQF_SPECIAL_PAYLOAD) {
		kfree(bvec_virt(&req->special_vec));
		req->rq_flags &= ~RQF_SPECIAL_PAYLOAD;
	}
}

/*
 * Memory outside of all regions (persistent memory, say) is not RAM that was
 * announced and never will be: waiting for it would hang.  Everything else is
 * a shortage that passes.
 */
static blk_status_t liov_map_error(struct device *dev, struct request *req)
{
	struct req_iterator iter;
	struct bio_vec bv;

	if (req->rq_flags & RQF_SPECIAL_PAYLOAD)
		return BLK_STS_RESOURCE;

	rq_for_each_bvec(bv, req, iter)
		if (translate_phys_to_dma(dev, page_to_phys(bv.bv_page)) ==
		    DMA_MAPPING_ERROR)
			return BLK_STS_TARGET;
	return BLK_STS_RESOURCE;
}

/* One piece that touches two pages at most needs no list of any kind. */
static blk_status_t liov_map_piece(struct liov_dev *ldev, struct request *req,
				   struct bio_vec *bv, struct nvme_command *cmd)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	unsigned int in_first = LIOV_PRP_SIZE - (bv->bv_offset & LIOV_PRP_MASK);
	struct device *dev = &ldev->pdev->dev;
	dma_addr_t dma;

	dma = dma_map_bvec(dev, bv, rq_dma_dir(req), 0);
	if (dma_mapping_error(dev, dma))
		return liov_map_error(dev, req);

	iod->dma = dma;
	iod->dma_len = bv->bv_len;
	cmd->common.dptr.prp1 = cpu_to_le64(dma);
	if (bv->bv_len > in_first)
		cmd->common.dptr.prp2 = cpu_to_le64(dma + in_first);
	return BLK_STS_OK;
}

/*
 * Fill in the PRP entries for the mapped scatterlist.  Its pieces meet at page
 * boundaries (virt_boundary_mask), so each page takes one entry, and the first
 * one may have an offset.
 */
static blk_status_t liov_build_prps(struct liov_dev *ldev, struct request *req,
				    struct nvme_command *cmd)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	dma_addr_t first = sg_dma_address(iod->sgt.sgl);
	unsigned int nr, n = 0, i;
	struct scatterlist *sg;

	nr = DIV_ROUND_UP((first & LIOV_PRP_MASK) + blk_rq_payload_bytes(req),
			  LIOV_PRP_SIZE);
	if (WARN_ON_ONCE(nr > 1 + LIOV_PRP_SIZE / sizeof(__le64)))
		return BLK_STS_IOERR;

	if (nr > 2) {
		iod->prp_list = dma_pool_alloc(ldev->prp_pool, GFP_ATOMIC,
					       &iod->prp_dma);
		if (!iod->prp_list)
			return BLK_STS_RESOURCE;
		cmd->common.dptr.prp2 = cpu_to_le64(iod->prp_dma);
	}

	for_each_sgtable_dma_sg(&iod->sgt, sg, i) {
		dma_addr_t dma = sg_dma_address(sg);
		dma_addr_t end = dma + sg_dma_len(sg);

		for (; dma < end && n < nr; n++) {
			if (!n)
				cmd->common.dptr.prp1 = cpu_to_le64(dma);
			else if (iod->prp_list)
				iod->prp_list[n - 1] = cpu_to_le64(dma);
			else
				cmd->common.dptr.prp2 = cpu_to_le64(dma);
			dma = (dma & ~(dma_addr_t)LIOV_PRP_MASK) +
			      LIOV_PRP_SIZE;
		}
	}
	return BLK_STS_OK;
}

blk_status_t liov_map_data(struct liov_dev *ldev, struct request *req,
			   struct nvme_command *cmd)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	unsigned int segments = blk_rq_nr_phys_segments(req);
	struct device *dev = &ldev->pdev->dev;
	struct scatterlist *sgl;
	blk_status_t status;

	if (segments == 1) {
		struct bio_vec bv = req_bvec(req);

		if ((bv.bv_offset & LIOV_PRP_MASK) + bv.bv_len <=
		    2 * LIOV_PRP_SIZE)
			return liov_map_piece(ldev, req, &bv, cmd);
	}

	sgl = mempool_alloc(ldev->sg_pool, GFP_ATOMIC);
	if (!sgl)
		return BLK_STS_RESOURCE;

	sg_init_table(sgl, segments);
	iod->sgt.sgl = sgl;
	iod->sgt.orig_nents = liov_rq_map_sg(req, sgl);
	if (dma_map_sgtable(dev, &iod->sgt, rq_dma_dir(req),
			    DMA_ATTR_NO_WARN)) {
		iod->sgt.sgl = NULL;
		mempool_free(sgl, ldev->sg_pool);
		return liov_map_error(dev, req);
	}

	status = liov_build_prps(ldev, req, cmd);
	if (status)
		liov_unmap_data(ldev, req);
	return status;
}
