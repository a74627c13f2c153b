// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of a controller: taking it over, starting, resetting and stopping it.
 */
#include <linux/delay.h>
#include <linux/idr.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/log2.h>
#include <linux/slab.h>

#include "hw_queue.h"
#include "trace.h"

/* What drives need that must not be asked at once whether they are disabled. */
#define LIOV_READY_DELAY_MS	2300

static DEFINE_IDA(liov_ids);
static struct workqueue_struct *liov_workqueue;

int liov_ctrl_init_workqueue(void)
{
	liov_workqueue = alloc_workqueue("lightiov",
					 WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return liov_workqueue ? 0 : -ENOMEM;
}

void liov_ctrl_exit_workqueue(void)
{
	destroy_workqueue(liov_workqueue);
}

void liov_ctrl_queue_work(struct work_struct *work)
{
	queue_work(liov_workqueue, work);
}

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

static void liov_ctrl_set_state(struct liov_ctrl *ctrl,
				enum liov_ctrl_state state)
{
	spin_lock_irq(&ctrl->admin.lock);
	if (ctrl->state != LIOV_CTRL_DEAD)
		WRITE_ONCE(ctrl->state, state);
	spin_unlock_irq(&ctrl->admin.lock);
}

static int liov_ctrl_wait_status(struct liov_ctrl *ctrl, u32 mask, u32 value,
				 unsigned long timeout)
{
	unsigned long deadline = jiffies + timeout;
	bool last;
	u32 csts;

	do {
		last = time_after(jiffies, deadline);
		csts = readl(ctrl->regs + NVME_REG_CSTS);
		if (csts == ~0)
			return -ENODEV;
		if ((csts & mask) == value)
			return 0;
		usleep_range(1000, 2000);
	} while (!last);

	return -ETIMEDOUT;
}

static unsigned long liov_ctrl_ready_timeout(struct liov_ctrl *ctrl)
{
	/* CAP.TO counts units of 500 ms. */
	return (NVME_CAP_TIMEOUT(ctrl->cap) + 1) * HZ / 2;
}

/* How long creating or deleting a queue may take. */
unsigned long liov_ctrl_queue_timeout(struct liov_ctrl *ctrl)
{
	return max_t(unsigned long, LIOV_ADMIN_TIMEOUT,
		     liov_ctrl_ready_timeout(ctrl));
}

static int liov_ctrl_disable(struct liov_ctrl *ctrl)
{
	u32 cc = readl(ctrl->regs + NVME_REG_CC);

	writel(cc & ~(NVME_CC_ENABLE | NVME_CC_SHN_MASK),
	       ctrl->regs + NVME_REG_CC);
	if (ctrl->quirks & LIOV_QUIRK_SLOW_READY)
		msleep(LIOV_READY_DELAY_MS);
	return liov_ctrl_wait_status(ctrl, NVME_CSTS_RDY, 0,
				     liov_ctrl_ready_timeout(ctrl));
}

/*
 * Make certain that the controller does no DMA any more, and let all who wait
 * for it know.  Returns an error if only cutting it off the bus was certain.
 */
static int liov_ctrl_quiesce(struct liov_ctrl *ctrl)
{
	u16 command;
	int ret;

	ret = liov_ctrl_disable(ctrl);
	if (ret) {
		pci_clear_master(ctrl->pdev);
		/* A read pushes what the controller had already sent. */
		pci_read_config_word(ctrl->pdev, PCI_COMMAND, &command);
	}
	liov_admin_cancel(ctrl);
	return ret;
}

/*
 * The last resort: what PCI can do for a controller that NVMe cannot reach any
 * more.  A controller that comes back from it is disabled.  Not the kernel's
 * pci_reset_function(), whose locks are held by callers of reset_prepare().
 */
static int liov_ctrl_reset_function(struct liov_ctrl *ctrl)
{
	struct pci_dev *pdev = ctrl->pdev;
	int ret;

	if (!pci_device_is_present(pdev))
		return -ENODEV;

	dev_warn(ctrl->dev,
		 "controller does not obey: resetting its PCI function\n");
	pci_save_state(pdev);
	ret = pcie_reset_flr(pdev, PCI_RESET_DO_RESET);
	pci_restore_state(pdev);
	if (ret)
		return ret;

	pci_set_master(pdev);
	return liov_ctrl_disable(ctrl);
}

/* Return: as liov_admin_exec(). */
static int liov_ctrl_set_feature(struct liov_ctrl *ctrl, u8 feature, u32 value,
				 u32 *result)
{
	struct liov_request rq = {};
	int ret;

	rq.cmd.features.opcode = nvme_admin_set_features;
	rq.cmd.features.fid = cpu_to_le32(feature);
	rq.cmd.features.dword11 = cpu_to_le32(value);
	ret = liov_admin_exec(ctrl, &rq, LIOV_ADMIN_TIMEOUT);
	*result = rq.result;
	return ret;
}

static int liov_ctrl_set_queue_count(struct liov_ctrl *ctrl)
{
	unsigned int granted;
	u32 result;
	int ret;

	/* All there are: 0xfffe is the highest count, as 0's based value. */
	ret = liov_ctrl_set_feature(ctrl, NVME_FEAT_NUM_QUEUES,
				    0xfffe << 16 | 0xfffe, &result);
	if (ret)
		return liov_admin_errno(ret);

	granted = min(result & 0xffff, result >> 16) + 1;
	if (!ctrl->nr_queue_pairs)
		ctrl->nr_queue_pairs = granted;
	return granted < ctrl->nr_queue_pairs ? -EIO : 0;
}

/* Without it a controller need not say when its namespaces change. */
static int liov_ctrl_set_events(struct liov_ctrl *ctrl)
{
	u32 result;
	int ret;

	if (!ctrl->events)
		return 0;
	ret = liov_ctrl_set_feature(ctrl, NVME_FEAT_ASYNC_EVENT, ctrl->events,
				    &result);
	if (ret > 0)
		dev_warn(ctrl->dev,
			 "controller does not report its events (status 0x%x): rescan it after namespaces were changed elsewhere\n",
			 ret);
	return min(ret, 0);
}

static int liov_ctrl_enable(struct liov_ctrl *ctrl)
{
	int ret;

	liov_admin_restart(ctrl);
	writel(NVME_CC_CSS_NVM | NVME_CC_AMS_RR | NVME_CC_SHN_NONE |
	       NVME_CC_IOSQES | NVME_CC_IOCQES | NVME_CC_ENABLE,
	       ctrl->regs + NVME_REG_CC);
	ret = liov_ctrl_wait_status(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY,
				    liov_ctrl_ready_timeout(ctrl));
	if (ret)
		return ret;

	ret = liov_ctrl_set_queue_count(ctrl);
	return ret ?: liov_ctrl_set_events(ctrl);
}

/* Caller holds reset_lock, from here until after liov_ctrl_start(). */
void liov_ctrl_stop(struct liov_ctrl *ctrl)
{
	liov_ctrl_set_state(ctrl, LIOV_CTRL_RESETTING);
	liov_mdevs_lost(ctrl);
	if (liov_ctrl_quiesce(ctrl) && liov_ctrl_reset_function(ctrl))
		liov_ctrl_set_state(ctrl, LIOV_CTRL_DEAD);
}

static int liov_ctrl_enable_again(struct liov_ctrl *ctrl)
{
	int ret;

	liov_ctrl_quiesce(ctrl);
	ret = liov_ctrl_reset_function(ctrl);
	return ret ?: liov_ctrl_enable(ctrl);
}

void liov_ctrl_start(struct liov_ctrl *ctrl)
{
	int ret = -EIO;

	if (liov_ctrl_state(ctrl) != LIOV_CTRL_DEAD)
		ret = liov_ctrl_enable(ctrl) ? liov_ctrl_enable_again(ctrl) : 0;
	if (ret) {
		dev_err(ctrl->dev,
			"controller does not come back from a reset (%d): its mediated devices are lost, bind it to the driver again\n",
			ret);
		liov_ctrl_set_state(ctrl, LIOV_CTRL_DEAD);
		liov_ctrl_quiesce(ctrl);
		pci_clear_master(ctrl->pdev);
	} else {
		liov_ctrl_set_state(ctrl, LIOV_CTRL_LIVE);
		liov_admin_request_event(ctrl);
		liov_ctrl_queue_work(&ctrl->scan_work);
	}
	trace_liov_ctrl_reset(ctrl);
	liov_mdevs_event(ctrl);
}

/*
 * Ends whatever the controller was doing in @epoch.  When it returns, all I/O
 * queues of that epoch are gone and none of their memory is touched any more.
 */
void liov_ctrl_reset(struct liov_ctrl *ctrl, u32 epoch)
{
	mutex_lock(&ctrl->reset_lock);
	if (ctrl->epoch == epoch && liov_ctrl_state(ctrl) == LIOV_CTRL_LIVE) {
		dev_warn(ctrl->dev,
			 "resetting the controller: all queues are lost\n");
		liov_ctrl_stop(ctrl);
		liov_ctrl_start(ctrl);
	}
	mutex_unlock(&ctrl->reset_lock);
}

/* A controller that changes its firmware runs no command meanwhile. */
void liov_ctrl_await_activation(struct liov_ctrl *ctrl, u32 epoch)
{
	dev_info(ctrl->dev,
		 "controller activates firmware: its VMs' I/O waits until it has\n");
	if (liov_ctrl_wait_status(ctrl, NVME_CSTS_PP, 0,
				  ctrl->activation_timeout)) {
		dev_err(ctrl->dev,
			"controller does not end the activation of its firmware: resetting it\n");
		liov_ctrl_reset(ctrl, epoch);
	}
}

/* Lets the controller write back what it caches. */
static void liov_ctrl_notify_shutdown(struct liov_ctrl *ctrl)
{
	u32 cc;

	if (liov_ctrl_state(ctrl) != LIOV_CTRL_LIVE)
		return;
	liov_mdevs_lost(ctrl);
	cc = readl(ctrl->regs + NVME_REG_CC) & ~NVME_CC_SHN_MASK;
	writel(cc | NVME_CC_SHN_NORMAL, ctrl->regs + NVME_REG_CC);
	if (liov_ctrl_wait_status(ctrl, NVME_CSTS_SHST_MASK,
				  NVME_CSTS_SHST_CMPLT,
				  ctrl->shutdown_timeout))
		dev_warn(ctrl->dev,
			 "controller did not confirm its shutdown\n");
}

static void liov_ctrl_kill_locked(struct liov_ctrl *ctrl)
{
	liov_ctrl_set_state(ctrl, LIOV_CTRL_DEAD);
	liov_mdevs_lost(ctrl);
	liov_ctrl_quiesce(ctrl);
	pci_clear_master(ctrl->pdev);
	liov_mdevs_event(ctrl);
}

/* The controller is gone: nothing is asked of it any more. */
void liov_ctrl_kill(struct liov_ctrl *ctrl)
{
	mutex_lock(&ctrl->reset_lock);
	liov_ctrl_kill_locked(ctrl);
	mutex_unlock(&ctrl->reset_lock);
}

/* Stops the controller for good, in order. */
void liov_ctrl_shutdown(struct liov_ctrl *ctrl)
{
	mutex_lock(&ctrl->reset_lock);
	liov_ctrl_notify_shutdown(ctrl);
	liov_ctrl_kill_locked(ctrl);
	mutex_unlock(&ctrl->reset_lock);
}

/* The system goes to sleep; to VMs this and what follows is a reset. */
void liov_ctrl_suspend(struct liov_ctrl *ctrl)
{
	mutex_lock(&ctrl->reset_lock);
	liov_ctrl_notify_shutdown(ctrl);
	liov_ctrl_stop(ctrl);
	mutex_unlock(&ctrl->reset_lock);
}

void liov_ctrl_resume(struct liov_ctrl *ctrl)
{
	mutex_lock(&ctrl->reset_lock);
	liov_ctrl_start(ctrl);
	mutex_unlock(&ctrl->reset_lock);
}

static void liov_ctrl_parse_features(struct liov_ctrl *ctrl,
				     const struct nvme_id_ctrl *id)
{
	u16 oncs = le16_to_cpu(id->oncs);

	if (id->vwc & NVME_CTRL_VWC_PRESENT)
		ctrl->features |= LIOV_FEATURE_VOLATILE_CACHE;
	if ((oncs & NVME_CTRL_ONCS_WRITE_ZEROES) &&
	    !(ctrl->quirks & LIOV_QUIRK_NO_WRITE_ZEROES))
		ctrl->features |= LIOV_FEATURE_WRITE_ZEROES;
	if (oncs & NVME_CTRL_ONCS_DSM)
		ctrl->features |= LIOV_FEATURE_DEALLOCATE;
}

static void liov_ctrl_parse_times(struct liov_ctrl *ctrl,
				  const struct nvme_id_ctrl *id)
{
	u32 *delays = ctrl->limits.retry_delays;

	/* RTD3 Entry Latency is in microseconds. */
	ctrl->shutdown_timeout =
		clamp(usecs_to_jiffies(le32_to_cpu(id->rtd3e)), 5UL * HZ,
		      60UL * HZ);
	/* These count units of 100 ms. */
	ctrl->activation_timeout =
		clamp_t(unsigned long, le16_to_cpu(id->mtfa) * HZ / 10,
			LIOV_ADMIN_TIMEOUT, LIOV_ACTIVATION_MAX);
	delays[0] = le16_to_cpu(id->crdt1) * 100;
	delays[1] = le16_to_cpu(id->crdt2) * 100;
	delays[2] = le16_to_cpu(id->crdt3) * 100;
}

static void liov_ctrl_parse(struct liov_ctrl *ctrl,
			    const struct nvme_id_ctrl *id)
{
	memcpy(ctrl->serial, id->sn, sizeof(ctrl->serial));
	memcpy(ctrl->model, id->mn, sizeof(ctrl->model));
	memcpy(ctrl->firmware, id->fr, sizeof(ctrl->firmware));
	ctrl->nr_nsids = le32_to_cpu(id->nn);
	/* Any namespace's format or erase may be every namespace's. */
	ctrl->format_all = id->fna & (BIT(0) | BIT(1));

	ctrl->max_transfer = LIOV_MAX_TRANSFER;
	if (id->mdts && id->mdts + PAGE_SHIFT < ilog2(LIOV_MAX_TRANSFER))
		ctrl->max_transfer = PAGE_SIZE << id->mdts;
	if (id->mdts && (ctrl->quirks & LIOV_QUIRK_STRIPES))
		ctrl->stripe = ctrl->max_transfer;

	/* What can be reported and what is to be have the same bits. */
	ctrl->events = le32_to_cpu(id->oaes) &
		       (NVME_AEN_CFG_NS_ATTR | NVME_AEN_CFG_FW_ACT);
	ctrl->atomic_write = le16_to_cpu(id->awupf) + 1;
	liov_ctrl_parse_features(ctrl, id);
	liov_ctrl_parse_times(ctrl, id);
}

static void liov_ctrl_parse_limits(struct liov_ctrl *ctrl,
				   const struct nvme_id_ctrl_nvm *id)
{
	struct liov_limits *limits = &ctrl->limits;

	limits->dealloc_ranges = id->dmrl;
	limits->dealloc_range = le32_to_cpu(id->dmrsl);
	limits->dealloc_lbas = le64_to_cpu(id->dmsl);
	/* A power of two of pages.  No command can ask for more than 2 GiB. */
	if (id->wzsl)
		limits->write_zeroes =
			BIT(min_t(u32, id->wzsl + PAGE_SHIFT, 31));
}

/* Return: as liov_admin_exec(). */
static int liov_ctrl_ask(struct liov_ctrl *ctrl, u8 cns,
			 const struct liov_dma *data)
{
	struct liov_request rq = {};

	liov_admin_identify(&rq.cmd, cns, 0, data);
	return liov_admin_exec(ctrl, &rq, LIOV_ADMIN_TIMEOUT);
}

static int liov_ctrl_identify(struct liov_ctrl *ctrl)
{
	struct liov_dma data;
	int ret;

	ret = liov_dma_alloc(ctrl, &data, NVME_IDENTIFY_DATA_SIZE,
			     DMA_FROM_DEVICE);
	if (ret)
		return ret;

	ret = liov_admin_errno(liov_ctrl_ask(ctrl, NVME_ID_CNS_CTRL, &data));
	if (ret)
		/* A command may be in flight: the buffer goes when it cannot. */
		goto out_disable;
	liov_ctrl_parse(ctrl, data.cpu);

	/* Older ones look at two bits of the CNS only. */
	if (readl(ctrl->regs + NVME_REG_VS) < NVME_VS(1, 2, 0))
		goto out_free;
	ret = liov_ctrl_ask(ctrl, NVME_ID_CNS_CS_CTRL, &data);
	if (ret < 0)
		goto out_disable;
	/* Controllers before NVMe 2.0 may not know it, and tell no limits. */
	if (!ret)
		liov_ctrl_parse_limits(ctrl, data.cpu);
	ret = 0;
	goto out_free;

out_disable:
	liov_ctrl_quiesce(ctrl);
out_free:
	liov_dma_free(ctrl, &data);
	return ret;
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
	INIT_WORK(&ctrl->event_work, liov_admin_event_work);
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
		dev_err(&pdev->dev, "controller cannot be enabled: %d\n", ret);
		goto out_quiesce;
	}

	ret = liov_ctrl_identify(ctrl);
	if (ret) {
		dev_err(&pdev->dev, "controller does not identify itself: %d\n",
			ret);
		goto out_quiesce;
	}

	ret = liov_ctrl_set_events(ctrl);
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
	liov_admin_exit(ctrl);
	liov_windows_exit(ctrl);
	liov_ctrl_unmap(ctrl);
	liov_ctrl_put(ctrl);
}
