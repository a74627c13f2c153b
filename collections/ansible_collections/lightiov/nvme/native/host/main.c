// SPDX-License-Identifier: GPL-2.0-only
/*
 * LightIOV host driver: shares one NVMe controller among VMs by giving each of
 * them hardware I/O queue pairs.
 *
 * It never takes a controller by itself: its ID table is empty, so that only
 * driver_override leads to it.
 *
 * Files from the top to the bottom.  Each calls only what is below it; what is
 * above it is told by struct liov_kind, by hw_queue's handler, or by work.
 *
 *	main			the PCI driver
 *	types			kinds as mdev types, life of a parent's devices
 *	admin_chardev,
 *	controller_sysfs	what an operator does with a controller
 *	controller		takes a controller over, and gives it back
 *
 *	passthrough*		the kind lightiov-passthrough
 *
 *	extent_sysfs, mdev_sysfs,
 *	tenant, vfio, mdev,
 *	config_space		devices of any kind (mdev.h)
 *	scan, extent, slot,
 *	namespace		namespaces and who has what of them (extent.h)
 *	memory, unmapping	memory of a VFIO device (memory.h)
 *
 *	hw_queue, vector	hardware queue pairs (hw_queue.h)
 *	event, admin		a controller that runs (controller.h)
 *	reset			a controller that starts and stops
 *	hmb, identify,
 *	admin_queue, window,
 *	work, quirks		what that needs (hmb.h, admin.h, window.h)
 *	mdev_state, trigger	what devices and their users are told
 *
 * Kbuild has the exact order, and the tests hold the calls against it.
 */
#include <linux/module.h>

#include "top.h"

static int liov_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct liov_ctrl *ctrl;
	int ret;

	if (pdev->class != PCI_CLASS_STORAGE_EXPRESS) {
		dev_err(&pdev->dev,
			"device is no NVMe controller: clear its driver_override\n");
		return -ENODEV;
	}

	/* Doorbells, rings and PRPs are all laid out in pages of 4 KiB. */
	if (PAGE_SIZE != SZ_4K) {
		dev_err(&pdev->dev,
			"host has pages of %lu bytes, and LightIOV needs 4096: boot a kernel with pages of 4 KiB\n",
			PAGE_SIZE);
		return -EOPNOTSUPP;
	}

	ctrl = liov_ctrl_create(pdev);
	if (IS_ERR(ctrl))
		return PTR_ERR(ctrl);
	pci_set_drvdata(pdev, ctrl);

	ret = liov_chardev_add(ctrl);
	if (ret)
		goto out_destroy;

	ret = liov_parent_add(ctrl);
	if (ret)
		goto out_chardev;

	dev_info(&pdev->dev, "%s: %u queue pairs, %u vectors\n",
		 ctrl->misc_name, ctrl->nr_queue_pairs, ctrl->nr_vectors);
	return 0;

out_chardev:
	liov_chardev_remove(ctrl);
out_destroy:
	liov_ctrl_destroy(ctrl);
	return ret;
}

static void liov_remove(struct pci_dev *pdev)
{
	struct liov_ctrl *ctrl = pci_get_drvdata(pdev);

	if (!pci_device_is_present(pdev))
		liov_ctrl_kill(ctrl);
	/* Ask all VMs at once; then wait for one after the other. */
	liov_mdevs_request_release(ctrl);
	liov_parent_remove(ctrl);
	liov_chardev_remove(ctrl);
	liov_ctrl_destroy(ctrl);
}

static void liov_shutdown(struct pci_dev *pdev)
{
	liov_ctrl_shutdown(pci_get_drvdata(pdev));
}

/* Somebody resets the function through sysfs, or the slot above it. */
static void liov_reset_prepare(struct pci_dev *pdev)
{
	struct liov_ctrl *ctrl = pci_get_drvdata(pdev);

	mutex_lock(&ctrl->reset_lock);
	liov_ctrl_stop(ctrl);
}

static void liov_reset_done(struct pci_dev *pdev)
{
	struct liov_ctrl *ctrl = pci_get_drvdata(pdev);

	liov_ctrl_start(ctrl);
	mutex_unlock(&ctrl->reset_lock);
}

static pci_ers_result_t liov_error_detected(struct pci_dev *pdev,
					    pci_channel_state_t state)
{
	struct liov_ctrl *ctrl = pci_get_drvdata(pdev);

	switch (state) {
	case pci_channel_io_normal:
		/* Others may want a reset all the same: liov_ctrl_restore(). */
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		dev_warn(&pdev->dev,
			 "PCI errors cut the controller off: its VMs' I/O waits for a reset of the slot (if that fails, bind the controller to the driver again)\n");
		liov_ctrl_cut_off(ctrl);
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		dev_err(&pdev->dev,
			"PCI errors cut the controller off for good: its mediated devices are lost, bind it to the driver again\n");
		liov_ctrl_kill(ctrl);
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

static pci_ers_result_t liov_slot_reset(struct pci_dev *pdev)
{
	liov_ctrl_restore(pci_get_drvdata(pdev));
	return PCI_ERS_RESULT_RECOVERED;
}

static void liov_error_resume(struct pci_dev *pdev)
{
	liov_ctrl_recover(pci_get_drvdata(pdev));
}

static const struct pci_error_handlers liov_error_handlers = {
	.error_detected	= liov_error_detected,
	.slot_reset	= liov_slot_reset,
	.resume		= liov_error_resume,
	.reset_prepare	= liov_reset_prepare,
	.reset_done	= liov_reset_done,
};

static int liov_suspend(struct device *dev)
{
	liov_ctrl_suspend(dev_get_drvdata(dev));
	return 0;
}

static int liov_resume(struct device *dev)
{
	liov_ctrl_resume(dev_get_drvdata(dev));
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(liov_pm_ops, liov_suspend, liov_resume);

static struct pci_driver liov_pci_driver = {
	.name		    = "lightiov",
	.probe		    = liov_probe,
	.remove		    = liov_remove,
	.shutdown	    = liov_shutdown,
	.err_handler	    = &liov_error_handlers,
	.dev_groups	    = liov_ctrl_groups,
	.driver_managed_dma = true,
	.driver.pm	    = pm_sleep_ptr(&liov_pm_ops),
};

static int __init liov_init(void)
{
	int ret;

	ret = liov_ctrl_init_workqueue();
	if (ret)
		return ret;
	ret = mdev_register_driver(&liov_mdev_driver);
	if (ret)
		goto out_workqueue;
	ret = pci_register_driver(&liov_pci_driver);
	if (ret)
		goto out_mdev;
	return 0;

out_mdev:
	mdev_unregister_driver(&liov_mdev_driver);
out_workqueue:
	liov_ctrl_exit_workqueue();
	return ret;
}
module_init(liov_init);

static void __exit liov_exit(void)
{
	pci_unregister_driver(&liov_pci_driver);
	mdev_unregister_driver(&liov_mdev_driver);
	liov_ctrl_exit_workqueue();
}
module_exit(liov_exit);

MODULE_DESCRIPTION("LightIOV: hardware NVMe queue pairs for VMs");
MODULE_AUTHOR("The LightIOV authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
/* driverctl loads a module by the name of the driver. */
MODULE_ALIAS("lightiov");
