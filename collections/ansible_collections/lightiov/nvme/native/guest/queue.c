// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue pairs: rings in this VM's memory, doorbells and interrupts of the
 * controller itself.  No code of the host runs between liov_queue_submit() and
 * the interrupt handler.
 */
#include <linux/interrupt.h>

#include "guest.h"

static size_t liov_sq_bytes(struct liov_dev *ldev)
{
	return array_size(ldev->entries, sizeof(struct nvme_command));
}

static size_t liov_cq_bytes(struct liov_dev *ldev)
{
	return array_size(ldev->entries, sizeof(struct nvme_completion));
}

/* --- I/O path ------------------------------------------------------------ */

static void liov_ring_sq(struct liov_queue *q)
{
	/* writel() orders the ring's memory before the doorbell. */
	writel(q->sq_tail, q->sq_doorbell);
	q->sq_rung = q->sq_tail;
}

/**
 * liov_queue_submit() - put a command into the submission ring
 * @q: queue pair
 * @cmd: command; its ID is a tag, of which there are fewer than ring entries,
 *	so there always is a free one
 * @ring: tell the controller now rather than with a later command
 */
void liov_queue_submit(struct liov_queue *q, const struct nvme_command *cmd,
		       bool ring)
{
	spin_lock(&q->sq_lock);
	memcpy(&q->sq[q->sq_tail], cmd, sizeof(*cmd));
	if (++q->sq_tail == q->ldev->entries)
		q->sq_tail = 0;
	if (ring)
		liov_ring_sq(q);
	spin_unlock(&q->sq_lock);
}

/* Tell the controller about commands submitted without ringing. */
void liov_queue_commit(struct liov_queue *q)
{
	spin_lock(&q->sq_lock);
	if (q->sq_rung != q->sq_tail)
		liov_ring_sq(q);
	spin_unlock(&q->sq_lock);
}

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
 * The controller is not told; the caller does that if the queue still exists.
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

static irqreturn_t liov_queue_irq(int irq, void *data)
{
	struct liov_queue *q = data;
	DEFINE_IO_COMP_BATCH(iob);

	/* Pairs with liov_queues_go_live(). */
	if (!smp_load_acquire(&q->live))
		return IRQ_HANDLED;
	if (liov_queue_reap(q, &iob))
		writel(q->cq_head, q->cq_doorbell);
	if (iob.complete)
		iob.complete(&iob);

	/*
	 * Handled even if there was nothing: a host short of vectors signals
	 * all queues that share one, which must not look like a stuck line.
	 */
	return IRQ_HANDLED;
}

/* Look for completions whose interrupt got lost; the device is live. */
void liov_queue_poll(struct liov_queue *q)
{
	/* Held back, not ignored: what interrupts meanwhile is seen after this. */
	disable_irq(q->irq);
	if (liov_queue_reap(q, NULL))
		writel(q->cq_head, q->cq_doorbell);
	enable_irq(q->irq);
}

/* --- set up --------------------------------------------------------------- */

/**
 * liov_rings_alloc() - allocate all memory whose addresses depend on the window
 * @ldev: device with a window; what it has already is kept
 *
 * Return: 0 or a negative error, with nothing to undo: liov_rings_free() frees
 * what there is.
 */
int liov_rings_alloc(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	unsigned int i;

	if (!ldev->prp_pool)
		ldev->prp_pool = dma_pool_create("liov_prp", dev,
						 LIOV_PRP_SIZE, LIOV_PRP_SIZE,
						 0);
	if (!ldev->prp_pool)
		return -ENOMEM;

	for (i = 0; i < ldev->nr_queues; i++) {
		struct liov_queue *q = &ldev->queues[i];

		if (!q->sq)
			q->sq = dma_alloc_coherent(dev, liov_sq_bytes(ldev),
						   &q->sq_dma, GFP_KERNEL);
		if (!q->cq)
			q->cq = dma_alloc_coherent(dev, liov_cq_bytes(ldev),
						   &q->cq_dma, GFP_KERNEL);
		if (!q->sq || !q->cq)
			return -ENOMEM;

		if (q->sq_dma - ldev->window_base >= ldev->window_size ||
		    q->cq_dma - ldev->window_base >= ldev->window_size) {
			dev_err(dev, "the DMA API of this VM ignores the window at %#llx: boot without what replaces it, such as Xen's or an IOMMU's\n",
				ldev->window_base);
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

void liov_rings_free(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	unsigned int i;

	for (i = 0; i < ldev->nr_queues; i++) {
		struct liov_queue *q = &ldev->queues[i];

		if (q->sq)
			dma_free_coherent(dev, liov_sq_bytes(ldev), q->sq,
					  q->sq_dma);
		if (q->cq)
			dma_free_coherent(dev, liov_cq_bytes(ldev), q->cq,
					  q->cq_dma);
		q->sq = NULL;
		q->cq = NULL;
	}
	dma_pool_destroy(ldev->prp_pool);
	ldev->prp_pool = NULL;
}

/* Is it not this queue but the controller, which the host resets? */
static bool liov_queues_lost(struct liov_dev *ldev)
{
	u32 status = liov_read32(ldev, LIOV_REG_STATUS);

	return status != U32_MAX && status & LIOV_STATUS_QUEUES_LOST;
}

/**
 * liov_queues_create() - make all rings the controller's
 * @ldev: device with window, memory and rings
 *
 * Return: 0 or a negative error; LIOV_CMD_RESET takes back what was created.
 */
int liov_queues_create(struct liov_dev *ldev)
{
	unsigned int i;
	int err;

	for (i = 0; i < ldev->nr_queues; i++) {
		struct liov_queue *q = &ldev->queues[i];

		memset(q->cq, 0, liov_cq_bytes(ldev));
		q->sq_tail = 0;
		q->sq_rung = 0;
		q->cq_head = 0;
		q->cq_phase = 1;

		err = liov_command(ldev, LIOV_CMD_CREATE_QUEUE, i,
				   q->sq_dma - ldev->window_base,
				   q->cq_dma - ldev->window_base,
				   ldev->entries);
		if (err == -EAGAIN || (err && liov_queues_lost(ldev)))
			return -EAGAIN;
		if (err) {
			ldev->usable_queues = i;
			dev_err(&ldev->pdev->dev,
				"the host cannot create queue pair %u, hardware queue %u (%pe): look for the cause in the host's kernel log\n",
				i, q->hw_qid, ERR_PTR(err));
			return err;
		}
	}
	return 0;
}

/*
 * From here on completions are the interrupt handler's to read.  Not by
 * enable_irq(): a managed interrupt, as these are, can forget that it is
 * disabled when its last CPU goes offline and comes back, as all but one do for
 * suspend (seen with Linux 6.12).
 */
void liov_queues_go_live(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_queues; i++) {
		/* Pairs with liov_queue_irq(): the ring is set up. */
		smp_store_release(&ldev->queues[i].live, true);
	}
}

/* Afterwards no handler reads completions; they are the caller's to read. */
void liov_queues_go_quiet(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_queues; i++)
		WRITE_ONCE(ldev->queues[i].live, false);
	for (i = 0; i < ldev->nr_queues; i++)
		synchronize_irq(ldev->queues[i].irq);
}

static bool liov_doorbell_valid(struct liov_dev *ldev, u32 offset)
{
	return IS_ALIGNED(offset, 4) && offset < ldev->doorbell_size &&
	       ldev->doorbell_size - offset >= 4;
}

static int liov_queue_locate(struct liov_queue *q)
{
	struct liov_dev *ldev = q->ldev;
	struct liov_queue_info info;
	u32 sq_doorbell, cq_doorbell;

	liov_read_block(ldev, LIOV_REG_QUEUE(q->index), &info, sizeof(info));
	sq_doorbell = le32_to_cpu(info.sq_doorbell);
	cq_doorbell = le32_to_cpu(info.cq_doorbell);
	if (le16_to_cpu(info.vector) != LIOV_VECTOR_QUEUE(q->index) ||
	    !liov_doorbell_valid(ldev, sq_doorbell) ||
	    !liov_doorbell_valid(ldev, cq_doorbell)) {
		dev_err(&ldev->pdev->dev,
			"queue pair %u has vector %u and doorbells %#x and %#x, which the ABI does not allow: update the host's lightiov module\n",
			q->index, le16_to_cpu(info.vector), sq_doorbell,
			cq_doorbell);
		return -EINVAL;
	}

	q->hw_qid = le16_to_cpu(info.hw_qid);
	q->sq_doorbell = ldev->doorbells + sq_doorbell;
	q->cq_doorbell = ldev->doorbells + cq_doorbell;
	return 0;
}

/**
 * liov_queues_locate() - learn which hardware queues and doorbells to use
 * @ldev: device that is about to create its queues
 *
 * At each start anew: a VM that comes back from hibernation may have been given
 * others, and those of before may be another VM's.
 *
 * Return: 0 or a negative error.
 */
int liov_queues_locate(struct liov_dev *ldev)
{
	unsigned int i;
	int err;

	ldev->doorbell_size =
		min_t(u64, liov_read32(ldev, LIOV_REG_DOORBELL_SIZE),
		      pci_resource_len(ldev->pdev, LIOV_BAR_DOORBELLS));
	for (i = 0; i < ldev->nr_queues; i++) {
		err = liov_queue_locate(&ldev->queues[i]);
		if (err)
			return err;
	}
	return 0;
}

/**
 * liov_queues_init() - have a queue pair for each of @nr_queues
 * @ldev: device
 *
 * Return: 0 or a negative error.
 */
int liov_queues_init(struct liov_dev *ldev)
{
	unsigned int i;

	ldev->queues = kcalloc(ldev->nr_queues, sizeof(*ldev->queues),
			       GFP_KERNEL);
	if (!ldev->queues)
		return -ENOMEM;

	for (i = 0; i < ldev->nr_queues; i++) {
		struct liov_queue *q = &ldev->queues[i];

		q->ldev = ldev;
		q->index = i;
		spin_lock_init(&q->sq_lock);
		snprintf(q->name, sizeof(q->name), "liov%dq%u", ldev->instance,
			 i);
	}
	return 0;
}

void liov_queues_exit(struct liov_dev *ldev)
{
	kfree(ldev->queues);
	ldev->queues = NULL;
}

/* --- interrupts ----------------------------------------------------------- */

static int liov_vectors_alloc(struct liov_dev *ldev, unsigned int least)
{
	struct irq_affinity affinity = { .pre_vectors = LIOV_VECTOR_QUEUE(0) };
	struct pci_dev *pdev = ldev->pdev;
	int got;

	got = pci_alloc_irq_vectors_affinity(pdev, LIOV_VECTOR_QUEUE(least),
					     LIOV_VECTOR_QUEUE(ldev->nr_queues),
					     PCI_IRQ_MSIX | PCI_IRQ_AFFINITY,
					     &affinity);
	if (got < 0) {
		dev_err(&pdev->dev,
			"has %u queue pairs and not the interrupt vectors for %u and for events (%pe): give the mdev a queue pair, and the VM MSI-X\n",
			ldev->nr_queues, least, ERR_PTR(got));
		return got;
	}
	ldev->nr_queues = got - LIOV_VECTOR_QUEUE(0);
	return 0;
}

static void liov_interrupts_free(struct liov_dev *ldev, unsigned int nr)
{
	while (nr--)
		free_irq(ldev->queues[nr].irq, &ldev->queues[nr]);
	pci_free_irq_vectors(ldev->pdev);
}

/**
 * liov_interrupts_take() - get vectors, and the interrupts of the queue pairs
 * @ldev: device with @nr_queues queue pairs, which are fewer afterwards if there
 *	are not vectors for all
 * @least: queue pairs that there have to be vectors for, beside that for events
 *
 * Not while requests wait: it waits for CPUs that go offline, and these for
 * requests.
 *
 * Return: 0 or a negative error.
 */
int liov_interrupts_take(struct liov_dev *ldev, unsigned int least)
{
	unsigned int i;
	int err;

	err = liov_vectors_alloc(ldev, least);
	if (err)
		return err;

	for (i = 0; i < ldev->nr_queues; i++) {
		struct liov_queue *q = &ldev->queues[i];

		q->irq = pci_irq_vector(ldev->pdev, LIOV_VECTOR_QUEUE(i));
		err = request_irq(q->irq, liov_queue_irq, 0, q->name, q);
		if (err) {
			liov_interrupts_free(ldev, i);
			return err;
		}
	}
	return 0;
}

void liov_interrupts_drop(struct liov_dev *ldev)
{
	liov_interrupts_free(ldev, ldev->nr_queues);
}
