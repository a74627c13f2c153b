/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest driver of the LightIOV passthrough device: what its files share.
 *
 * The submission and completion rings are the NVMe controller's own, in this
 * VM's memory, and so are the doorbells; the mailbox (trapped registers) only
 * sets them up.  Files, each of which calls those below it only:
 *
 *   main.c       PCI driver: find, check, start, remove
 *   sysfs.c      state and counters of a device
 *   sleep.c      suspend, resume, resets from outside
 *   hotplug.c    RAM that comes and goes
 *   recover.c    stop, start, and what to do when the host reports an event
 *   disk.c       one block device for each extent: comes, follows, goes
 *   identity.c   what it says it is
 *   limits.c     limits of its requests
 *   extents.c    the host's table of extents, and which a disk is of
 *   interrupts.c vectors and their handlers
 *   tagset.c     the requests that there may be, and those that time out
 *   request.c    block requests to NVMe commands
 *   complete.c   completion entries, and requests that end
 *   data.c       the memory of a request
 *   memory.c     make this VM's RAM reachable for the controller
 *   queue.c      rings and doorbells
 *   properties.c what the device says of itself
 *   mailbox.c    registers and commands
 *
 * Locks, outermost first.  Each is held while those below it are taken.
 *
 *   disks_lock		one disk at a time comes, follows, or goes.  I/O, and
 *			CPUs that go offline (which wait for I/O), are waited
 *			for under it.
 *   the block layer's	open_mutex of a disk (openers, liov_ns.leaving),
 *			freezing its queue, the lock of the tag set's list
 *			(see liov_tag_set_init()), CPU and memory hotplug
 *   lock		mailbox and state.  Nothing that waits for I/O, for a
 *			CPU to go, or for memory that writes free, is done under
 *			it: without it no I/O that hangs is ever recovered.
 *   cq_lock		the completions of a queue pair that is polled.  Requests
 *			complete under it, as they do in an interrupt handler.
 *   sq_lock		one ring
 *
 * So recovery (recover_work, in a workqueue with a rescuer) takes @lock only, and
 * leaves the disks to disks_work.  A disk that goes waits for its I/O while it
 * still is among @disks, where recovery sees to it.
 *
 * Sleep: disks_work's queue is freezable, so it has ended before the device is
 * suspended, and starts after the device was resumed.
 */
#ifndef LIOV_GUEST_H
#define LIOV_GUEST_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/dmapool.h>
#include <linux/irqreturn.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "../abi/lightiov_abi.h"

/* The one PRP page size this driver speaks. */
#define LIOV_PRP_SIZE		4096u
#define LIOV_PRP_MASK		(LIOV_PRP_SIZE - 1)

/*
 * One page of PRP entries, beside PRP1, reaches this far at any offset into
 * the first page.  Larger requests are split rather than lists chained.
 */
#define LIOV_MAX_TRANSFER	(LIOV_PRP_SIZE / sizeof(__le64) * LIOV_PRP_SIZE)

/*
 * PRP lists.  Most requests need a short one; it fills half a KiB, since there
 * are drives that look for lists at multiples of that only.
 */
#define LIOV_SMALL_PRPS		64u
#define LIOV_LARGE_PRPS		(LIOV_PRP_SIZE / (unsigned int)sizeof(__le64))

/* Pieces of memory of one request. */
#define LIOV_MAX_SEGMENTS	127

#define LIOV_RING_ENTRIES	1024

/* Ranges of one Dataset Management command, a page of them. */
#define LIOV_DSM_RANGES		256u

/* Command ID: the request's tag, and a count that tells reuses apart. */
#define LIOV_CID_TAG_BITS	12
#define LIOV_CID_TAG_MASK	((1u << LIOV_CID_TAG_BITS) - 1)

/* How often one request is tried again before it fails. */
#define LIOV_MAX_RETRIES	5

/*
 * How long all requests have to end before sleep, in timeouts of a command: one
 * that gets no answer, what is done about it, and another try.
 */
#define LIOV_FREEZE_TIMEOUTS	3

/*
 * How often the device is started at once, when the host takes it back, or an
 * entry of the host's table is read, when the host changes it.
 */
#define LIOV_ATTEMPTS		3

/* How long requests wait for what may pass, and how often it is tried. */
#define LIOV_PATIENCE_SECONDS	300u
#define LIOV_RETRY_MS		20u
#define LIOV_RETRY_MAX_MS	1000u

/**
 * enum liov_state - what may be done with the device
 * @LIOV_STOPPED: no queues; requests wait (starting, restarting, suspended)
 * @LIOV_WAITING: no queues; requests wait for what may pass: a host that resets
 *	the controller, or is short of memory.  @recover_work tries again.
 * @LIOV_LIVE: queues exist, requests flow
 * @LIOV_FAILED: no queues; requests fail until the host reports a change
 * @LIOV_DEAD: the device is gone for good; requests fail
 *
 * The block queues are quiesced in those that liov_is_quiet() names, only.
 */
enum liov_state {
	LIOV_STOPPED,
	LIOV_WAITING,
	LIOV_LIVE,
	LIOV_FAILED,
	LIOV_DEAD,
};

struct liov_dev;

/**
 * struct liov_queue - one hardware queue pair
 * @ldev: device
 * @index: queue pair number of the device, hardware context of blk-mq
 * @hw_qid: the controller's queue ID, for messages; like the doorbells it is
 *	learned at each start
 * @irq: Linux interrupt number, unless it is polled
 * @name: of the interrupt
 * @sq_dma: DMA address of the submission ring
 * @cq_dma: DMA address of the completion ring
 * @small_prps: PRP lists of LIOV_SMALL_PRPS entries
 * @large_prps: PRP lists of LIOV_LARGE_PRPS entries
 * @sq_lock: orders submitters: ring, tail and doorbell
 * @sq: submission ring
 * @sq_doorbell: tail doorbell, the controller's own
 * @sq_tail: next free slot
 * @sq_rung: tail that the controller was told last
 * @sq_doorbells: how often it was told
 * @cq_lock: orders those who read completions of a queue pair that is polled
 * @live: the interrupt handler, or who polls, reads completions
 * @cq: completion ring; read by the handler, by others with @irq disabled or
 *	@live unset, or under @cq_lock
 * @cq_doorbell: head doorbell, the controller's own
 * @cq_head: next entry to look at
 * @cq_phase: phase tag that entry has once it is written
 * @cq_doorbells: how often the controller was told of @cq_head
 */
struct liov_queue {
	struct liov_dev *ldev;
	unsigned int index;
	unsigned int hw_qid;
	unsigned int irq;
	char name[24];
	dma_addr_t sq_dma;
	dma_addr_t cq_dma;
	struct dma_pool *small_prps;
	struct dma_pool *large_prps;

	spinlock_t sq_lock ____cacheline_aligned_in_smp;
	struct nvme_command *sq;
	u32 __iomem *sq_doorbell;
	u16 sq_tail;
	u16 sq_rung;
	unsigned long sq_doorbells;

	spinlock_t cq_lock ____cacheline_aligned_in_smp;
	bool live;
	struct nvme_completion *cq;
	u32 __iomem *cq_doorbell;
	u16 cq_head;
	u8 cq_phase;
	unsigned long cq_doorbells;
};

/**
 * struct liov_ns - one extent that has a disk: a namespace or a part of one
 * @ldev: device; not after the disk is unregistered
 * @disk: block device, which frees this when its last user is gone
 * @node: in @ldev->disks
 * @number: of the disk, from 0
 * @slot: of the host's table
 * @nsid: namespace ID in commands
 * @lba_shift: log2 of the LBA size
 * @slice: a part: its identity is @extent_id, not the namespace's
 * @read_only: writes are not allowed, nor done
 * @asked: the host asks for it back: the disk goes once nobody has it open
 * @gone: its requests fail for good; others of the device are not concerned
 * @lost: gone, and not in the host's table any more: the disk goes now
 * @told_asked: what udev has been told of @asked
 * @dead: file systems on it have been told that it is gone
 * @leaving: nobody opens it any more
 * @start_lba: added to the block device's own LBAs
 * @lba_count: LBAs of the block device
 * @extent_id: UUID of the extent, zero if none
 * @nguid: NVMe NGUID of the namespace, zero if none
 * @eui64: NVMe EUI-64 of the namespace, zero if none
 * @uuid: NVMe namespace UUID, zero if none
 *
 * What the host changes is written under @ldev->lock: @slot, @read_only, @asked,
 * @gone, @lost, @lba_count.  @told_asked and @dead are @ldev->disks_lock's.
 */
struct liov_ns {
	struct liov_dev *ldev;
	struct gendisk *disk;
	struct list_head node;
	unsigned int number;
	unsigned int slot;
	u32 nsid;
	u32 lba_shift;
	bool slice;
	bool read_only;
	bool asked;
	bool gone;
	bool lost;
	bool told_asked;
	bool dead;
	bool leaving;
	u64 start_lba;
	u64 lba_count;
	u8 extent_id[16];
	u8 nguid[16];
	u8 eui64[8];
	u8 uuid[16];
};

/**
 * struct liov_stats - what has happened to requests, for users to read
 * @errors: that failed, of those that reached the controller
 * @retries: times that one was tried again
 * @timeouts: times that one got no answer in time
 * @resets: times that the queues were made again
 */
struct liov_stats {
	atomic_t errors;
	atomic_t retries;
	atomic_t timeouts;
	atomic_t resets;
};

/**
 * struct liov_dev - one LightIOV device
 * @pdev: PCI device
 * @regs: LIOV_BAR_REGS
 * @doorbells: LIOV_BAR_DOORBELLS
 * @instance: N in liovNn1
 * @abi_minor: of the host's ABI
 * @features: LIOV_FEATURE_*
 * @entries: of each ring
 * @max_transfer: bytes of one command
 * @dealloc_ranges: of one deallocation, 0: any number
 * @dealloc_lbas: of one deallocation, 0: any number
 * @write_zeroes: bytes of one Write Zeroes, 0: as @max_transfer
 * @retry_delay_ms: by a completion's CRD, how long the controller wants a retry to
 *	wait; 0 for none
 * @timeout_ms: longest a command or a reset of the controller may take
 * @doorbell_size: bytes of @doorbells
 * @serial: of the controller
 * @model: of the controller
 * @firmware: of the controller
 * @lock: serializes everything that uses the mailbox or changes @state.
 *	Taken inside the memory hotplug lock, and by the blk-mq timeout handler
 *	only if free.
 * @state: written under @lock, read by submitters without
 * @timed_out: a request timed out; the recovery work takes it back
 * @recover_work: looks at what the host reports, and restarts
 * @give_up: when requests have waited long enough, in jiffies
 * @retry_ms: until the next try
 * @stranger: not the device that was probed, or not known to be, after
 *	hibernation: its table is not that of @disks; under @lock
 * @restored: since hibernation the table has not been looked at, and extents may
 *	be in other slots; under @lock
 * @has_queues: the controller may have queues, and so reach what they name: from
 *	before they are created until they are known to be gone; under @lock
 * @told_release: users have been told that the host asks for the device back
 * @unsettled: being probed or removed: nothing waits for what may pass, no disk
 *	comes
 * @asleep: suspended: the disks' block queues are frozen
 * @interrupts: vectors and handlers are taken; as at @asleep, only probing,
 *	power management and removal look at it, one after the other
 * @window_base: DMA address of this VM's physical address 0
 * @window_size: bytes from there
 * @window_need: bytes that hot-plugged memory needs, beyond what is online
 * @announced: the host has been told of all memory that is online, since
 *	LIOV_CMD_RESET; under @lock
 * @regions: this VM's RAM for the DMA API, also dev->dma_range_map
 * @nr_regions: used of them
 * @max_regions: allocated of them, without the terminator
 * @memory_nb: memory hotplug notifier
 * @queues: queue pairs; those that are polled come last
 * @nr_queues: number of them
 * @nr_polled: of them are polled
 * @usable_queues: that could be made when the next one could not
 * @tag_set: shared by all disks
 * @anchor: keeps the disks' queues apart, see liov_tag_set_init()
 * @table: what the host's table of extents said when it was looked at last;
 *	under @lock
 * @nr_slots: of it that were ever used
 * @refused: slots that have been tried to make a disk of; under @lock
 * @disks_lock: one disk at a time comes, follows, or goes
 * @disks_work: has the disks be what @table says
 * @disks: struct liov_ns; changed under both locks, so that either is enough to
 *	go through them
 * @numbers: of @disks; under @lock
 * @stats: counters
 */
struct liov_dev {
	struct pci_dev *pdev;
	void __iomem *regs;
	void __iomem *doorbells;
	int instance;

	unsigned int abi_minor;
	u32 features;
	u32 entries;
	u32 max_transfer;
	u32 dealloc_ranges;
	u64 dealloc_lbas;
	u32 write_zeroes;
	u32 retry_delay_ms[4];
	u32 timeout_ms;
	u32 doorbell_size;
	char serial[20 + 1];
	char model[40 + 1];
	char firmware[8 + 1];

	struct mutex lock;	/* mailbox and state */
	enum liov_state state;
	atomic_t timed_out;
	struct delayed_work recover_work;
	unsigned long give_up;
	unsigned int retry_ms;
	bool stranger;
	bool restored;
	bool has_queues;
	bool told_release;
	bool unsettled;
	bool asleep;
	bool interrupts;

	u64 window_base;
	u64 window_size;
	u64 window_need;
	bool announced;
	struct bus_dma_region *regions;
	unsigned int nr_regions;
	unsigned int max_regions;
	struct notifier_block memory_nb;

	struct liov_queue *queues;
	unsigned int nr_queues;
	unsigned int nr_polled;
	unsigned int usable_queues;
	struct blk_mq_tag_set tag_set;
	struct gendisk *anchor;

	struct liov_namespace_info table[LIOV_MAX_NAMESPACES];
	unsigned int nr_slots;
	DECLARE_BITMAP(refused, LIOV_MAX_NAMESPACES);

	struct mutex disks_lock;	/* outside of @lock: disks come and go */
	struct work_struct disks_work;
	struct list_head disks;
	DECLARE_BITMAP(numbers, LIOV_MAX_NAMESPACES);

	struct liov_stats stats;
};

static inline bool liov_is_quiet(const struct liov_dev *ldev)
{
	return ldev->state == LIOV_STOPPED || ldev->state == LIOV_WAITING;
}

static inline unsigned int liov_irq_queues(const struct liov_dev *ldev)
{
	return ldev->nr_queues - ldev->nr_polled;
}

static inline bool liov_is_polled(const struct liov_queue *q)
{
	return q->index >= liov_irq_queues(q->ldev);
}

/* Of the queue pairs that there are at least one is not polled. */
static inline void liov_keep_an_interrupt(struct liov_dev *ldev)
{
	ldev->nr_polled = min(ldev->nr_polled, max(ldev->nr_queues, 1u) - 1);
}

/*
 * Top to bottom: each file calls those below it only.  From below, others are
 * reached by work that is due: @recover_work, @disks_work.
 */

/* sysfs.c */
extern const struct attribute_group *liov_device_groups[];

/* sleep.c */
extern const struct dev_pm_ops liov_pm_ops;
void liov_reset_prepare(struct pci_dev *pdev);
void liov_reset_done(struct pci_dev *pdev);

/* hotplug.c */
int liov_memory_notify(struct notifier_block *nb, unsigned long action,
		       void *data);

/* recover.c */
extern struct workqueue_struct *liov_wq;
void liov_stop(struct liov_dev *ldev, bool leave);
int liov_restart(struct liov_dev *ldev, bool leave);
void liov_kill(struct liov_dev *ldev);
void liov_report(struct liov_dev *ldev, int err);
void liov_recover_work(struct work_struct *work);

/* disk.c; the kernel calls the first two, by compat.h */
extern struct workqueue_struct *liov_disks_wq;
int liov_disk_open(struct gendisk *disk);
void liov_disk_release(struct gendisk *disk);
void liov_disks_update(struct liov_dev *ldev);
void liov_disks_work(struct work_struct *work);
void liov_disks_remove(struct liov_dev *ldev);
void liov_disks_quiesce(struct liov_dev *ldev);
void liov_disks_unquiesce(struct liov_dev *ldev);
int liov_disks_freeze(struct liov_dev *ldev);
void liov_disks_unfreeze(struct liov_dev *ldev);
void liov_disks_retry_now(struct liov_dev *ldev);

/* identity.c */
extern const struct attribute_group *liov_disk_groups[];
int liov_disk_unique_id(struct gendisk *disk, u8 id[16],
			enum blk_unique_id type);

/* limits.c */
void liov_disk_limits(const struct liov_ns *ns,
		      const struct liov_namespace_info *info,
		      struct queue_limits *lim);

/* extents.c */
int liov_extent_parse(struct liov_dev *ldev, unsigned int slot,
		      const struct liov_namespace_info *info,
		      struct liov_ns *ns);
bool liov_extent_has_disk(struct liov_dev *ldev, unsigned int slot);
void liov_extent_follow(struct liov_ns *ns);
int liov_extents_look(struct liov_dev *ldev);
void liov_extent_release(struct liov_dev *ldev, unsigned int slot);

/* interrupts.c */
int liov_interrupts_take(struct liov_dev *ldev, unsigned int least);
void liov_interrupts_drop(struct liov_dev *ldev);
int liov_event_irq_take(struct liov_dev *ldev);
void liov_event_irq_drop(struct liov_dev *ldev);
int liov_interrupts_retake(struct liov_dev *ldev);

/* tagset.c */
int liov_tag_set_init(struct liov_dev *ldev);
void liov_tag_set_exit(struct liov_dev *ldev);

/* request.c; the kernel calls it, by compat.h */
struct rq_list;
void liov_queue_rqs(struct rq_list *reqs);

/* request.c, data.c and complete.c; what only these call is in request.h */
irqreturn_t liov_queue_irq(int irq, void *data);
unsigned int liov_queue_reap(struct liov_queue *q, struct io_comp_batch *iob);
void liov_queues_poll(struct liov_dev *ldev);
bool liov_requests_busy(struct liov_dev *ldev);
void liov_requests_cancel(struct liov_dev *ldev);

/* memory.c */
int liov_memory_check(struct liov_dev *ldev);
int liov_memory_add(struct liov_dev *ldev);
void liov_memory_free(struct liov_dev *ldev);
int liov_refuse_virtio_mem(struct liov_dev *ldev, u64 start, u64 end);
bool liov_extend_regions(struct liov_dev *ldev, u64 start, u64 end);
int liov_add_range(struct liov_dev *ldev, u64 start, u64 end);
void liov_remove_range(struct liov_dev *ldev, u64 start, u64 end);

/* queue.c */
int liov_queues_init(struct liov_dev *ldev);
void liov_queues_exit(struct liov_dev *ldev);
int liov_queues_locate(struct liov_dev *ldev);
int liov_rings_alloc(struct liov_dev *ldev);
void liov_rings_free(struct liov_dev *ldev);
int liov_queues_create(struct liov_dev *ldev);
void liov_queues_go_live(struct liov_dev *ldev);
void liov_queues_go_quiet(struct liov_dev *ldev);

/* properties.c */
int liov_check_version(struct liov_dev *ldev);
int liov_read_properties(struct liov_dev *ldev);
int liov_check_same(struct liov_dev *ldev);

/* mailbox.c */
u32 liov_read32(struct liov_dev *ldev, unsigned int offset);
u64 liov_read64(struct liov_dev *ldev, unsigned int offset);
void liov_write64(struct liov_dev *ldev, unsigned int offset, u64 value);
void liov_read_block(struct liov_dev *ldev, unsigned int offset, void *buf,
		     size_t len);
int liov_command(struct liov_dev *ldev, enum liov_command command, u64 arg0,
		 u64 arg1, u64 arg2, u64 arg3);

#endif /* LIOV_GUEST_H */
