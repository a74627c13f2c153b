// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the controllers' interrupts leave to be done later.
 */
#include "controller.h"

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
