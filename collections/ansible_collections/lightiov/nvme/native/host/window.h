/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The controller's I/O virtual addresses: windows, and the host's own area.
 */
#ifndef LIGHTIOV_WINDOW_H
#define LIGHTIOV_WINDOW_H

#include <linux/dma-direction.h>
#include <linux/types.h>

struct liov_ctrl;

/* Pages that host and controller share, mapped in the host's area. */
struct liov_dma {
	void *cpu;
	dma_addr_t iova;
	size_t size;
};

int liov_windows_init(struct liov_ctrl *ctrl);
void liov_windows_exit(struct liov_ctrl *ctrl);
unsigned long liov_window_alloc(struct liov_ctrl *ctrl, u64 size);
void liov_window_free(struct liov_ctrl *ctrl, unsigned long base, u64 size);
int liov_dma_alloc(struct liov_ctrl *ctrl, struct liov_dma *dma, size_t size,
		   enum dma_data_direction direction);
void liov_dma_free(struct liov_ctrl *ctrl, struct liov_dma *dma);

#endif /* LIGHTIOV_WINDOW_H */
