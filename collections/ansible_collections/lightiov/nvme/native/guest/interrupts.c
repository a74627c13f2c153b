// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts: one of the controller's for each queue pair that is not polled, and
 * one by which the host tells of events.
 */
#include <linux/interrupt.h>

#include "guest.h"

static int liov_vectors_alloc(struct liov_dev *ldev, unsigned int least)
{
	struct irq_affinity affinity = { .pre_vectors = LIOV_VECTOR_QUEUE(0) };
	struct pci_dev *pdev = ldev->pdev;
	int got;

	got = pci_alloc_irq_vectors_affinity(pdev, LIOV_VECTOR_QUEUE(least),
					     LIOV_VECTOR_QUEUE(liov_irq_queues(ldev)),
					     PCI_IRQ_MSIX | PCI_IRQ_AFFINITY,
					     &affinity);
	if (got < 0) {
		dev_err(&pdev->dev,
			"has %u queue pairs and not the interrupt vectors for %u and for events (%pe): give the mdev a queue pair, and the VM MSI-X\n",
			ldev->nr_queues, least, ERR_PTR(got));
		return got;
	}
	ldev->nr_queues = got - LIOV_VECTOR_QUEUE(0) + ldev->nr_polled;
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
 *	are not vectors for all but those that are polled
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

	for (i = 0; i < liov_irq_queues(ldev); i++) {
		struct liov_queue *q = &ldev->queues[i];

		q->irq = pci_irq_vector(ldev->pdev, LIOV_VECTOR_QUEUE(i));
		err = request_irq(q->irq, liov_queue_irq, 0, q->name, q);
		if (err) {
			liov_interrupts_free(ldev, i);
			return err;
		}
	}
	ldev->interrupts = true;
	return 0;
}

/* There are none after sleep from which the device did not come back. */
void liov_interrupts_drop(struct liov_dev *ldev)
{
	if (ldev->interrupts)
		liov_interrupts_free(ldev, liov_irq_queues(ldev));
	ldev->interrupts = false;
}

static irqreturn_t liov_event_irq(int irq, void *data)
{
	struct liov_dev *ldev = data;

	mod_delayed_work(liov_wq, &ldev->recover_work, 0);
	return IRQ_HANDLED;
}

int liov_event_irq_take(struct liov_dev *ldev)
{
	return pci_request_irq(ldev->pdev, LIOV_VECTOR_EVENT, liov_event_irq,
			       NULL, ldev, "liov%d", ldev->instance);
}

void liov_event_irq_drop(struct liov_dev *ldev)
{
	if (ldev->interrupts)
		pci_free_irq(ldev->pdev, LIOV_VECTOR_EVENT, ldev);
}

/* As many as before, since requests are bound to them. */
int liov_interrupts_retake(struct liov_dev *ldev)
{
	int err;

	err = liov_interrupts_take(ldev, liov_irq_queues(ldev));
	if (err)
		return err;
	err = liov_event_irq_take(ldev);
	if (err)
		liov_interrupts_drop(ldev);
	return err;
}
