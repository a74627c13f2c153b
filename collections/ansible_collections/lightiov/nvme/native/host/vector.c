// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI-X vectors.  Each queue pair has one of its own as long as there are
 * enough; then they share, as handlers of one interrupt do: slower, not wrong.
 */
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "hw_queue.h"

/*
 * A CPU of x86 has some 200 vectors for all devices; asking for more than the
 * CPUs have leaves the kernel short of them, with a warning.
 */
#define LIOV_VECTORS_PER_CPU	100

static unsigned int max_vectors;
module_param(max_vectors, uint, 0444);
MODULE_PARM_DESC(max_vectors,
		 "MSI-X vectors for I/O per controller (0: as many as the CPUs bear)");

int liov_vectors_init(struct liov_ctrl *ctrl)
{
	unsigned int limit, i;
	int count, ret;

	limit = max_vectors ?: num_online_cpus() * LIOV_VECTORS_PER_CPU;
	limit = min(limit, ctrl->nr_queue_pairs);
	/* Vector 0 is the admin queue's. */
	count = pci_alloc_irq_vectors(ctrl->pdev, 2, limit + 1, PCI_IRQ_MSIX);
	if (count < 0) {
		dev_err(ctrl->dev,
			"controller got no two MSI-X vectors (%d): free some or use more CPUs\n",
			count);
		return count;
	}

	ctrl->nr_vectors = count - 1;
	ctrl->vectors = kcalloc(ctrl->nr_vectors, sizeof(*ctrl->vectors),
				GFP_KERNEL);
	ret = -ENOMEM;
	if (!ctrl->vectors)
		goto out_vectors;
	for (i = 0; i < ctrl->nr_vectors; i++)
		INIT_LIST_HEAD(&ctrl->vectors[i].queues);

	ret = liov_admin_request_irq(ctrl);
	if (ret)
		goto out_free;
	return 0;

out_free:
	kfree(ctrl->vectors);
out_vectors:
	pci_free_irq_vectors(ctrl->pdev);
	return ret;
}

void liov_vectors_exit(struct liov_ctrl *ctrl)
{
	liov_admin_free_irq(ctrl);
	kfree(ctrl->vectors);
	pci_free_irq_vectors(ctrl->pdev);
}

static irqreturn_t liov_vector_irq(int irq, void *data)
{
	struct liov_hw_queue *queue = data;

	queue->handler(queue->data);
	return IRQ_HANDLED;
}

/*
 * A vector that only one queue pair uses can be posted straight to the VM.
 * Caller holds ctrl->lock, and calls this after each change and before an
 * eventfd that was taken away is put.
 */
static void liov_vector_update_bypass(struct liov_ctrl *ctrl, int number)
{
	struct liov_vector *vector = &ctrl->vectors[number - 1];
	struct eventfd_ctx *eventfd = NULL;

	if (list_is_singular(&vector->queues))
		eventfd = list_first_entry(&vector->queues, struct liov_hw_queue,
					   vector_node)->bypass;
	if (vector->bypassed == eventfd)
		return;

	if (vector->bypassed)
		irq_bypass_unregister_producer(&vector->producer);
	vector->bypassed = NULL;

	/* Without it each interrupt takes the way through the eventfd. */
	if (eventfd &&
	    !liov_bypass_register(&vector->producer, eventfd,
				  pci_irq_vector(ctrl->pdev, number)))
		vector->bypassed = eventfd;
}

/* Of those that have so many users at least.  Returns 0 if there is none. */
static int liov_vector_least_used(struct liov_ctrl *ctrl, unsigned int least)
{
	struct liov_vector *best = NULL;
	unsigned int i;

	for (i = 0; i < ctrl->nr_vectors; i++) {
		struct liov_vector *vector = &ctrl->vectors[i];

		if (vector->users >= least &&
		    (!best || vector->users < best->users))
			best = vector;
	}
	return best ? best - ctrl->vectors + 1 : 0;
}

static int liov_vector_request_irq(struct liov_ctrl *ctrl, int number,
				   struct liov_hw_queue *queue)
{
	return request_irq(pci_irq_vector(ctrl->pdev, number), liov_vector_irq,
			   IRQF_SHARED, queue->irq_name, queue);
}

/* Gives a queue pair, which is not created yet, its interrupt, if it has one. */
int liov_vector_attach(struct liov_hw_queue *queue)
{
	struct liov_ctrl *ctrl = queue->ctrl;
	struct liov_vector *vector;
	int number, ret;

	if (queue->polled)
		return 0;
	snprintf(queue->irq_name, sizeof(queue->irq_name), "%s-q%u",
		 ctrl->misc_name, queue->qid);

	mutex_lock(&ctrl->lock);
	number = liov_vector_least_used(ctrl, 0);
	ret = liov_vector_request_irq(ctrl, number, queue);
	/* CPUs may be short of vectors; one that is in use costs none. */
	if (ret) {
		number = liov_vector_least_used(ctrl, 1);
		if (number)
			ret = liov_vector_request_irq(ctrl, number, queue);
	}
	if (ret) {
		dev_err_ratelimited(ctrl->dev,
				    "no interrupt for queue %u of %s (%d): free vectors of other devices, or use more CPUs\n",
				    queue->qid, dev_name(queue->owner), ret);
	} else {
		vector = &ctrl->vectors[number - 1];
		queue->vector = number;
		vector->users++;
		list_add(&queue->vector_node, &vector->queues);
		liov_vector_update_bypass(ctrl, number);
	}
	mutex_unlock(&ctrl->lock);

	return ret;
}

void liov_vector_detach(struct liov_hw_queue *queue)
{
	struct liov_ctrl *ctrl = queue->ctrl;
	int number = queue->vector;

	if (!number)
		return;
	mutex_lock(&ctrl->lock);
	list_del(&queue->vector_node);
	ctrl->vectors[number - 1].users--;
	queue->vector = 0;
	liov_vector_update_bypass(ctrl, number);
	free_irq(pci_irq_vector(ctrl->pdev, number), queue);
	mutex_unlock(&ctrl->lock);
}

/* An eventfd that was @queue's is put only after this. */
void liov_hw_queue_set_bypass(struct liov_hw_queue *queue,
			      struct eventfd_ctx *eventfd)
{
	struct liov_ctrl *ctrl = queue->ctrl;

	mutex_lock(&ctrl->lock);
	queue->bypass = eventfd;
	if (queue->vector)
		liov_vector_update_bypass(ctrl, queue->vector);
	mutex_unlock(&ctrl->lock);
}
