// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mailbox.h"
#include "memory.h"
#include "util.h"

#define HUGE_PAGE (2 * MIB)

/*
 * At a multiple of a huge page, as MEMORY_GPA is one: what the kernel has in
 * huge pages the host can map in such too.
 */
static void *map_aligned(u64 size, bool huge)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (huge ? MAP_HUGETLB : 0);
	u64 slack = huge ? 0 : HUGE_PAGE, head;
	char *start;

	start = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (start == MAP_FAILED || !slack)
		return start;
	head = align_up((uintptr_t)start, HUGE_PAGE) - (uintptr_t)start;
	if (head)
		munmap(start, head);
	munmap(start + head + size, slack - head);
	return start + head;
}

int memory_create(struct memory *mem, u64 size, bool huge)
{
	void *start;

	size = align_up(size, HUGE_PAGE);
	start = map_aligned(size, huge);
	if (start == MAP_FAILED)
		return fail(STATUS_USAGE,
			    "memory: cannot have %llu MiB%s: %s; %s",
			    size / MIB, huge ? " of huge pages" : "",
			    strerror(errno), huge ?
			    "raise the sysctl vm.nr_hugepages or leave out --hugepages" :
			    "use a smaller --queue-depth or --memory");
	/* Both only save time, so a refusal does not matter: all is pinned later. */
	if (!huge)
		(void)madvise(start, size, MADV_HUGEPAGE);
	(void)madvise(start, size, MADV_POPULATE_WRITE);
	*mem = (struct memory){ .start = start, .size = size };
	return STATUS_OK;
}

void memory_destroy(struct memory *mem)
{
	if (mem->start)
		munmap(mem->start, mem->size);
	mem->start = NULL;
}

int memory_publish(struct memory *mem, struct device *dev)
{
	u64 done, bytes;
	int status;

	status = device_map_memory(dev, mem->start, MEMORY_GPA, mem->size);
	if (status)
		return status;
	status = mailbox_run(dev, LIOV_CMD_OPEN_WINDOW, MEMORY_GPA + mem->size,
			     0, 0, 0);
	if (status)
		return status;
	mem->window = register_read64(dev, LIOV_REG_WINDOW_BASE);
	for (done = 0; done < mem->size; done += bytes) {
		bytes = mem->size - done;
		if (bytes > LIOV_MAX_ADD)
			bytes = LIOV_MAX_ADD;
		status = mailbox_run(dev, LIOV_CMD_ADD_MEMORY,
				     MEMORY_GPA + done, bytes, 0, 0);
		if (status)
			return status;
	}
	return STATUS_OK;
}

int memory_withdraw(struct memory *mem, struct device *dev)
{
	if (!mem->start)
		return STATUS_OK;
	return device_unmap_memory(dev, MEMORY_GPA, mem->size);
}

void memory_clear(struct memory *mem)
{
	memset(mem->start, 0, mem->used);
	mem->used = 0;
}

void *memory_take(struct memory *mem, u64 bytes)
{
	void *p = (char *)mem->start + mem->used;

	mem->used += align_up(bytes, (u64)sysconf(_SC_PAGESIZE));
	return p;
}

u64 memory_gpa(const struct memory *mem, const void *p)
{
	return MEMORY_GPA + (u64)((const char *)p - (const char *)mem->start);
}

u64 memory_iova(const struct memory *mem, const void *p)
{
	return mem->window + memory_gpa(mem, p);
}
