// SPDX-License-Identifier: GPL-2.0-only
/*
 * The controller's asynchronous events.
 */
#include <linux/delay.h>

#include "controller.h"

/* Reading the log page which an event names lets events of its kind return. */
static void liov_event_clear(struct liov_ctrl *ctrl, u8 log)
{
	struct nvme_command cmd = {};
	struct liov_dma data;

	if (liov_dma_alloc(ctrl, &data, PAGE_SIZE, DMA_FROM_DEVICE))
		return;

	cmd.get_log_page.opcode = nvme_admin_get_log_page;
	cmd.get_log_page.nsid = cpu_to_le32(NVME_NSID_ALL);
	cmd.get_log_page.lid = log;
	cmd.get_log_page.numdl =
		cpu_to_le16((log == NVME_LOG_CHANGED_NS ? PAGE_SIZE : 512) / 4 - 1);
	cmd.common.dptr.prp1 = cpu_to_le64(data.iova);
	liov_admin_cmd(ctrl, &cmd, LIOV_ADMIN_TIMEOUT);
	liov_dma_free(ctrl, &data);
}

void liov_event_work(struct work_struct *work)
{
	struct liov_ctrl *ctrl =
		container_of(work, struct liov_ctrl, event_work);
	u32 epoch = READ_ONCE(ctrl->epoch);
	u32 event = READ_ONCE(ctrl->admin.event);
	u8 type = event & 0x7;
	u8 info = event >> 8;
	u8 log = event >> 16;
	bool notice = type == NVME_AER_NOTICE;
	bool activation = notice && info == NVME_AER_NOTICE_FW_ACT_STARTING;

	if (type == NVME_AER_ERROR && info == NVME_AER_ERROR_PERSIST_INT_ERR) {
		liov_ctrl_reset(ctrl, epoch);
		return;
	}

	if (activation)
		liov_ctrl_await_activation(ctrl, epoch);
	/* Before a scan: what changes after it was read is the next event. */
	liov_event_clear(ctrl, log);
	if (notice && info == NVME_AER_NOTICE_NS_CHANGED)
		liov_ctrl_queue_work(&ctrl->scan_work);
	else if (!activation)
		dev_warn_ratelimited(ctrl->dev,
				     "controller reports event type %u, information 0x%02x: see log page %u\n",
				     type, info, log);

	/* A VM that writes nonsense to its doorbells may cause any number. */
	if (type == NVME_AER_ERROR)
		msleep(1000);
	liov_admin_request_event(ctrl);
}
