// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../abi/lightiov_abi.h"
#include "sysfs.h"
#include "util.h"
#include "vfio.h"

#define MDEV_TYPE	"lightiov-passthrough"
#define VFIO_CONTAINER	"/dev/vfio/vfio"

static int open_container(struct device *dev)
{
	dev->container = open(VFIO_CONTAINER, O_RDWR | O_CLOEXEC);
	if (dev->container < 0)
		return fail(STATUS_USAGE, "%s: %s; %s", VFIO_CONTAINER,
			    strerror(errno),
			    errno == EACCES ? "run as root" :
			    "load the kernel module 'vfio' (modprobe vfio)");
	if (ioctl(dev->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
	    ioctl(dev->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		return fail(STATUS_USAGE,
			    "%s: it has no type 1 version 2 IOMMU; load the kernel module 'vfio_iommu_type1'",
			    VFIO_CONTAINER);
	return STATUS_OK;
}

static int open_group(struct device *dev)
{
	char number[NAME_MAX], path[PATH_MAX];

	if (!sysfs_link(dev->uuid, "iommu_group", number, sizeof(number)))
		return fail(STATUS_USAGE,
			    "mdev %s: it has no VFIO group; use a kernel with CONFIG_VFIO_GROUP",
			    dev->uuid);
	snprintf(path, sizeof(path), "/dev/vfio/%s", number);
	dev->group = open(path, O_RDWR | O_CLOEXEC);
	if (dev->group < 0)
		return fail(STATUS_USAGE, "mdev %s: cannot open %s: %s; %s",
			    dev->uuid, path, strerror(errno), errno == EBUSY ?
			    "stop the VM or program that uses it" : "run as root");
	if (ioctl(dev->group, VFIO_GROUP_SET_CONTAINER, &dev->container) ||
	    ioctl(dev->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return fail(STATUS_USAGE,
			    "mdev %s: VFIO refuses the group %s: %s; the kernel log says why",
			    dev->uuid, path, strerror(errno));
	return STATUS_OK;
}

static int region_info(struct device *dev, struct vfio_region_info *info)
{
	info->argsz = sizeof(*info);
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info))
		return fail(STATUS_USAGE,
			    "mdev %s: VFIO does not describe BAR %u: %s; install the lightiov_host module of this version",
			    dev->uuid, info->index, strerror(errno));
	return STATUS_OK;
}

static int find_regions(struct device *dev)
{
	struct vfio_region_info regs = { .index = LIOV_BAR_REGS };
	struct vfio_region_info doorbells = { .index = LIOV_BAR_DOORBELLS };
	void *address;
	int status;

	status = region_info(dev, &regs);
	if (status)
		return status;
	status = region_info(dev, &doorbells);
	if (status)
		return status;
	if (regs.size < LIOV_REGS_SIZE ||
	    !(doorbells.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return fail(STATUS_USAGE,
			    "mdev %s: its BARs are not those of %s; install the lightiov_host module of this version",
			    dev->uuid, MDEV_TYPE);
	dev->regs = regs.offset;

	address = mmap(NULL, doorbells.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       dev->fd, (off_t)doorbells.offset);
	if (address == MAP_FAILED)
		return fail(STATUS_USAGE,
			    "mdev %s: cannot map its doorbells: %s; the kernel log says why",
			    dev->uuid, strerror(errno));
	dev->doorbells = address;
	dev->doorbells_size = doorbells.size;
	return STATUS_OK;
}

/* Of all other reasons the kernel log has the remedy, too. */
static const char *open_remedy(int error)
{
	return error == EINVAL ?
	       "set its attributes tenant and queue_pairs first (the kernel log says which)" :
	       "the kernel log says why";
}

static int open_parts(struct device *dev)
{
	char type[NAME_MAX];
	u8 uuid[UUID_BYTES];
	int status;

	if (!uuid_parse(dev->uuid, uuid))
		return fail(STATUS_USAGE,
			    "'%s' is not a UUID; name an mdev as 'mdevctl list' shows it",
			    dev->uuid);
	if (!sysfs_link(dev->uuid, "mdev_type", type, sizeof(type)))
		return fail(STATUS_USAGE,
			    "mdev %s: there is none on this host; start it (mdevctl start -u %s)",
			    dev->uuid, dev->uuid);
	if (strcmp(type, MDEV_TYPE))
		return fail(STATUS_USAGE,
			    "mdev %s: it is of type %s; name one of type %s",
			    dev->uuid, type, MDEV_TYPE);

	status = open_container(dev);
	if (status)
		return status;
	status = open_group(dev);
	if (status)
		return status;
	dev->fd = ioctl(dev->group, VFIO_GROUP_GET_DEVICE_FD, dev->uuid);
	if (dev->fd < 0)
		return fail(STATUS_USAGE,
			    "mdev %s: the host module refuses to open it: %s; %s",
			    dev->uuid, strerror(errno), open_remedy(errno));
	return find_regions(dev);
}

int device_open(struct device *dev, const char *uuid)
{
	int status;

	*dev = (struct device){
		.uuid = uuid,
		.container = -1,
		.group = -1,
		.fd = -1,
	};
	status = open_parts(dev);
	if (status)
		device_close(dev);
	return status;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void device_close(struct device *dev)
{
	if (dev->doorbells)
		munmap(dev->doorbells, dev->doorbells_size);
	dev->doorbells = NULL;
	close_fd(&dev->fd);
	close_fd(&dev->group);
	close_fd(&dev->container);
}

int device_reset(struct device *dev)
{
	if (ioctl(dev->fd, VFIO_DEVICE_RESET))
		return fail(STATUS_IO, "mdev %s: its reset failed: %s; the kernel log says why",
			    dev->uuid, strerror(errno));
	return STATUS_OK;
}

int device_map_memory(struct device *dev, void *memory, u64 gpa, u64 size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = gpa,
		.size = size,
	};

	if (ioctl(dev->container, VFIO_IOMMU_MAP_DMA, &map))
		return fail(STATUS_USAGE,
			    "mdev %s: VFIO cannot map %llu bytes: %s; raise the locked-memory limit (ulimit -l) or run as root",
			    dev->uuid, size, strerror(errno));
	return STATUS_OK;
}

int device_unmap_memory(struct device *dev, u64 gpa, u64 size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = gpa,
		.size = size,
	};

	if (ioctl(dev->container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return fail(STATUS_IO,
			    "mdev %s: VFIO cannot unmap %llu bytes: %s; the kernel log says why",
			    dev->uuid, size, strerror(errno));
	return STATUS_OK;
}

int device_enable_interrupts(struct device *dev, const int *eventfds, u32 nr)
{
	size_t size = sizeof(struct vfio_irq_set) + nr * sizeof(*eventfds);
	struct vfio_irq_set *set = calloc(1, size);
	int status = STATUS_OK;

	if (!set)
		return fail(STATUS_USAGE, "out of memory; free some");
	set->argsz = (u32)size;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = VFIO_PCI_MSIX_IRQ_INDEX;
	set->count = nr;
	memcpy(set->data, eventfds, nr * sizeof(*eventfds));
	if (ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, set))
		status = fail(STATUS_USAGE,
			      "mdev %s: the host cannot enable %u interrupts: %s; the kernel log says why",
			      dev->uuid, nr, strerror(errno));
	free(set);
	return status;
}
