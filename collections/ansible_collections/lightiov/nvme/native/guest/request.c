// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block requests to NVMe commands and back.
 */
#include <linux/bitfield.h>
#include <linux/blkdev.h>
#include <linux/dma-mapping.h>

#include "compat.h"
#include "guest.h"

/* Instead of an NVMe status: the queue went before the command completed. */
#define LIOV_CANCELLED		0x8000

/* NVMe status: code and type, without the bits for the host. */
#define LIOV_STATUS_CODE	0x07ff
#define LIOV_STATUS_CRD		0x1800	/* which delay before a retry */
#define LIOV_STATUS_DNR		0x4000	/* do not retry */

/**
 * struct liov_iod - the driver's part of a request
 * @sgt: scatterlist, if @sgt.sgl
 * @dma: address of the data, if @dma_len
 * @dma_len: bytes of data mapped as one piece
 * @prp_list: PRP list, or NULL
 * @prp_dma: its address
 * @status: NVMe status without the phase tag, or LIOV_CANCELLED
 * @retries: how often it was tried again
 * @generation: tells this use of the tag from the one before
 */
struct liov_iod {
	struct sg_table sgt;
	dma_addr_t dma;
	unsigned int dma_len;
	__le64 *prp_list;
	dma_addr_t prp_dma;
	u16 status;
	u8 retries;
	u8 generation;
};

/* --- data ----------------------------------------------------------------- */

static void liov_unmap_data(struct liov_dev *ldev, struct request *req)
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

static void liov_free_payload(struct request *req)
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

static blk_status_t liov_map_data(struct liov_dev *ldev, struct request *req,
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

/* --- commands ------------------------------------------------------------- */

static u64 liov_lba(struct liov_ns *ns, sector_t sector)
{
	return ns->start_lba + (sector >> (ns->lba_shift - SECTOR_SHIFT));
}

static void liov_setup_rw(struct liov_ns *ns, struct request *req, u8 opcode,
			  struct nvme_command *cmd)
{
	cmd->rw.opcode = opcode;
	cmd->rw.slba = cpu_to_le64(liov_lba(ns, blk_rq_pos(req)));
	cmd->rw.length =
		cpu_to_le16((blk_rq_bytes(req) >> ns->lba_shift) - 1);
	if (req->cmd_flags & REQ_FUA)
		cmd->rw.control = cpu_to_le16(NVME_RW_FUA);
}

static blk_status_t liov_setup_discard(struct liov_ns *ns, struct request *req,
				       struct nvme_command *cmd)
{
	unsigned int nr = blk_rq_nr_discard_segments(req);
	struct nvme_dsm_range *ranges;
	struct bio *bio;
	unsigned int n = 0;

	/* Whole, since some controllers read all of it whatever nr says. */
	ranges = kcalloc(LIOV_DSM_RANGES, sizeof(*ranges),
			 GFP_ATOMIC | __GFP_NOWARN);
	if (!ranges)
		return BLK_STS_RESOURCE;

	__rq_for_each_bio(bio, req) {
		if (n == LIOV_DSM_RANGES)
			break;
		ranges[n].slba =
			cpu_to_le64(liov_lba(ns, bio->bi_iter.bi_sector));
		ranges[n].nlb =
			cpu_to_le32(bio->bi_iter.bi_size >> ns->lba_shift);
		n++;
	}
	if (WARN_ON_ONCE(n != nr)) {
		kfree(ranges);
		return BLK_STS_IOERR;
	}

	cmd->dsm.opcode = nvme_cmd_dsm;
	cmd->dsm.nr = cpu_to_le32(nr - 1);
	cmd->dsm.attributes = cpu_to_le32(NVME_DSMGMT_AD);

	req->special_vec.bv_page = virt_to_page(ranges);
	req->special_vec.bv_offset = offset_in_page(ranges);
	req->special_vec.bv_len = LIOV_DSM_RANGES * sizeof(*ranges);
	req->rq_flags |= RQF_SPECIAL_PAYLOAD;
	return BLK_STS_OK;
}

static blk_status_t liov_setup_command(struct liov_ns *ns, struct request *req,
				       struct nvme_command *cmd)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->common.nsid = cpu_to_le32(ns->nsid);

	switch (req_op(req)) {
	case REQ_OP_READ:
		liov_setup_rw(ns, req, nvme_cmd_read, cmd);
		return BLK_STS_OK;
	case REQ_OP_WRITE:
		liov_setup_rw(ns, req, nvme_cmd_write, cmd);
		return BLK_STS_OK;
	case REQ_OP_WRITE_ZEROES:
		/* Laid out as read and write are. */
		liov_setup_rw(ns, req, nvme_cmd_write_zeroes, cmd);
		return BLK_STS_OK;
	case REQ_OP_FLUSH:
		cmd->common.opcode = nvme_cmd_flush;
		return BLK_STS_OK;
	case REQ_OP_DISCARD:
		return liov_setup_discard(ns, req, cmd);
	default:
		return BLK_STS_NOTSUPP;
	}
}

static blk_status_t liov_queue_rq(struct blk_mq_hw_ctx *hctx,
				  const struct blk_mq_queue_data *bd)
{
	struct liov_queue *q = hctx->driver_data;
	struct liov_dev *ldev = q->ldev;
	struct liov_ns *ns = hctx->queue->queuedata;
	struct request *req = bd->rq;
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	struct nvme_command cmd;
	blk_status_t status;

	if (unlikely(READ_ONCE(ldev->state) != LIOV_LIVE ||
		     READ_ONCE(ns->gone)))
		return BLK_STS_IOERR;

	/* Set once for all tries of a request. */
	if (!(req->rq_flags & RQF_DONTPREP)) {
		iod->retries = 0;
		req->rq_flags |= RQF_DONTPREP;
	}

	status = liov_setup_command(ns, req, &cmd);
	if (status)
		return status;

	if (blk_rq_nr_phys_segments(req)) {
		status = liov_map_data(ldev, req, &cmd);
		if (status) {
			liov_free_payload(req);
			return status;
		}
	}

	iod->generation++;
	cmd.common.command_id = req->tag |
				(u16)(iod->generation << LIOV_CID_TAG_BITS);

	blk_mq_start_request(req);
	liov_queue_submit(q, &cmd, bd->last);
	return BLK_STS_OK;
}

static void liov_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	liov_queue_commit(hctx->driver_data);
}

/* --- completion ----------------------------------------------------------- */

/* As Linux's nvme driver tells the block layer. */
static blk_status_t liov_blk_status(u16 status)
{
	if (status == LIOV_CANCELLED)
		return BLK_STS_TIMEOUT;

	switch (status & LIOV_STATUS_CODE) {
	case NVME_SC_SUCCESS:
		return BLK_STS_OK;
	case NVME_SC_CAP_EXCEEDED:
		return BLK_STS_NOSPC;
	case NVME_SC_LBA_RANGE:
	case NVME_SC_CMD_INTERRUPTED:
	case NVME_SC_NS_NOT_READY:
		return BLK_STS_TARGET;
	case NVME_SC_BAD_ATTRIBUTES:
	case NVME_SC_INVALID_OPCODE:
	case NVME_SC_INVALID_FIELD:
	case NVME_SC_INVALID_NS:
		return BLK_STS_NOTSUPP;
	case NVME_SC_WRITE_FAULT:
	case NVME_SC_READ_ERROR:
	case NVME_SC_UNWRITTEN_BLOCK:
	case NVME_SC_ACCESS_DENIED:
	case NVME_SC_READ_ONLY:
	case NVME_SC_NS_WRITE_PROTECTED:
		return BLK_STS_MEDIUM;
	case NVME_SC_RESERVATION_CONFLICT:
		return LIOV_STS_RESV_CONFLICT;
	default:
		return BLK_STS_IOERR;
	}
}

static bool liov_may_retry(struct request *req)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);

	if (iod->retries >= LIOV_MAX_RETRIES || blk_noretry_request(req))
		return false;
	return iod->status == LIOV_CANCELLED ||
	       !(iod->status & LIOV_STATUS_DNR);
}

static void liov_retry(struct request *req)
{
	struct liov_queue *q = req->mq_hctx->driver_data;
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	struct request_queue *queue = req->q;
	u32 delay_ms;

	delay_ms = q->ldev->retry_delay_ms[FIELD_GET(LIOV_STATUS_CRD,
						     iod->status)];
	if (READ_ONCE(q->ldev->removing))
		delay_ms = 0;

	iod->retries++;
	blk_mq_requeue_request(req, false);
	blk_mq_delay_kick_requeue_list(queue, delay_ms);
}

/* Give back what the command used; the controller is done with it. */
static void liov_request_release(struct request *req)
{
	struct liov_queue *q = req->mq_hctx->driver_data;

	liov_unmap_data(q->ldev, req);
	liov_free_payload(req);
}

static void liov_complete_rq(struct request *req)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);

	liov_request_release(req);
	if (unlikely(iod->status) && liov_may_retry(req)) {
		liov_retry(req);
		return;
	}
	blk_mq_end_request(req, liov_blk_status(iod->status));
}

static void liov_complete_batch(struct io_comp_batch *iob)
{
	struct request *req;

	rq_list_for_each(&iob->req_list, req)
		liov_request_release(req);
	blk_mq_end_request_batch(iob);
}

/**
 * liov_request_done() - take one completion entry of the controller
 * @q: queue pair it came on
 * @command_id: from the entry; may be anything
 * @status: NVMe status without the phase tag
 * @iob: batch for requests that succeeded, or NULL
 */
void liov_request_done(struct liov_queue *q, u16 command_id, u16 status,
		       struct io_comp_batch *iob)
{
	struct liov_dev *ldev = q->ldev;
	struct liov_iod *iod;
	struct request *req;

	req = blk_mq_tag_to_rq(ldev->tag_set.tags[q->index],
			       command_id & LIOV_CID_TAG_MASK);
	iod = req ? blk_mq_rq_to_pdu(req) : NULL;
	if (unlikely(!req || blk_mq_rq_state(req) != MQ_RQ_IN_FLIGHT ||
		     (u16)(iod->generation << LIOV_CID_TAG_BITS) !=
		     (command_id & ~LIOV_CID_TAG_MASK))) {
		dev_warn_ratelimited(&ldev->pdev->dev,
				     "hardware queue %u completes command %#x, which is not in flight: ignored\n",
				     q->hw_qid, command_id);
		return;
	}

	if (unlikely(blk_should_fake_timeout(req->q)))
		return;

	iod->status = status;
	if (!blk_mq_complete_request_remote(req) &&
	    !blk_mq_add_to_batch(req, iob, status != NVME_SC_SUCCESS,
				 liov_complete_batch))
		liov_complete_rq(req);
}

static bool liov_note_busy(struct request *req, void *data)
{
	bool *busy = data;

	*busy |= blk_mq_rq_state(req) == MQ_RQ_IN_FLIGHT;
	return !*busy;
}

/* Is any command with the controller? */
bool liov_requests_busy(struct liov_dev *ldev)
{
	bool busy = false;

	blk_mq_tagset_busy_iter(&ldev->tag_set, liov_note_busy, &busy);
	return busy;
}

static bool liov_cancel_request(struct request *req, void *data)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);

	if (blk_mq_rq_state(req) == MQ_RQ_IN_FLIGHT) {
		iod->status = LIOV_CANCELLED;
		blk_mq_complete_request(req);
	}
	return true;
}

/**
 * liov_requests_cancel() - take back all commands that did not complete
 * @ldev: device whose queues are gone from the controller, and whose block
 *	queues are quiesced
 *
 * They are tried again once the block queues run, or fail.
 */
void liov_requests_cancel(struct liov_dev *ldev)
{
	blk_mq_tagset_busy_iter(&ldev->tag_set, liov_cancel_request, NULL);
	blk_mq_tagset_wait_completed_request(&ldev->tag_set);
}

static enum blk_eh_timer_return liov_timeout(struct request *req)
{
	struct liov_queue *q = req->mq_hctx->driver_data;
	struct liov_dev *ldev = q->ldev;

	/* Whoever holds the lock may be taking all requests back already. */
	if (!mutex_trylock(&ldev->lock))
		return BLK_EH_RESET_TIMER;
	if (ldev->state == LIOV_LIVE)
		liov_queue_poll(q);
	mutex_unlock(&ldev->lock);

	if (blk_mq_rq_state(req) != MQ_RQ_IN_FLIGHT) {
		dev_warn_ratelimited(&ldev->pdev->dev,
				     "hardware queue %u: an interrupt was lost, its completion was found by polling\n",
				     q->hw_qid);
		return BLK_EH_DONE;
	}

	/*
	 * The command may still reach its memory: the request is completed
	 * only when the work has deleted the queue.
	 */
	dev_warn_ratelimited(&ldev->pdev->dev,
			     "hardware queue %u: a command got no answer in %u ms\n",
			     q->hw_qid, ldev->timeout_ms);
	atomic_set(&ldev->timed_out, 1);
	mod_delayed_work(liov_wq, &ldev->recover_work, 0);
	return BLK_EH_RESET_TIMER;
}

/* --- tag set -------------------------------------------------------------- */

static int liov_init_hctx(struct blk_mq_hw_ctx *hctx, void *data,
			  unsigned int index)
{
	struct liov_dev *ldev = data;

	hctx->driver_data = &ldev->queues[index];
	return 0;
}

static void liov_map_queues(struct blk_mq_tag_set *set)
{
	struct liov_dev *ldev = set->driver_data;

	liov_map_hw_queues(&set->map[HCTX_TYPE_DEFAULT], ldev->pdev,
			   LIOV_VECTOR_QUEUE(0));
}

static const struct blk_mq_ops liov_mq_ops = {
	.queue_rq	= liov_queue_rq,
	.commit_rqs	= liov_commit_rqs,
	.complete	= liov_complete_rq,
	.timeout	= liov_timeout,
	.init_hctx	= liov_init_hctx,
	.map_queues	= liov_map_queues,
};

/**
 * liov_tag_set_init() - make the tags that all disks of a device share
 * @ldev: device
 *
 * When the second queue comes to a tag set, or the last but one goes, blk-mq
 * freezes the one that stays, and waits for its I/O with the set's lock held.
 * The anchor is a disk without capacity that is never registered, whose queue
 * is the one that stays: disks never wait for another's I/O.
 *
 * Return: 0 or a negative error.
 */
int liov_tag_set_init(struct liov_dev *ldev)
{
	const size_t sgl_bytes = LIOV_MAX_SEGMENTS * sizeof(struct scatterlist);
	struct blk_mq_tag_set *set = &ldev->tag_set;
	int err;

	ldev->sg_pool = mempool_create_kmalloc_pool(1, sgl_bytes);
	if (!ldev->sg_pool)
		return -ENOMEM;

	memset(set, 0, sizeof(*set));
	set->ops = &liov_mq_ops;
	set->nr_hw_queues = ldev->nr_queues;
	set->nr_maps = 1;
	/* A ring with all entries taken would look empty. */
	set->queue_depth = ldev->entries - 1;
	set->numa_node = dev_to_node(&ldev->pdev->dev);
	set->timeout = msecs_to_jiffies(ldev->timeout_ms);
	set->cmd_size = sizeof(struct liov_iod);
	set->flags = LIOV_TAG_SET_FLAGS;
	set->driver_data = ldev;

	err = blk_mq_alloc_tag_set(set);
	if (err)
		goto destroy_pool;

	ldev->anchor = liov_alloc_anchor(set);
	if (!IS_ERR(ldev->anchor))
		return 0;

	err = PTR_ERR(ldev->anchor);
	blk_mq_free_tag_set(set);
destroy_pool:
	mempool_destroy(ldev->sg_pool);
	return err;
}

void liov_tag_set_exit(struct liov_dev *ldev)
{
	put_disk(ldev->anchor);
	blk_mq_free_tag_set(&ldev->tag_set);
	mempool_destroy(ldev->sg_pool);
}
