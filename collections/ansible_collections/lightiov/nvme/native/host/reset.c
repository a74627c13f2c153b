// SPDX-License-Identifier: GPL-2.0-only
/*
 * Starting, resetting and stopping a controller, and who is told of it.
 */
#include <linux/delay.h>

#include "mdev.h"
#include "trace.h"

/* What drives need that must not be asked at once whether they are disabled. */
#define LIOV_READY_DELAY_MS	2300

void liov_ctrl_set_state(struct liov_ctrl *ctrl, enum liov_ctrl_state state)
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

int liov_ctrl_disable(struct liov_ctrl *ctrl)
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
int liov_ctrl_quiesce(struct liov_ctrl *ctrl)
{
	u16 command;
	int ret;

	ret = liov_ctrl_disable(ctrl);
	if (ret) {
		pci_clear_master(ctrl->pdev);
		/* A read pushes what the controller had already sent. */
		pci_read_config_word(ctrl->pdev, PCI_COMMAND, &command);
	}
	WRITE_ONCE(ctrl->hmb.given, false);
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

int liov_ctrl_enable(struct liov_ctrl *ctrl)
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
	ret = ret ?: liov_ctrl_identify(ctrl);
	ret = ret ?: liov_hmb_give(ctrl);
	ret = ret ?: liov_ctrl_set_events(ctrl);
	/* For liov_ctrl_restore(): once there are errors, it may be too late. */
	if (!ret)
		pci_save_state(ctrl->pdev);
	return ret;
}

/* Caller holds reset_lock.  Returns as liov_ctrl_quiesce(). */
static int liov_ctrl_take_away(struct liov_ctrl *ctrl)
{
	liov_ctrl_set_state(ctrl, LIOV_CTRL_RESETTING);
	liov_mdevs_lost(ctrl);
	return liov_ctrl_quiesce(ctrl);
}

/* Caller holds reset_lock, from here until after liov_ctrl_start(). */
void liov_ctrl_stop(struct liov_ctrl *ctrl)
{
	if (liov_ctrl_take_away(ctrl) && liov_ctrl_reset_function(ctrl))
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

	ctrl->cut_off = false;
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
				  READ_ONCE(ctrl->activation_timeout))) {
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
	liov_hmb_take_back(ctrl);
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

/*
 * Errors of PCI Express have cut the controller off, and a reset of its slot
 * may follow; to VMs that is a reset as any other.  The lock is not kept until
 * then, since nobody tells of a recovery that has failed.
 */
void liov_ctrl_cut_off(struct liov_ctrl *ctrl)
{
	mutex_lock(&ctrl->reset_lock);
	liov_ctrl_take_away(ctrl);
	ctrl->cut_off = true;
	mutex_unlock(&ctrl->reset_lock);
}

/*
 * The slot has been reset, so that the controller is disabled and knows of
 * nothing.  Or so it is said: where no error had cut it off, another device's
 * driver behind the same bridge wanted the reset, and then older kernels do not
 * reset anything.  So it is stopped here in any case.  And it starts anew, which
 * alone saves again what is restored here.
 */
void liov_ctrl_restore(struct liov_ctrl *ctrl)
{
	mutex_lock(&ctrl->reset_lock);
	if (!ctrl->cut_off)
		dev_warn(ctrl->dev,
			 "PCI errors of another device have the controller reset: its VMs' I/O waits until they are over (if that fails, bind the controller to the driver again)\n");
	pci_restore_state(ctrl->pdev);
	pci_set_master(ctrl->pdev);
	liov_ctrl_stop(ctrl);
	ctrl->cut_off = true;
	mutex_unlock(&ctrl->reset_lock);
}

/* Also called after errors that neither cut it off nor had it reset. */
void liov_ctrl_recover(struct liov_ctrl *ctrl)
{
	mutex_lock(&ctrl->reset_lock);
	if (ctrl->cut_off)
		liov_ctrl_start(ctrl);
	mutex_unlock(&ctrl->reset_lock);
}
