/* SPDX-License-Identifier: GPL-2.0-only */
/* A mediated device, opened through VFIO as a hypervisor would. */
#ifndef LIOV_VFIO_H
#define LIOV_VFIO_H

#include "types.h"

/**
 * struct device - an open lightiov-passthrough mdev
 * @uuid: its name
 * @container: VFIO container, the owner's address space
 * @group: VFIO group
 * @fd: VFIO device
 * @regs: offset of LIOV_BAR_REGS in @fd
 * @doorbells: LIOV_BAR_DOORBELLS, mapped
 * @doorbells_size: in bytes
 */
struct device {
	const char *uuid;
	int container;
	int group;
	int fd;
	u64 regs;
	void *doorbells;
	u64 doorbells_size;
};

int device_open(struct device *dev, const char *uuid);
/* One that is closed stays so. */
void device_close(struct device *dev);

/* Function level reset: the host forgets all queues and memory. */
int device_reset(struct device *dev);

int device_map_memory(struct device *dev, void *memory, u64 gpa, u64 size);
int device_unmap_memory(struct device *dev, u64 gpa, u64 size);

/* Makes MSI-X vectors 0 to @nr - 1 signal @eventfds. */
int device_enable_interrupts(struct device *dev, const int *eventfds, u32 nr);

#endif
