/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels the host module builds for: 6.1, 6.12 and
 * 7.3, and those between.  The code itself is written for the newest one; each
 * definition here stands for an interface that an older kernel has under
 * another shape.
 */
#ifndef LIGHTIOV_COMPAT_H
#define LIGHTIOV_COMPAT_H

#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/irqbypass.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/shmem_fs.h>
#include <linux/version.h>
#include <linux/vfio.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

/* hex2bin() and bin2hex() were a part of the one before they were all of the other. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#include <linux/kernel.h>
#else
#include <linux/hex.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

/* The older iommu_map() allocates with GFP_KERNEL, not charged to the VM. */
static inline int liov_iommu_map(struct iommu_domain *domain,
				 unsigned long iova, phys_addr_t paddr,
				 size_t size, int prot)
{
	return iommu_map(domain, iova, paddr, size, prot);
}

static inline ssize_t liov_iommu_map_sg(struct iommu_domain *domain,
					unsigned long iova,
					struct sg_table *table, int prot)
{
	return iommu_map_sg(domain, iova, table->sgl, table->orig_nents, prot);
}

static inline bool liov_isolated_msi(struct device *dev,
				     struct iommu_group *group)
{
	return device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
}
#else
static inline int liov_iommu_map(struct iommu_domain *domain,
				 unsigned long iova, phys_addr_t paddr,
				 size_t size, int prot)
{
	return iommu_map(domain, iova, paddr, size, prot, GFP_KERNEL_ACCOUNT);
}

static inline ssize_t liov_iommu_map_sg(struct iommu_domain *domain,
					unsigned long iova,
					struct sg_table *table, int prot)
{
	return iommu_map_sg(domain, iova, table->sgl, table->orig_nents, prot,
			    GFP_KERNEL_ACCOUNT);
}

static inline bool liov_isolated_msi(struct device *dev,
				     struct iommu_group *group)
{
	return iommu_group_has_isolated_msi(group);
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#endif

/*
 * All mappings of a VFIO device are zapped through one address space.  Newer
 * kernels give each device one; in older ones an empty file lends its own.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
static inline struct iommu_domain *
iommu_paging_domain_alloc(struct device *dev)
{
	return iommu_domain_alloc(dev->bus) ?: ERR_PTR(-ENODEV);
}

static inline struct file *liov_mapping_create(void)
{
	return shmem_file_setup("lightiov", 0, 0);
}

static inline void liov_mapping_destroy(struct file *file)
{
	fput(file);
}

static inline struct address_space *liov_mapping(struct vfio_device *vdev,
						 struct file *file)
{
	return file->f_mapping;
}

/*
 * The mapping becomes the empty file's, as the kernel expects of drivers.  Had
 * the device's own file another address space all of a sudden, its writers would
 * be counted in one and discounted in the other.  The device stays open as long
 * as it is mapped.
 */
static inline void liov_mapping_set(struct vm_area_struct *vma,
				    struct file *file, void *owner)
{
	file->private_data = owner;
	vma->vm_private_data = get_file(vma->vm_file);
	vma_set_file(vma, file);
}

static inline void *liov_mapping_owner(struct vm_area_struct *vma)
{
	return vma->vm_file->private_data;
}

static inline void liov_mapping_open(struct vm_area_struct *vma)
{
	get_file(vma->vm_private_data);
}

static inline void liov_mapping_close(struct vm_area_struct *vma)
{
	fput(vma->vm_private_data);
}
#else
static inline struct file *liov_mapping_create(void)
{
	return NULL;
}

static inline void liov_mapping_destroy(struct file *file)
{
}

static inline struct address_space *liov_mapping(struct vfio_device *vdev,
						 struct file *file)
{
	return vdev->inode->i_mapping;
}

static inline void liov_mapping_set(struct vm_area_struct *vma,
				    struct file *file, void *owner)
{
	vma->vm_private_data = owner;
}

static inline void *liov_mapping_owner(struct vm_area_struct *vma)
{
	return vma->vm_private_data;
}

#define liov_mapping_open	NULL
#define liov_mapping_close	NULL
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define LIOV_VFIO_IOMMUFD
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define LIOV_VFIO_DETACH_IOAS
#endif

/* VFIO asks by an operation of its own instead of the ioctl. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define LIOV_VFIO_REGION_INFO_OP
#endif

/* Kernels differ in what of a binary attribute is const. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define LIOV_BIN_CONST
#else
#define LIOV_BIN_CONST	const
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline size_t list_count_nodes(struct list_head *head)
{
	struct list_head *node;
	size_t count = 0;

	list_for_each(node, head)
		count++;
	return count;
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
static inline int liov_bypass_register(struct irq_bypass_producer *producer,
				       struct eventfd_ctx *eventfd, int irq)
{
	producer->token = eventfd;
	producer->irq = irq;
	return irq_bypass_register_producer(producer);
}
#else
#define liov_bypass_register	irq_bypass_register_producer
#endif

#endif /* LIGHTIOV_COMPAT_H */
