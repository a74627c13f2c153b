/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mediated device: what one VM has of one controller, and what every kind of
 * device has alike: an owner, a tenant, extents, memory that the controller can
 * reach, and a VFIO device.  What is particular to a kind is behind struct
 * liov_kind, and only there.
 */
#ifndef LIGHTIOV_MDEV_H
#define LIGHTIOV_MDEV_H

#include <linux/vfio.h>

#include "controller.h"
#include "extent.h"
#include "memory.h"
#include "trigger.h"

/* VFIO regions lie apart in the device file as those of vfio-pci do. */
#define LIOV_REGION_SHIFT	40
#define LIOV_REGION_OFFSET(i)	((u64)(i) << LIOV_REGION_SHIFT)
#define LIOV_REGION_MASK	(BIT_ULL(LIOV_REGION_SHIFT) - 1)

#define LIOV_CONFIG_SIZE	PCI_CFG_SPACE_EXP_SIZE

struct liov_mdev;

/**
 * struct liov_kind - a kind of mediated device
 * @name: of its mdev type, without the driver's
 * @msix_table, @msix_pba: as the MSI-X capability has them
 * @mapped_region: index of the region that can be mapped
 *
 * Before a VM has the device:
 * @available: how many more of them the controller bears
 * @alloc: the device and what the kind has beside it, by vfio_alloc_device()
 * @init, @release: that
 * @remove: gives back what it has of the controller; under liov_ctrl.lock
 * @missing: an attribute that must be written first, or NULL; likewise
 *
 * The others are called under liov_mdev.lock unless they say otherwise:
 * @open: for a VM that knows nothing of it yet
 * @close: ends all use of its memory, and forgets the VM
 * @reset: the same for a VM that goes on
 * @stop: memory or an extent goes: no command that was given uses it any more
 *
 * From the controller's side, under liov_ctrl.lock, and without waiting:
 * @lost: the controller is about to be stopped, with all its queues
 * @changed: the owner has to look at its extents and at what the controller does
 * @request_release: the owner is to close the device; also without that lock
 *
 * @region_size: of a region, but the configuration space; without any lock
 * @region_read, @region_write: the access lies within the region
 * @mmap: of @mapped_region, under mmap_lock alone
 * @vectors: how many of MSI-X there are; without any lock while it is open
 * @set_vector: takes over the reference to the eventfd, which may be NULL
 * @fire_vector: by hand
 */
struct liov_kind {
	const char *name;
	const char *pretty_name;
	const char *description;
	u16 device_id;
	u32 class;
	u8 revision;
	u32 msix_table;
	u32 msix_pba;
	u32 mapped_region;

	unsigned int (*available)(struct liov_ctrl *ctrl);
	struct liov_mdev *(*alloc)(struct device *dev,
				   const struct vfio_device_ops *ops);
	int (*init)(struct liov_mdev *mdev);
	void (*release)(struct liov_mdev *mdev);
	void (*remove)(struct liov_mdev *mdev);
	const char *(*missing)(struct liov_mdev *mdev);

	void (*open)(struct liov_mdev *mdev);
	void (*close)(struct liov_mdev *mdev);
	void (*reset)(struct liov_mdev *mdev);
	void (*stop)(struct liov_mdev *mdev);

	void (*lost)(struct liov_mdev *mdev);
	void (*changed)(struct liov_mdev *mdev);
	void (*request_release)(struct liov_mdev *mdev);

	u64 (*region_size)(struct liov_mdev *mdev, u32 index);
	void (*region_read)(struct liov_mdev *mdev, u32 index, u32 offset,
			    u8 *data, size_t count);
	void (*region_write)(struct liov_mdev *mdev, u32 index, u32 offset,
			     const u8 *data, size_t count);
	int (*mmap)(struct liov_mdev *mdev, struct vm_area_struct *vma);
	unsigned int (*vectors)(struct liov_mdev *mdev);
	void (*set_vector)(struct liov_mdev *mdev, unsigned int number,
			   struct eventfd_ctx *eventfd);
	void (*fire_vector)(struct liov_mdev *mdev, unsigned int number);
};

/* A kind as one parent offers it. */
struct liov_type {
	struct mdev_type type;
	const struct liov_kind *kind;
};

/**
 * struct liov_mdev - one mediated device
 * @lock: outermost.  What a VM does with its device, and what is done to it.
 *	Pinning takes VFIO's IOMMU lock under it.
 * @open: changes under @lock and liov_ctrl.lock, so either is enough to read it
 * @node, @has_serial, @label, @slots: liov_ctrl.lock
 * @has_tenant: likewise; it does not change while the device is open
 * @has_serial: whoever set the device up named the controller's serial
 * @release: fires when VFIO's user is to close the device
 */
struct liov_mdev {
	struct vfio_device vdev;
	struct liov_ctrl *ctrl;
	const struct liov_kind *kind;
	struct list_head node;

	struct mutex lock;		/* see above */
	bool open;
	bool has_serial;
	char label[LIOV_LABEL_LEN + 1];
	bool has_tenant;
	struct liov_slots slots;

	struct liov_trigger release;
	u8 *config;
	u8 *config_mask;

	struct liov_memory memory;
};

static inline struct liov_mdev *liov_mdev_from_vdev(struct vfio_device *vdev)
{
	return container_of(vdev, struct liov_mdev, vdev);
}

static inline struct device *liov_mdev_dev(struct liov_mdev *mdev)
{
	return mdev->vdev.dev;
}

static inline struct liov_ctrl *liov_type_ctrl(struct mdev_type *type)
{
	return container_of(type->parent, struct liov_ctrl, parent);
}

static inline const struct liov_kind *liov_type_kind(struct mdev_type *type)
{
	return container_of(type, struct liov_type, type)->kind;
}

/* mdev.c */
int liov_mdev_open(struct liov_mdev *mdev);
void liov_mdev_close(struct liov_mdev *mdev);

/* mdev_state.c */
int liov_mdev_check_closed(struct liov_mdev *mdev, const char *attribute);
void liov_mdev_request_release(struct liov_mdev *mdev);
void liov_mdevs_lost(struct liov_ctrl *ctrl);
void liov_mdevs_event(struct liov_ctrl *ctrl);
void liov_mdevs_request_release(struct liov_ctrl *ctrl);

/* tenant.c */
int liov_tenant_set(struct liov_mdev *mdev, const char *name);
int liov_tenant_change(struct liov_mdev *mdev, const char *name);

/* vfio.c */
extern const struct vfio_device_ops liov_vfio_ops;

/* config_space.c */
void liov_config_init(struct liov_mdev *mdev);
bool liov_config_write(struct liov_mdev *mdev, u32 offset, const u8 *data,
		       size_t count);

/* mdev_sysfs.c */
extern const struct attribute_group liov_mdev_group;
bool liov_is_name(const char *text, size_t len, size_t max);

/* extent_sysfs.c */
extern const struct attribute_group liov_extents_group;

#endif /* LIGHTIOV_MDEV_H */
