// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware queue pairs: reserved when the mediated device is defined, created
 * on the controller when the VM asks, over rings in the VM's memory.
 */
#include <linux/delay.h>
#include <linux/slab.h>

#include "mdev.h"
#include "trace.h"

/* Deletions in flight at once, so that others get to the admin queue too. */
#define LIOV_DELETIONS		16
#define LIOV_DELETION_RETRY_MS	100

/* Caller holds ctrl->lock.  The device is not open. */
static void liov_queues_release(struct liov_mdev *mdev)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	unsigned int i;

	for (i = 0; i < mdev->nr_queues; i++)
		__clear_bit(mdev->queues[i].qid, ctrl->qids);
	ctrl->nr_queue_pairs_free += mdev->nr_queues;
	mdev->nr_queues = 0;
	kfree(mdev->queues);
	mdev->queues = NULL;
}

/*
 * Reserve @count queue IDs instead of those the device has.
 * Caller holds ctrl->lock.  The device is not open.
 */
int liov_queues_reserve(struct liov_mdev *mdev, unsigned int count)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	struct liov_queue *queues = NULL;
	unsigned int i;

	if (count > ctrl->nr_queue_pairs_free + mdev->nr_queues)
		return -ENOSPC;
	if (count) {
		queues = kcalloc(count, sizeof(*queues), GFP_KERNEL);
		if (!queues)
			return -ENOMEM;
	}

	liov_queues_release(mdev);
	for (i = 0; i < count; i++) {
		struct liov_queue *queue = &queues[i];

		queue->mdev = mdev;
		queue->index = i;
		queue->qid = find_first_zero_bit(ctrl->qids,
						 ctrl->nr_queue_pairs + 1);
		__set_bit(queue->qid, ctrl->qids);
		liov_trigger_init(&queue->trigger);
	}
	ctrl->nr_queue_pairs_free -= count;
	mdev->queues = queues;
	mdev->nr_queues = count;
	return 0;
}

/* From here on the queue is of the controller's epoch. */
static int liov_queue_create_cq(struct liov_ctrl *ctrl,
				struct liov_queue *queue, u64 iova)
{
	struct liov_request rq = {};
	int ret;

	rq.cmd.create_cq.opcode = nvme_admin_create_cq;
	rq.cmd.create_cq.prp1 = cpu_to_le64(iova);
	rq.cmd.create_cq.cqid = cpu_to_le16(queue->qid);
	rq.cmd.create_cq.qsize = cpu_to_le16(queue->entries - 1);
	rq.cmd.create_cq.cq_flags =
		cpu_to_le16(NVME_QUEUE_PHYS_CONTIG | NVME_CQ_IRQ_ENABLED);
	rq.cmd.create_cq.irq_vector = cpu_to_le16(queue->vector);
	ret = liov_admin_run(ctrl, &rq, liov_ctrl_queue_timeout(ctrl));
	queue->epoch = rq.epoch;
	return ret;
}

static int liov_queue_create_sq(struct liov_ctrl *ctrl,
				struct liov_queue *queue, u64 iova)
{
	struct nvme_command cmd = {};

	cmd.create_sq.opcode = nvme_admin_create_sq;
	cmd.create_sq.prp1 = cpu_to_le64(iova);
	cmd.create_sq.sqid = cpu_to_le16(queue->qid);
	cmd.create_sq.qsize = cpu_to_le16(queue->entries - 1);
	cmd.create_sq.sq_flags =
		cpu_to_le16(NVME_QUEUE_PHYS_CONTIG | NVME_SQ_PRIO_MEDIUM);
	cmd.create_sq.cqid = cpu_to_le16(queue->qid);
	return liov_admin_cmd(ctrl, &cmd, liov_ctrl_queue_timeout(ctrl));
}

/* Whether the controller says that it has no such queue, or no more. */
static bool liov_queue_deleted(int status)
{
	return !status || (status > 0 &&
			   (status & LIOV_STATUS_CODE) == NVME_SC_QID_INVALID);
}

/* Returns false if it has to wait until another deletion has ended. */
static bool liov_queue_start_deletion(struct liov_queue *queue, u8 opcode,
				      bool first)
{
	struct liov_request *rq = &queue->deletion;

	rq->status = 0;
	if (!liov_queue_exists(queue))
		return true;
	rq->status = -EINPROGRESS;
	rq->cmd = (struct nvme_command) {};
	rq->cmd.delete_queue.opcode = opcode;
	rq->cmd.delete_queue.qid = cpu_to_le16(queue->qid);
	if (!first)
		return liov_admin_try_start(queue->mdev->ctrl, rq);
	liov_admin_start(queue->mdev->ctrl, rq);
	return true;
}

/*
 * After this the controller has no such queue: it deleted it, or said that
 * there is none, or was reset, which deletes all.  A controller that answers
 * does not hang: what it will not do now, it may do soon, and a reset would
 * cost all others their queues.
 */
static void liov_queue_insist(struct liov_queue *queue)
{
	struct liov_ctrl *ctrl = queue->mdev->ctrl;
	unsigned long deadline = jiffies + liov_ctrl_queue_timeout(ctrl);
	int status = queue->deletion.status;

	while (status > 0 && !(status & LIOV_STATUS_DNR) &&
	       !liov_queue_deleted(status) && time_before(jiffies, deadline)) {
		msleep(LIOV_DELETION_RETRY_MS);
		status = liov_admin_run(ctrl, &queue->deletion,
					liov_ctrl_queue_timeout(ctrl));
	}
	if (liov_queue_deleted(status))
		return;

	/* Anything else has reset the controller or comes of its reset. */
	if (status > 0)
		dev_err(ctrl->dev,
			"controller does not delete queue %u of %s (%d): resetting it\n",
			queue->qid, dev_name(liov_mdev_dev(queue->mdev)),
			status);
	liov_ctrl_reset(ctrl, queue->epoch);
}

/*
 * Deletes the SQs or the CQs of the given queue pairs, all at once: a busy
 * controller ends the commands of one while it ends those of the others.
 */
static void liov_queues_run_deletion(struct liov_queue *queues,
				     unsigned int count, u8 opcode)
{
	struct liov_ctrl *ctrl = queues->mdev->ctrl;
	unsigned int next = 0, done = 0;
	struct liov_request *rq;

	while (done < count) {
		if (next < count && next - done < LIOV_DELETIONS &&
		    liov_queue_start_deletion(&queues[next], opcode,
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
		liov_queue_insist(&queues[done]);
}

static void liov_queues_delete_some(struct liov_queue *queues,
				    unsigned int count)
{
	struct liov_mdev *mdev = queues->mdev;
	unsigned int i;

	lockdep_assert_held(&mdev->lock);

	liov_queues_run_deletion(queues, count, nvme_admin_delete_sq);
	liov_queues_run_deletion(queues, count, nvme_admin_delete_cq);
	for (i = 0; i < count; i++) {
		if (!queues[i].created)
			continue;
		trace_liov_queue_delete(&queues[i]);
		liov_vector_detach(mdev->ctrl, &queues[i]);
		queues[i].created = false;
	}
}

void liov_queue_delete(struct liov_queue *queue)
{
	liov_queues_delete_some(queue, 1);
}

/* A VM may try it again and again.  What is no status was reported already. */
static void liov_queue_report_refusal(struct liov_queue *queue,
				      const char *ring, int status)
{
	struct liov_mdev *mdev = queue->mdev;

	if (status > 0)
		dev_err_ratelimited(mdev->ctrl->dev,
				    "controller does not create %s %u of %s (status 0x%x): reset it, or give the device fewer queue pairs\n",
				    ring, queue->qid,
				    dev_name(liov_mdev_dev(mdev)), status);
}

/* The rings lie in the device's memory: the caller has checked that. */
int liov_queue_create(struct liov_queue *queue, u64 sq, u64 cq, u32 entries)
{
	struct liov_mdev *mdev = queue->mdev;
	struct liov_ctrl *ctrl = mdev->ctrl;
	int ret;

	lockdep_assert_held(&mdev->lock);

	queue->sq = sq;
	queue->cq = cq;
	queue->entries = entries;
	queue->epoch = READ_ONCE(ctrl->epoch);

	ret = liov_vector_attach(ctrl, queue);
	if (ret)
		return ret;

	ret = liov_queue_create_cq(ctrl, queue, mdev->memory.window + cq);
	if (ret) {
		liov_queue_report_refusal(queue, "CQ", ret);
		goto out_vector;
	}
	queue->created = true;
	ret = liov_queue_create_sq(ctrl, queue, mdev->memory.window + sq);
	if (ret) {
		liov_queue_report_refusal(queue, "SQ", ret);
		goto out_cq;
	}

	mdev->stats.queues_created++;
	trace_liov_queue_create(queue);

	/* A reset in between took one or both away, or neither. */
	if (queue->epoch != READ_ONCE(ctrl->epoch)) {
		queue->epoch = READ_ONCE(ctrl->epoch);
		liov_queue_delete(queue);
		return -ECANCELED;
	}
	return 0;

out_cq:
	liov_queues_run_deletion(queue, 1, nvme_admin_delete_cq);
	queue->created = false;
out_vector:
	liov_vector_detach(ctrl, queue);
	return liov_admin_errno(ret);
}

void liov_queues_delete(struct liov_mdev *mdev)
{
	if (mdev->nr_queues)
		liov_queues_delete_some(mdev->queues, mdev->nr_queues);
}

/* Whether a ring of an existing queue pair lies in the given memory. */
bool liov_queues_use(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	unsigned int i;

	for (i = 0; i < mdev->nr_queues; i++) {
		struct liov_queue *queue = &mdev->queues[i];

		if (queue->created &&
		    (liov_overlap(gpa, size, queue->sq,
				  queue->entries * sizeof(struct nvme_command)) ||
		     liov_overlap(gpa, size, queue->cq,
				  queue->entries *
				  sizeof(struct nvme_completion))))
			return true;
	}
	return false;
}

/* Whether the controller has it; a reset that came since took it away. */
bool liov_queue_exists(struct liov_queue *queue)
{
	return queue->created &&
	       queue->epoch == READ_ONCE(queue->mdev->ctrl->epoch);
}
