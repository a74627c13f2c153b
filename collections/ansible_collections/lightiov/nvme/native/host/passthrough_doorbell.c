// SPDX-License-Identifier: GPL-2.0-only
/*
 * The doorbell mapping.  A VM writes the controller's doorbells itself; the
 * mapping can be taken away from it at any time, and then leads to an ordinary
 * page, so that the VM sees commands time out instead of dying of a SIGBUS.
 *
 * Only pages with a doorbell of the device's own are ever the hardware's.
 * With the usual stride of 4 bytes such a page also has doorbells of others:
 * that is why all VMs of one controller must belong to one tenant.
 */
#include "passthrough.h"

static bool liov_doorbell_owns(struct liov_passthrough *pt, u32 offset)
{
	struct liov_ctrl *ctrl = pt->mdev.ctrl;
	unsigned int i;

	for (i = 0; i < pt->nr_queues; i++) {
		u16 qid = pt->queues[i].qid;

		if (offset == liov_sq_doorbell(ctrl, qid) ||
		    offset == liov_cq_doorbell(ctrl, qid))
			return true;
	}
	return false;
}

static bool liov_doorbell_owns_page(struct liov_passthrough *pt, u32 offset)
{
	struct liov_ctrl *ctrl = pt->mdev.ctrl;
	unsigned int i;

	for (i = 0; i < pt->nr_queues; i++) {
		u16 qid = pt->queues[i].qid;

		if ((liov_sq_doorbell(ctrl, qid) & PAGE_MASK) == offset ||
		    (liov_cq_doorbell(ctrl, qid) & PAGE_MASK) == offset)
			return true;
	}
	return false;
}

/*
 * Add and take away reasons for which the mapping is revoked.  On a change
 * from or to none all of it is zapped, and faults find the other pages.
 */
void liov_doorbell_update(struct liov_passthrough *pt, unsigned int set,
			  unsigned int clear)
{
	unsigned int old;

	mutex_lock(&pt->doorbell_lock);
	old = pt->revoked;
	pt->revoked = (old & ~clear) | set;
	if (!old != !pt->revoked) {
		unmap_mapping_range(liov_mapping(&pt->mdev.vdev, pt->mapping),
				    LIOV_REGION_OFFSET(LIOV_BAR_DOORBELLS),
				    pt->mdev.ctrl->doorbell_size, true);
		if (pt->revoked & ~LIOV_REVOKED_CLOSED)
			pt->stats.revocations++;
	}
	mutex_unlock(&pt->doorbell_lock);
}

static vm_fault_t liov_doorbell_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct liov_passthrough *pt = liov_mapping_owner(vma);
	struct liov_ctrl *ctrl = pt->mdev.ctrl;
	u64 offset = ((u64)vmf->pgoff << PAGE_SHIFT) & LIOV_REGION_MASK;
	unsigned long pfn = page_to_pfn(pt->sink);
	vm_fault_t ret;

	mutex_lock(&pt->doorbell_lock);
	if (!pt->revoked && liov_doorbell_owns_page(pt, offset))
		pfn = PHYS_PFN(ctrl->regs_phys + NVME_REG_DBS + offset);
	ret = vmf_insert_pfn(vma, vmf->address & PAGE_MASK, pfn);
	pt->stats.doorbell_faults++;
	mutex_unlock(&pt->doorbell_lock);

	return ret;
}

static const struct vm_operations_struct liov_doorbell_vm_ops = {
	.open  = liov_mapping_open,
	.close = liov_mapping_close,
	.fault = liov_doorbell_fault,
};

int liov_doorbell_mmap(struct liov_passthrough *pt, struct vm_area_struct *vma)
{
	u64 offset = ((u64)vma->vm_pgoff << PAGE_SHIFT) & LIOV_REGION_MASK;
	u64 size = vma->vm_end - vma->vm_start;

	if (!(vma->vm_flags & VM_SHARED) ||
	    size > pt->mdev.ctrl->doorbell_size ||
	    offset > pt->mdev.ctrl->doorbell_size - size)
		return -EINVAL;

	liov_mapping_set(vma, pt->mapping, pt);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &liov_doorbell_vm_ops;
	return 0;
}

/* A doorbell write that user space had to trap. */
void liov_doorbell_write(struct liov_passthrough *pt, u32 offset, u32 value)
{
	mutex_lock(&pt->doorbell_lock);
	if (!pt->revoked && liov_doorbell_owns(pt, offset))
		writel(value, pt->mdev.ctrl->regs + NVME_REG_DBS + offset);
	mutex_unlock(&pt->doorbell_lock);
}
