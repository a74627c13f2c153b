/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Slots that became empty, until their owner knows.
 *
 * An owner that finds another extent in a slot than it knows must be able to
 * tell that the former one is gone.  So a slot is used again only after the
 * owner has read it as empty, between two reads of the same GENERATION: what it
 * has read otherwise it throws away.  This needs nothing of the kernel, and is
 * tested outside of it.
 */
#ifndef LIGHTIOV_VACANCY_H
#define LIGHTIOV_VACANCY_H

#include <linux/types.h>

/**
 * struct liov_vacancy - of up to 64 slots
 * @vacated: slots that are empty, but the owner may not know that yet
 * @shown: those of them that it has read since it read @generation
 * @generation: as the owner read it last
 */
struct liov_vacancy {
	u64 vacated;
	u64 shown;
	u32 generation;
};

static inline u64 liov_slot_bit(unsigned int slot)
{
	return (u64)1 << slot;
}

static inline void liov_vacancy_add(struct liov_vacancy *vacancy,
				    unsigned int slot)
{
	vacancy->vacated |= liov_slot_bit(slot);
}

static inline bool liov_vacancy_has(const struct liov_vacancy *vacancy,
				    unsigned int slot)
{
	return vacancy->vacated & liov_slot_bit(slot);
}

/* The owner reads a slot while GENERATION is @now. */
static inline void liov_vacancy_show(struct liov_vacancy *vacancy,
				     unsigned int slot, u32 now)
{
	if (vacancy->generation == now)
		vacancy->shown |= vacancy->vacated & liov_slot_bit(slot);
}

/* The owner reads GENERATION: if it is the same, so is all it has read since. */
static inline void liov_vacancy_confirm(struct liov_vacancy *vacancy,
					u32 generation)
{
	if (vacancy->generation == generation)
		vacancy->vacated &= ~vacancy->shown;
	vacancy->shown = 0;
	vacancy->generation = generation;
}

#endif /* LIGHTIOV_VACANCY_H */
