// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue pairs: rings in this VM's memory, doorbells of the controller itself.
 * Set up here; request.c fills the submission rings, complete.c reads the
 * completion rings.
 */
#include "guest.h"

/* Of the ABI, since which LIOV_QUEUE_POLLED is known. */
#define LIOV_MINOR_POLLED	3

static size_t liov_sq_bytes(struct liov_dev *ldev)
{
	return array_size(ldev->entries, sizeof(struct nvme_command));
}

static size_t liov_cq_bytes(struct liov_dev *ldev)
{
	return array_size(ldev->entries, sizeof(struct nvme_completion));
}

/* Of PRP lists, each at a multiple of its size: none crosses a page. */
static struct dma_pool *liov_prp_pool(struct device *dev, unsigned int entries)
{
	const size_t bytes = entries * sizeof(__le64);

	return dma_pool_create("liov_prp", dev, bytes, bytes, 0);
}

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

	for (i = 0; i < ldev->nr_queues; i++) {
		struct liov_queue *q = &ldev->queues[i];

		if (!q->sq)
			q->sq = dma_alloc_coherent(dev, liov_sq_bytes(ldev),
						   &q->sq_dma, GFP_KERNEL);
		if (!q->cq)
			q->cq = dma_alloc_coherent(dev, liov_cq_bytes(ldev),
						   &q->cq_dma, GFP_KERNEL);
		if (!q->small_prps)
			q->small_prps = liov_prp_pool(dev, LIOV_SMALL_PRPS);
		if (!q->large_prps)
			q->large_prps = liov_prp_pool(dev, LIOV_LARGE_PRPS);
		if (!q->sq || !q->cq || !q->small_prps || !q->large_prps)
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

	/* Rather lost than somebody else's while the controller may use them. */
	if (ldev->has_queues)
		return;

	for (i = 0; i < ldev->nr_queues; i++) {
		struct liov_queue *q = &ldev->queues[i];

		if (q->sq)
			dma_free_coherent(dev, liov_sq_bytes(ldev), q->sq,
					  q->sq_dma);
		if (q->cq)
			dma_free_coherent(dev, liov_cq_bytes(ldev), q->cq,
					  q->cq_dma);
		dma_pool_destroy(q->small_prps);
		dma_pool_destroy(q->large_prps);
		q->sq = NULL;
		q->cq = NULL;
		q->small_prps = NULL;
		q->large_prps = NULL;
	}
}

/* Hosts of before do not know it, and then interrupts go nowhere. */
static u64 liov_polled_flag(const struct liov_queue *q)
{
	return liov_is_polled(q) && q->ldev->abi_minor >= LIOV_MINOR_POLLED ?
	       LIOV_QUEUE_POLLED : 0;
}

/* Is it not this queue but the controller, which the host resets? */
static bool liov_queues_lost(struct liov_dev *ldev)
{
	u32 status = liov_read32(ldev, LIOV_REG_STATUS);

	return status != U32_MAX && status & LIOV_STATUS_QUEUES_LOST;
}

static void liov_queue_clear(struct liov_queue *q)
{
	memset(q->cq, 0, liov_cq_bytes(q->ldev));
	q->sq_tail = 0;
	q->sq_rung = 0;
	q->cq_head = 0;
	q->cq_phase = 1;
}

static u64 liov_sq_gpa(const struct liov_queue *q)
{
	return q->sq_dma - q->ldev->window_base;
}

static u64 liov_cq_gpa(const struct liov_queue *q)
{
	return q->cq_dma - q->ldev->window_base;
}

/* Two writes for each, and one command that the controller's go side by side. */
static int liov_queues_create_at_once(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_queues; i++) {
		const struct liov_queue *q = &ldev->queues[i];

		liov_write64(ldev, LIOV_REG_RINGS(i), liov_sq_gpa(q));
		liov_write64(ldev, LIOV_REG_RINGS(i) + 8, liov_cq_gpa(q));
	}
	return liov_command(ldev, LIOV_CMD_CREATE_QUEUES, 0, ldev->nr_queues,
			    ldev->entries, ldev->nr_polled);
}

static int liov_queues_create_one_by_one(struct liov_dev *ldev)
{
	unsigned int i;
	int err;

	for (i = 0; i < ldev->nr_queues; i++) {
		const struct liov_queue *q = &ldev->queues[i];

		err = liov_command(ldev, LIOV_CMD_CREATE_QUEUE,
				   i | liov_polled_flag(q),
				   liov_sq_gpa(q), liov_cq_gpa(q),
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

/**
 * liov_queues_create() - make all rings the controller's
 * @ldev: device with window, memory and rings
 *
 * Return: 0 or a negative error; a reset takes back what was created.
 */
int liov_queues_create(struct liov_dev *ldev)
{
	unsigned int i;
	int err;

	for (i = 0; i < ldev->nr_queues; i++)
		liov_queue_clear(&ldev->queues[i]);

	err = liov_queues_create_at_once(ldev);
	if (!err || err == -EAGAIN)
		return err;
	/* A host from before ABI 1.3, or one that cannot have all: how many? */
	return liov_queues_create_one_by_one(ldev);
}

/*
 * From here on completions are the interrupt handler's to read, or theirs who
 * poll.  Not by enable_irq(): a managed interrupt, as these are, can forget that
 * it is disabled when its last CPU goes offline and comes back, as all but one do
 * for suspend (seen with Linux 6.12).
 */
void liov_queues_go_live(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_queues; i++) {
		/* Pairs with its readers: the ring is set up. */
		smp_store_release(&ldev->queues[i].live, true);
	}
	/* When it is probed, they are made for the first time. */
	if (!ldev->unsettled)
		atomic_inc(&ldev->stats.resets);
}

static void liov_queue_wait_quiet(struct liov_queue *q)
{
	if (liov_is_polled(q)) {
		/* Who holds it may have seen @live. */
		spin_lock(&q->cq_lock);
		spin_unlock(&q->cq_lock);
	} else {
		synchronize_irq(q->irq);
	}
}

/* Afterwards nobody reads completions; they are the caller's to read. */
void liov_queues_go_quiet(struct liov_dev *ldev)
{
	unsigned int i;

	for (i = 0; i < ldev->nr_queues; i++)
		WRITE_ONCE(ldev->queues[i].live, false);
	for (i = 0; i < ldev->nr_queues; i++)
		liov_queue_wait_quiet(&ldev->queues[i]);
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
		spin_lock_init(&q->cq_lock);
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
