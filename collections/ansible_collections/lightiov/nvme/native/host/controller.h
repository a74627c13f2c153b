/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One NVMe controller that belongs to LightIOV: its registers, its states, and
 * what its mediated devices share (queue IDs, interrupt vectors, namespaces,
 * I/O virtual addresses).
 *
 * All others use it.  It knows nothing of them: reset.c tells mediated devices
 * by mdev_state.c, which goes through struct liov_kind.
 */
#ifndef LIGHTIOV_CONTROLLER_H
#define LIGHTIOV_CONTROLLER_H

#include <linux/genalloc.h>
#include <linux/iommu.h>
#include <linux/irqbypass.h>
#include <linux/kref.h>
#include <linux/mdev.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/workqueue.h>

#include "../abi/lightiov_abi.h"
#include "admin.h"
#include "compat.h"
#include "hmb.h"
#include "window.h"

struct liov_types;

#define LIOV_SERIAL_LEN		20
#define LIOV_TENANT_LEN		64
#define LIOV_LABEL_LEN		128

/* The longest that a controller is given to activate firmware. */
#define LIOV_ACTIVATION_MAX	(300 * HZ)

/* Bounds of what a mediated device offers, whatever the controller can. */
#define LIOV_MAX_TRANSFER	SZ_2M
#define LIOV_MAX_ENTRIES	4096

/* How long a guest waits for an I/O command before it starts to recover. */
#define LIOV_IO_TIMEOUT_MS	30000

/* Granule of the window allocator, and the size of the host's own area. */
#define LIOV_GRANULE_SHIFT	30
#define LIOV_GRANULE		BIT_ULL(LIOV_GRANULE_SHIFT)

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

/**
 * struct liov_ctrl - one controller
 * @ref: the PCI driver's reference, and one per open file of @misc
 * @epoch: +1 each time the controller was certainly stopped, which deletes all
 *	I/O queues and ends all DMA
 * @access: read-held by file operations of @misc, write-held to set @removed
 * @lock: tenant, queue IDs, vectors, namespaces and their extents, list of
 *	mediated devices.
 *	It nests inside liov_mdev.lock and outside of liov_passthrough.doorbell_lock.
 *	It is never held while a command is waited for, so that a reset, which
 *	takes it to tell all mediated devices, always comes through.
 * @reset_lock: held from stopping the controller until it is started again,
 *	unless the system sleeps meanwhile or the controller is @cut_off.
 *	Between liov_mdev.lock and @lock.
 * @cut_off: stopped because of errors of PCI Express, until these are over;
 *	under @reset_lock
 * @tenant: the present one or the last one, whose last device went, if
 *	@tenant_users is 0, in @tenant_epoch
 * @scan_lock: held while namespaces are read and put in order.  Outside of
 *	@reset_lock and @lock.  What owners see of namespaces changes under
 *	@lock, under which they are told of it too: whoever reads a table under
 *	@lock has not read half of a change without an event to come.
 * @ns_changes: admin commands in flight that may destroy or detach a namespace;
 *	no extent can be added or grown meanwhile
 * @stalls: admin commands in flight that may keep the controller from all
 *	others, and resets by @misc; no mediated device can be opened meanwhile
 * @tenant_resets: resets between tenants; likewise.  Those would cut short what
 *	@ns_changes and @stalls count, so none begins while there is any of the
 *	others.
 * @quirks: LIOV_QUIRK_*
 * @known: the controller has identified itself once, with @serial, @model and
 *	what it asks for in @hmb, which stay.  The rest of what it says, from
 *	@firmware to @limits, may be another firmware's at each start: it changes
 *	under @lock and @reset_lock, either of which is enough to read it.
 *	@nr_nsids, @activation_timeout and @format_all are read without, too.
 * @stripe: bytes, or 0, that one I/O best lies within; a quirk
 * @atomic_write: LBAs (AWUPF), for namespaces that say nothing else
 * @events: which notices the controller has, as Set Features takes them
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
	bool cut_off;
	struct work_struct event_work;
	struct work_struct scan_work;

	u32 queue_entries;
	bool known;
	char serial[LIOV_SERIAL_LEN];
	char model[40];
	struct liov_hmb hmb;
	char firmware[8];
	u32 max_transfer;
	u32 stripe;
	u32 atomic_write;
	u32 events;
	u32 features;
	u32 nr_nsids;
	u32 shutdown_timeout;
	u32 activation_timeout;
	u8 format_all;
	struct liov_limits limits;

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
	unsigned int tenant_resets;

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

/* identify.c */
int liov_ctrl_identify(struct liov_ctrl *ctrl);
ssize_t liov_emit_padded(char *buf, const char *text, size_t size);

/* event.c */
void liov_event_work(struct work_struct *work);

/* admin.c */
void liov_admin_start(struct liov_ctrl *ctrl, struct liov_request *rq);
bool liov_admin_try_start(struct liov_ctrl *ctrl, struct liov_request *rq);
int liov_admin_finish(struct liov_ctrl *ctrl, struct liov_request *rq,
		      unsigned long timeout);
int liov_admin_run(struct liov_ctrl *ctrl, struct liov_request *rq,
		   unsigned long timeout);
int liov_admin_cmd(struct liov_ctrl *ctrl, const struct nvme_command *cmd,
		   unsigned long timeout);

/* reset.c */
void liov_ctrl_cut_off(struct liov_ctrl *ctrl);
void liov_ctrl_restore(struct liov_ctrl *ctrl);
void liov_ctrl_recover(struct liov_ctrl *ctrl);
void liov_ctrl_stop(struct liov_ctrl *ctrl);
void liov_ctrl_start(struct liov_ctrl *ctrl);
void liov_ctrl_reset(struct liov_ctrl *ctrl, u32 epoch);
void liov_ctrl_shutdown(struct liov_ctrl *ctrl);
void liov_ctrl_suspend(struct liov_ctrl *ctrl);
void liov_ctrl_resume(struct liov_ctrl *ctrl);
void liov_ctrl_kill(struct liov_ctrl *ctrl);
void liov_ctrl_await_activation(struct liov_ctrl *ctrl, u32 epoch);
unsigned long liov_ctrl_queue_timeout(struct liov_ctrl *ctrl);
/* The steps of these, for whoever takes the controller over. */
void liov_ctrl_set_state(struct liov_ctrl *ctrl, enum liov_ctrl_state state);
int liov_ctrl_disable(struct liov_ctrl *ctrl);
int liov_ctrl_quiesce(struct liov_ctrl *ctrl);
int liov_ctrl_enable(struct liov_ctrl *ctrl);

/* quirks.c */
#define LIOV_QUIRK_NO_WRITE_ZEROES	BIT(0)	/* has it, but not rightly */
#define LIOV_QUIRK_BOGUS_IDS		BIT(1)	/* identities are not unique */
#define LIOV_QUIRK_NO_DESCRIPTORS	BIT(2)	/* fails if asked for them */
#define LIOV_QUIRK_SLOW_READY		BIT(3)	/* CSTS only after a pause */
#define LIOV_QUIRK_STRIPES		BIT(4)	/* I/O best within MDTS */
unsigned long liov_quirks_find(struct pci_dev *pdev);

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
