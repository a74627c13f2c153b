// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking a controller over, and giving it back.
 */
#include <linux/idr.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "hw_queue.h"
#include "namespace.h"

static DEFINE_IDA(liov_ids);
static void liov_ctrl_free(struct kref *ref)
{
	struct liov_ctrl *ctrl = container_of(ref, struct liov_ctrl, ref);

	ida_free(&liov_ids, ctrl->id);
	kfree(ctrl);
}

void liov_ctrl_get(struct liov_ctrl *ctrl)
{
	kref_get(&ctrl->ref);
}

void liov_ctrl_put(struct liov_ctrl *ctrl)
{
	kref_put(&ctrl->ref, liov_ctrl_free);
}

/* Doorbell pages are mapped into VMs, so nothing else may live in them. */
static int liov_ctrl_check_doorbells(struct liov_ctrl *ctrl)
{
	static const u32 regs[] = { PCI_MSIX_TABLE, PCI_MSIX_PBA };
	struct pci_dev *pdev = ctrl->pdev;
	u64 end, limit = pci_resource_len(pdev, 0);
	u32 where, offset;
	int i;

	if (limit < NVME_REG_DBS + 4 * ctrl->stride)
		return -ENODEV;
	ctrl->nr_queue_pairs =
		min_t(u64, ctrl->nr_queue_pairs,
		      (limit - NVME_REG_DBS) / (2 * ctrl->stride) - 1);

	end = PAGE_ALIGN(NVME_REG_DBS +
			 2ULL * ctrl->stride * (ctrl->nr_queue_pairs + 1));
	for (i = 0; i < ARRAY_SIZE(regs); i++) {
		pci_read_config_dword(pdev, pdev->msix_cap + regs[i], &where);
		offset = where & PCI_MSIX_TABLE_OFFSET;
		if (!(where & PCI_MSIX_TABLE_BIR) && offset >= NVME_REG_DBS &&
		    offset < end) {
			dev_err(&pdev->dev,
				"controller keeps its MSI-X table among its doorbells, which VMs may not see: use another controller (or, in QEMU, msix-exclusive-bar=on)\n");
			return -ENODEV;
		}
	}

	ctrl->doorbell_size =
		roundup_pow_of_two(max_t(u64, end - NVME_REG_DBS, PAGE_SIZE));
	return 0;
}

static int liov_ctrl_map(struct liov_ctrl *ctrl)
{
	struct pci_dev *pdev = ctrl->pdev;
	int ret;

	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;

	ret = pci_request_mem_regions(pdev, "lightiov");
	if (ret)
		goto out_disable;

	ret = -ENOMEM;
	ctrl->regs_phys = pci_resource_start(pdev, 0);
	ctrl->regs = pci_ioremap_bar(pdev, 0);
	if (!ctrl->regs)
		goto out_release;

	ctrl->cap = lo_hi_readq(ctrl->regs + NVME_REG_CAP);
	ctrl->stride = 4 << NVME_CAP_STRIDE(ctrl->cap);
	ctrl->queue_entries = min_t(u32, NVME_CAP_MQES(ctrl->cap) + 1,
				    LIOV_MAX_ENTRIES);

	ret = -ENODEV;
	if (ctrl->cap == U64_MAX || !pdev->msix_cap ||
	    NVME_CAP_MPSMIN(ctrl->cap) > PAGE_SHIFT - 12) {
		dev_err(&pdev->dev,
			"controller does not answer, has no MSI-X or cannot use 4 KiB pages: use another controller\n");
		goto out_unmap;
	}
	return 0;

out_unmap:
	iounmap(ctrl->regs);
out_release:
	pci_release_mem_regions(pdev);
out_disable:
	pci_disable_device(pdev);
	return ret;
}

static void liov_ctrl_unmap(struct liov_ctrl *ctrl)
{
	iounmap(ctrl->regs);
	pci_release_mem_regions(ctrl->pdev);
	pci_disable_device(ctrl->pdev);
}

static void liov_ctrl_scan_work(struct work_struct *work)
{
	liov_namespaces_scan(container_of(work, struct liov_ctrl, scan_work));
}

static struct liov_ctrl *liov_ctrl_alloc(struct pci_dev *pdev)
{
	struct liov_ctrl *ctrl;
	int id;

	ctrl = kzalloc(sizeof(*ctrl), GFP_KERNEL);
	if (!ctrl)
		return NULL;
	id = ida_alloc(&liov_ids, GFP_KERNEL);
	if (id < 0) {
		kfree(ctrl);
		return NULL;
	}

	kref_init(&ctrl->ref);
	ctrl->id = id;
	snprintf(ctrl->misc_name, sizeof(ctrl->misc_name), "lightiov%d", id);
	ctrl->pdev = pdev;
	ctrl->dev = &pdev->dev;
	ctrl->quirks = liov_quirks_find(pdev);
	ctrl->state = LIOV_CTRL_RESETTING;
	mutex_init(&ctrl->lock);
	mutex_init(&ctrl->reset_lock);
	mutex_init(&ctrl->scan_lock);
	init_rwsem(&ctrl->access);
	INIT_LIST_HEAD(&ctrl->mdevs);
	INIT_LIST_HEAD(&ctrl->namespaces);
	INIT_WORK(&ctrl->event_work, liov_event_work);
	INIT_WORK(&ctrl->scan_work, liov_ctrl_scan_work);
	return ctrl;
}

struct liov_ctrl *liov_ctrl_create(struct pci_dev *pdev)
{
	struct liov_ctrl *ctrl;
	int ret;

	ctrl = liov_ctrl_alloc(pdev);
	if (!ctrl)
		return ERR_PTR(-ENOMEM);

	ret = liov_ctrl_map(ctrl);
	if (ret)
		goto out_put;

	/* It may still run for whoever had it before. */
	ret = liov_ctrl_disable(ctrl);
	if (ret) {
		dev_err(&pdev->dev, "controller cannot be disabled: %d\n", ret);
		goto out_unmap;
	}

	ret = liov_windows_init(ctrl);
	if (ret)
		goto out_unmap;

	ret = liov_admin_init(ctrl);
	if (ret)
		goto out_windows;

	pci_set_master(pdev);
	ret = liov_ctrl_enable(ctrl);
	if (ret) {
		dev_err(&pdev->dev,
			"controller cannot be enabled or does not identify itself: %d\n",
			ret);
		goto out_quiesce;
	}

	liov_hmb_create(ctrl);
	ret = liov_hmb_give(ctrl);
	if (ret) {
		dev_err(&pdev->dev,
			"controller does not answer Set Features: %d\n", ret);
		goto out_quiesce;
	}

	ret = liov_ctrl_check_doorbells(ctrl);
	if (ret)
		goto out_quiesce;

	ret = -ENOMEM;
	ctrl->nr_queue_pairs_free = ctrl->nr_queue_pairs;
	ctrl->qids = bitmap_zalloc(ctrl->nr_queue_pairs + 1, GFP_KERNEL);
	if (!ctrl->qids)
		goto out_quiesce;
	/* Queue 0 is the admin queue. */
	__set_bit(0, ctrl->qids);

	ret = liov_vectors_init(ctrl);
	if (ret)
		goto out_qids;

	liov_ctrl_set_state(ctrl, LIOV_CTRL_LIVE);
	liov_admin_request_event(ctrl);
	liov_namespaces_scan(ctrl);
	return ctrl;

out_qids:
	bitmap_free(ctrl->qids);
out_quiesce:
	liov_ctrl_quiesce(ctrl);
	pci_clear_master(pdev);
	liov_hmb_destroy(ctrl);
	liov_admin_exit(ctrl);
out_windows:
	liov_windows_exit(ctrl);
out_unmap:
	liov_ctrl_unmap(ctrl);
out_put:
	liov_ctrl_put(ctrl);
	return ERR_PTR(ret);
}

/* All mediated devices and the character device are gone. */
void liov_ctrl_destroy(struct liov_ctrl *ctrl)
{
	liov_ctrl_shutdown(ctrl);
	liov_vectors_exit(ctrl);
	cancel_work_sync(&ctrl->event_work);
	cancel_work_sync(&ctrl->scan_work);
	liov_namespaces_free(&ctrl->namespaces);
	bitmap_free(ctrl->qids);
	liov_hmb_destroy(ctrl);
	liov_admin_exit(ctrl);
	liov_windows_exit(ctrl);
	liov_ctrl_unmap(ctrl);
	liov_ctrl_put(ctrl);
}
