// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request's data: from memory to PRP entries of a command, and back.
 *
 * What is mapped is not kept anywhere but in the PRP entries: to unmap it, the
 * request's memory is gone through once more.
 */
#include <linux/dma-mapping.h>

#include "compat.h"
#include "request.h"

/* --- PRP entries ---------------------------------------------------------- */

static void liov_set_prp(struct liov_iod *iod, unsigned int n, dma_addr_t dma)
{
	__le64 prp = cpu_to_le64(dma);

	if (!n)
		iod->cmd.common.dptr.prp1 = prp;
	else if (iod->prp_list)
		iod->prp_list[n - 1] = prp;
	else
		iod->cmd.common.dptr.prp2 = prp;
}

static dma_addr_t liov_prp(const struct liov_iod *iod, unsigned int n)
{
	if (!n)
		return le64_to_cpu(iod->cmd.common.dptr.prp1);
	if (iod->prp_list)
		return le64_to_cpu(iod->prp_list[n - 1]);
	return le64_to_cpu(iod->cmd.common.dptr.prp2);
}

/* A list of so many entries, of the smaller kind if they fit. */
static bool liov_prp_list_alloc(struct liov_queue *q, struct liov_iod *iod,
				unsigned int nr)
{
	dma_addr_t dma;

	iod->prp_pool = nr <= LIOV_SMALL_PRPS ? q->small_prps : q->large_prps;
	iod->prp_list = dma_pool_alloc(iod->prp_pool, GFP_ATOMIC, &dma);
	if (!iod->prp_list)
		return false;
	iod->cmd.common.dptr.prp2 = cpu_to_le64(dma);
	return true;
}

static void liov_prp_list_free(struct liov_iod *iod)
{
	if (!iod->prp_list)
		return;
	dma_pool_free(iod->prp_pool, iod->prp_list,
		      le64_to_cpu(iod->cmd.common.dptr.prp2));
	iod->prp_list = NULL;
}

/* --- pieces: memory that is contiguous, as far as the request goes -------- */

static void liov_pieces_begin(struct request *req, struct req_iterator *pos)
{
	pos->bio = req->bio;
	if (pos->bio)
		pos->iter = pos->bio->bi_iter;
}

static phys_addr_t liov_phys(const struct bio_vec *bv)
{
	return page_to_phys(bv->bv_page) + bv->bv_offset;
}

/*
 * Bios that meet within a page are merged for their being contiguous: they are
 * one piece, since only its ends may lie within a page.
 */
static bool liov_pieces_next(struct req_iterator *pos, struct bio_vec *piece)
{
	struct bio_vec bv;

	piece->bv_len = 0;
	while (pos->bio) {
		if (!pos->iter.bi_size) {
			pos->bio = pos->bio->bi_next;
			if (pos->bio)
				pos->iter = pos->bio->bi_iter;
			continue;
		}
		bv = mp_bvec_iter_bvec(pos->bio->bi_io_vec, pos->iter);
		if (!piece->bv_len)
			*piece = bv;
		else if (liov_phys(piece) + piece->bv_len == liov_phys(&bv))
			piece->bv_len += bv.bv_len;
		else
			break;
		bio_advance_iter_single(pos->bio, &pos->iter, bv.bv_len);
	}
	return piece->bv_len;
}

static unsigned int liov_pages(unsigned int offset, unsigned int bytes)
{
	return DIV_ROUND_UP((offset & LIOV_PRP_MASK) + bytes, LIOV_PRP_SIZE);
}

/* --- requests ------------------------------------------------------------- */

static void liov_unmap_pieces(struct device *dev, struct request *req)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	struct req_iterator pos;
	struct bio_vec piece;
	unsigned int n = 0;

	liov_pieces_begin(req, &pos);
	while (n < iod->nr_prps && liov_pieces_next(&pos, &piece)) {
		dma_unmap_page(dev, liov_prp(iod, n), piece.bv_len,
			       rq_dma_dir(req));
		n += liov_pages(piece.bv_offset, piece.bv_len);
	}
	iod->nr_prps = 0;
}

void liov_unmap_data(struct liov_queue *q, struct request *req)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	struct device *dev = &q->ldev->pdev->dev;

	if (iod->dma_len) {
		dma_unmap_page(dev, liov_prp(iod, 0), iod->dma_len,
			       rq_dma_dir(req));
		iod->dma_len = 0;
	}
	if (iod->nr_prps)
		liov_unmap_pieces(dev, req);
	liov_prp_list_free(iod);
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

/* One piece that touches two pages at most needs no list. */
static blk_status_t liov_map_piece(struct liov_queue *q, struct request *req,
				   struct bio_vec *bv)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	unsigned int in_first = LIOV_PRP_SIZE - (bv->bv_offset & LIOV_PRP_MASK);
	struct device *dev = &q->ldev->pdev->dev;
	dma_addr_t dma;

	dma = dma_map_bvec(dev, bv, rq_dma_dir(req), 0);
	if (dma_mapping_error(dev, dma))
		return liov_map_error(dev, req);

	iod->dma_len = bv->bv_len;
	liov_set_prp(iod, 0, dma);
	if (bv->bv_len > in_first)
		liov_set_prp(iod, 1, dma + in_first);
	return BLK_STS_OK;
}

/*
 * Pieces meet at page boundaries (virt_boundary_mask), so each page takes one of
 * the @nr entries, and the first one may have an offset.
 */
static blk_status_t liov_map_pieces(struct liov_queue *q, struct request *req,
				    unsigned int nr)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	struct device *dev = &q->ldev->pdev->dev;
	struct req_iterator pos;
	struct bio_vec piece;
	unsigned int pages;
	dma_addr_t dma;

	liov_pieces_begin(req, &pos);
	while (liov_pieces_next(&pos, &piece)) {
		pages = liov_pages(piece.bv_offset, piece.bv_len);
		if (WARN_ON_ONCE(iod->nr_prps + pages > nr))
			return BLK_STS_IOERR;

		dma = dma_map_page_attrs(dev, piece.bv_page, piece.bv_offset,
					 piece.bv_len, rq_dma_dir(req),
					 DMA_ATTR_NO_WARN);
		if (dma_mapping_error(dev, dma))
			return liov_map_error(dev, req);
		while (pages--) {
			liov_set_prp(iod, iod->nr_prps++, dma);
			dma = (dma & ~(dma_addr_t)LIOV_PRP_MASK) +
			      LIOV_PRP_SIZE;
		}
	}
	return BLK_STS_OK;
}

blk_status_t liov_map_data(struct liov_queue *q, struct request *req)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	struct bio_vec bv = req_bvec(req);
	blk_status_t status;
	unsigned int nr;

	if (blk_rq_nr_phys_segments(req) == 1 &&
	    (bv.bv_offset & LIOV_PRP_MASK) + bv.bv_len <= 2 * LIOV_PRP_SIZE)
		return liov_map_piece(q, req, &bv);

	nr = liov_pages(bv.bv_offset, blk_rq_payload_bytes(req));
	if (WARN_ON_ONCE(nr > 1 + LIOV_LARGE_PRPS))
		return BLK_STS_IOERR;
	/* Beside the two that a command has room for, all but one in a list. */
	if (nr > 2 && !liov_prp_list_alloc(q, iod, nr - 1))
		return BLK_STS_RESOURCE;

	status = liov_map_pieces(q, req, nr);
	if (status)
		liov_unmap_data(q, req);
	return status;
}
