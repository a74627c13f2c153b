/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Extents: the claims that mediated devices of any kind have on namespaces,
 * each a disk of the owner's.  An extent is the namespace's: it is on its list,
 * which says whose any LBA is, and goes where the namespace goes.  The device
 * has but a slot, where its owner sees it.
 *
 * All of it is protected by liov_ctrl.lock, which nests inside liov_mdev.lock;
 * every function here is called with it held, but for liov_extent_remove(),
 * which takes both.
 */
#ifndef LIGHTIOV_EXTENT_H
#define LIGHTIOV_EXTENT_H

#include <linux/uuid.h>

#include "namespace.h"
#include "range.h"
#include "vacancy.h"

#define LIOV_EXTENT_NAME_LEN	64

/**
 * struct liov_extent - one extent
 * @node: in liov_namespace.extents
 * @ns: never NULL; another one after each scan
 * @id: zero: a whole namespace, given by its NSID alone
 * @ns_id: what the namespace must be, or empty: whatever has that NSID
 * @name: for messages only; if not @named, something in place of a name
 * @asked: the owner is to let it go
 * @info: its entry of the table.  What never changes there is as it was when
 *	the device was opened, or when the extent came to a device that was.
 */
struct liov_extent {
	struct list_head node;
	struct liov_namespace *ns;
	struct liov_mdev *mdev;
	unsigned int slot;
	uuid_t id;
	u32 nsid;
	struct liov_ns_id ns_id;
	struct liov_lbas lbas;
	char name[LIOV_EXTENT_NAME_LEN + 1];
	bool named;
	bool read_only;
	bool asked;
	struct liov_namespace_info info;
};

/**
 * struct liov_slots - the extents of a mediated device
 * @extents: by slot; NULL where there is none
 * @used: how many there are
 * @vacancy: which empty slots are not to be used yet
 */
struct liov_slots {
	struct liov_extent *extents[LIOV_MAX_NAMESPACES];
	unsigned int used;
	struct liov_vacancy vacancy;
};

/*
 * extent.c
 *
 * What the operator does, through extent_sysfs.c.
 */
int liov_extent_add(struct liov_mdev *mdev, const struct liov_extent *want);
int liov_extents_replace(struct liov_mdev *mdev,
			 const struct liov_extent *wants, unsigned int count);
int liov_extent_ask(struct liov_mdev *mdev, const uuid_t *id, bool asked);
int liov_extent_remove(struct liov_mdev *mdev, const uuid_t *id);

/* What the owner does, through passthrough_mailbox.c. */
int liov_extent_let_go(struct liov_mdev *mdev, u64 slot, const uuid_t *id);

/* What becomes of the device, in mdev.c and types.c. */
int liov_extents_open(struct liov_mdev *mdev);
void liov_extents_close(struct liov_mdev *mdev);
void liov_extents_drop(struct liov_mdev *mdev);

/* What becomes of the namespace, in scan.c. */
void liov_extents_move(struct liov_namespace *from, struct liov_namespace *to);
void liov_extents_update(struct liov_namespace *ns);

/* Who has parts of a namespace, and how many there are. */
unsigned int liov_namespace_owners(struct liov_ctrl *ctrl,
				   const struct liov_namespace *ns,
				   struct liov_mdev **first);

/*
 * slot.c
 *
 * What extent.c tells the owner.
 */
int liov_slot_find(struct liov_mdev *mdev);
void liov_slot_fill(struct liov_extent *extent);
void liov_slot_update(struct liov_extent *extent);
void liov_slots_changed(struct liov_mdev *mdev);

/* What the owner reads, through passthrough_mailbox.c. */
unsigned int liov_slots_count(struct liov_mdev *mdev);
void liov_slot_read(struct liov_mdev *mdev, unsigned int slot,
		    struct liov_namespace_info *info);
void liov_slot_shown(struct liov_mdev *mdev, unsigned int slot, u32 generation);
void liov_slots_generation_read(struct liov_mdev *mdev, u32 generation);

#endif /* LIGHTIOV_EXTENT_H */
