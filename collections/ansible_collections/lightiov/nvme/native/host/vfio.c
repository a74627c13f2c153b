// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mediated device as VFIO shows it: a PCI device with MSI-X.  What is in
 * its BARs, and where its interrupts come from, its kind knows.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mdev.h"

/* More in one access than any CPU's widest register is copied in pieces. */
#define LIOV_ACCESS_MAX	64

static int liov_vfio_init(struct vfio_device *vdev)
{
	struct liov_mdev *mdev = liov_mdev_from_vdev(vdev);
	struct mdev_type *type = to_mdev_device(vdev->dev)->type;
	int ret = -ENOMEM;

	mdev->ctrl = liov_type_ctrl(type);
	mdev->kind = liov_type_kind(type);
	mutex_init(&mdev->lock);
	INIT_LIST_HEAD(&mdev->node);
	liov_trigger_init(&mdev->release);

	mdev->config = kzalloc(LIOV_CONFIG_SIZE, GFP_KERNEL);
	mdev->config_mask = kzalloc(LIOV_CONFIG_SIZE, GFP_KERNEL);
	if (!mdev->config || !mdev->config_mask)
		goto out_config;

	ret = liov_memory_init(&mdev->memory, mdev->ctrl, vdev, &mdev->lock);
	if (ret)
		goto out_config;
	ret = mdev->kind->init(mdev);
	if (ret)
		goto out_memory;
	return 0;

out_memory:
	liov_memory_exit(&mdev->memory);
out_config:
	kfree(mdev->config_mask);
	kfree(mdev->config);
	return ret;
}

static void liov_vfio_release(struct vfio_device *vdev)
{
	struct liov_mdev *mdev = liov_mdev_from_vdev(vdev);

	mdev->kind->release(mdev);
	liov_memory_exit(&mdev->memory);
	kfree(mdev->config_mask);
	kfree(mdev->config);
}

static int liov_vfio_open(struct vfio_device *vdev)
{
	return liov_mdev_open(liov_mdev_from_vdev(vdev));
}

static void liov_vfio_close(struct vfio_device *vdev)
{
	liov_mdev_close(liov_mdev_from_vdev(vdev));
}

/* User space takes away memory that the controller may still use. */
static void liov_vfio_dma_unmap(struct vfio_device *vdev, u64 iova, u64 length)
{
	struct liov_mdev *mdev = liov_mdev_from_vdev(vdev);

	if (!length)
		return;
	if (liov_unmapping_watch(&mdev->memory, iova, iova + length - 1))
		dev_warn_ratelimited(liov_mdev_dev(mdev),
				     "no memory to keep a VM from using what it gives back: VFIO may ask for it more than once\n");
	if (!liov_memory_overlaps(&mdev->memory, iova, length))
		return;

	/* It may have been on its way out, or have failed to come in. */
	mutex_lock(&mdev->lock);
	if (liov_memory_overlaps(&mdev->memory, iova, length)) {
		mdev->kind->stop(mdev);
		liov_memory_take_back(&mdev->memory, iova, iova + length - 1);
	}
	mutex_unlock(&mdev->lock);
}

static void liov_vfio_request(struct vfio_device *vdev, unsigned int count)
{
	liov_mdev_request_release(liov_mdev_from_vdev(vdev));
}

static u64 liov_region_size(struct liov_mdev *mdev, u32 index)
{
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return LIOV_CONFIG_SIZE;
	return mdev->kind->region_size(mdev, index);
}

static void liov_region_read(struct liov_mdev *mdev, u32 index, u32 offset,
			     u8 *data, size_t count)
{
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		memcpy(data, mdev->config + offset, count);
	else
		mdev->kind->region_read(mdev, index, offset, data, count);
}

static void liov_region_write(struct liov_mdev *mdev, u32 index, u32 offset,
			      const u8 *data, size_t count)
{
	if (index != VFIO_PCI_CONFIG_REGION_INDEX)
		mdev->kind->region_write(mdev, index, offset, data, count);
	else if (liov_config_write(mdev, offset, data, count))
		mdev->kind->reset(mdev);
}

/* Clips an access to its region and to what is done at once. */
static ssize_t liov_region_clip(struct liov_mdev *mdev, loff_t pos,
				size_t count, u32 *index, u32 *offset)
{
	u64 start = pos & LIOV_REGION_MASK;
	u64 size;

	*index = pos >> LIOV_REGION_SHIFT;
	size = liov_region_size(mdev, *index);
	if (start >= size)
		return -EINVAL;
	*offset = array_index_nospec(start, size);
	return min3(count, (size_t)(size - *offset), (size_t)LIOV_ACCESS_MAX);
}

static ssize_t liov_vfio_read(struct vfio_device *vdev, char __user *buf,
			      size_t count, loff_t *ppos)
{
	struct liov_mdev *mdev = liov_mdev_from_vdev(vdev);
	u8 data[LIOV_ACCESS_MAX];
	size_t done = 0;
	u32 index, offset;
	ssize_t chunk;

	while (done < count) {
		chunk = liov_region_clip(mdev, *ppos, count - done, &index,
					 &offset);
		if (chunk < 0)
			return done ?: chunk;

		mutex_lock(&mdev->lock);
		liov_region_read(mdev, index, offset, data, chunk);
		mutex_unlock(&mdev->lock);

		if (copy_to_user(buf + done, data, chunk))
			return -EFAULT;
		done += chunk;
		*ppos += chunk;
	}
	return done;
}

static ssize_t liov_vfio_write(struct vfio_device *vdev,
			       const char __user *buf, size_t count,
			       loff_t *ppos)
{
	struct liov_mdev *mdev = liov_mdev_from_vdev(vdev);
	u8 data[LIOV_ACCESS_MAX];
	size_t done = 0;
	u32 index, offset;
	ssize_t chunk;

	while (done < count) {
		chunk = liov_region_clip(mdev, *ppos, count - done, &index,
					 &offset);
		if (chunk < 0)
			return done ?: chunk;
		if (copy_from_user(data, buf + done, chunk))
			return -EFAULT;

		mutex_lock(&mdev->lock);
		liov_region_write(mdev, index, offset, data, chunk);
		mutex_unlock(&mdev->lock);

		done += chunk;
		*ppos += chunk;
	}
	return done;
}

static int liov_vfio_mmap(struct vfio_device *vdev, struct vm_area_struct *vma)
{
	struct liov_mdev *mdev = liov_mdev_from_vdev(vdev);

	if (vma->vm_pgoff >> (LIOV_REGION_SHIFT - PAGE_SHIFT) !=
	    mdev->kind->mapped_region)
		return -EINVAL;
	return mdev->kind->mmap(mdev, vma);
}

static long liov_vfio_get_info(void __user *arg)
{
	struct vfio_device_info info;
	size_t minsz = offsetofend(struct vfio_device_info, num_irqs);

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_PCI_NUM_REGIONS;
	info.num_irqs = VFIO_PCI_NUM_IRQS;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static int liov_vfio_get_region_info(struct vfio_device *vdev,
				     struct vfio_region_info *info,
				     struct vfio_info_cap *caps)
{
	struct liov_mdev *mdev = liov_mdev_from_vdev(vdev);

	if (info->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;

	info->offset = LIOV_REGION_OFFSET(info->index);
	info->size = liov_region_size(mdev, info->index);
	info->flags = 0;
	if (info->size)
		info->flags = VFIO_REGION_INFO_FLAG_READ |
			      VFIO_REGION_INFO_FLAG_WRITE;
	if (info->index == mdev->kind->mapped_region)
		info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	return 0;
}

#ifndef LIOV_VFIO_REGION_INFO_OP
static long liov_vfio_ioctl_region_info(struct vfio_device *vdev,
					void __user *arg)
{
	struct vfio_region_info info;
	size_t minsz = offsetofend(struct vfio_region_info, offset);
	int ret;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	ret = liov_vfio_get_region_info(vdev, &info, NULL);
	if (ret)
		return ret;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}
#endif

static u32 liov_irq_count(struct liov_mdev *mdev, u32 index)
{
	switch (index) {
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return mdev->kind->vectors(mdev);
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	default:
		return 0;
	}
}

static long liov_vfio_get_irq_info(struct liov_mdev *mdev, void __user *arg)
{
	struct vfio_irq_info info;
	size_t minsz = offsetofend(struct vfio_irq_info, count);

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_IRQS ||
	    info.index == VFIO_PCI_ERR_IRQ_INDEX)
		return -EINVAL;

	info.count = liov_irq_count(mdev, info.index);
	info.flags = info.count ? VFIO_IRQ_INFO_EVENTFD : 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

/* Takes over the reference to @eventfd, which may be NULL. */
static void liov_set_trigger(struct liov_mdev *mdev, u32 index, u32 number,
			     struct eventfd_ctx *eventfd)
{
	struct eventfd_ctx *old;

	if (index == VFIO_PCI_MSIX_IRQ_INDEX) {
		mdev->kind->set_vector(mdev, number, eventfd);
		return;
	}
	old = liov_trigger_swap(&mdev->release, eventfd);
	if (old)
		eventfd_ctx_put(old);
}

static void liov_fire_trigger(struct liov_mdev *mdev, u32 index, u32 number)
{
	if (index == VFIO_PCI_MSIX_IRQ_INDEX)
		mdev->kind->fire_vector(mdev, number);
	else
		liov_trigger_fire(&mdev->release);
}

static int liov_set_eventfds(struct liov_mdev *mdev,
			     const struct vfio_irq_set *set, const s32 *fds)
{
	struct eventfd_ctx *eventfd;
	u32 i;

	for (i = 0; i < set->count; i++) {
		eventfd = NULL;
		if (fds[i] >= 0) {
			eventfd = eventfd_ctx_fdget(fds[i]);
			if (IS_ERR(eventfd))
				return PTR_ERR(eventfd);
		}
		liov_set_trigger(mdev, set->index, set->start + i, eventfd);
	}
	return 0;
}

static int liov_set_irqs(struct liov_mdev *mdev, const struct vfio_irq_set *set,
			 const void *data)
{
	u32 type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	u32 i;

	if ((set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) !=
	    VFIO_IRQ_SET_ACTION_TRIGGER)
		return -ENOTTY;

	/* No vectors at all: disable the whole index. */
	if (type == VFIO_IRQ_SET_DATA_NONE && !set->count) {
		for (i = 0; i < liov_irq_count(mdev, set->index); i++)
			liov_set_trigger(mdev, set->index, i, NULL);
		return 0;
	}
	if (type == VFIO_IRQ_SET_DATA_EVENTFD)
		return liov_set_eventfds(mdev, set, data);

	/* The others trigger interrupts by hand. */
	for (i = 0; i < set->count; i++)
		if (type == VFIO_IRQ_SET_DATA_NONE || ((const u8 *)data)[i])
			liov_fire_trigger(mdev, set->index, set->start + i);
	return 0;
}

static long liov_vfio_set_irqs(struct liov_mdev *mdev, void __user *arg)
{
	struct vfio_irq_set set;
	size_t minsz = offsetofend(struct vfio_irq_set, count);
	size_t data_size;
	void *data = NULL;
	u32 count;
	int ret;

	if (copy_from_user(&set, arg, minsz))
		return -EFAULT;

	count = liov_irq_count(mdev, set.index);
	ret = vfio_set_irqs_validate_and_prepare(&set, count, VFIO_PCI_NUM_IRQS,
						 &data_size);
	if (ret)
		return ret;
	if (data_size) {
		data = memdup_user(arg + minsz, data_size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}

	mutex_lock(&mdev->lock);
	ret = liov_set_irqs(mdev, &set, data);
	mutex_unlock(&mdev->lock);
	kfree(data);
	return ret;
}

static long liov_vfio_ioctl(struct vfio_device *vdev, unsigned int cmd,
			    unsigned long arg)
{
	struct liov_mdev *mdev = liov_mdev_from_vdev(vdev);
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return liov_vfio_get_info(uarg);
#ifndef LIOV_VFIO_REGION_INFO_OP
	case VFIO_DEVICE_GET_REGION_INFO:
		return liov_vfio_ioctl_region_info(vdev, uarg);
#endif
	case VFIO_DEVICE_GET_IRQ_INFO:
		return liov_vfio_get_irq_info(mdev, uarg);
	case VFIO_DEVICE_SET_IRQS:
		return liov_vfio_set_irqs(mdev, uarg);
	case VFIO_DEVICE_RESET:
		mutex_lock(&mdev->lock);
		mdev->kind->reset(mdev);
		mutex_unlock(&mdev->lock);
		return 0;
	default:
		return -ENOTTY;
	}
}

const struct vfio_device_ops liov_vfio_ops = {
	.name		= "lightiov",
	.init		= liov_vfio_init,
	.release	= liov_vfio_release,
	.open_device	= liov_vfio_open,
	.close_device	= liov_vfio_close,
	.read		= liov_vfio_read,
	.write		= liov_vfio_write,
	.ioctl		= liov_vfio_ioctl,
	.mmap		= liov_vfio_mmap,
	.request	= liov_vfio_request,
	.dma_unmap	= liov_vfio_dma_unmap,
#ifdef LIOV_VFIO_REGION_INFO_OP
	.get_region_info_caps = liov_vfio_get_region_info,
#endif
#ifdef LIOV_VFIO_IOMMUFD
	.bind_iommufd	= vfio_iommufd_emulated_bind,
	.unbind_iommufd	= vfio_iommufd_emulated_unbind,
	.attach_ioas	= vfio_iommufd_emulated_attach_ioas,
#endif
#ifdef LIOV_VFIO_DETACH_IOAS
	.detach_ioas	= vfio_iommufd_emulated_detach_ioas,
#endif
};
