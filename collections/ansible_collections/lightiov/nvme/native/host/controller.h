/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One NVMe controller that belongs to LightIOV: its registers, its admin
 * queue, and what its mediated devices share (queue IDs, interrupt vectors,
 * namespaces, I/O virtual addresses).
 */
#ifndef LIGHTIOV_CONTROLLER_H
#define LIGHTIOV_CONTROLLER_H

#include <linux/completion.h>
#include <linux/dma-direction.h>
#include <linux/genalloc.h>
#include <linux/iommu.h>
#include <linux/irqbypass.h>
#include <linux/kref.h>
#include <linux/mdev.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/nvme.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "../abi/lightiov_abi.h"
#include "compat.h"

struct liov_mdev;
struct liov_types;

#define LIOV_SERIAL_LEN		20
#define LIOV_TENANT_LEN		64
#define LIOV_LABEL_LEN		128
#define LIOV_ADMIN_ENTRIES	32
#define LIOV_ADMIN_TIMEOUT	(60 * HZ)
#define LIOV_ADMIN_MAX_DATA	SZ_1M

/* The longest that a controller is given to activate firmware. */
#define LIOV_ACTIVATION_MAX	(300 * HZ)

/* The status code without More and Do Not Retry, and the latter. */
#define LIOV_STATUS_CODE	0x7ff
#define LIOV_STATUS_DNR		0x4000

/* Bounds of what a mediated device offers, whatever the controller can. */
#define LIOV_MAX_TRANSFER	SZ_2M
#define LIOV_MAX_ENTRIES	4096

/* How long a guest waits for an I/O command before it starts to recover. */
#define LIOV_IO_TIMEOUT_MS	30000

/* Granule of the window allocator, and the size of the host's own area. */
#define LIOV_GRANULE_SHIFT	30
#define LIOV_GRANULE		BIT_ULL(LIOV_GRANULE_SHIFT)

enum liov_ctrl_state {
	LIOV_CTRL_LIVE,
	LIOV_CTRL_RESETTING,
	LIOV_CTRL_DEAD,
};

/* Pages that host and controller share, mapped in the host's area. */
struct liov_dma {
	void *cpu;
	dma_addr_t iova;
	size_t size;
};

/**
 * struct liov_admin_slot - one admin command in flight
 * @cid: the last command's ID: the slot's number, and which of its uses that
 *	was, so that a stale or invented completion hits no other command
 * @entry: where the command lies in the SQ
 * @done: completed by the interrupt or by a controller reset
 * @result: DW0 of the completion
 * @status: NVMe status without the phase bit, or -ECANCELED after a reset
 * @abandoned: timed out, nobody waits: it is free again when it completes
 */
struct liov_admin_slot {
	u16 cid;
	u16 entry;
	struct completion done;
	u32 result;
	int status;
	bool abandoned;
};

/**
 * struct liov_request - an admin command and what came of it
 * @cmd: the command; its command ID is filled in
 * @result: DW0 of the completion
 * @epoch: liov_ctrl.epoch when it was submitted; with it the command is over
 * @status: what liov_admin_finish() returned
 * @slot: while it is in flight
 */
struct liov_request {
	struct nvme_command cmd;
	int status;
	u32 result;
	u32 epoch;
	struct liov_admin_slot *slot;
};

/**
 * struct liov_admin - the admin queue
 * @lock: everything below but @free, and liov_ctrl.state and epoch; taken in
 *	hard IRQ
 * @free: counts slots that are not in @busy
 * @busy: slots in flight; the last one is the event request's
 * @running: commands can be submitted; by whom tells liov_ctrl.state
 * @interrupts: completions are signalled; before that they are polled for
 * @event: result of the last event request, for liov_ctrl.event_work
 */
struct liov_admin {
	spinlock_t lock;		/* see above */
	struct semaphore free;
	struct liov_dma sq;
	struct liov_dma cq;
	u16 sq_tail;
	u16 cq_head;
	u8 phase;
	bool running;
	bool interrupts;
	u32 event;
	unsigned long busy;
	struct liov_admin_slot slots[LIOV_ADMIN_ENTRIES];
};

/**
 * struct liov_vector - one MSI-X vector for I/O queues
 * @queues: queue pairs that interrupt on it; more than one when short
 * @producer: posts its interrupts straight to the VM while @bypassed is set
 * @bypassed: the eventfd that @producer is registered for
 */
struct liov_vector {
	struct list_head queues;
	unsigned int users;
	struct irq_bypass_producer producer;
	struct eventfd_ctx *bypassed;
};

/**
 * struct liov_limits - limits and delays, as the ABI has them; 0: not told
 * @dealloc_ranges: ranges of one deallocation (DMRL)
 * @dealloc_range: LBAs of one range (DMRSL)
 * @dealloc_lbas: LBAs of all ranges of one deallocation (DMSL)
 * @write_zeroes: bytes of one Write Zeroes (WZSL)
 * @retry_delays: milliseconds, for command retry delays 1 to 3 (CRDT)
 */
struct liov_limits {
	u32 dealloc_ranges;
	u32 dealloc_range;
	u64 dealloc_lbas;
	u32 write_zeroes;
	u32 retry_delays[3];
};

/* What a namespace is, wherever it is: NGUID, EUI-64, or neither. */
struct liov_ns_id {
	u8 len;
	u8 bytes[16];
};

/* As Linux names it, "eui." and its bytes. */
#define LIOV_NS_ID_PREFIX	"eui."
#define LIOV_NS_ID_TEXT		(sizeof(LIOV_NS_ID_PREFIX) + 2 * 16)

/**
 * struct liov_namespace - one active namespace
 * @extents: the parts that mediated devices have of it, in no order
 * @usable: it holds plain blocks: NVM command set and no metadata
 * @present: seen by the last scan; one with extents that is gone is kept
 * @granularity: LBAs; extents start and end at multiples of it
 * @write_granularity, @write_optimal, @dealloc_granularity, @boundary,
 * @atomic_write: LBAs, as struct liov_namespace_info has them
 */
struct liov_namespace {
	struct list_head node;
	u32 nsid;
	u32 lba_shift;
	u64 lba_count;
	u8 nguid[16];
	u8 eui64[8];
	u8 uuid[16];
	u32 write_granularity;
	u32 write_optimal;
	u32 dealloc_granularity;
	u32 boundary;
	u32 atomic_write;
	bool usable;
	bool read_only;
	bool present;
	u32 granularity;
	struct list_head extents;
};

/**
 * struct liov_ctrl - one controller
 * @ref: the PCI driver's reference, and one per open file of @misc
 * @epoch: +1 each time the controller was certainly stopped, which deletes all
 *	I/O queues and ends all DMA
 * @access: read-held by file operations of @misc, write-held to set @removed
 * @lock: tenant, queue IDs, vectors, namespaces and their extents, list of
 *	mediated devices.
 *	It nests inside liov_mdev.lock and outside of liov_mdev.doorbell_lock.
 *	It is never held while a command is waited for, so that a reset, which
 *	takes it to tell all mediated devices, always comes through.
 * @reset_lock: held from stopping the controller until it is started again.
 *	Between liov_mdev.lock and @lock.
 * @tenant: the present one or the last one, whose last device went, if
 *	@tenant_users is 0, in @tenant_epoch
 * @scan_lock: held while namespaces are read and put in order.  Outside of
 *	@reset_lock and @lock.  What owners see of namespaces changes under
 *	@lock, under which they are told of it too: whoever reads a table under
 *	@lock has not read half of a change without an event to come.
 * @ns_changes: admin commands in flight that may destroy or detach a namespace;
 *	no extent can be added or grown meanwhile
 * @stalls: admin commands in flight that may keep the controller from all
 *	others; no mediated device can be opened meanwhile
 * @quirks: LIOV_QUIRK_*
 * @events: which notices the controller has, as Set Features takes them
 * @stripe: bytes, or 0, that one I/O best lies within; a quirk
 * @atomic_write: LBAs (AWUPF), for namespaces that say nothing else
 */
struct liov_ctrl {
	struct kref ref;
	struct pci_dev *pdev;
	struct device *dev;
	int id;

	void __iomem *regs;
	phys_addr_t regs_phys;
	u64 cap;
	unsigned long quirks;
	u32 stride;
	size_t doorbell_size;

	enum liov_ctrl_state state;
	u32 epoch;
	struct liov_admin admin;
	struct mutex reset_lock;	/* see above */
	struct work_struct event_work;
	struct work_struct scan_work;

	char serial[LIOV_SERIAL_LEN];
	char model[40];
	char firmware[8];
	u32 max_transfer;
	u32 stripe;
	u32 atomic_write;
	struct liov_limits limits;
	u32 events;
	u32 features;
	u32 queue_entries;
	u32 nr_nsids;
	u32 shutdown_timeout;
	u32 activation_timeout;
	u8 format_all;

	struct iommu_group *group;
	struct iommu_domain *domain;
	struct gen_pool *windows;
	struct gen_pool *host_pool;
	unsigned long host_area;

	struct mutex lock;		/* see above */
	struct list_head mdevs;
	char tenant[LIOV_TENANT_LEN + 1];
	u32 tenant_epoch;
	unsigned int tenant_users;
	unsigned int nr_queue_pairs;
	unsigned int nr_queue_pairs_free;
	unsigned long *qids;
	unsigned int nr_vectors;
	struct liov_vector *vectors;
	struct mutex scan_lock;		/* see above */
	struct list_head namespaces;
	unsigned int ns_changes;
	unsigned int stalls;

	struct rw_semaphore access;
	bool removed;
	struct miscdevice misc;
	char misc_name[20];

	struct mdev_parent parent;
	struct liov_types *types;
};

/* controller.c */
struct liov_ctrl *liov_ctrl_create(struct pci_dev *pdev);
void liov_ctrl_destroy(struct liov_ctrl *ctrl);
void liov_ctrl_get(struct liov_ctrl *ctrl);
void liov_ctrl_put(struct liov_ctrl *ctrl);
void liov_ctrl_stop(struct liov_ctrl *ctrl);
void liov_ctrl_start(struct liov_ctrl *ctrl);
void liov_ctrl_shutdown(struct liov_ctrl *ctrl);
void liov_ctrl_suspend(struct liov_ctrl *ctrl);
void liov_ctrl_resume(struct liov_ctrl *ctrl);
void liov_ctrl_kill(struct liov_ctrl *ctrl);
void liov_ctrl_reset(struct liov_ctrl *ctrl, u32 epoch);
void liov_ctrl_await_activation(struct liov_ctrl *ctrl, u32 epoch);
unsigned long liov_ctrl_queue_timeout(struct liov_ctrl *ctrl);
void liov_ctrl_queue_work(struct work_struct *work);
int liov_ctrl_init_workqueue(void);
void liov_ctrl_exit_workqueue(void);

/* controller_sysfs.c */
ssize_t liov_emit_padded(char *buf, const char *text, size_t size);
extern const struct attribute_group *liov_ctrl_groups[];

/* admin.c */
int liov_admin_init(struct liov_ctrl *ctrl);
void liov_admin_exit(struct liov_ctrl *ctrl);
void liov_admin_restart(struct liov_ctrl *ctrl);
void liov_admin_cancel(struct liov_ctrl *ctrl);
int liov_admin_request_irq(struct liov_ctrl *ctrl);
void liov_admin_free_irq(struct liov_ctrl *ctrl);
void liov_admin_request_event(struct liov_ctrl *ctrl);
int liov_admin_exec(struct liov_ctrl *ctrl, struct liov_request *rq,
		    unsigned long timeout);
void liov_admin_start(struct liov_ctrl *ctrl, struct liov_request *rq);
bool liov_admin_try_start(struct liov_ctrl *ctrl, struct liov_request *rq);
int liov_admin_finish(struct liov_ctrl *ctrl, struct liov_request *rq,
		      unsigned long timeout);
int liov_admin_run(struct liov_ctrl *ctrl, struct liov_request *rq,
		   unsigned long timeout);
int liov_admin_cmd(struct liov_ctrl *ctrl, const struct nvme_command *cmd,
		   unsigned long timeout);
int liov_admin_errno(int status);
void liov_admin_identify(struct nvme_command *cmd, u8 cns, u32 nsid,
			 const struct liov_dma *data);
void liov_admin_event_work(struct work_struct *work);

/* admin_chardev.c */
int liov_chardev_add(struct liov_ctrl *ctrl);
void liov_chardev_remove(struct liov_ctrl *ctrl);

/* namespace.c */
void liov_namespaces_scan(struct liov_ctrl *ctrl);
void liov_namespaces_free(struct list_head *namespaces);
struct liov_namespace *liov_namespace_find(struct liov_ctrl *ctrl, u32 nsid);
void liov_ns_id_get(const struct liov_namespace *ns, struct liov_ns_id *id);
bool liov_ns_id_equal(const struct liov_ns_id *a, const struct liov_ns_id *b);
int liov_ns_id_parse(struct liov_ns_id *id, const char *hex);
void liov_ns_id_print(const struct liov_ns_id *id, char *text);

/* quirks.c */
#define LIOV_QUIRK_NO_WRITE_ZEROES	BIT(0)	/* has it, but not rightly */
#define LIOV_QUIRK_BOGUS_IDS		BIT(1)	/* identities are not unique */
#define LIOV_QUIRK_NO_DESCRIPTORS	BIT(2)	/* fails if asked for them */
#define LIOV_QUIRK_SLOW_READY		BIT(3)	/* CSTS only after a pause */
#define LIOV_QUIRK_STRIPES		BIT(4)	/* I/O best within MDTS */
unsigned long liov_quirks_find(struct pci_dev *pdev);

/* window.c */
int liov_windows_init(struct liov_ctrl *ctrl);
void liov_windows_exit(struct liov_ctrl *ctrl);
unsigned long liov_window_alloc(struct liov_ctrl *ctrl, u64 size);
void liov_window_free(struct liov_ctrl *ctrl, unsigned long base, u64 size);
int liov_dma_alloc(struct liov_ctrl *ctrl, struct liov_dma *dma, size_t size,
		   enum dma_data_direction direction);
void liov_dma_free(struct liov_ctrl *ctrl, struct liov_dma *dma);

/* mdev.c */
void liov_mdevs_lost(struct liov_ctrl *ctrl);
void liov_mdevs_event(struct liov_ctrl *ctrl);
void liov_mdevs_request_release(struct liov_ctrl *ctrl);

static inline enum liov_ctrl_state liov_ctrl_state(struct liov_ctrl *ctrl)
{
	return READ_ONCE(ctrl->state);
}

/* Byte offset, from the first doorbell, of a queue pair's SQ tail doorbell. */
static inline u32 liov_sq_doorbell(struct liov_ctrl *ctrl, u16 qid)
{
	return 2 * qid * ctrl->stride;
}

static inline u32 liov_cq_doorbell(struct liov_ctrl *ctrl, u16 qid)
{
	return (2 * qid + 1) * ctrl->stride;
}

#endif /* LIGHTIOV_CONTROLLER_H */
