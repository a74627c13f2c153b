// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware queue pairs: reserved, created on the controller over the owner's
 * rings, and deleted again.
 */
#include <linux/delay.h>

#include "hw_queue.h"
#include "range.h"
#include "trace.h"

/* Commands in flight at once, so that others get to the admin queue too. */
#define LIOV_AT_ONCE		16
#define LIOV_DELETION_RETRY_MS	100

/* Gives the queue pair its ID.  Caller holds ctrl->lock, and knows of one. */
void liov_hw_queue_reserve(struct liov_hw_queue *queue, struct liov_ctrl *ctrl)
{
	lockdep_assert_held(&ctrl->lock);

	queue->ctrl = ctrl;
	queue->qid = find_first_zero_bit(ctrl->qids, ctrl->nr_queue_pairs + 1);
	__set_bit(queue->qid, ctrl->qids);
	ctrl->nr_queue_pairs_free--;
}

/* Caller holds ctrl->lock.  The controller has no such queue. */
void liov_hw_queue_release(struct liov_hw_queue *queue)
{
	struct liov_ctrl *ctrl = queue->ctrl;

	lockdep_assert_held(&ctrl->lock);

	__clear_bit(queue->qid, ctrl->qids);
	ctrl->nr_queue_pairs_free++;
}

static void liov_hw_queue_fill_create_cq(const struct liov_hw_queue *queue,
					 struct nvme_command *cmd)
{
	u16 irq = queue->polled ? 0 : NVME_CQ_IRQ_ENABLED;

	cmd->create_cq.prp1 = cpu_to_le64(queue->cq);
	cmd->create_cq.cqid = cpu_to_le16(queue->qid);
	cmd->create_cq.qsize = cpu_to_le16(queue->entries - 1);
	cmd->create_cq.cq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG | irq);
	cmd->create_cq.irq_vector = cpu_to_le16(queue->vector);
}

static void liov_hw_queue_fill_create_sq(const struct liov_hw_queue *queue,
					 struct nvme_command *cmd)
{
	cmd->create_sq.prp1 = cpu_to_le64(queue->sq);
	cmd->create_sq.sqid = cpu_to_le16(queue->qid);
	cmd->create_sq.qsize = cpu_to_le16(queue->entries - 1);
	cmd->create_sq.sq_flags =
		cpu_to_le16(NVME_QUEUE_PHYS_CONTIG | NVME_SQ_PRIO_MEDIUM);
	cmd->create_sq.cqid = cpu_to_le16(queue->qid);
}

/* Returns false if the queue pair needs no such command. */
static bool liov_hw_queue_fill(struct liov_hw_queue *queue, u8 opcode)
{
	struct nvme_command *cmd = &queue->rq.cmd;

	*cmd = (struct nvme_command) { .common.opcode = opcode };
	switch (opcode) {
	case nvme_admin_create_cq:
		liov_hw_queue_fill_create_cq(queue, cmd);
		return true;
	case nvme_admin_create_sq:
		liov_hw_queue_fill_create_sq(queue, cmd);
		return true;
	default:
		cmd->delete_queue.qid = cpu_to_le16(queue->qid);
		return liov_hw_queue_exists(queue);
	}
}

/* Returns false if it has to wait until another command has ended. */
static bool liov_hw_queue_start(struct liov_hw_queue *queue, u8 opcode,
				bool first)
{
	struct liov_request *rq = &queue->rq;

	rq->status = 0;
	if (!liov_hw_queue_fill(queue, opcode))
		return true;
	rq->status = -EINPROGRESS;
	if (!first)
		return liov_admin_try_start(queue->ctrl, rq);
	liov_admin_start(queue->ctrl, rq);
	return true;
}

/*
 * Runs one command for each of the given queue pairs, all at once: a busy
 * controller ends the command of one while it ends those of the others.
 */
static void liov_hw_queues_run(struct liov_hw_queue *queues, unsigned int count,
			       u8 opcode)
{
	struct liov_ctrl *ctrl = queues->ctrl;
	unsigned int next = 0, done = 0;
	struct liov_request *rq;

	while (done < count) {
		if (next < count && next - done < LIOV_AT_ONCE &&
		    liov_hw_queue_start(&queues[next], opcode, next == done)) {
			next++;
			continue;
		}
		rq = &queues[done++].rq;
		if (rq->status == -EINPROGRESS)
			liov_admin_finish(ctrl, rq,
					  liov_ctrl_queue_timeout(ctrl));
	}
}

/*
 * Whether the controller has no such queue, or no more: it says so, or it was
 * reset before it got the command, whatever it says of a queue that is not there.
 */
static bool liov_hw_queue_deleted(const struct liov_hw_queue *queue)
{
	const struct liov_request *rq = &queue->rq;

	if (rq->status <= 0)
		return !rq->status;
	return rq->epoch != queue->epoch ||
	       (rq->status & LIOV_STATUS_CODE) == NVME_SC_QID_INVALID;
}

/*
 * After this the controller has no such queue: it deleted it, or said that
 * there is none, or was reset, which deletes all.  A controller that answers
 * does not hang: what it will not do now, it may do soon, and a reset would
 * cost all others their queues.
 */
static void liov_hw_queue_insist(struct liov_hw_queue *queue)
{
	struct liov_ctrl *ctrl = queue->ctrl;
	unsigned long deadline = jiffies + liov_ctrl_queue_timeout(ctrl);
	struct liov_request *rq = &queue->rq;

	while (rq->status > 0 && !(rq->status & LIOV_STATUS_DNR) &&
	       !liov_hw_queue_deleted(queue) && time_before(jiffies, deadline)) {
		msleep(LIOV_DELETION_RETRY_MS);
		liov_admin_run(ctrl, rq, liov_ctrl_queue_timeout(ctrl));
	}
	if (liov_hw_queue_deleted(queue))
		return;

	/* Anything else has reset the controller or comes of its reset. */
	if (rq->status > 0)
		dev_err(ctrl->dev,
			"controller does not delete queue %u of %s (%d): resetting it\n",
			queue->qid, dev_name(queue->owner), rq->status);
	liov_ctrl_reset(ctrl, queue->epoch);
}

/* Deletes the SQs or the CQs of the given queue pairs. */
static void liov_hw_queues_run_deletion(struct liov_hw_queue *queues,
					unsigned int count, u8 opcode)
{
	unsigned int i;

	liov_hw_queues_run(queues, count, opcode);
	for (i = 0; i < count; i++)
		liov_hw_queue_insist(&queues[i]);
}

void liov_hw_queues_delete(struct liov_hw_queue *queues, unsigned int count)
{
	unsigned int i;

	if (!count)
		return;
	liov_hw_queues_run_deletion(queues, count, nvme_admin_delete_sq);
	liov_hw_queues_run_deletion(queues, count, nvme_admin_delete_cq);
	for (i = 0; i < count; i++) {
		if (!queues[i].created)
			continue;
		trace_liov_queue_delete(&queues[i]);
		liov_vector_detach(&queues[i]);
		queues[i].created = false;
	}
}

/* A VM may try it again and again.  What is no status was reported already. */
static void liov_hw_queue_report_refusal(struct liov_hw_queue *queue, u8 opcode,
					 int status)
{
	const char *ring = opcode == nvme_admin_create_cq ? "CQ" : "SQ";

	if (status > 0)
		dev_err_ratelimited(queue->ctrl->dev,
				    "controller does not create %s %u of %s (status 0x%x): reset it, or give the device fewer queue pairs\n",
				    ring, queue->qid, dev_name(queue->owner),
				    status);
}

/*
 * What came of creating a ring.  A controller that was reset since it created the
 * CQ has none for the SQ, and says so: it refuses nothing, and is not to be blamed.
 */
static int liov_hw_queue_creation_status(const struct liov_hw_queue *queue,
					 u8 opcode)
{
	const struct liov_request *rq = &queue->rq;

	if (rq->status > 0 && opcode == nvme_admin_create_sq &&
	    rq->epoch != queue->epoch)
		return -ECANCELED;
	return rq->status;
}

/* Creates the SQs or the CQs.  Returns what came of the first that failed. */
static int liov_hw_queues_run_creation(struct liov_hw_queue *queues,
				       unsigned int count, u8 opcode)
{
	int ret = 0, status;
	unsigned int i;

	liov_hw_queues_run(queues, count, opcode);
	for (i = 0; i < count; i++) {
		status = liov_hw_queue_creation_status(&queues[i], opcode);
		liov_hw_queue_report_refusal(&queues[i], opcode, status);
		ret = ret ?: status;
	}
	return ret;
}

/* From here on each CQ that there is counts for the epoch it was created in. */
static int liov_hw_queues_create_cqs(struct liov_hw_queue *queues,
				     unsigned int count)
{
	unsigned int i;
	int ret;

	ret = liov_hw_queues_run_creation(queues, count, nvme_admin_create_cq);
	for (i = 0; i < count; i++) {
		queues[i].epoch = queues[i].rq.epoch;
		queues[i].created = !queues[i].rq.status;
	}
	return ret;
}

/* A reset in between took some away, or all, or none. */
static int liov_hw_queues_check_epoch(const struct liov_hw_queue *queues,
				      unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (queues[i].epoch != READ_ONCE(queues[i].ctrl->epoch))
			return -ECANCELED;
	return 0;
}

/*
 * Where the controller finds the rings of a queue pair that is to be created, and
 * whether it interrupts.
 */
void liov_hw_queue_place(struct liov_hw_queue *queue, u64 sq, u64 cq,
			 u32 entries, bool polled)
{
	queue->sq = sq;
	queue->cq = cq;
	queue->entries = entries;
	queue->polled = polled;
}

/* All of them, which have been placed, or none. */
int liov_hw_queues_create(struct liov_hw_queue *queues, unsigned int count)
{
	unsigned int attached, i;
	int ret;

	for (attached = 0; attached < count; attached++) {
		ret = liov_vector_attach(&queues[attached]);
		if (ret)
			goto out_vectors;
	}

	ret = liov_hw_queues_create_cqs(queues, count);
	if (!ret)
		ret = liov_hw_queues_run_creation(queues, count,
						  nvme_admin_create_sq);
	if (!ret)
		ret = liov_hw_queues_check_epoch(queues, count);
	if (ret)
		goto out_queues;

	for (i = 0; i < count; i++)
		trace_liov_queue_create(&queues[i]);
	return 0;

out_queues:
	liov_hw_queues_delete(queues, count);
out_vectors:
	for (i = 0; i < attached; i++)
		liov_vector_detach(&queues[i]);
	return liov_admin_errno(ret);
}

/* Whether a ring of it, which exists, lies in the given memory. */
bool liov_hw_queue_uses(const struct liov_hw_queue *queue, u64 iova, u64 size)
{
	return queue->created &&
	       (liov_overlap(iova, size, queue->sq,
			     queue->entries * sizeof(struct nvme_command)) ||
		liov_overlap(iova, size, queue->cq,
			     queue->entries * sizeof(struct nvme_completion)));
}

/* Whether the controller has it; a reset that came since took it away. */
bool liov_hw_queue_exists(struct liov_hw_queue *queue)
{
	return queue->created &&
	       queue->epoch == READ_ONCE(queue->ctrl->epoch);
}
