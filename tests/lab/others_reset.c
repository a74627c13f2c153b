// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel module for the lab: tells the driver of a PCI device what Linux tells
 * it after an error that cuts nothing off (drivers/pci/pcie/err.c) if the driver
 * of another device behind the same bridge has wanted a reset.  Older kernels
 * then reset nothing, and newer ones all of them.  No device of the lab has such a
 * driver: insmod MODULE address=DOMAIN:BUS:DEVICE.FUNCTION reset=0|1
 */
#include <linux/module.h>
#include <linux/pci.h>

static char *address;
module_param(address, charp, 0444);
static bool reset;
module_param(reset, bool, 0444);

static int others_reset_tell(struct pci_dev *pdev)
{
	const struct pci_error_handlers *told = pdev->driver->err_handler;

	if (told->error_detected(pdev, pci_channel_io_normal) !=
	    PCI_ERS_RESULT_CAN_RECOVER)
		return -EPROTO;
	/* Its driver alone knows of a state to restore. */
	if (reset && pcie_reset_flr(pdev, PCI_RESET_DO_RESET))
		return -EIO;
	if (told->slot_reset(pdev) != PCI_ERS_RESULT_RECOVERED)
		return -EPROTO;
	told->resume(pdev);
	return 0;
}

static int __init others_reset_init(void)
{
	unsigned int domain, bus, slot, function;
	struct pci_dev *pdev;
	int ret;

	if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	if (!pdev)
		return -ENODEV;
	device_lock(&pdev->dev);
	ret = pdev->driver ? others_reset_tell(pdev) : -ENODEV;
	device_unlock(&pdev->dev);
	pci_dev_put(pdev);
	return ret;
}
module_init(others_reset_init);

static void __exit others_reset_exit(void)
{
}
module_exit(others_reset_exit);

MODULE_DESCRIPTION("LightIOV's tests: a reset that another device's driver wanted");
MODULE_LICENSE("GPL");
