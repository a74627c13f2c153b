/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host memory buffer of a controller without DRAM.
 */
#ifndef LIGHTIOV_HMB_H
#define LIGHTIOV_HMB_H

#include "window.h"

/**
 * struct liov_hmb - memory that the controller borrows
 * @preferred: bytes that it asks for (HMPRE), or 0
 * @minimum: bytes without which it has no use for any (HMMIN, HMMINDS)
 * @cpu: the buffer, or NULL
 * @iova: where the controller sees it, in one piece
 * @size: of it
 * @list: tells the controller where that is
 * @given: the controller has it
 *
 * While the controller is in use, @given changes under liov_ctrl.reset_lock and
 * the rest not at all.
 */
struct liov_hmb {
	u64 preferred;
	u64 minimum;
	void *cpu;
	unsigned long iova;
	size_t size;
	struct liov_dma list;
	bool given;
};

void liov_hmb_create(struct liov_ctrl *ctrl);
void liov_hmb_destroy(struct liov_ctrl *ctrl);
int liov_hmb_give(struct liov_ctrl *ctrl);
void liov_hmb_take_back(struct liov_ctrl *ctrl);

#endif /* LIGHTIOV_HMB_H */
