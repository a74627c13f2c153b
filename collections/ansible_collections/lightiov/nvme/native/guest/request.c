// SPDX-License-Identifier: GPL-2.0-only
/*
 * Block requests to NVMe commands, and into the submission rings.  No code of
 * the host runs between the doorbell and the completion.
 */
#include "compat.h"
#include "request.h"

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

static void liov_set_range(struct liov_ns *ns, struct nvme_dsm_range *range,
			   sector_t sector, unsigned int bytes)
{
	range->slba = cpu_to_le64(liov_lba(ns, sector));
	range->nlb = cpu_to_le32(bytes >> ns->lba_shift);
}

/*
 * One range for each bio; but where a command has one only, the block layer
 * merges bios that meet, and counts them as one.
 */
static unsigned int liov_set_ranges(struct liov_ns *ns, struct request *req,
				    struct nvme_dsm_range *ranges)
{
	unsigned int n = 0;
	struct bio *bio;

	if (queue_max_discard_segments(req->q) == 1) {
		liov_set_range(ns, ranges, blk_rq_pos(req), blk_rq_bytes(req));
		return 1;
	}

	__rq_for_each_bio(bio, req) {
		if (n == LIOV_DSM_RANGES)
			break;
		liov_set_range(ns, &ranges[n++], bio->bi_iter.bi_sector,
			       bio->bi_iter.bi_size);
	}
	return n;
}

static blk_status_t liov_setup_discard(struct liov_ns *ns, struct request *req,
				       struct nvme_command *cmd)
{
	unsigned int nr = blk_rq_nr_discard_segments(req);
	struct nvme_dsm_range *ranges;

	/* Whole, since some controllers read all of it whatever nr says. */
	ranges = kcalloc(LIOV_DSM_RANGES, sizeof(*ranges),
			 GFP_ATOMIC | __GFP_NOWARN);
	if (!ranges)
		return BLK_STS_RESOURCE;

	if (WARN_ON_ONCE(liov_set_ranges(ns, req, ranges) != nr)) {
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

/* Tell the controller of all commands in the ring.  Caller holds sq_lock. */
static void liov_ring_sq(struct liov_queue *q)
{
	/* writel() orders the ring's memory before the doorbell. */
	writel(q->sq_tail, q->sq_doorbell);
	q->sq_rung = q->sq_tail;
	q->sq_doorbells++;
}

/*
 * A command's ID is a tag, of which there are fewer than ring entries, so there
 * always is a free one.  Caller holds sq_lock.
 */
static void liov_put_command(struct liov_queue *q, struct request *req)
{
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);

	memcpy(&q->sq[q->sq_tail], &iod->cmd, sizeof(iod->cmd));
	if (++q->sq_tail == q->ldev->entries)
		q->sq_tail = 0;
}

/* All that comes before the ring: from here on the request may time out. */
static blk_status_t liov_prepare(struct liov_queue *q, struct request *req)
{
	struct liov_dev *ldev = q->ldev;
	struct liov_ns *ns = req->q->queuedata;
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);
	blk_status_t status;

	if (unlikely(READ_ONCE(ldev->state) != LIOV_LIVE ||
		     READ_ONCE(ns->gone)))
		return BLK_STS_IOERR;
	/*
	 * Of a read-only block device the block layer only warns, and to the
	 * controller a shared extent is as good as any: who has it open for
	 * writing from before would write into what others read.
	 */
	if (unlikely(READ_ONCE(ns->read_only) && op_is_write(req_op(req))))
		return BLK_STS_MEDIUM;

	/* Set once for all tries of a request. */
	if (!(req->rq_flags & RQF_DONTPREP)) {
		iod->retries = 0;
		req->rq_flags |= RQF_DONTPREP;
	}

	status = liov_setup_command(ns, req, &iod->cmd);
	if (status)
		return status;

	if (blk_rq_nr_phys_segments(req)) {
		status = liov_map_data(q, req);
		if (status) {
			liov_free_payload(req);
			return status;
		}
	}

	iod->generation++;
	iod->cmd.common.command_id =
		req->tag | (u16)(iod->generation << LIOV_CID_TAG_BITS);

	blk_mq_start_request(req);
	return BLK_STS_OK;
}

blk_status_t liov_queue_rq(struct blk_mq_hw_ctx *hctx,
			   const struct blk_mq_queue_data *bd)
{
	struct liov_queue *q = hctx->driver_data;
	blk_status_t status;

	status = liov_prepare(q, bd->rq);
	if (status)
		return status;

	spin_lock(&q->sq_lock);
	liov_put_command(q, bd->rq);
	/* Else with a later one, or by liov_commit_rqs(). */
	if (bd->last)
		liov_ring_sq(q);
	spin_unlock(&q->sq_lock);
	return BLK_STS_OK;
}

void liov_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct liov_queue *q = hctx->driver_data;

	spin_lock(&q->sq_lock);
	if (q->sq_rung != q->sq_tail)
		liov_ring_sq(q);
	spin_unlock(&q->sq_lock);
}

/* Prepared requests of one queue pair, which are no list any more. */
static void liov_submit(struct liov_queue *q, struct rq_list *reqs)
{
	struct request *req = liov_rqs_pop(reqs);

	if (!req)
		return;
	spin_lock(&q->sq_lock);
	for (; req; req = liov_rqs_pop(reqs))
		liov_put_command(q, req);
	liov_ring_sq(q);
	spin_unlock(&q->sq_lock);
}

/**
 * liov_queue_rqs() - submit many requests, with one doorbell for all
 * @reqs: requests; what is left in it afterwards, liov_queue_rq() gets one by one,
 *	and says what is wrong
 */
void liov_queue_rqs(struct rq_list *reqs)
{
	struct rq_list ready = {}, left = {};
	struct liov_queue *q = NULL;
	struct request *req;

	while ((req = liov_rqs_pop(reqs))) {
		if (q != req->mq_hctx->driver_data)
			liov_submit(q, &ready);
		q = req->mq_hctx->driver_data;
		liov_rqs_add(liov_prepare(q, req) ? &left : &ready, req);
	}
	liov_submit(q, &ready);
	*reqs = left;
}
