// SPDX-License-Identifier: GPL-2.0-only
/*
 * Admin commands for whoever needs one while the controller is in use.  One
 * that is not answered ends in a reset.
 */
#include "controller.h"

/**
 * liov_admin_start() - give an admin command to a controller that is in use
 * @ctrl: controller
 * @rq: command
 *
 * Waits for a reset in progress.  The caller has no other command in flight,
 * since that reset may wait for the slot of it.
 */
void liov_admin_start(struct liov_ctrl *ctrl, struct liov_request *rq)
{
	if (liov_ctrl_state(ctrl) == LIOV_CTRL_RESETTING) {
		mutex_lock(&ctrl->reset_lock);
		mutex_unlock(&ctrl->reset_lock);
	}
	down(&ctrl->admin.free);
	liov_request_submit(ctrl, rq, LIOV_CTRL_LIVE);
}

/* The same without waiting.  Returns false if there is no slot just now. */
bool liov_admin_try_start(struct liov_ctrl *ctrl, struct liov_request *rq)
{
	if (down_trylock(&ctrl->admin.free))
		return false;
	liov_request_submit(ctrl, rq, LIOV_CTRL_LIVE);
	return true;
}

/**
 * liov_admin_finish() - wait for a command that was started
 * @ctrl: controller
 * @rq: command, and then what came of it
 * @timeout: in jiffies, from now on
 *
 * Resets a controller that does not answer: in no case is the command still in
 * flight when this returns.
 *
 * Return: 0, an NVMe status, or an errno.
 */
int liov_admin_finish(struct liov_ctrl *ctrl, struct liov_request *rq,
		      unsigned long timeout)
{
	int ret = liov_request_wait(ctrl, rq, timeout);

	if (ret == -ETIMEDOUT) {
		dev_err(ctrl->dev,
			"controller does not answer admin command 0x%02x\n",
			rq->cmd.common.opcode);
		liov_ctrl_reset(ctrl, rq->epoch);
	}
	if (ret == -ECANCELED && liov_ctrl_state(ctrl) == LIOV_CTRL_DEAD)
		ret = -ENODEV;
	rq->status = ret;
	return ret;
}

int liov_admin_run(struct liov_ctrl *ctrl, struct liov_request *rq,
		   unsigned long timeout)
{
	liov_admin_start(ctrl, rq);
	return liov_admin_finish(ctrl, rq, timeout);
}

/* The same for those who want to know no more than whether it succeeded. */
int liov_admin_cmd(struct liov_ctrl *ctrl, const struct nvme_command *cmd,
		   unsigned long timeout)
{
	struct liov_request rq = { .cmd = *cmd };

	return liov_admin_run(ctrl, &rq, timeout);
}
