// SPDX-License-Identifier: GPL-2.0-only
/*
 * The admin queue as such: its rings, its interrupt, and who waits for what.
 */
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>

#include "controller.h"

#define LIOV_EVENT_SLOT	(LIOV_ADMIN_ENTRIES - 1)

#define LIOV_SQ_SIZE	(LIOV_ADMIN_ENTRIES * sizeof(struct nvme_command))
#define LIOV_CQ_SIZE	(LIOV_ADMIN_ENTRIES * sizeof(struct nvme_completion))

int liov_admin_init(struct liov_ctrl *ctrl)
{
	struct liov_admin *admin = &ctrl->admin;
	int ret, i;

	spin_lock_init(&admin->lock);
	/* A ring holds one less than its entries, and one is for events. */
	sema_init(&admin->free, LIOV_ADMIN_ENTRIES - 2);
	for (i = 0; i < LIOV_ADMIN_ENTRIES; i++) {
		admin->slots[i].cid = i;
		init_completion(&admin->slots[i].done);
	}

	ret = liov_dma_alloc(ctrl, &admin->sq, LIOV_SQ_SIZE, DMA_TO_DEVICE);
	if (ret)
		return ret;
	ret = liov_dma_alloc(ctrl, &admin->cq, LIOV_CQ_SIZE, DMA_FROM_DEVICE);
	if (ret)
		goto out_sq;
	ret = liov_dma_alloc(ctrl, &admin->data, NVME_IDENTIFY_DATA_SIZE,
			     DMA_FROM_DEVICE);
	if (ret)
		goto out_cq;
	return 0;

out_cq:
	liov_dma_free(ctrl, &admin->cq);
out_sq:
	liov_dma_free(ctrl, &admin->sq);
	return ret;
}

/* The controller no longer runs. */
void liov_admin_exit(struct liov_ctrl *ctrl)
{
	liov_dma_free(ctrl, &ctrl->admin.data);
	liov_dma_free(ctrl, &ctrl->admin.cq);
	liov_dma_free(ctrl, &ctrl->admin.sq);
}

/* Tells a disabled controller, which is about to be enabled, its rings. */
void liov_admin_restart(struct liov_ctrl *ctrl)
{
	struct liov_admin *admin = &ctrl->admin;

	memset(admin->cq.cpu, 0, LIOV_CQ_SIZE);
	writel((LIOV_ADMIN_ENTRIES - 1) << 16 | (LIOV_ADMIN_ENTRIES - 1),
	       ctrl->regs + NVME_REG_AQA);
	lo_hi_writeq(admin->sq.iova, ctrl->regs + NVME_REG_ASQ);
	lo_hi_writeq(admin->cq.iova, ctrl->regs + NVME_REG_ACQ);

	spin_lock_irq(&admin->lock);
	admin->sq_tail = 0;
	admin->cq_head = 0;
	admin->phase = 1;
	admin->running = true;
	spin_unlock_irq(&admin->lock);
}

static void liov_admin_release_slot(struct liov_admin *admin,
				    unsigned int number)
{
	__clear_bit(number, &admin->busy);
	up(&admin->free);
}

/*
 * A VM may ring the admin SQ's doorbell, and the controller then runs what it
 * finds there: never a former command.  Zeros delete queue 0, which it refuses.
 */
static void liov_admin_scrub(struct liov_admin *admin,
			     const struct liov_admin_slot *slot)
{
	struct nvme_command *entry = admin->sq.cpu;

	entry += slot->entry;
	/* Another command may lie there by now. */
	if (entry->common.command_id == slot->cid)
		memset(entry, 0, sizeof(*entry));
}

static void liov_admin_complete(struct liov_ctrl *ctrl, unsigned int number,
				int status, u32 result)
{
	struct liov_admin *admin = &ctrl->admin;
	struct liov_admin_slot *slot = &admin->slots[number];

	liov_admin_scrub(admin, slot);
	if (number == LIOV_EVENT_SLOT) {
		__clear_bit(number, &admin->busy);
		if (!status) {
			admin->event = result;
			liov_ctrl_queue_work(&ctrl->event_work);
		}
		return;
	}

	slot->status = status;
	slot->result = result;
	if (slot->abandoned)
		liov_admin_release_slot(admin, number);
	else
		complete(&slot->done);
}

static void liov_admin_poll(struct liov_ctrl *ctrl)
{
	struct liov_admin *admin = &ctrl->admin;
	struct nvme_completion *cq = admin->cq.cpu;
	unsigned int seen = 0;
	unsigned int number;
	unsigned long flags;
	u16 status, cid;

	spin_lock_irqsave(&admin->lock, flags);
	/* No controller has more for us than one lap: this is a hard IRQ. */
	while (admin->running && seen < LIOV_ADMIN_ENTRIES) {
		status = le16_to_cpu(READ_ONCE(cq[admin->cq_head].status));
		if ((status & 1) != admin->phase)
			break;
		/* The rest of the entry is valid once its phase bit is. */
		dma_rmb();

		cid = READ_ONCE(cq[admin->cq_head].command_id);
		number = cid % LIOV_ADMIN_ENTRIES;
		if (test_bit(number, &admin->busy) &&
		    admin->slots[number].cid == cid)
			liov_admin_complete(ctrl, number, status >> 1,
					    le32_to_cpu(cq[admin->cq_head].result.u32));
		else
			dev_err_ratelimited(ctrl->dev,
					    "controller completed unknown admin command %u\n",
					    cid);

		if (++admin->cq_head == LIOV_ADMIN_ENTRIES) {
			admin->cq_head = 0;
			admin->phase ^= 1;
		}
		seen++;
	}
	if (seen)
		writel(admin->cq_head,
		       ctrl->regs + NVME_REG_DBS + liov_cq_doorbell(ctrl, 0));
	spin_unlock_irqrestore(&admin->lock, flags);
}

/*
 * The controller is stopped, so what is in flight never completes, and an
 * epoch is over.
 */
void liov_admin_cancel(struct liov_ctrl *ctrl)
{
	struct liov_admin *admin = &ctrl->admin;
	unsigned long busy;
	unsigned int number;

	spin_lock_irq(&admin->lock);
	admin->running = false;
	WRITE_ONCE(ctrl->epoch, ctrl->epoch + 1);
	busy = admin->busy;
	for_each_set_bit(number, &busy, LIOV_ADMIN_ENTRIES)
		liov_admin_complete(ctrl, number, -ECANCELED, 0);
	spin_unlock_irq(&admin->lock);
}

static void liov_admin_submit(struct liov_ctrl *ctrl, struct nvme_command *cmd,
			      unsigned int number)
{
	struct liov_admin *admin = &ctrl->admin;
	struct liov_admin_slot *slot = &admin->slots[number];
	struct nvme_command *sq = admin->sq.cpu;

	__set_bit(number, &admin->busy);
	/* Wraps within the upper bits: the lower ones stay the slot's number. */
	slot->cid += LIOV_ADMIN_ENTRIES;
	slot->entry = admin->sq_tail;
	cmd->common.command_id = slot->cid;
	sq[admin->sq_tail] = *cmd;
	admin->sq_tail = (admin->sq_tail + 1) % LIOV_ADMIN_ENTRIES;
	writel(admin->sq_tail,
	       ctrl->regs + NVME_REG_DBS + liov_sq_doorbell(ctrl, 0));
}

static bool liov_ctrl_failed(struct liov_ctrl *ctrl)
{
	/* All ones, when the device is gone, has this bit too. */
	return readl(ctrl->regs + NVME_REG_CSTS) & NVME_CSTS_CFS;
}

/* Looks for itself now and then, in case an interrupt got lost. */
static bool liov_admin_wait(struct liov_ctrl *ctrl,
			    struct liov_admin_slot *slot, unsigned long timeout)
{
	unsigned long slice = ctrl->admin.interrupts ? HZ : 1;
	unsigned long deadline = jiffies + timeout;

	do {
		if (wait_for_completion_timeout(&slot->done, slice))
			return true;
		liov_admin_poll(ctrl);
		if (try_wait_for_completion(&slot->done))
			return true;
	} while (time_before(jiffies, deadline) && !liov_ctrl_failed(ctrl));

	return false;
}

/*
 * Takes one of admin->free, which the caller has waited for.  Whoever starts
 * the controller has the admin queue for itself until it is live: Number of
 * Queues comes before any queue.  So whether a command may pass is decided
 * where it is submitted, and so is in which epoch it was.
 */
void liov_request_submit(struct liov_ctrl *ctrl, struct liov_request *rq,
			 enum liov_ctrl_state in)
{
	struct liov_admin *admin = &ctrl->admin;
	unsigned int number;

	rq->slot = NULL;
	spin_lock_irq(&admin->lock);
	rq->epoch = ctrl->epoch;
	if (admin->running && ctrl->state == in) {
		number = find_first_zero_bit(&admin->busy, LIOV_EVENT_SLOT);
		rq->slot = &admin->slots[number];
		rq->slot->abandoned = false;
		reinit_completion(&rq->slot->done);
		liov_admin_submit(ctrl, &rq->cmd, number);
	}
	spin_unlock_irq(&admin->lock);

	if (!rq->slot)
		up(&admin->free);
}

/* Return: as liov_admin_exec(). */
int liov_request_wait(struct liov_ctrl *ctrl, struct liov_request *rq,
		      unsigned long timeout)
{
	struct liov_admin *admin = &ctrl->admin;
	struct liov_admin_slot *slot = rq->slot;
	int status;

	if (!slot)
		return -ECANCELED;
	status = -ETIMEDOUT;
	if (liov_admin_wait(ctrl, slot, timeout))
		status = 0;

	spin_lock_irq(&admin->lock);
	if (!status || try_wait_for_completion(&slot->done)) {
		status = slot->status;
		rq->result = slot->result;
		liov_admin_release_slot(admin, slot - admin->slots);
	} else {
		slot->abandoned = true;
	}
	spin_unlock_irq(&admin->lock);

	return status;
}

/**
 * liov_admin_exec() - run one admin command on a controller that is starting
 * @ctrl: controller, which is not live yet
 * @rq: command, and then what came of it
 * @timeout: in jiffies
 *
 * Return: 0, an NVMe status, or an errno.  After -ETIMEDOUT the command is
 * still in flight, and only stopping the controller ends it.
 */
int liov_admin_exec(struct liov_ctrl *ctrl, struct liov_request *rq,
		    unsigned long timeout)
{
	down(&ctrl->admin.free);
	liov_request_submit(ctrl, rq, LIOV_CTRL_RESETTING);
	return liov_request_wait(ctrl, rq, timeout);
}

int liov_admin_errno(int status)
{
	return status > 0 ? -EIO : status;
}

/* Blank data too: what a controller does not write is not what came before. */
void liov_admin_identify(struct nvme_command *cmd, u8 cns, u32 nsid,
			 const struct liov_dma *data)
{
	memset(data->cpu, 0, data->size);
	memset(cmd, 0, sizeof(*cmd));
	cmd->identify.opcode = nvme_admin_identify;
	cmd->identify.cns = cns;
	cmd->identify.nsid = cpu_to_le32(nsid);
	cmd->common.dptr.prp1 = cpu_to_le64(data->iova);
}

static irqreturn_t liov_admin_irq(int irq, void *data)
{
	liov_admin_poll(data);
	return IRQ_HANDLED;
}

int liov_admin_request_irq(struct liov_ctrl *ctrl)
{
	int ret;

	ret = request_irq(pci_irq_vector(ctrl->pdev, 0), liov_admin_irq, 0,
			  ctrl->misc_name, ctrl);
	if (!ret)
		ctrl->admin.interrupts = true;
	return ret;
}

void liov_admin_free_irq(struct liov_ctrl *ctrl)
{
	free_irq(pci_irq_vector(ctrl->pdev, 0), ctrl);
}

/* Asks the controller to report its next event. */
void liov_admin_request_event(struct liov_ctrl *ctrl)
{
	struct liov_admin *admin = &ctrl->admin;
	struct nvme_command cmd = {};

	cmd.common.opcode = nvme_admin_async_event;

	spin_lock_irq(&admin->lock);
	if (admin->running && ctrl->state == LIOV_CTRL_LIVE &&
	    !test_bit(LIOV_EVENT_SLOT, &admin->busy))
		liov_admin_submit(ctrl, &cmd, LIOV_EVENT_SLOT);
	spin_unlock_irq(&admin->lock);
}
