/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One lightiov-passthrough mediated device: what one VM gets.
 */
#ifndef LIGHTIOV_MDEV_H
#define LIGHTIOV_MDEV_H

#include <linux/vfio.h>

#include "controller.h"
#include "extent.h"
#include "hw_queue.h"
#include "memory.h"
#include "trigger.h"

/* VFIO regions lie apart in the device file as those of vfio-pci do. */
#define LIOV_REGION_SHIFT	40
#define LIOV_REGION_OFFSET(i)	((u64)(i) << LIOV_REGION_SHIFT)
#define LIOV_REGION_MASK	(BIT_ULL(LIOV_REGION_SHIFT) - 1)

#define LIOV_CONFIG_SIZE	PCI_CFG_SPACE_EXP_SIZE

/* Why doorbell mappings lead to the sink page; none: to the hardware. */
#define LIOV_REVOKED_CLOSED	BIT(0)	/* not open, or being reset */
#define LIOV_REVOKED_LOST	BIT(1)	/* queues are gone until a reset */
#define LIOV_REVOKED_QUARANTINE	BIT(2)	/* the operator said so */

struct liov_stats {
	u64 mmio;
	u64 commands;
	u64 doorbell_faults;
	u64 revocations;
	u64 resets;
	u64 queues_created;
};

/**
 * struct liov_mdev - one mediated device
 * @lock: outermost.  Registers, @memory, queue pairs.  Pinning takes VFIO's
 *	IOMMU lock under it.
 * @doorbell_lock: @revoked, and the doorbell mapping as a whole.  It nests
 *	inside mmap_lock (page faults), so nothing under it touches user memory.
 * @status: LIOV_STATUS_* bits that are events; the others are computed
 * @open: changes under @lock and liov_ctrl.lock, so either is enough to read it
 * @node, @has_serial, @label, @slots: liov_ctrl.lock
 * @has_tenant, @nr_queues, @queues (which, not their state), @triggers:
 *	likewise; they do not change while the device is open
 * @has_serial: whoever set the device up named the controller's serial
 * @sink: an ordinary page where revoked doorbell writes go
 */
struct liov_mdev {
	struct vfio_device vdev;
	struct liov_ctrl *ctrl;
	struct list_head node;

	struct mutex lock;		/* see above */
	bool open;
	bool has_serial;
	char label[LIOV_LABEL_LEN + 1];
	bool has_tenant;
	unsigned int nr_queues;
	struct liov_hw_queue *queues;
	struct liov_trigger *triggers;
	struct liov_slots slots;

	atomic_t status;
	atomic_t generation;
	struct liov_trigger event;
	struct liov_trigger release;
	u8 *regs;
	u8 *config;
	u8 *config_mask;

	struct mutex doorbell_lock;	/* see above */
	unsigned int revoked;
	struct page *sink;
	struct file *mapping;

	struct liov_memory memory;

	struct liov_stats stats;
};

static inline struct liov_mdev *liov_mdev_from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct liov_mdev, vdev);
}

static inline struct device *liov_mdev_dev(struct liov_mdev *mdev)
{
	return mdev->vdev.dev;
}

/* mdev.c */
int liov_mdev_open(struct liov_mdev *mdev);
void liov_mdev_close(struct liov_mdev *mdev);
void liov_mdev_request_release(struct liov_mdev *mdev);
u32 liov_mdev_status(struct liov_mdev *mdev);
void liov_mdev_event(struct liov_mdev *mdev, u32 set, u32 clear);
void liov_mdev_reset(struct liov_mdev *mdev);
void liov_mdev_lose_queues(struct liov_mdev *mdev);
void liov_mdev_quarantine(struct liov_mdev *mdev, bool on);

/* mdev_sysfs.c */
int liov_mdev_check_closed(struct liov_mdev *mdev, const char *attribute);
int liov_tenant_set(struct liov_mdev *mdev, const char *name);
extern const struct attribute_group *liov_mdev_groups[];

/* extent_sysfs.c */
extern const struct attribute_group liov_extents_group;

/* vfio.c */
extern const struct vfio_device_ops liov_vfio_ops;

/* config_space.c */
void liov_config_init(struct liov_mdev *mdev);
bool liov_config_write(struct liov_mdev *mdev, u32 offset, const u8 *data,
		       size_t count);

/* mailbox.c */
void liov_regs_init(struct liov_mdev *mdev);
void liov_regs_update_window(struct liov_mdev *mdev);
void liov_regs_read(struct liov_mdev *mdev, u32 offset, u8 *data, size_t count);
void liov_regs_write(struct liov_mdev *mdev, u32 offset, const u8 *data,
		     size_t count);

/* passthrough_queue.c */
int liov_queues_reserve(struct liov_mdev *mdev, unsigned int count);
int liov_queue_create(struct liov_mdev *mdev, struct liov_hw_queue *queue,
		      u64 sq, u64 cq, u32 entries);
void liov_queues_delete(struct liov_mdev *mdev);
bool liov_queues_use(struct liov_mdev *mdev, u64 gpa, u64 size);
void liov_queue_set_trigger(struct liov_mdev *mdev, unsigned int index,
			    struct eventfd_ctx *eventfd);
void liov_queues_clear_triggers(struct liov_mdev *mdev);

/* doorbell.c */
void liov_doorbell_update(struct liov_mdev *mdev, unsigned int set,
			  unsigned int clear);
int liov_doorbell_mmap(struct liov_mdev *mdev, struct vm_area_struct *vma);
void liov_doorbell_write(struct liov_mdev *mdev, u32 offset, u32 value);

#endif /* LIGHTIOV_MDEV_H */
