// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers in LIOV_BAR_REGS, and the commands that the owner gives through
 * them.  mdev->regs is their image, tables and all; only what changes behind
 * the owner's back is filled in when it is read.
 */
#include <linux/nospec.h>

#include "mdev.h"
#include "trace.h"

static void liov_regs_put32(struct liov_mdev *mdev, u32 reg, u32 value)
{
	put_unaligned_le32(value, mdev->regs + reg);
}

static void liov_regs_put64(struct liov_mdev *mdev, u32 reg, u64 value)
{
	put_unaligned_le64(value, mdev->regs + reg);
}

void liov_regs_update_window(struct liov_mdev *mdev)
{
	liov_regs_put64(mdev, LIOV_REG_WINDOW_BASE, mdev->memory.window);
	liov_regs_put64(mdev, LIOV_REG_WINDOW_SIZE, mdev->memory.window_size);
}

static void liov_regs_init_queues(struct liov_mdev *mdev)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	struct liov_queue_info info = {};
	unsigned int i;

	for (i = 0; i < mdev->nr_queues; i++) {
		u16 qid = mdev->queues[i].qid;

		info.hw_qid = cpu_to_le16(qid);
		info.vector = cpu_to_le16(LIOV_VECTOR_QUEUE(i));
		info.sq_doorbell = cpu_to_le32(liov_sq_doorbell(ctrl, qid));
		info.cq_doorbell = cpu_to_le32(liov_cq_doorbell(ctrl, qid));
		memcpy(mdev->regs + LIOV_REG_QUEUE(i), &info, sizeof(info));
	}
}

/* Whether an access touches @size bytes from @reg. */
static bool liov_regs_touch(u32 offset, size_t count, u32 reg, u32 size)
{
	return liov_overlap(offset, count, reg, size);
}

/* Brings up to date what is about to be read of slots, and notes that it is. */
static void liov_regs_update_slots(struct liov_mdev *mdev, u32 offset,
				   size_t count)
{
	struct liov_namespace_info info;
	unsigned int i;
	u32 reg;

	for (i = 0; i < LIOV_MAX_NAMESPACES; i++) {
		reg = LIOV_REG_NAMESPACE(i);
		if (!liov_regs_touch(offset, count, reg, sizeof(info)))
			continue;
		liov_slot_read(mdev, i, &info);
		memcpy(mdev->regs + reg, &info, sizeof(info));
		if (liov_regs_touch(offset, count, reg, sizeof(info.nsid)))
			liov_slot_shown(mdev, i);
	}
}

static void liov_regs_update_extents(struct liov_mdev *mdev, u32 offset,
				     size_t count, u32 generation)
{
	struct liov_ctrl *ctrl = mdev->ctrl;

	if (!liov_regs_touch(offset, count, LIOV_REG_GENERATION, sizeof(u32)) &&
	    !liov_regs_touch(offset, count, LIOV_REG_NAMESPACES, sizeof(u32)) &&
	    !liov_regs_touch(offset, count, LIOV_REG_NAMESPACE(0),
			     LIOV_MAX_NAMESPACES * LIOV_NAMESPACE_STRIDE))
		return;

	mutex_lock(&ctrl->lock);
	if (liov_regs_touch(offset, count, LIOV_REG_GENERATION, sizeof(u32)))
		liov_slots_generation_read(mdev, generation);
	liov_regs_put32(mdev, LIOV_REG_NAMESPACES, liov_slots_count(mdev));
	liov_regs_update_slots(mdev, offset, count);
	mutex_unlock(&ctrl->lock);
}

static void liov_regs_init_limits(struct liov_mdev *mdev)
{
	const struct liov_limits *limits = &mdev->ctrl->limits;
	int i;

	liov_regs_put32(mdev, LIOV_REG_DEALLOC_RANGES, limits->dealloc_ranges);
	liov_regs_put32(mdev, LIOV_REG_DEALLOC_RANGE, limits->dealloc_range);
	liov_regs_put64(mdev, LIOV_REG_DEALLOC_LBAS, limits->dealloc_lbas);
	liov_regs_put32(mdev, LIOV_REG_WRITE_ZEROES, limits->write_zeroes);
	for (i = 0; i < ARRAY_SIZE(limits->retry_delays); i++)
		liov_regs_put32(mdev, LIOV_REG_RETRY_DELAY(i + 1),
				limits->retry_delays[i]);
}

/* Called when the device is opened. */
void liov_regs_init(struct liov_mdev *mdev)
{
	struct liov_ctrl *ctrl = mdev->ctrl;

	BUILD_BUG_ON(sizeof(struct liov_queue_info) != LIOV_QUEUE_STRIDE);
	BUILD_BUG_ON(sizeof(struct liov_namespace_info) !=
		     LIOV_NAMESPACE_STRIDE);
	BUILD_BUG_ON(LIOV_MAX_NAMESPACES > 64);

	liov_regs_put32(mdev, LIOV_REG_MAGIC, LIOV_MAGIC);
	liov_regs_put32(mdev, LIOV_REG_VERSION,
			LIOV_ABI_MAJOR << 16 | LIOV_ABI_MINOR);
	liov_regs_put32(mdev, LIOV_REG_FEATURES, ctrl->features);
	liov_regs_put32(mdev, LIOV_REG_QUEUE_PAIRS, mdev->nr_queues);
	liov_regs_put32(mdev, LIOV_REG_QUEUE_ENTRIES, ctrl->queue_entries);
	liov_regs_put32(mdev, LIOV_REG_MAX_TRANSFER, ctrl->max_transfer);
	liov_regs_put32(mdev, LIOV_REG_PAGE_SIZE, PAGE_SIZE);
	liov_regs_put32(mdev, LIOV_REG_TIMEOUT_MS, LIOV_IO_TIMEOUT_MS);
	liov_regs_put32(mdev, LIOV_REG_DOORBELL_SIZE, ctrl->doorbell_size);
	memcpy(mdev->regs + LIOV_REG_SERIAL, ctrl->serial,
	       sizeof(ctrl->serial));
	memcpy(mdev->regs + LIOV_REG_MODEL, ctrl->model, sizeof(ctrl->model));
	memcpy(mdev->regs + LIOV_REG_FIRMWARE, ctrl->firmware,
	       sizeof(ctrl->firmware));
	liov_regs_init_limits(mdev);
	liov_regs_init_queues(mdev);
}

/* Caller holds mdev->lock and has checked that the range is in the BAR. */
void liov_regs_read(struct liov_mdev *mdev, u32 offset, u8 *data, size_t count)
{
	u32 status = liov_mdev_status(mdev);
	u32 generation = atomic_read(&mdev->generation);

	liov_regs_put32(mdev, LIOV_REG_STATUS, status);
	liov_regs_put32(mdev, LIOV_REG_GENERATION, generation);
	liov_regs_update_extents(mdev, offset, count, generation);
	memcpy(data, mdev->regs + offset, count);
}

static bool liov_valid_range(u64 gpa, u64 size)
{
	return size && PAGE_ALIGNED(gpa | size) && gpa + size > gpa;
}

/* Page aligned and wholly in added memory. */
static bool liov_valid_ring(struct liov_mdev *mdev, u64 gpa, u64 size)
{
	return PAGE_ALIGNED(gpa) && gpa + size > gpa &&
	       liov_memory_covers(&mdev->memory, gpa, size);
}

static int liov_mailbox_remove_memory(struct liov_mdev *mdev, u64 gpa,
				      u64 size)
{
	if (!liov_valid_range(gpa, size))
		return -EINVAL;
	if (!liov_memory_is_whole(&mdev->memory, gpa, size))
		return -ENOENT;
	if (liov_queues_use(mdev, gpa, size))
		return -EBUSY;

	liov_memory_drop(&mdev->memory, gpa, gpa + size - 1);
	return 0;
}

static int liov_mailbox_create_queue(struct liov_mdev *mdev, const u64 *args)
{
	struct liov_hw_queue *queue;
	u64 entries = args[3];

	if (args[0] >= mdev->nr_queues || entries < 2 ||
	    entries > mdev->ctrl->queue_entries)
		return -EINVAL;
	queue = &mdev->queues[array_index_nospec(args[0], mdev->nr_queues)];
	if (queue->created)
		return -EEXIST;
	if (!mdev->memory.window)
		return -ENOENT;
	if (!liov_valid_ring(mdev, args[1],
			     entries * sizeof(struct nvme_command)) ||
	    !liov_valid_ring(mdev, args[2],
			     entries * sizeof(struct nvme_completion)))
		return -EINVAL;

	return liov_queue_create(mdev, queue, args[1], args[2], entries);
}

static int liov_mailbox_delete_queue(struct liov_mdev *mdev, u64 index)
{
	struct liov_hw_queue *queue;

	if (index >= mdev->nr_queues)
		return -EINVAL;
	queue = &mdev->queues[array_index_nospec(index, mdev->nr_queues)];
	if (!queue->created)
		return -ENOENT;

	liov_hw_queues_delete(queue, 1);
	return 0;
}

static int liov_mailbox_release_extent(struct liov_mdev *mdev, const u64 *args)
{
	struct liov_ctrl *ctrl = mdev->ctrl;
	u8 bytes[UUID_SIZE];
	uuid_t id;
	int ret;

	put_unaligned_le64(args[1], bytes);
	put_unaligned_le64(args[2], bytes + sizeof(u64));
	import_uuid(&id, bytes);

	mutex_lock(&ctrl->lock);
	ret = liov_extent_let_go(mdev, args[0], &id);
	mutex_unlock(&ctrl->lock);
	return ret;
}

static int liov_mailbox_run(struct liov_mdev *mdev, u32 command,
			    const u64 *args)
{
	switch (command) {
	case LIOV_CMD_RESET:
		liov_mdev_reset(mdev);
		return liov_mdev_status(mdev) & LIOV_STATUS_DEAD ? -ENODEV : 0;
	case LIOV_CMD_OPEN_WINDOW:
		return liov_memory_open_window(&mdev->memory, args[0]);
	case LIOV_CMD_ADD_MEMORY:
		if (!liov_valid_range(args[0], args[1]) ||
		    args[1] > LIOV_MAX_ADD)
			return -EINVAL;
		return liov_memory_add(&mdev->memory, args[0], args[1]);
	case LIOV_CMD_REMOVE_MEMORY:
		return liov_mailbox_remove_memory(mdev, args[0], args[1]);
	case LIOV_CMD_CREATE_QUEUE:
		return liov_mailbox_create_queue(mdev, args);
	case LIOV_CMD_DELETE_QUEUE:
		return liov_mailbox_delete_queue(mdev, args[0]);
	case LIOV_CMD_RELEASE_EXTENT:
		return liov_mailbox_release_extent(mdev, args);
	default:
		return -EINVAL;
	}
}

/*
 * Commands that give nothing more to the owner are never refused: it relies on
 * RESET when it takes its memory back, also from a controller that is dead but
 * may not have stopped yet.
 */
static u32 liov_mailbox_refusal(struct liov_mdev *mdev, u32 command)
{
	u32 status;

	switch (command) {
	case LIOV_CMD_REMOVE_MEMORY:
	case LIOV_CMD_DELETE_QUEUE:
	case LIOV_CMD_RELEASE_EXTENT:
	case LIOV_CMD_RESET:
		return LIOV_RESULT_OK;
	}

	status = liov_mdev_status(mdev);
	if (status & LIOV_STATUS_DEAD)
		return LIOV_RESULT_DEAD;
	if (status & LIOV_STATUS_QUEUES_LOST)
		return LIOV_RESULT_QUEUES_LOST;
	if (status & LIOV_STATUS_QUARANTINED)
		return LIOV_RESULT_QUARANTINED;
	return LIOV_RESULT_OK;
}

static u32 liov_mailbox_result(struct liov_mdev *mdev, u32 command, int ret)
{
	switch (ret) {
	case 0:
		return LIOV_RESULT_OK;
	case -EINVAL:
		return LIOV_RESULT_INVALID;
	case -EEXIST:
	case -EBUSY:
		return LIOV_RESULT_BUSY;
	case -ENOENT:
		return LIOV_RESULT_NOT_FOUND;
	case -ENOSPC:
		return LIOV_RESULT_NO_WINDOW;
	}
	if (command == LIOV_CMD_ADD_MEMORY)
		return LIOV_RESULT_NO_MEMORY;
	if (ret == -ENODEV)
		return LIOV_RESULT_DEAD;
	/* The controller may have been reset or have died over the command. */
	return liov_mailbox_refusal(mdev, command) ?: LIOV_RESULT_DEVICE;
}

static void liov_mailbox_command(struct liov_mdev *mdev, u32 command)
{
	u64 args[4];
	u32 result;
	int i, ret;

	/* Fetched once: what is checked is what is used. */
	for (i = 0; i < ARRAY_SIZE(args); i++)
		args[i] = get_unaligned_le64(mdev->regs + LIOV_REG_ARG0 + i * 8);

	mdev->stats.commands++;
	result = liov_mailbox_refusal(mdev, command);
	if (result == LIOV_RESULT_OK) {
		ret = liov_mailbox_run(mdev, command, args);
		result = liov_mailbox_result(mdev, command, ret);
	}
	liov_regs_put32(mdev, LIOV_REG_RESULT, result);
	liov_regs_update_window(mdev);
	trace_liov_mailbox(mdev, command, result);
}

static bool liov_regs_within(u32 offset, size_t count, u32 start, u32 size)
{
	return offset >= start && offset - start + count <= size;
}

/*
 * Caller holds mdev->lock and has checked that the range is in the BAR.
 * Writes to anything that is not writable are ignored, as hardware does.
 */
void liov_regs_write(struct liov_mdev *mdev, u32 offset, const u8 *data,
		     size_t count)
{
	u32 table = (mdev->nr_queues + 1) * PCI_MSIX_ENTRY_SIZE;

	if (offset == LIOV_REG_COMMAND && count == sizeof(u32))
		liov_mailbox_command(mdev, get_unaligned_le32(data));
	else if (liov_regs_within(offset, count, LIOV_REG_ARG0,
				  LIOV_REG_COMMAND - LIOV_REG_ARG0) ||
		 liov_regs_within(offset, count, LIOV_MSIX_TABLE, table))
		memcpy(mdev->regs + offset, data, count);
}
