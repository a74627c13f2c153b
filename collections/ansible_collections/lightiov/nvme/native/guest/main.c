// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI driver for the LightIOV passthrough device: hardware NVMe queue pairs of
 * a controller that several virtual machines share.
 */
#include <linux/ctype.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/interrupt.h>
#include <linux/memory.h>
#include <linux/module.h>

#include "guest.h"

static DEFINE_IDA(liov_instances);

static irqreturn_t liov_event_irq(int irq, void *data)
{
	struct liov_dev *ldev = data;

	mod_delayed_work(liov_wq, &ldev->recover_work, 0);
	return IRQ_HANDLED;
}

/* --- what the device says of itself --------------------------------------- */

/* A register of space-padded ASCII to a string that is safe to print. */
static void liov_read_string(struct liov_dev *ldev, unsigned int offset,
			     char *buf, size_t len)
{
	size_t i;

	liov_read_block(ldev, offset, buf, len);
	for (i = 0; i < len; i++)
		if (!isascii(buf[i]) || !isprint(buf[i]))
			buf[i] = ' ';
	buf[len] = '\0';
	strim(buf);
}

static int liov_check_version(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	u32 magic = liov_read32(ldev, LIOV_REG_MAGIC);
	u32 version = liov_read32(ldev, LIOV_REG_VERSION);

	if (magic != LIOV_MAGIC) {
		dev_err(dev, "has LightIOV's PCI ID but not its magic number (%#x): not a LightIOV device, left alone\n",
			magic);
		return -ENODEV;
	}
	if (version >> 16 != LIOV_ABI_MAJOR) {
		dev_err(dev, "speaks LightIOV ABI %u.%u and this driver %u.%u: install lightiov-guest of the host's version\n",
			version >> 16, version & 0xffff, LIOV_ABI_MAJOR,
			LIOV_ABI_MINOR);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* A deallocation is limited by its ranges, each of them, and all together. */
static void liov_read_dealloc(struct liov_dev *ldev)
{
	u64 range = liov_read32(ldev, LIOV_REG_DEALLOC_RANGE);
	u64 all = liov_read64(ldev, LIOV_REG_DEALLOC_LBAS);

	ldev->dealloc_ranges = liov_read32(ldev, LIOV_REG_DEALLOC_RANGES);
	/* The block layer knows one limit, for a range and for all. */
	ldev->dealloc_lbas = min_not_zero(range, all);
}

static void liov_read_retry_delays(struct liov_dev *ldev)
{
	unsigned int crd;

	for (crd = 1; crd < ARRAY_SIZE(ldev->retry_delay_ms); crd++)
		ldev->retry_delay_ms[crd] =
			min(liov_read32(ldev, LIOV_REG_RETRY_DELAY(crd)),
			    LIOV_PATIENCE_SECONDS * 1000);
}

static int liov_read_properties(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	u32 page_size = liov_read32(ldev, LIOV_REG_PAGE_SIZE);
	u32 max_transfer = liov_read32(ldev, LIOV_REG_MAX_TRANSFER);
	u32 entries = liov_read32(ldev, LIOV_REG_QUEUE_ENTRIES);

	if (page_size != LIOV_PRP_SIZE || max_transfer < PAGE_SIZE ||
	    entries < 2) {
		dev_err(dev, "offers pages of %u bytes, transfers of %u bytes and rings of %u entries, where %u, %lu and 2 are needed: use another controller\n",
			page_size, max_transfer, entries, LIOV_PRP_SIZE,
			PAGE_SIZE);
		return -EOPNOTSUPP;
	}

	ldev->entries = min(entries, LIOV_RING_ENTRIES);
	ldev->max_transfer = min_t(u32, max_transfer, LIOV_MAX_TRANSFER) &
			     PAGE_MASK;
	/* One for each CPU, as far as they go. */
	ldev->nr_queues = min3(liov_read32(ldev, LIOV_REG_QUEUE_PAIRS),
			       num_possible_cpus(),
			       (u32)LIOV_MAX_QUEUE_PAIRS);
	ldev->features = liov_read32(ldev, LIOV_REG_FEATURES);
	liov_read_dealloc(ldev);
	liov_read_retry_delays(ldev);
	ldev->write_zeroes = liov_read32(ldev, LIOV_REG_WRITE_ZEROES);
	ldev->timeout_ms = clamp(liov_read32(ldev, LIOV_REG_TIMEOUT_MS),
				 1000u, 600000u);
	liov_read_string(ldev, LIOV_REG_SERIAL, ldev->serial, 20);
	liov_read_string(ldev, LIOV_REG_MODEL, ldev->model, 40);
	liov_read_string(ldev, LIOV_REG_FIRMWARE, ldev->firmware, 8);
	return 0;
}

/**
 * liov_check_same() - check that the device is the one that was probed
 * @ldev: device that is about to be started
 *
 * A VM that comes back from hibernation finds what its host has now.
 *
 * A disk whose extent is not there any more fails, and the others go on.
 *
 * Return: 0 or a negative error; -ESTALE: its disks are not those of this VM.
 */
int liov_check_same(struct liov_dev *ldev)
{
	u32 features = liov_read32(ldev, LIOV_REG_FEATURES);
	struct device *dev = &ldev->pdev->dev;
	char serial[sizeof(ldev->serial)];
	int err;

	err = liov_check_version(ldev);
	if (err)
		return err;

	liov_read_string(ldev, LIOV_REG_SERIAL, serial, sizeof(serial) - 1);
	if (strcmp(serial, ldev->serial)) {
		dev_err(dev, "is of controller %s now, and its disks are of %s: give the VM back what it had, or restart it\n",
			serial, ldev->serial);
		return -ESTALE;
	}

	/* Writes would be lost in a cache that nobody knew to flush. */
	if (liov_read32(ldev, LIOV_REG_QUEUE_PAIRS) < ldev->nr_queues ||
	    liov_read32(ldev, LIOV_REG_QUEUE_ENTRIES) < ldev->entries ||
	    liov_read32(ldev, LIOV_REG_MAX_TRANSFER) < ldev->max_transfer ||
	    liov_read32(ldev, LIOV_REG_PAGE_SIZE) != LIOV_PRP_SIZE ||
	    ldev->features & ~features & ~LIOV_FEATURE_VOLATILE_CACHE ||
	    features & ~ldev->features & LIOV_FEATURE_VOLATILE_CACHE) {
		dev_err(dev, "has fewer queue pairs, shorter rings or transfers, or other features than the VM started with: give the VM back what it had, or restart it\n");
		return -ESTALE;
	}
	return liov_extents_look(ldev);
}

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

static int liov_event_irq_take(struct liov_dev *ldev)
{
	return pci_request_irq(ldev->pdev, LIOV_VECTOR_EVENT, liov_event_irq,
			       NULL, ldev, "liov%d", ldev->instance);
}

static void liov_event_irq_drop(struct liov_dev *ldev)
{
	pci_free_irq(ldev->pdev, LIOV_VECTOR_EVENT, ldev);
}

/* Undo liov_bring_up(); there are no disks, and no interrupts for events. */
static void liov_take_down(struct liov_dev *ldev)
{
	cancel_delayed_work_sync(&ldev->recover_work);
	mutex_lock(&ldev->lock);
	if (ldev->state != LIOV_DEAD)
		liov_stop(ldev, true);
	mutex_unlock(&ldev->lock);

	liov_rings_free(ldev);
	liov_tag_set_exit(ldev);
	if (!ldev->asleep)
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

	dev_info(dev, "%s %s: %u queue pairs of %u entries, window %#llx of %#llx bytes\n",
		 ldev->model, ldev->serial, ldev->nr_queues, ldev->entries,
		 ldev->window_base, ldev->window_size);

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
	WRITE_ONCE(ldev->removing, true);
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

	if (!ldev->asleep)
		liov_event_irq_drop(ldev);
	cancel_delayed_work_sync(&ldev->recover_work);
	cancel_work_sync(&ldev->disks_work);
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

/* Suspend, and a reset from outside: requests wait until the device is back. */
static void liov_pause(struct liov_dev *ldev)
{
	mutex_lock(&ldev->lock);
	if (ldev->state != LIOV_DEAD)
		liov_stop(ldev, true);
	mutex_unlock(&ldev->lock);
}

static void liov_unpause(struct liov_dev *ldev)
{
	int err;

	mutex_lock(&ldev->lock);
	err = liov_restart(ldev, false);
	if (err)
		liov_report(ldev, err);
	mutex_unlock(&ldev->lock);

	/* Extents may have changed meanwhile. */
	mod_delayed_work(liov_wq, &ldev->recover_work, 0);
}

/*
 * The other CPUs go offline for sleep, and each waits for all requests of its
 * hardware context: there must be none, not even one that waits.  What comes
 * later waits outside, frozen.
 */
static int liov_suspend(struct device *dev)
{
	struct liov_dev *ldev = dev_get_drvdata(dev);
	int err;

	/* No disk comes or goes: @liov_disks_wq is frozen, and probing is over. */
	err = liov_disks_freeze(ldev);
	if (err) {
		dev_err(dev, "cannot sleep, since its I/O did not end within %u ms: have the VM sleep when the device works again, or unplug it\n",
			LIOV_FREEZE_TIMEOUTS * ldev->timeout_ms);
		return err;
	}
	liov_event_irq_drop(ldev);
	liov_pause(ldev);
	cancel_delayed_work_sync(&ldev->recover_work);
	liov_interrupts_drop(ldev);
	ldev->asleep = true;
	return 0;
}

/* As many as before, since requests are bound to them. */
static int liov_interrupts_retake(struct liov_dev *ldev)
{
	int err;

	err = liov_interrupts_take(ldev, ldev->nr_queues);
	if (err)
		return err;
	err = liov_event_irq_take(ldev);
	if (err)
		liov_interrupts_drop(ldev);
	return err;
}

static int liov_resume(struct device *dev)
{
	struct liov_dev *ldev = dev_get_drvdata(dev);
	int err;

	err = liov_interrupts_retake(ldev);
	if (err) {
		mutex_lock(&ldev->lock);
		liov_kill(ldev);
		mutex_unlock(&ldev->lock);
	} else {
		ldev->asleep = false;
	}
	liov_unpause(ldev);
	liov_disks_unfreeze(ldev);
	return err;
}

static DEFINE_SIMPLE_DEV_PM_OPS(liov_pm_ops, liov_suspend, liov_resume);

static void liov_reset_prepare(struct pci_dev *pdev)
{
	liov_pause(pci_get_drvdata(pdev));
}

static void liov_reset_done(struct pci_dev *pdev)
{
	liov_unpause(pci_get_drvdata(pdev));
}

static const struct pci_error_handlers liov_err_handler = {
	.reset_prepare	= liov_reset_prepare,
	.reset_done	= liov_reset_done,
};

/* --- state in sysfs ------------------------------------------------------- */

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	static const char * const names[] = {
		[LIOV_STOPPED]	= "stopped",
		[LIOV_WAITING]	= "waiting",
		[LIOV_LIVE]	= "live",
		[LIOV_FAILED]	= "failed",
		[LIOV_DEAD]	= "dead",
	};
	struct liov_dev *ldev = dev_get_drvdata(dev);

	return sysfs_emit(buf, "%s\n", names[READ_ONCE(ldev->state)]);
}
static DEVICE_ATTR_RO(state);

static struct attribute *liov_attrs[] = {
	&dev_attr_state.attr,
	NULL
};
ATTRIBUTE_GROUPS(liov);

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
	.dev_groups	= liov_groups,
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
