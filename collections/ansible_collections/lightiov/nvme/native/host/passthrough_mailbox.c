// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers in LIOV_BAR_REGS, and the commands that the owner gives through
 * them.  pt->regs is their image, tables and all; only what changes behind
 * the owner's back is filled in when it is read.
 */
#include <linux/nospec.h>

#include "passthrough.h"
#include "trace.h"

static void liov_regs_put32(struct liov_passthrough *pt, u32 reg, u32 value)
{
	put_unaligned_le32(value, pt->regs + reg);
}

static void liov_regs_put64(struct liov_passthrough *pt, u32 reg, u64 value)
{
	put_unaligned_le64(value, pt->regs + reg);
}

void liov_regs_update_window(struct liov_passthrough *pt)
{
	liov_regs_put64(pt, LIOV_REG_WINDOW_BASE, pt->mdev.memory.window);
	liov_regs_put64(pt, LIOV_REG_WINDOW_SIZE, pt->mdev.memory.window_size);
}

static void liov_regs_init_queues(struct liov_passthrough *pt)
{
	struct liov_ctrl *ctrl = pt->mdev.ctrl;
	struct liov_queue_info info = {};
	unsigned int i;

	for (i = 0; i < pt->nr_queues; i++) {
		u16 qid = pt->queues[i].qid;

		info.hw_qid = cpu_to_le16(qid);
		info.vector = cpu_to_le16(LIOV_VECTOR_QUEUE(i));
		info.sq_doorbell = cpu_to_le32(liov_sq_doorbell(ctrl, qid));
		info.cq_doorbell = cpu_to_le32(liov_cq_doorbell(ctrl, qid));
		memcpy(pt->regs + LIOV_REG_QUEUE(i), &info, sizeof(info));
	}
}

/* Whether an access touches @size bytes from @reg. */
static bool liov_regs_touch(u32 offset, size_t count, u32 reg, u32 size)
{
	return liov_overlap(offset, count, reg, size);
}

/* Brings up to date what is about to be read of slots, and notes that it is. */
static void liov_regs_update_slots(struct liov_passthrough *pt, u32 offset,
				   size_t count, u32 generation)
{
	struct liov_namespace_info info;
	unsigned int i;
	u32 reg;

	for (i = 0; i < LIOV_MAX_NAMESPACES; i++) {
		reg = LIOV_REG_NAMESPACE(i);
		if (!liov_regs_touch(offset, count, reg, sizeof(info)))
			continue;
		liov_slot_read(&pt->mdev, i, &info);
		memcpy(pt->regs + reg, &info, sizeof(info));
		if (liov_regs_touch(offset, count, reg, sizeof(info.nsid)))
			liov_slot_shown(&pt->mdev, i, generation);
	}
}

static void liov_regs_update_extents(struct liov_passthrough *pt, u32 offset,
				     size_t count, u32 generation)
{
	struct liov_ctrl *ctrl = pt->mdev.ctrl;

	if (!liov_regs_touch(offset, count, LIOV_REG_GENERATION, sizeof(u32)) &&
	    !liov_regs_touch(offset, count, LIOV_REG_NAMESPACES, sizeof(u32)) &&
	    !liov_regs_touch(offset, count, LIOV_REG_NAMESPACE(0),
			     LIOV_MAX_NAMESPACES * LIOV_NAMESPACE_STRIDE))
		return;

	mutex_lock(&ctrl->lock);
	if (liov_regs_touch(offset, count, LIOV_REG_GENERATION, sizeof(u32)))
		liov_slots_generation_read(&pt->mdev, generation);
	liov_regs_put32(pt, LIOV_REG_NAMESPACES, liov_slots_count(&pt->mdev));
	liov_regs_update_slots(pt, offset, count, generation);
	mutex_unlock(&ctrl->lock);
}

/* What the controller's firmware said when it was last started. */
static void liov_regs_init_firmware(struct liov_passthrough *pt)
{
	struct liov_ctrl *ctrl = pt->mdev.ctrl;
	const struct liov_limits *limits = &ctrl->limits;
	int i;

	mutex_lock(&ctrl->lock);
	memcpy(pt->regs + LIOV_REG_FIRMWARE, ctrl->firmware,
	       sizeof(ctrl->firmware));
	liov_regs_put32(pt, LIOV_REG_FEATURES, ctrl->features);
	liov_regs_put32(pt, LIOV_REG_MAX_TRANSFER, ctrl->max_transfer);
	liov_regs_put32(pt, LIOV_REG_DEALLOC_RANGES, limits->dealloc_ranges);
	liov_regs_put32(pt, LIOV_REG_DEALLOC_RANGE, limits->dealloc_range);
	liov_regs_put64(pt, LIOV_REG_DEALLOC_LBAS, limits->dealloc_lbas);
	liov_regs_put32(pt, LIOV_REG_WRITE_ZEROES, limits->write_zeroes);
	for (i = 0; i < ARRAY_SIZE(limits->retry_delays); i++)
		liov_regs_put32(pt, LIOV_REG_RETRY_DELAY(i + 1),
				limits->retry_delays[i]);
	mutex_unlock(&ctrl->lock);
}

/* Called when the device is opened. */
void liov_regs_init(struct liov_passthrough *pt)
{
	struct liov_ctrl *ctrl = pt->mdev.ctrl;

	BUILD_BUG_ON(sizeof(struct liov_queue_info) != LIOV_QUEUE_STRIDE);
	BUILD_BUG_ON(sizeof(struct liov_namespace_info) !=
		     LIOV_NAMESPACE_STRIDE);
	BUILD_BUG_ON(LIOV_MAX_NAMESPACES > 64);
	BUILD_BUG_ON(LIOV_REG_NAMESPACE(LIOV_MAX_NAMESPACES) >
		     LIOV_REG_RINGS(0));
	BUILD_BUG_ON(LIOV_REG_RINGS(LIOV_MAX_QUEUE_PAIRS) > LIOV_MSIX_TABLE);

	liov_regs_put32(pt, LIOV_REG_MAGIC, LIOV_MAGIC);
	liov_regs_put32(pt, LIOV_REG_VERSION,
			LIOV_ABI_MAJOR << 16 | LIOV_ABI_MINOR);
	liov_regs_put32(pt, LIOV_REG_QUEUE_PAIRS, pt->nr_queues);
	liov_regs_put32(pt, LIOV_REG_QUEUE_ENTRIES, ctrl->queue_entries);
	liov_regs_put32(pt, LIOV_REG_PAGE_SIZE, PAGE_SIZE);
	liov_regs_put32(pt, LIOV_REG_TIMEOUT_MS, LIOV_IO_TIMEOUT_MS);
	liov_regs_put32(pt, LIOV_REG_DOORBELL_SIZE, ctrl->doorbell_size);
	memcpy(pt->regs + LIOV_REG_SERIAL, ctrl->serial,
	       sizeof(ctrl->serial));
	memcpy(pt->regs + LIOV_REG_MODEL, ctrl->model, sizeof(ctrl->model));
	liov_regs_init_firmware(pt);
	liov_regs_init_queues(pt);
}

/* Caller holds mdev.lock and has checked that the range is in the BAR. */
void liov_regs_read(struct liov_passthrough *pt, u32 offset, u8 *data,
		    size_t count)
{
	u32 status = liov_passthrough_status(pt);
	u32 generation = atomic_read(&pt->generation);

	liov_regs_put32(pt, LIOV_REG_STATUS, status);
	liov_regs_put32(pt, LIOV_REG_GENERATION, generation);
	liov_regs_update_extents(pt, offset, count, generation);
	memcpy(data, pt->regs + offset, count);
}

static bool liov_valid_range(u64 gpa, u64 size)
{
	return size && PAGE_ALIGNED(gpa | size) && gpa + size > gpa;
}

/* Page aligned and wholly in added memory. */
static bool liov_valid_ring(struct liov_passthrough *pt, u64 gpa, u64 size)
{
	return PAGE_ALIGNED(gpa) && gpa + size > gpa &&
	       liov_memory_covers(&pt->mdev.memory, gpa, size);
}

static int liov_mailbox_remove_memory(struct liov_passthrough *pt, u64 gpa,
				      u64 size)
{
	if (!liov_valid_range(gpa, size))
		return -EINVAL;
	if (!liov_memory_is_whole(&pt->mdev.memory, gpa, size))
		return -ENOENT;
	if (liov_queues_use(pt, gpa, size))
		return -EBUSY;

	liov_memory_drop(&pt->mdev.memory, gpa, gpa + size - 1);
	return 0;
}

static bool liov_valid_entries(struct liov_passthrough *pt, u64 entries)
{
	return entries >= 2 && entries <= pt->mdev.ctrl->queue_entries;
}

/* Checks where the rings of a queue pair are to be, and notes it. */
static int liov_mailbox_place_queue(struct liov_passthrough *pt,
				    struct liov_hw_queue *queue, u64 sq, u64 cq,
				    u64 entries, bool polled)
{
	if (queue->created)
		return -EEXIST;
	if (!pt->mdev.memory.window)
		return -ENOENT;
	if (!liov_valid_ring(pt, sq, entries * sizeof(struct nvme_command)) ||
	    !liov_valid_ring(pt, cq, entries * sizeof(struct nvme_completion)))
		return -EINVAL;

	liov_queue_place(pt, queue, sq, cq, entries, polled);
	return 0;
}

static int liov_mailbox_create_queue(struct liov_passthrough *pt,
				     const u64 *args)
{
	bool polled = args[0] & LIOV_QUEUE_POLLED;
	u64 index = args[0] & ~LIOV_QUEUE_POLLED;
	struct liov_hw_queue *queue;
	int ret;

	if (index >= pt->nr_queues || !liov_valid_entries(pt, args[3]))
		return -EINVAL;
	queue = &pt->queues[array_index_nospec(index, pt->nr_queues)];
	ret = liov_mailbox_place_queue(pt, queue, args[1], args[2], args[3],
				       polled);
	return ret ?: liov_queues_create(pt, queue, 1);
}

/*
 * The rings are those that the owner has written into the registers.  The last of
 * the queue pairs, as many as it says, do not interrupt.
 */
static int liov_mailbox_create_queues(struct liov_passthrough *pt,
				      const u64 *args)
{
	u64 first = args[0], count = args[1], polled = args[3], i;
	const u8 *rings;
	int ret;

	if (first >= pt->nr_queues || !count || count > pt->nr_queues - first ||
	    polled > count || !liov_valid_entries(pt, args[2]))
		return -EINVAL;
	first = array_index_nospec(first, pt->nr_queues);
	count = array_index_nospec(count - 1, pt->nr_queues - first) + 1;

	for (i = first; i < first + count; i++) {
		rings = pt->regs + LIOV_REG_RINGS(i);
		ret = liov_mailbox_place_queue(pt, &pt->queues[i],
					       get_unaligned_le64(rings),
					       get_unaligned_le64(rings + sizeof(u64)),
					       args[2], i >= first + count - polled);
		if (ret)
			return ret;
	}
	return liov_queues_create(pt, &pt->queues[first], count);
}

static int liov_mailbox_delete_queue(struct liov_passthrough *pt, u64 index)
{
	struct liov_hw_queue *queue;

	if (index >= pt->nr_queues)
		return -EINVAL;
	queue = &pt->queues[array_index_nospec(index, pt->nr_queues)];
	if (!queue->created)
		return -ENOENT;

	liov_hw_queues_delete(queue, 1);
	return 0;
}

static int liov_mailbox_release_extent(struct liov_passthrough *pt,
				       const u64 *args)
{
	struct liov_ctrl *ctrl = pt->mdev.ctrl;
	u8 bytes[UUID_SIZE];
	uuid_t id;
	int ret;

	put_unaligned_le64(args[1], bytes);
	put_unaligned_le64(args[2], bytes + sizeof(u64));
	import_uuid(&id, bytes);

	mutex_lock(&ctrl->lock);
	ret = liov_extent_let_go(&pt->mdev, args[0], &id);
	mutex_unlock(&ctrl->lock);
	return ret;
}

static int liov_mailbox_reset(struct liov_passthrough *pt, bool memory)
{
	int ret = 0;

	if (memory)
		liov_passthrough_reset(pt);
	else
		ret = liov_passthrough_reset_queues(pt);
	return liov_passthrough_status(pt) & LIOV_STATUS_DEAD ? -ENODEV : ret;
}

static int liov_mailbox_run(struct liov_passthrough *pt, u32 command,
			    const u64 *args)
{
	switch (command) {
	case LIOV_CMD_RESET:
		return liov_mailbox_reset(pt, true);
	case LIOV_CMD_RESET_QUEUES:
		return liov_mailbox_reset(pt, false);
	case LIOV_CMD_OPEN_WINDOW:
		return liov_memory_open_window(&pt->mdev.memory, args[0]);
	case LIOV_CMD_ADD_MEMORY:
		if (!liov_valid_range(args[0], args[1]) ||
		    args[1] > LIOV_MAX_ADD)
			return -EINVAL;
		return liov_memory_add(&pt->mdev.memory, args[0], args[1]);
	case LIOV_CMD_REMOVE_MEMORY:
		return liov_mailbox_remove_memory(pt, args[0], args[1]);
	case LIOV_CMD_CREATE_QUEUE:
		return liov_mailbox_create_queue(pt, args);
	case LIOV_CMD_CREATE_QUEUES:
		return liov_mailbox_create_queues(pt, args);
	case LIOV_CMD_DELETE_QUEUE:
		return liov_mailbox_delete_queue(pt, args[0]);
	case LIOV_CMD_RELEASE_EXTENT:
		return liov_mailbox_release_extent(pt, args);
	default:
		return -EINVAL;
	}
}

/*
 * Commands that give nothing more to the owner are never refused: it relies on
 * the resets when it takes its memory back, also from a controller that is dead
 * but may not have stopped yet.
 */
static u32 liov_mailbox_refusal(struct liov_passthrough *pt, u32 command)
{
	u32 status;

	switch (command) {
	case LIOV_CMD_REMOVE_MEMORY:
	case LIOV_CMD_DELETE_QUEUE:
	case LIOV_CMD_RELEASE_EXTENT:
	case LIOV_CMD_RESET:
	case LIOV_CMD_RESET_QUEUES:
		return LIOV_RESULT_OK;
	}

	status = liov_passthrough_status(pt);
	if (status & LIOV_STATUS_DEAD)
		return LIOV_RESULT_DEAD;
	if (status & LIOV_STATUS_QUEUES_LOST)
		return LIOV_RESULT_QUEUES_LOST;
	if (status & LIOV_STATUS_QUARANTINED)
		return LIOV_RESULT_QUARANTINED;
	return LIOV_RESULT_OK;
}

static u32 liov_mailbox_result(struct liov_passthrough *pt, u32 command,
			       int ret)
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
		/* That of a queue is of interrupt vectors. */
		if (command == LIOV_CMD_OPEN_WINDOW)
			return LIOV_RESULT_NO_WINDOW;
		break;
	}
	if (command == LIOV_CMD_ADD_MEMORY)
		return LIOV_RESULT_NO_MEMORY;
	if (ret == -ENODEV)
		return LIOV_RESULT_DEAD;
	/* The controller may have been reset or have died over the command. */
	return liov_mailbox_refusal(pt, command) ?: LIOV_RESULT_DEVICE;
}

static void liov_mailbox_command(struct liov_passthrough *pt, u32 command)
{
	u64 args[4];
	u32 result;
	int i, ret;

	/* Fetched once: what is checked is what is used. */
	for (i = 0; i < ARRAY_SIZE(args); i++)
		args[i] = get_unaligned_le64(pt->regs + LIOV_REG_ARG0 + i * 8);

	pt->stats.commands++;
	result = liov_mailbox_refusal(pt, command);
	if (result == LIOV_RESULT_OK) {
		ret = liov_mailbox_run(pt, command, args);
		result = liov_mailbox_result(pt, command, ret);
	}
	liov_regs_put32(pt, LIOV_REG_RESULT, result);
	liov_regs_update_window(pt);
	trace_liov_mailbox(&pt->mdev, command, result);
}

static bool liov_regs_within(u32 offset, size_t count, u32 start, u32 size)
{
	return offset >= start && offset - start + count <= size;
}

/*
 * Caller holds mdev.lock and has checked that the range is in the BAR.
 * Writes to anything that is not writable are ignored, as hardware does.
 */
void liov_regs_write(struct liov_passthrough *pt, u32 offset, const u8 *data,
		     size_t count)
{
	u32 table = (pt->nr_queues + 1) * PCI_MSIX_ENTRY_SIZE;
	u32 rings = pt->nr_queues * LIOV_RINGS_STRIDE;

	if (offset == LIOV_REG_COMMAND && count == sizeof(u32))
		liov_mailbox_command(pt, get_unaligned_le32(data));
	else if (liov_regs_within(offset, count, LIOV_REG_ARG0,
				  LIOV_REG_COMMAND - LIOV_REG_ARG0) ||
		 liov_regs_within(offset, count, LIOV_REG_RINGS(0), rings) ||
		 liov_regs_within(offset, count, LIOV_MSIX_TABLE, table))
		memcpy(pt->regs + offset, data, count);
}
