/* SPDX-License-Identifier: GPL-2.0-only */
/* The owner's memory, as far as the controller may reach it. */
#ifndef LIOV_MEMORY_H
#define LIOV_MEMORY_H

#include "types.h"
#include "vfio.h"

/*
 * Where the memory starts in the owner's address space.  Not 0, so that an
 * address that nobody set faults instead of hitting data; 2 MiB aligned, so
 * that the host can use large mappings.
 */
#define MEMORY_GPA (2ull << 20)

/**
 * struct memory - one range, handed out from its start
 * @start: where the program sees it
 * @size: bytes
 * @used: bytes handed out
 * @window: IOVA at which the controller sees gpa 0
 */
struct memory {
	void *start;
	u64 size;
	u64 used;
	u64 window;
};

/* Allocates @size bytes, of huge pages if @huge; they read as zeroes. */
int memory_create(struct memory *mem, u64 size, bool huge);
void memory_destroy(struct memory *mem);

/* Shows all of it to the controller: VFIO mapping, window, pinning. */
int memory_publish(struct memory *mem, struct device *dev);

/* Takes back what the host has forgotten. */
int memory_withdraw(struct memory *mem, struct device *dev);

/* Takes all back that was handed out; it reads as zeroes again. */
void memory_clear(struct memory *mem);

/* Pages of zeroes; the caller asked memory_create() for enough. */
void *memory_take(struct memory *mem, u64 bytes);

u64 memory_gpa(const struct memory *mem, const void *p);
u64 memory_iova(const struct memory *mem, const void *p);

#endif
