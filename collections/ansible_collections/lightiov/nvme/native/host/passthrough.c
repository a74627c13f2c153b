// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kind lightiov-passthrough: a VM has hardware queue pairs, whose rings lie
 * in its memory and whose doorbells it writes itself, and is told of them by
 * registers.
 */
#include <linux/nospec.h>
#include <linux/slab.h>

#include "passthrough.h"

static struct liov_mdev *liov_passthrough_alloc(struct device *dev,
						const struct vfio_device_ops *ops)
{
	struct liov_passthrough *pt;

	pt = vfio_alloc_device(liov_passthrough, mdev.vdev, dev, ops);
	return IS_ERR(pt) ? ERR_CAST(pt) : &pt->mdev;
}

static int liov_passthrough_init(struct liov_mdev *mdev)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	mutex_init(&pt->doorbell_lock);
	pt->revoked = LIOV_REVOKED_CLOSED;
	liov_trigger_init(&pt->event);

	pt->regs = kvzalloc(LIOV_REGS_SIZE, GFP_KERNEL);
	pt->sink = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!pt->regs || !pt->sink)
		goto out_free;

	pt->mapping = liov_mapping_create();
	if (IS_ERR(pt->mapping))
		goto out_free;
	return 0;

out_free:
	if (pt->sink)
		__free_page(pt->sink);
	kvfree(pt->regs);
	return -ENOMEM;
}

static void liov_passthrough_release(struct liov_mdev *mdev)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	liov_mapping_destroy(pt->mapping);
	__free_page(pt->sink);
	kvfree(pt->regs);
}

static void liov_passthrough_remove(struct liov_mdev *mdev)
{
	liov_queues_reserve(liov_passthrough_of(mdev), 0);
}

static unsigned int liov_passthrough_available(struct liov_ctrl *ctrl)
{
	/* Each needs at least one queue pair. */
	return READ_ONCE(ctrl->nr_queue_pairs_free);
}

static const char *liov_passthrough_missing(struct liov_mdev *mdev)
{
	return liov_passthrough_of(mdev)->nr_queues ? NULL : "queue_pairs";
}

static void liov_passthrough_open(struct liov_mdev *mdev)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	clear_page(page_address(pt->sink));
	memset(pt->regs, 0, LIOV_REGS_SIZE);
	liov_regs_init(pt);
	atomic_andnot(LIOV_STATUS_RELEASE, &pt->status);
	liov_passthrough_set_up(pt);
}

static void liov_passthrough_close(struct liov_mdev *mdev)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	liov_passthrough_tear_down(pt);
	liov_trigger_clear(&pt->event);
	liov_queues_clear_triggers(pt);
}

static void liov_passthrough_restart(struct liov_mdev *mdev)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	liov_passthrough_reset(pt);
	liov_regs_update_window(pt);
}

/* Memory or an extent goes away under the queues.  Caller holds mdev.lock. */
static void liov_passthrough_stop(struct liov_mdev *mdev)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	liov_doorbell_update(pt, LIOV_REVOKED_LOST, 0);
	liov_queues_delete(pt);
	liov_passthrough_event(pt, LIOV_STATUS_QUEUES_LOST, 0);
}

static void liov_passthrough_lost(struct liov_mdev *mdev)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	liov_doorbell_update(pt, LIOV_REVOKED_LOST, 0);
	atomic_or(LIOV_STATUS_QUEUES_LOST, &pt->status);
}

static void liov_passthrough_changed(struct liov_mdev *mdev)
{
	liov_passthrough_event(liov_passthrough_of(mdev), 0, 0);
}

static void liov_passthrough_request_release(struct liov_mdev *mdev)
{
	liov_passthrough_event(liov_passthrough_of(mdev), LIOV_STATUS_RELEASE,
			       0);
}

static u64 liov_passthrough_region_size(struct liov_mdev *mdev, u32 index)
{
	switch (index) {
	case LIOV_BAR_REGS:
		return LIOV_REGS_SIZE;
	case LIOV_BAR_DOORBELLS:
		return mdev->ctrl->doorbell_size;
	default:
		return 0;
	}
}

static void liov_passthrough_region_read(struct liov_mdev *mdev, u32 index,
					 u32 offset, u8 *data, size_t count)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	switch (index) {
	case LIOV_BAR_REGS:
		pt->stats.mmio++;
		liov_regs_read(pt, offset, data, count);
		break;
	default:
		/* What doorbells read as is nowhere defined. */
		memset(data, 0, count);
	}
}

static void liov_passthrough_region_write(struct liov_mdev *mdev, u32 index,
					  u32 offset, const u8 *data,
					  size_t count)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	switch (index) {
	case LIOV_BAR_REGS:
		pt->stats.mmio++;
		liov_regs_write(pt, offset, data, count);
		break;
	case LIOV_BAR_DOORBELLS:
		if (count == sizeof(u32))
			liov_doorbell_write(pt, offset,
					    get_unaligned_le32(data));
		break;
	}
}

static int liov_passthrough_mmap(struct liov_mdev *mdev,
				 struct vm_area_struct *vma)
{
	return liov_doorbell_mmap(liov_passthrough_of(mdev), vma);
}

/* One for events, one per queue. */
static unsigned int liov_passthrough_vectors(struct liov_mdev *mdev)
{
	return liov_passthrough_of(mdev)->nr_queues + 1;
}

/* Of a vector that is not the one for events; VFIO has checked that it exists. */
static unsigned int liov_vector_queue(struct liov_passthrough *pt,
				      unsigned int number)
{
	return array_index_nospec(number - LIOV_VECTOR_QUEUE(0), pt->nr_queues);
}

static void liov_passthrough_set_vector(struct liov_mdev *mdev,
					unsigned int number,
					struct eventfd_ctx *eventfd)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);
	struct eventfd_ctx *old;

	if (number != LIOV_VECTOR_EVENT) {
		liov_queue_set_trigger(pt, liov_vector_queue(pt, number),
				       eventfd);
		return;
	}
	old = liov_trigger_swap(&pt->event, eventfd);
	if (old)
		eventfd_ctx_put(old);
}

static void liov_passthrough_fire_vector(struct liov_mdev *mdev,
					 unsigned int number)
{
	struct liov_passthrough *pt = liov_passthrough_of(mdev);

	if (number == LIOV_VECTOR_EVENT)
		liov_trigger_fire(&pt->event);
	else
		liov_trigger_fire(&pt->triggers[liov_vector_queue(pt, number)]);
}

const struct liov_kind liov_passthrough_kind = {
	.name		 = "passthrough",
	.pretty_name	 = "LightIOV passthrough",
	.description	 = "hardware I/O queue pairs of an NVMe controller, for VMs of one tenant",
	.device_id	 = LIOV_PCI_DEVICE_ID,
	.class		 = LIOV_PCI_CLASS,
	.revision	 = LIOV_ABI_MAJOR,
	.msix_table	 = LIOV_MSIX_TABLE | LIOV_BAR_REGS,
	.msix_pba	 = LIOV_MSIX_PBA | LIOV_BAR_REGS,
	.mapped_region	 = LIOV_BAR_DOORBELLS,
	.available	 = liov_passthrough_available,
	.alloc		 = liov_passthrough_alloc,
	.init		 = liov_passthrough_init,
	.release	 = liov_passthrough_release,
	.remove		 = liov_passthrough_remove,
	.missing	 = liov_passthrough_missing,
	.open		 = liov_passthrough_open,
	.close		 = liov_passthrough_close,
	.reset		 = liov_passthrough_restart,
	.stop		 = liov_passthrough_stop,
	.lost		 = liov_passthrough_lost,
	.changed	 = liov_passthrough_changed,
	.request_release = liov_passthrough_request_release,
	.region_size	 = liov_passthrough_region_size,
	.region_read	 = liov_passthrough_region_read,
	.region_write	 = liov_passthrough_region_write,
	.mmap		 = liov_passthrough_mmap,
	.vectors	 = liov_passthrough_vectors,
	.set_vector	 = liov_passthrough_set_vector,
	.fire_vector	 = liov_passthrough_fire_vector,
};
