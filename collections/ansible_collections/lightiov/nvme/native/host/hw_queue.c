// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware queue pairs: reserved, created on the controller over the owner's
 * rings, and deleted again.
 */
#include <linux/delay.h>

#include "hw_queue.h"
#include "range.h"
#include "trace.h"

/* Deletions in flight at once, so that others get to the admin queue too. */
#define LIOV_DELETIONS		16
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

/* From here on the queue is of the controller's epoch. */
static int liov_hw_queue_create_cq(struct liov_hw_queue *queue)
{
	struct liov_ctrl *ctrl = queue->ctrl;
	struct liov_request rq = {};
	int ret;

	rq.cmd.create_cq.opcode = nvme_admin_create_cq;
	rq.cmd.create_cq.prp1 = cpu_to_le64(queue->cq);
	rq.cmd.create_cq.cqid = cpu_to_le16(queue->qid);
	rq.cmd.create_cq.qsize = cpu_to_le16(queue->entries - 1);
	rq.cmd.create_cq.cq_flags =
		cpu_to_le16(NVME_QUEUE_PHYS_CONTIG | NVME_CQ_IRQ_ENABLED);
	rq.cmd.create_cq.irq_vector = cpu_to_le16(queue->vector);
	ret = liov_admin_run(ctrl, &rq, liov_ctrl_queue_timeout(ctrl));
	queue->epoch = rq.epoch;
	return ret;
}

static int liov_hw_queue_create_sq(struct liov_hw_queue *queue)
{
	struct liov_ctrl *ctrl = queue->ctrl;
	struct nvme_command cmd = {};

	cmd.create_sq.opcode = nvme_admin_create_sq;
	cmd.create_sq.prp1 = cpu_to_le64(queue->sq);
	cmd.create_sq.sqid = cpu_to_le16(queue->qid);
	cmd.create_sq.qsize = cpu_to_le16(queue->entries - 1);
	cmd.create_sq.sq_flags =
		cpu_to_le16(NVME_QUEUE_PHYS_CONTIG | NVME_SQ_PRIO_MEDIUM);
	cmd.create_sq.cqid = cpu_to_le16(queue->qid);
	return liov_admin_cmd(ctrl, &cmd, liov_ctrl_queue_timeout(ctrl));
}

/* Whether the controller says that it has no such queue, or no more. */
static bool liov_hw_queue_deleted(int status)
{
	return !status || (status > 0 &&
			   (status & LIOV_STATUS_CODE) == NVME_SC_QID_INVALID);
}

/* Returns false if it has to wait until another deletion has ended. */
static bool liov_hw_queue_start_deletion(struct liov_hw_queue *queue,
					 u8 opcode, bool first)
{
	struct liov_request *rq = &queue->deletion;

	rq->status = 0;
	if (!liov_hw_queue_exists(queue))
		return true;
	rq->status = -EINPROGRESS;
	rq->cmd = (struct nvme_command) {};
	rq->cmd.delete_queue.opcode = opcode;
	rq->cmd.delete_queue.qid = cpu_to_le16(queue->qid);
	if (!first)
		return liov_admin_try_start(queue->ctrl, rq);
	liov_admin_start(queue->ctrl, rq);
	return true;
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
	int status = queue->deletion.status;

	while (status > 0 && !(status & LIOV_STATUS_DNR) &&
	       !liov_hw_queue_deleted(status) && time_before(jiffies, deadline)) {
		msleep(LIOV_DELETION_RETRY_MS);
		status = liov_admin_run(ctrl, &queue->deletion,
					liov_ctrl_queue_timeout(ctrl));
	}
	if (liov_hw_queue_deleted(status))
		return;

	/* Anything else has reset the controller or comes of its reset. */
	if (status > 0)
		dev_err(ctrl->dev,
			"controller does not delete queue %u of %s (%d): resetting it\n",
			queue->qid, dev_name(queue->owner),
			status);
	liov_ctrl_reset(ctrl, queue->epoch);
}

/*
 * Deletes the SQs or the CQs of the given queue pairs, all at once: a busy
 * controller ends the commands of one while it ends those of the others.
 */
static void liov_hw_queues_run_deletion(struct liov_hw_queue *queues,
					unsigned int count, u8 opcode)
{
	struct liov_ctrl *ctrl = queues->ctrl;
	unsigned int next = 0, done = 0;
	struct liov_request *rq;

	while (done < count) {
		if (next < count && next - done < LIOV_DELETIONS &&
		    liov_hw_queue_start_deletion(&queues[next], opcode,
						 next == done)) {
			next++;
			continue;
		}
		rq = &queues[done++].deletion;
		if (rq->status == -EINPROGRESS)
			liov_admin_finish(ctrl, rq,
					  liov_ctrl_queue_timeout(ctrl));
	}
	for (done = 0; done < count; done++)
		liov_hw_queue_insist(&queues[done]);
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
static void liov_hw_queue_report_refusal(struct liov_hw_queue *queue,
					 const char *ring, int status)
{
	if (status > 0)
		dev_err_ratelimited(queue->ctrl->dev,
				    "controller does not create %s %u of %s (status 0x%x): reset it, or give the device fewer queue pairs\n",
				    ring, queue->qid, dev_name(queue->owner),
				    status);
}

/* @sq and @cq are where the controller finds the rings. */
int liov_hw_queue_create(struct liov_hw_queue *queue, u64 sq, u64 cq,
			 u32 entries)
{
	struct liov_ctrl *ctrl = queue->ctrl;
	int ret;

	queue->sq = sq;
	queue->cq = cq;
	queue->entries = entries;
	queue->epoch = READ_ONCE(ctrl->epoch);

	ret = liov_vector_attach(queue);
	if (ret)
		return ret;

	ret = liov_hw_queue_create_cq(queue);
	if (ret) {
		liov_hw_queue_report_refusal(queue, "CQ", ret);
		goto out_vector;
	}
	queue->created = true;
	ret = liov_hw_queue_create_sq(queue);
	if (ret) {
		liov_hw_queue_report_refusal(queue, "SQ", ret);
		goto out_cq;
	}
	trace_liov_queue_create(queue);

	/* A reset in between took one or both away, or neither. */
	if (queue->epoch != READ_ONCE(ctrl->epoch)) {
		queue->epoch = READ_ONCE(ctrl->epoch);
		liov_hw_queues_delete(queue, 1);
		return -ECANCELED;
	}
	return 0;

out_cq:
	liov_hw_queues_run_deletion(queue, 1, nvme_admin_delete_cq);
	queue->created = false;
out_vector:
	liov_vector_detach(queue);
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
