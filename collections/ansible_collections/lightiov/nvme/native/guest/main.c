// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI driver for the LightIOV passthrough device: hardware NVMe queue pairs of
 * a controller that several virtual machines share.
 */
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/memory.h>
#include <linux/module.h>

#include "guest.h"

static DEFINE_IDA(liov_instances);

/* --- resources ------------------------------------------------------------ */

static int liov_map_bars(struct liov_dev *ldev)
{
	struct pci_dev *pdev = ldev->pdev;
	int err;

	err = pci_enable_device_mem(pdev);
	if (err)
		return err;

	err = pci_request_mem_regions(pdev, KBUILD_MODNAME);
	if (err)
		goto disable;

	err = -ENODEV;
	if (pci_resource_len(pdev, LIOV_BAR_REGS) < LIOV_REGS_SIZE)
		goto release;

	err = -ENOMEM;
	ldev->regs = pci_iomap(pdev, LIOV_BAR_REGS, 0);
	if (!ldev->regs)
		goto release;
	ldev->doorbells = pci_iomap(pdev, LIOV_BAR_DOORBELLS, 0);
	if (!ldev->doorbells)
		goto unmap;
	return 0;

unmap:
	pci_iounmap(pdev, ldev->regs);
release:
	pci_release_mem_regions(pdev);
disable:
	pci_disable_device(pdev);
	return err;
}

static void liov_unmap_bars(struct liov_dev *ldev)
{
	pci_iounmap(ldev->pdev, ldev->doorbells);
	pci_iounmap(ldev->pdev, ldev->regs);
	pci_release_mem_regions(ldev->pdev);
	pci_disable_device(ldev->pdev);
}

/* --- life ----------------------------------------------------------------- */

/*
 * Undo liov_bring_up(); there are no disks, none comes, and there are no
 * interrupts for events.
 */
static void liov_take_down(struct liov_dev *ldev)
{
	mutex_lock(&ldev->lock);
	if (ldev->state != LIOV_DEAD)
		liov_stop(ldev, true);
	mutex_unlock(&ldev->lock);

	/* No work becomes due of a stopped device, but the second by the first. */
	cancel_delayed_work_sync(&ldev->recover_work);
	cancel_work_sync(&ldev->disks_work);

	liov_rings_free(ldev);
	liov_tag_set_exit(ldev);
	liov_interrupts_drop(ldev);
	liov_queues_exit(ldev);
}

/* Set up what there is one of for each queue pair, and start them. */
static int liov_bring_up(struct liov_dev *ldev)
{
	int err;

	err = liov_queues_init(ldev);
	if (err)
		return err;
	err = liov_interrupts_take(ldev, 1);
	if (err)
		goto exit_queues;
	err = liov_tag_set_init(ldev);
	if (err)
		goto drop_interrupts;

	mutex_lock(&ldev->lock);
	err = liov_restart(ldev, false);
	mutex_unlock(&ldev->lock);
	if (err)
		liov_take_down(ldev);
	return err;

drop_interrupts:
	liov_interrupts_drop(ldev);
exit_queues:
	liov_queues_exit(ldev);
	return err;
}

/*
 * A queue pair that cannot be made leaves a device with fewer.  So it is for as
 * long as there are disks: their requests are bound to hardware contexts, and a
 * later start makes all of them or none.
 */
static int liov_bring_up_what_goes(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	int err;

	for (;;) {
		ldev->usable_queues = 0;
		err = liov_bring_up(ldev);
		if (!err || err == -ENODEV || !ldev->usable_queues)
			break;
		dev_warn(dev, "goes on with %u queue pairs instead of %u\n",
			 ldev->usable_queues, ldev->nr_queues);
		ldev->nr_queues = ldev->usable_queues;
		liov_keep_an_interrupt(ldev);
	}
	if (err)
		dev_err(dev, "cannot be started (%pe), host status %#x: bind the driver again when the host has it ready\n",
			ERR_PTR(err), liov_read32(ldev, LIOV_REG_STATUS));
	return err;
}

static int liov_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct liov_dev *ldev;
	int err;

	ldev = kzalloc_node(sizeof(*ldev), GFP_KERNEL, dev_to_node(dev));
	if (!ldev)
		return -ENOMEM;

	ldev->pdev = pdev;
	ldev->unsettled = true;
	ldev->memory_nb.notifier_call = liov_memory_notify;
	mutex_init(&ldev->lock);
	mutex_init(&ldev->disks_lock);
	INIT_DELAYED_WORK(&ldev->recover_work, liov_recover_work);
	INIT_WORK(&ldev->disks_work, liov_disks_work);
	INIT_LIST_HEAD(&ldev->disks);
	pci_set_drvdata(pdev, ldev);

	ldev->instance = ida_alloc(&liov_instances, GFP_KERNEL);
	if (ldev->instance < 0) {
		err = ldev->instance;
		goto free;
	}

	err = liov_map_bars(ldev);
	if (err)
		goto free_instance;
	err = liov_check_version(ldev);
	if (err)
		goto unmap_bars;
	err = liov_memory_check(ldev);
	if (err)
		goto unmap_bars;
	err = liov_read_properties(ldev);
	if (err)
		goto unmap_bars;

	dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	/* Bounced data keeps its offset into the page, as PRP entries need. */
	dma_set_min_align_mask(dev, LIOV_PRP_MASK);
	dma_set_max_seg_size(dev, UINT_MAX);

	/* Before RAM is looked at, so that no change of it is missed. */
	err = register_memory_notifier(&ldev->memory_nb);
	if (err)
		goto unmap_bars;
	err = liov_bring_up_what_goes(ldev);
	if (err)
		goto unregister;
	err = liov_event_irq_take(ldev);
	if (err)
		goto take_down;

	dev_info(dev, "%s %s: %u queue pairs (%u of them polled) of %u entries, window %#llx of %#llx bytes\n",
		 ldev->model, ldev->serial, ldev->nr_queues, ldev->nr_polled,
		 ldev->entries, ldev->window_base, ldev->window_size);

	mutex_lock(&ldev->lock);
	WRITE_ONCE(ldev->unsettled, false);
	mutex_unlock(&ldev->lock);
	liov_disks_update(ldev);

	/* Events from before their interrupt was there. */
	mod_delayed_work(liov_wq, &ldev->recover_work, 0);
	return 0;

take_down:
	liov_take_down(ldev);
unregister:
	unregister_memory_notifier(&ldev->memory_nb);
	liov_memory_free(ldev);
unmap_bars:
	liov_unmap_bars(ldev);
free_instance:
	ida_free(&liov_instances, ldev->instance);
free:
	kfree(ldev);
	return err;
}

static void liov_remove(struct pci_dev *pdev)
{
	struct liov_dev *ldev = pci_get_drvdata(pdev);

	mutex_lock(&ldev->lock);
	WRITE_ONCE(ldev->unsettled, true);
	mutex_unlock(&ldev->lock);
	/* If the device is gone already, this finds out. */
	mod_delayed_work(liov_wq, &ldev->recover_work, 0);
	flush_delayed_work(&ldev->recover_work);

	/*
	 * Whatever keeps its I/O waiting, it fails now, so that nothing waits
	 * for it below.
	 */
	mutex_lock(&ldev->lock);
	if (ldev->state != LIOV_LIVE)
		liov_kill(ldev);
	liov_disks_retry_now(ldev);
	mutex_unlock(&ldev->lock);
	if (ldev->asleep)
		liov_disks_unfreeze(ldev);
	liov_disks_remove(ldev);

	liov_event_irq_drop(ldev);
	liov_take_down(ldev);
	unregister_memory_notifier(&ldev->memory_nb);
	liov_memory_free(ldev);
	liov_unmap_bars(ldev);
	ida_free(&liov_instances, ldev->instance);
	kfree(ldev);
}

static void liov_shutdown(struct pci_dev *pdev)
{
	struct liov_dev *ldev = pci_get_drvdata(pdev);

	mutex_lock(&ldev->lock);
	liov_kill(ldev);
	mutex_unlock(&ldev->lock);
}

static const struct pci_error_handlers liov_err_handler = {
	.reset_prepare	= liov_reset_prepare,
	.reset_done	= liov_reset_done,
};

static const struct pci_device_id liov_ids[] = {
	{ PCI_DEVICE(LIOV_PCI_VENDOR_ID, LIOV_PCI_DEVICE_ID) },
	{ }
};
MODULE_DEVICE_TABLE(pci, liov_ids);

static struct pci_driver liov_driver = {
	.name		= KBUILD_MODNAME,
	.id_table	= liov_ids,
	.probe		= liov_probe,
	.remove		= liov_remove,
	.shutdown	= liov_shutdown,
	.err_handler	= &liov_err_handler,
	.dev_groups	= liov_device_groups,
	.driver		= {
		.pm		= pm_sleep_ptr(&liov_pm_ops),
		.probe_type	= PROBE_PREFER_ASYNCHRONOUS,
	},
};

static int __init liov_init(void)
{
	int err;

	/* Recovery frees memory by making writes complete. */
	liov_wq = alloc_workqueue("lightiov", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!liov_wq)
		return -ENOMEM;

	/* What it waits for may take the above to come: it is another one. */
	err = -ENOMEM;
	liov_disks_wq = alloc_workqueue("lightiov_disks",
					WQ_FREEZABLE | WQ_UNBOUND, 0);
	if (!liov_disks_wq)
		goto destroy_wq;

	err = pci_register_driver(&liov_driver);
	if (err)
		goto destroy_disks_wq;
	return 0;

destroy_disks_wq:
	destroy_workqueue(liov_disks_wq);
destroy_wq:
	destroy_workqueue(liov_wq);
	return err;
}

static void __exit liov_exit(void)
{
	pci_unregister_driver(&liov_driver);
	destroy_workqueue(liov_disks_wq);
	destroy_workqueue(liov_wq);
}

module_init(liov_init);
module_exit(liov_exit);

MODULE_DESCRIPTION("LightIOV guest driver: NVMe hardware queue pairs in a VM");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
