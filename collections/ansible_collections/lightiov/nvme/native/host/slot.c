// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of extents as their owner sees it: an entry for each, and which
 * slots are empty.
 */
#include "mdev.h"

/* Owners look at the table whenever they hear of an event. */
void liov_slots_changed(struct liov_mdev *mdev)
{
	if (mdev->open)
		mdev->kind->changed(mdev);
}

/* Whether the owner may go on with what it knew the namespace by. */
static bool liov_slot_same(const struct liov_extent *extent)
{
	const struct liov_namespace_info *info = &extent->info;
	const struct liov_namespace *ns = extent->ns;

	return info->lba_shift == cpu_to_le32(ns->lba_shift) &&
	       !memcmp(info->nguid, ns->nguid, sizeof(ns->nguid)) &&
	       !memcmp(info->eui64, ns->eui64, sizeof(ns->eui64)) &&
	       !memcmp(info->uuid, ns->uuid, sizeof(ns->uuid));
}

/* Brings up to date what changes in an entry. */
void liov_slot_update(struct liov_extent *extent)
{
	const struct liov_namespace *ns = extent->ns;
	const struct liov_lbas *lbas = &extent->lbas;
	u64 count = ns->lba_count;
	u32 flags = 0;

	/* A namespace may have shrunk, by another way to it. */
	if (lbas->count)
		count = liov_clip(lbas->first, lbas->count, ns->lba_count);

	if (extent->read_only || ns->read_only)
		flags |= LIOV_NS_READ_ONLY;
	if (extent->asked)
		flags |= LIOV_NS_ASKED;
	if (lbas->count)
		flags |= LIOV_NS_SLICE;
	if (!ns->present || !ns->usable || !count || !liov_slot_same(extent))
		flags |= LIOV_NS_GONE;
	else
		extent->info.lba_count = cpu_to_le64(count);
	extent->info.flags = cpu_to_le32(flags);
}

void liov_slot_fill(struct liov_extent *extent)
{
	struct liov_namespace_info *info = &extent->info;
	const struct liov_namespace *ns = extent->ns;

	*info = (struct liov_namespace_info) {
		.nsid = cpu_to_le32(ns->nsid),
		.lba_shift = cpu_to_le32(ns->lba_shift),
		.start_lba = cpu_to_le64(extent->lbas.first),
		.write_granularity = cpu_to_le32(ns->write_granularity),
		.write_optimal = cpu_to_le32(ns->write_optimal),
		.dealloc_granularity = cpu_to_le32(ns->dealloc_granularity),
		.boundary = cpu_to_le32(ns->boundary),
		.atomic_write = cpu_to_le32(ns->atomic_write),
	};
	memcpy(info->nguid, ns->nguid, sizeof(info->nguid));
	memcpy(info->eui64, ns->eui64, sizeof(info->eui64));
	memcpy(info->uuid, ns->uuid, sizeof(info->uuid));
	export_uuid(info->extent_id, &extent->id);
	liov_slot_update(extent);
}

/* The first one that is empty, and that the owner knows to be. */
int liov_slot_find(struct liov_mdev *mdev)
{
	struct liov_slots *slots = &mdev->slots;
	int slot;

	for (slot = 0; slot < LIOV_MAX_NAMESPACES; slot++)
		if (!slots->extents[slot] &&
		    !liov_vacancy_has(&slots->vacancy, slot))
			return slot;
	dev_err(liov_mdev_dev(mdev),
		"slots are all kept for extents that the VM has not seen go: try again once its driver runs\n");
	return -EBUSY;
}

/* How many slots the owner has to look at. */
unsigned int liov_slots_count(struct liov_mdev *mdev)
{
	const struct liov_slots *slots = &mdev->slots;
	unsigned int count = LIOV_MAX_NAMESPACES;

	lockdep_assert_held(&mdev->ctrl->lock);

	while (count && !slots->extents[count - 1] &&
	       !liov_vacancy_has(&slots->vacancy, count - 1))
		count--;
	return count;
}

void liov_slot_read(struct liov_mdev *mdev, unsigned int slot,
		    struct liov_namespace_info *info)
{
	const struct liov_extent *extent = mdev->slots.extents[slot];

	lockdep_assert_held(&mdev->ctrl->lock);

	if (extent)
		*info = extent->info;
	else
		*info = (struct liov_namespace_info) {
			.flags = cpu_to_le32(LIOV_NS_GONE),
		};
}

/* The owner reads that a slot is empty, or what is in it. */
void liov_slot_shown(struct liov_mdev *mdev, unsigned int slot, u32 generation)
{
	lockdep_assert_held(&mdev->ctrl->lock);

	liov_vacancy_show(&mdev->slots.vacancy, slot, generation);
}

void liov_slots_generation_read(struct liov_mdev *mdev, u32 generation)
{
	lockdep_assert_held(&mdev->ctrl->lock);

	liov_vacancy_confirm(&mdev->slots.vacancy, generation);
}
