// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completion entries to requests that end, or are tried again.
 */
#include <linux/bitfield.h>
#include <linux/interrupt.h>

#include "compat.h"
#include "request.h"

/* NVMe status: code and type, without the bits for the host. */
#define LIOV_STATUS_CODE	0x07ff
#define LIOV_STATUS_CRD		0x1800	/* which delay before a retry */
#define LIOV_STATUS_DNR		0x4000	/* do not retry */

/* Instead of an NVMe status: the queue went before the command completed. */
#define LIOV_CANCELLED		0x8000

/* --- requests ------------------------------------------------------------- */

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
	if (READ_ONCE(q->ldev->unsettled))
		delay_ms = 0;

	iod->retries++;
	atomic_inc(&q->ldev->stats.retries);
	blk_mq_requeue_request(req, false);
	blk_mq_delay_kick_requeue_list(queue, delay_ms);
}

/* Give back what the command used; the controller is done with it. */
static void liov_request_release(struct request *req)
{
	struct liov_queue *q = req->mq_hctx->driver_data;

	liov_unmap_data(q, req);
	liov_free_payload(req);
}

void liov_complete_rq(struct request *req)
{
	struct liov_queue *q = req->mq_hctx->driver_data;
	struct liov_iod *iod = blk_mq_rq_to_pdu(req);

	liov_request_release(req);
	if (unlikely(iod->status) && liov_may_retry(req)) {
		liov_retry(req);
		return;
	}
	if (unlikely(iod->status))
		atomic_inc(&q->ldev->stats.errors);
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
static void liov_request_done(struct liov_queue *q, u16 command_id,
			      u16 status, struct io_comp_batch *iob)
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
	if (blk_mq_complete_request_remote(req))
		return;
	/*
	 * Only what succeeded is offered: some stable kernels take an error for
	 * none unless it is negative, and would end a failed request well.
	 */
	if (status != NVME_SC_SUCCESS ||
	    !blk_mq_add_to_batch(req, iob, false, liov_complete_batch))
		liov_complete_rq(req);
}

/* --- completion rings ----------------------------------------------------- */

static bool liov_cqe_pending(struct liov_queue *q)
{
	u16 status = le16_to_cpu(READ_ONCE(q->cq[q->cq_head].status));

	return (status & 1) == q->cq_phase;
}

/**
 * liov_queue_reap() - complete the requests of all new completion entries
 * @q: queue pair; the caller is its only reader of completions
 * @iob: batch for requests that succeeded, or NULL
 *
 * The controller is not told; liov_queue_consume() does that of a queue that still
 * exists.
 *
 * Return: number of entries consumed.
 */
unsigned int liov_queue_reap(struct liov_queue *q, struct io_comp_batch *iob)
{
	unsigned int found = 0;

	/* The ring bounds what a controller can have written. */
	while (found < q->ldev->entries && liov_cqe_pending(q)) {
		const struct nvme_completion *cqe = &q->cq[q->cq_head];

		/* Read the rest only after the phase tag. */
		dma_rmb();
		liov_request_done(q, READ_ONCE(cqe->command_id),
				  le16_to_cpu(READ_ONCE(cqe->status)) >> 1,
				  iob);
		if (++q->cq_head == q->ldev->entries) {
			q->cq_head = 0;
			q->cq_phase ^= 1;
		}
		found++;
	}
	return found;
}

static unsigned int liov_queue_consume(struct liov_queue *q,
				       struct io_comp_batch *iob)
{
	unsigned int found = liov_queue_reap(q, iob);

	if (found) {
		writel(q->cq_head, q->cq_doorbell);
		q->cq_doorbells++;
	}
	return found;
}

irqreturn_t liov_queue_irq(int irq, void *data)
{
	struct liov_queue *q = data;
	DEFINE_IO_COMP_BATCH(iob);

	/* Pairs with liov_queues_go_live(). */
	if (!smp_load_acquire(&q->live))
		return IRQ_HANDLED;
	liov_queue_consume(q, &iob);
	if (iob.complete)
		iob.complete(&iob);

	/*
	 * Handled even if there was nothing: a host short of vectors signals
	 * all queues that share one, which must not look like a stuck line.
	 */
	return IRQ_HANDLED;
}

/*
 * Of a queue pair that is polled, whatever its device's state: without @live there
 * may not even be a ring.  Caller holds cq_lock.
 */
static unsigned int liov_queue_consume_polled(struct liov_queue *q,
					      struct io_comp_batch *iob)
{
	lockdep_assert_held(&q->cq_lock);
	/* Pairs with liov_queues_go_live(). */
	return smp_load_acquire(&q->live) ? liov_queue_consume(q, iob) : 0;
}

static void liov_queue_poll(struct liov_queue *q)
{
	spin_lock(&q->cq_lock);
	liov_queue_consume_polled(q, NULL);
	spin_unlock(&q->cq_lock);
}

int liov_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)
{
	struct liov_queue *q = hctx->driver_data;
	unsigned int found;

	/* One that is to be polled may have been merged with one that is not. */
	if (!liov_is_polled(q))
		return 0;
	/* Whoever holds it looks for all, and all come again. */
	if (!spin_trylock(&q->cq_lock))
		return 0;
	found = liov_queue_consume_polled(q, iob);
	spin_unlock(&q->cq_lock);
	return found;
}

/**
 * liov_queues_poll() - do what those who poll may not be able to
 * @ldev: device whose requests are being waited for
 *
 * They may be frozen, or have ended.
 */
void liov_queues_poll(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = liov_irq_queues(ldev); i < ldev->nr_queues; i++)
		liov_queue_poll(&ldev->queues[i]);
}

/* Look for completions that nobody has come for; the device is live. */
void liov_queue_look(struct liov_queue *q)
{
	if (liov_is_polled(q)) {
		liov_queue_poll(q);
		return;
	}
	/* Held back, not ignored: what interrupts meanwhile is seen after this. */
	disable_irq(q->irq);
	liov_queue_consume(q, NULL);
	enable_irq(q->irq);
}

/* --- all at once ---------------------------------------------------------- */

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
 *	queues are quiesced, or whose other requests fail
 *
 * They are tried again once the block queues run, or fail.
 */
void liov_requests_cancel(struct liov_dev *ldev)
{
	blk_mq_tagset_busy_iter(&ldev->tag_set, liov_cancel_request, NULL);
	blk_mq_tagset_wait_completed_request(&ldev->tag_set);
}
