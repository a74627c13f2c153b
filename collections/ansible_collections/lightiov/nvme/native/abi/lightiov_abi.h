/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * LightIOV passthrough device ABI: what a VM (or a user-space VFIO client)
 * sees of a lightiov-passthrough mediated device.  docs/abi.md explains it.
 *
 * One header for the host module, the guest driver and the tools.  All fields
 * are little endian.  "gpa" is an address in the owner's own physical address
 * space: a guest physical address in a VM, an IOVA of the VFIO container for a
 * user-space client.
 */
#ifndef LIGHTIOV_ABI_H
#define LIGHTIOV_ABI_H

#include <linux/types.h>

/*
 * PCI identity.  Neither ID is assigned by the PCI-SIG, so a driver also checks
 * LIOV_REG_MAGIC before it believes what it found.
 */
#define LIOV_PCI_VENDOR_ID	0x4c49
#define LIOV_PCI_DEVICE_ID	0x4f56
#define LIOV_PCI_CLASS		0x018000	/* mass storage, other */

#define LIOV_BAR_REGS		0	/* trapped: registers, tables, MSI-X */
#define LIOV_BAR_DOORBELLS	2	/* mapped: the controller's own doorbells */

#define LIOV_REGS_SIZE		0x8000
#define LIOV_MSIX_TABLE		0x4000	/* in LIOV_BAR_REGS, 16 bytes a vector */
#define LIOV_MSIX_PBA		0x6000

#define LIOV_ABI_MAJOR		1	/* a driver refuses another major */
#define LIOV_ABI_MINOR		3	/* grows as registers and commands are added */
#define LIOV_MAGIC		0x564f494c	/* "LIOV" */

/* Vector 0 reports events; queue pair i interrupts on vector i + 1. */
#define LIOV_VECTOR_EVENT	0
#define LIOV_VECTOR_QUEUE(i)	((i) + 1)

#define LIOV_MAX_QUEUE_PAIRS	128
#define LIOV_MAX_NAMESPACES	64	/* slots of the namespace table */
#define LIOV_MAX_EXTENTS	32	/* no more are added one by one, since minor 2 */

/*
 * Registers in LIOV_BAR_REGS.  ro: constant while the device is open;
 * rv: read-only, the host changes it; rw: the driver writes it.
 */
#define LIOV_REG_MAGIC		0x000	/* ro u32 */
#define LIOV_REG_VERSION	0x004	/* ro u32, major << 16 | minor */
#define LIOV_REG_STATUS		0x008	/* rv u32, LIOV_STATUS_* */
#define LIOV_REG_GENERATION	0x00c	/* rv u32, +1 for each event */
#define LIOV_REG_FEATURES	0x010	/* ro u32, LIOV_FEATURE_* */
#define LIOV_REG_QUEUE_PAIRS	0x014	/* ro u32 */
#define LIOV_REG_QUEUE_ENTRIES	0x018	/* ro u32, most entries of one ring */
#define LIOV_REG_NAMESPACES	0x01c	/* rv u32, slots to look at (ro before minor 2) */
#define LIOV_REG_MAX_TRANSFER	0x020	/* ro u32, bytes of one command */
#define LIOV_REG_PAGE_SIZE	0x024	/* ro u32, bytes, PRP entries' page */
#define LIOV_REG_TIMEOUT_MS	0x028	/* ro u32, longest a command may take */
#define LIOV_REG_DOORBELL_SIZE	0x02c	/* ro u32, bytes of LIOV_BAR_DOORBELLS */
#define LIOV_REG_WINDOW_BASE	0x030	/* rv u64, valid after LIOV_CMD_OPEN_WINDOW */
#define LIOV_REG_WINDOW_SIZE	0x038	/* rv u64, bytes, 0: no window */
#define LIOV_REG_SERIAL		0x040	/* ro 20 bytes ASCII, space padded */
#define LIOV_REG_MODEL		0x054	/* ro 40 bytes ASCII, space padded */
#define LIOV_REG_FIRMWARE	0x07c	/* ro 8 bytes ASCII, space padded */

/* Since minor 1; 0, as in a device of minor 0: not told, so no limit. */
#define LIOV_REG_DEALLOC_RANGES	0x084	/* ro u32, ranges of one deallocation (DMRL) */
#define LIOV_REG_DEALLOC_RANGE	0x088	/* ro u32, LBAs of one range (DMRSL) */
#define LIOV_REG_DEALLOC_LBAS	0x090	/* ro u64, LBAs of all ranges (DMSL) */
#define LIOV_REG_WRITE_ZEROES	0x098	/* ro u32, bytes of one Write Zeroes (WZSL) */
#define LIOV_REG_RETRY_DELAY(i)	(0x098 + (i) * 4) /* ro u32, ms, i: CRD 1 to 3 (CRDT) */

/* Command mailbox: write the arguments, then LIOV_REG_COMMAND, then read RESULT. */
#define LIOV_REG_ARG0		0x100	/* rw u64 */
#define LIOV_REG_ARG1		0x108	/* rw u64 */
#define LIOV_REG_ARG2		0x110	/* rw u64 */
#define LIOV_REG_ARG3		0x118	/* rw u64 */
#define LIOV_REG_COMMAND	0x120	/* rw u32, LIOV_CMD_*; runs it */
#define LIOV_REG_RESULT		0x124	/* rv u32, LIOV_RESULT_* of the last one */

/* Tables, indexed by queue pair and by slot. */
#define LIOV_REG_QUEUE(i)	(0x400 + (i) * LIOV_QUEUE_STRIDE)
#define LIOV_QUEUE_STRIDE	16
#define LIOV_REG_NAMESPACE(i)	(0x1000 + (i) * LIOV_NAMESPACE_STRIDE)
#define LIOV_NAMESPACE_STRIDE	128
/* rw: for each queue pair two u64, gpa of its SQ ring and of its CQ ring (minor 3) */
#define LIOV_REG_RINGS(i)	(0x3000 + (i) * LIOV_RINGS_STRIDE)
#define LIOV_RINGS_STRIDE	16

/**
 * struct liov_queue_info - one queue pair, at LIOV_REG_QUEUE(i)
 * @hw_qid: the controller's queue ID, for SQ and CQ alike
 * @vector: the device's MSI-X vector it interrupts on, LIOV_VECTOR_QUEUE(i)
 * @sq_doorbell: byte offset of the SQ tail doorbell in LIOV_BAR_DOORBELLS
 * @cq_doorbell: byte offset of the CQ head doorbell in LIOV_BAR_DOORBELLS
 * @reserved: 0
 */
struct liov_queue_info {
	__le16 hw_qid;
	__le16 vector;
	__le32 sq_doorbell;
	__le32 cq_doorbell;
	__le32 reserved;
};

#define LIOV_NS_READ_ONLY	0x01
#define LIOV_NS_GONE		0x02	/* deleted, detached or taken away: commands fail */
#define LIOV_NS_ASKED		0x04	/* the host asks for the extent back (minor 2) */
#define LIOV_NS_SLICE		0x08	/* not the whole namespace (minor 2) */

/**
 * struct liov_namespace_info - one extent (disk), at LIOV_REG_NAMESPACE(slot)
 * @nsid: namespace ID to put into commands; 0: the slot is empty
 * @flags: LIOV_NS_*
 * @lba_shift: log2 of the LBA size in bytes; metadata is never present
 * @start_lba: added to every LBA the owner uses (0: a whole namespace, or a
 *	slice at its start: LIOV_NS_SLICE tells which)
 * @lba_count: LBAs the owner may use
 * @nguid: NVMe NGUID, zero if none
 * @eui64: NVMe EUI-64, zero if none
 * @uuid: NVMe namespace UUID, zero if none
 * @write_granularity: LBAs, what a write best is a multiple of (NPWG)
 * @write_optimal: LBAs, the best size of a write (NOWS)
 * @dealloc_granularity: LBAs, what a deallocation best is a multiple of (NPDG)
 * @boundary: LBAs, what I/O best does not cross (NOIOB)
 * @atomic_write: LBAs that power loss cannot tear (NAWUPF or AWUPF)
 * @extent_id: identity of the extent, a UUID in the order it is written in;
 *	zero: a whole namespace without an identity of its own (minor 2)
 * @reserved: 0
 *
 * While the device is open the host may change @flags and @lba_count, fill an
 * empty slot and empty a full one, and then reports an event.  A slot gets
 * another extent only after the driver has seen it empty: the table says so
 * for at least one read of it.  An empty slot has LIOV_NS_GONE set.  The
 * identity of the disk is the namespace's (@nguid, @eui64, @uuid) only without
 * LIOV_NS_SLICE, else @extent_id.
 *
 * Drivers before minor 2 know no empty slots.  One of whose extents is taken
 * away holds the device for another one when it starts again, and fails all its
 * disks.  So the rest of an empty slot is 0: LIOV_NS_GONE alone it would see
 * only after it had started I/O.
 *
 * From @write_granularity on since minor 1, 0: not told.
 */
struct liov_namespace_info {
	__le32 nsid;
	__le32 flags;
	__le32 lba_shift;
	__le32 reserved0;
	__le64 start_lba;
	__le64 lba_count;
	__u8 nguid[16];
	__u8 eui64[8];
	__u8 uuid[16];
	__le32 write_granularity;
	__le32 write_optimal;
	__le32 dealloc_granularity;
	__le32 boundary;
	__le32 atomic_write;
	__u8 extent_id[16];
	__u8 reserved[20];
};

/* LIOV_REG_STATUS */
#define LIOV_STATUS_READY	0x01	/* queues may be created */
#define LIOV_STATUS_QUEUES_LOST	0x02	/* all queues are gone: RESET(_QUEUES), then start again */
#define LIOV_STATUS_QUARANTINED	0x04	/* doorbells revoked by the operator */
#define LIOV_STATUS_DEAD	0x08	/* the controller is gone for good */
#define LIOV_STATUS_RELEASE	0x10	/* the host asks for the device back */

/* LIOV_REG_FEATURES */
#define LIOV_FEATURE_VOLATILE_CACHE	0x01	/* Flush and FUA matter */
#define LIOV_FEATURE_WRITE_ZEROES	0x02
#define LIOV_FEATURE_DEALLOCATE		0x04	/* Dataset Management */

/**
 * enum liov_command - what LIOV_REG_COMMAND runs
 *
 * The write returns when the command has completed, so RESULT is valid at once.
 *
 * @LIOV_CMD_RESET: delete all queue pairs, forget all memory and the window,
 *	clear LIOV_STATUS_QUEUES_LOST.  When it returns, whatever the result, no
 *	queue pair of the device reaches any memory.
 * @LIOV_CMD_OPEN_WINDOW: ARG0: bytes, above the highest gpa the owner will add.
 *	The host reserves a window and fills WINDOW_BASE and WINDOW_SIZE.
 * @LIOV_CMD_ADD_MEMORY: ARG0: gpa, ARG1: bytes, both multiples of PAGE_SIZE and
 *	ARG1 at most LIOV_MAX_ADD.  The device then reaches the range at
 *	WINDOW_BASE + gpa.
 * @LIOV_CMD_REMOVE_MEMORY: ARG0: gpa, ARG1: bytes, of whole added ranges.  The
 *	owner guarantees that no command in flight uses them.
 * @LIOV_CMD_CREATE_QUEUE: ARG0: queue pair, with LIOV_QUEUE_POLLED or not, ARG1:
 *	gpa of the SQ ring, ARG2: gpa of the CQ ring, ARG3: entries of each, 2 to
 *	QUEUE_ENTRIES.  Rings are page aligned and contiguous in added memory.
 *	The owner clears the CQ ring.
 * @LIOV_CMD_DELETE_QUEUE: ARG0: queue pair.  When it succeeds the controller no
 *	longer touches the rings nor the memory of the commands that were in them.
 * @LIOV_CMD_RELEASE_EXTENT: ARG0: slot, ARG1 and ARG2: its extent_id, read as
 *	two little-endian u64, so that a late call never frees another extent.  The
 *	owner has no command in flight for the extent and starts none.  The host
 *	frees it if it asked for it (LIOV_NS_ASKED), and the slot becomes empty.
 *	Never refused for the device's status.  Since minor 2.
 * @LIOV_CMD_RESET_QUEUES: delete all queue pairs and clear
 *	LIOV_STATUS_QUEUES_LOST; memory and window stay as they are.  When it
 *	returns, whatever the result, no queue pair of the device reaches any
 *	memory.  LIOV_RESULT_NOT_FOUND: there is no window, or memory was taken back
 *	from under the owner (by its hypervisor), and then LIOV_STATUS_QUEUES_LOST
 *	stays: LIOV_CMD_RESET is due.  Never refused for the device's status.  Since
 *	minor 3; an older host answers LIOV_RESULT_INVALID and does nothing.
 * @LIOV_CMD_CREATE_QUEUES: ARG0: first queue pair, ARG1: how many from there on,
 *	ARG2: entries of each ring, ARG3: how many of them, the last, never
 *	interrupt.  As LIOV_CMD_CREATE_QUEUE of each, with the rings at
 *	LIOV_REG_RINGS, but the controller makes them side by side.  All of them, or
 *	none.  Since minor 3, as above.
 */
enum liov_command {
	LIOV_CMD_RESET		= 1,
	LIOV_CMD_OPEN_WINDOW	= 2,
	LIOV_CMD_ADD_MEMORY	= 3,
	LIOV_CMD_REMOVE_MEMORY	= 4,
	LIOV_CMD_CREATE_QUEUE	= 5,
	LIOV_CMD_DELETE_QUEUE	= 6,
	LIOV_CMD_RELEASE_EXTENT	= 7,
	LIOV_CMD_RESET_QUEUES	= 8,
	LIOV_CMD_CREATE_QUEUES	= 9,
};

/*
 * With the queue pair in LIOV_CMD_CREATE_QUEUE's ARG0: it never interrupts, since
 * the owner looks for completions itself.  Since minor 3; before, the command is
 * answered by LIOV_RESULT_INVALID.
 */
#define LIOV_QUEUE_POLLED	0x100000000ULL

/* Bounds one command, so that the vCPU which runs it is not held for long. */
#define LIOV_MAX_ADD		(64u << 20)

/**
 * enum liov_result - LIOV_REG_RESULT
 *
 * @LIOV_RESULT_OK: done
 * @LIOV_RESULT_INVALID: unknown command, an argument out of range, or an extent
 *	that was not asked for
 * @LIOV_RESULT_BUSY: it exists already (window open, range added, queue
 *	created), or a ring of an existing queue lies in the memory to remove
 * @LIOV_RESULT_NOT_FOUND: no such window, range or queue, or the slot holds
 *	another extent or none
 * @LIOV_RESULT_NO_MEMORY: the host could not pin or map (locked-memory limit?)
 * @LIOV_RESULT_NO_WINDOW: no free window of that size
 * @LIOV_RESULT_QUEUES_LOST: refused until LIOV_CMD_RESET or _RESET_QUEUES
 * @LIOV_RESULT_QUARANTINED: refused while the operator quarantines the device
 * @LIOV_RESULT_DEAD: the controller is gone
 * @LIOV_RESULT_DEVICE: the controller answered with an error or not at all, or the
 *	host has no interrupt for the queue pair
 */
enum liov_result {
	LIOV_RESULT_OK		= 0,
	LIOV_RESULT_INVALID	= 1,
	LIOV_RESULT_BUSY	= 2,
	LIOV_RESULT_NOT_FOUND	= 3,
	LIOV_RESULT_NO_MEMORY	= 4,
	LIOV_RESULT_NO_WINDOW	= 5,
	LIOV_RESULT_QUEUES_LOST	= 6,
	LIOV_RESULT_QUARANTINED	= 7,
	LIOV_RESULT_DEAD	= 8,
	LIOV_RESULT_DEVICE	= 9,
};

#endif /* LIGHTIOV_ABI_H */
