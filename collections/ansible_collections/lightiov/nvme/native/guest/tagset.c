// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tags that all disks of a device share: how many requests there may be,
 * which queue pair each goes to, and what is done about those that get no
 * answer.
 */
#include "compat.h"
#include "request.h"

static enum blk_eh_timer_return liov_timeout(struct request *req)
{
	struct liov_queue *q = req->mq_hctx->driver_data;
	struct liov_dev *ldev = q->ldev;

	/* Whoever holds the lock may be taking all requests back already. */
	if (!mutex_trylock(&ldev->lock))
		return BLK_EH_RESET_TIMER;
	if (ldev->state == LIOV_LIVE)
		liov_queue_look(q);
	mutex_unlock(&ldev->lock);

	if (blk_mq_rq_state(req) != MQ_RQ_IN_FLIGHT) {
		/* Who polled may have ended; nothing is wrong then. */
		if (!liov_is_polled(q))
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
			     q->hw_qid, jiffies_to_msecs(req->timeout));
	atomic_inc(&ldev->stats.timeouts);
	atomic_set(&ldev->timed_out, 1);
	mod_delayed_work(liov_wq, &ldev->recover_work, 0);
	return BLK_EH_RESET_TIMER;
}

static int liov_init_hctx(struct blk_mq_hw_ctx *hctx, void *data,
			  unsigned int index)
{
	struct liov_dev *ldev = data;

	hctx->driver_data = &ldev->queues[index];
	return 0;
}

static void liov_map_queues(struct blk_mq_tag_set *set)
{
	struct blk_mq_queue_map *polled = &set->map[HCTX_TYPE_POLL];
	struct liov_dev *ldev = set->driver_data;

	/* Linux has one map only when it dumps a crash. */
	if (set->nr_maps > HCTX_TYPE_POLL) {
		set->map[HCTX_TYPE_DEFAULT].nr_queues = liov_irq_queues(ldev);
		polled->nr_queues = ldev->nr_polled;
		polled->queue_offset = liov_irq_queues(ldev);
		blk_mq_map_queues(polled);
	}
	liov_map_hw_queues(&set->map[HCTX_TYPE_DEFAULT], ldev->pdev,
			   LIOV_VECTOR_QUEUE(0));
}

static const struct blk_mq_ops liov_mq_ops = {
	.queue_rq	= liov_queue_rq,
	.queue_rqs	= LIOV_QUEUE_RQS,
	.commit_rqs	= liov_commit_rqs,
	.complete	= liov_complete_rq,
	.poll		= liov_poll,
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
	struct blk_mq_tag_set *set = &ldev->tag_set;
	int err;

	memset(set, 0, sizeof(*set));
	set->ops = &liov_mq_ops;
	set->nr_hw_queues = ldev->nr_queues;
	set->nr_maps = ldev->nr_polled ? HCTX_MAX_TYPES : 1;
	/* A ring with all entries taken would look empty. */
	set->queue_depth = ldev->entries - 1;
	set->numa_node = dev_to_node(&ldev->pdev->dev);
	set->timeout = msecs_to_jiffies(ldev->timeout_ms);
	set->cmd_size = sizeof(struct liov_iod);
	set->flags = LIOV_TAG_SET_FLAGS;
	set->driver_data = ldev;

	err = blk_mq_alloc_tag_set(set);
	if (err)
		return err;

	ldev->anchor = liov_alloc_anchor(set);
	if (!IS_ERR(ldev->anchor))
		return 0;

	err = PTR_ERR(ldev->anchor);
	blk_mq_free_tag_set(set);
	return err;
}

void liov_tag_set_exit(struct liov_dev *ldev)
{
	put_disk(ldev->anchor);
	blk_mq_free_tag_set(&ldev->tag_set);
}
