// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io.h"
#include "mailbox.h"
#include "prp.h"
#include "session.h"
#include "util.h"

const char *session_trouble(u32 status)
{
	if (status == ~0u || status & LIOV_STATUS_DEAD)
		return "its controller is gone; replace it or bind it again";
	if (status & LIOV_STATUS_QUARANTINED)
		return "the operator quarantined it; write 0 to its attribute 'quarantine'";
	if (status & LIOV_STATUS_QUEUES_LOST)
		return "the host deleted its queues (a reset, memory or a disk gone); run it again";
	if (!(status & LIOV_STATUS_READY))
		return "its controller is being reset; run the command again in a minute";
	return NULL;
}

static int check_identity(const struct device *dev)
{
	u32 version = register_read(dev, LIOV_REG_VERSION);

	if (register_read(dev, LIOV_REG_MAGIC) != LIOV_MAGIC)
		return fail(STATUS_USAGE,
			    "mdev %s: its registers are not those of LightIOV; install the lightiov_host module of this version",
			    dev->uuid);
	if (version >> 16 != LIOV_ABI_MAJOR)
		return fail(STATUS_USAGE,
			    "mdev %s: it speaks ABI %u.%u and liov %u.x; install tools and host module of one version",
			    dev->uuid, version >> 16, version & 0xffff,
			    LIOV_ABI_MAJOR);
	return STATUS_OK;
}

int session_connect(struct device *dev, const char *uuid, struct limits *limits)
{
	int status;

	status = device_open(dev, uuid);
	if (status)
		return status;
	status = check_identity(dev);
	if (status) {
		device_close(dev);
		return status;
	}
	*limits = (struct limits){
		.queue_pairs = register_read(dev, LIOV_REG_QUEUE_PAIRS),
		.queue_entries = register_read(dev, LIOV_REG_QUEUE_ENTRIES),
		.max_transfer = register_read(dev, LIOV_REG_MAX_TRANSFER),
		.page_size = register_read(dev, LIOV_REG_PAGE_SIZE),
		.timeout_ms = register_read(dev, LIOV_REG_TIMEOUT_MS),
		.features = register_read(dev, LIOV_REG_FEATURES),
	};
	return STATUS_OK;
}

static int find_id(struct session *s, const u8 *id)
{
	u32 slot, count = slot_count(&s->dev);

	for (slot = 0; slot < count; slot++) {
		if (!slot_read(&s->dev, slot, &s->extent) ||
		    memcmp(s->extent.id, id, UUID_BYTES))
			continue;
		s->config.slot = slot;
		return STATUS_OK;
	}
	return fail(STATUS_USAGE,
		    "mdev %s: it has no disk %s; name one that 'liov identify' lists",
		    s->config.uuid, s->config.disk);
}

static int find_disk(struct session *s)
{
	const char *disk = s->config.disk;
	u8 id[UUID_BYTES];
	u32 count;

	/* Of whole namespaces that have no ID, none is named by it. */
	if (uuid_parse(disk, id) && !all_zeroes(id, sizeof(id)))
		return find_id(s, id);
	count = device_extents_named(&s->dev, disk, id);
	if (count > 1)
		return fail(STATUS_USAGE,
			    "mdev %s: it has %u disks of the name %s; name it by its ID, which 'liov identify' shows",
			    s->config.uuid, count, disk);
	if (count)
		return find_id(s, id);
	return fail(STATUS_USAGE,
		    "mdev %s: it has no disk of the name %s; name one that its attribute 'extents' lists",
		    s->config.uuid, disk);
}

static int find_only(struct session *s)
{
	u32 slot, found = 0, count = slot_count(&s->dev);
	struct extent extent;

	for (slot = 0; slot < count; slot++) {
		if (!slot_read(&s->dev, slot, &extent))
			continue;
		s->config.slot = slot;
		s->extent = extent;
		found++;
	}
	if (found == 1)
		return STATUS_OK;
	if (!found)
		return fail(STATUS_USAGE,
			    "mdev %s: it has no disk; write its attribute 'extent'",
			    s->config.uuid);
	return fail(STATUS_USAGE,
		    "mdev %s: it has %u namespaces; say which with --namespace or --disk, as 'liov identify' lists them",
		    s->config.uuid, found);
}

static int choose_disk(struct session *s)
{
	const struct session_config *c = &s->config;
	int status = STATUS_OK;

	if (c->slot == SLOT_NONE)
		return STATUS_OK;
	if (c->disk)
		status = find_disk(s);
	else if (c->slot == SLOT_ONLY)
		status = find_only(s);
	else if (!slot_read(&s->dev, c->slot, &s->extent))
		status = fail(STATUS_USAGE,
			      "mdev %s: it has no namespace %u; choose one that 'liov identify' lists",
			      c->uuid, c->slot);
	if (status)
		return status;
	extent_name(&s->extent, c->slot, s->target);
	if (s->extent.flags & LIOV_NS_GONE)
		return fail(STATUS_USAGE,
			    "mdev %s: %s is gone: its namespace was detached, replaced or made smaller; bring that back, or give the mdev another extent",
			    c->uuid, s->target);
	return STATUS_OK;
}

/*
 * While there were no queues the extent may have been taken away, its LBAs
 * given to another mdev, and the slot to another extent.
 */
static int check_disk(struct session *s)
{
	const struct extent chosen = s->extent;
	struct extent now;

	if (s->config.slot == SLOT_NONE)
		return STATUS_OK;
	if (!slot_read(&s->dev, s->config.slot, &now) ||
	    now.flags & LIOV_NS_GONE || now.nsid != chosen.nsid ||
	    now.start_lba != chosen.start_lba ||
	    memcmp(now.id, chosen.id, sizeof(now.id)))
		return fail(STATUS_USAGE,
			    "mdev %s: %s was taken away; name one that 'liov identify' lists",
			    s->config.uuid, s->target);
	s->extent = now;
	return STATUS_OK;
}

/* Lowers what one command transfers to what it can, in whole blocks. */
static void fit_io_bytes(struct session *s)
{
	u64 bytes = s->config.io_bytes;

	if (s->config.slot == SLOT_NONE)
		return;
	if (bytes > s->limits.max_transfer)
		bytes = s->limits.max_transfer;
	if (bytes > prp_max_bytes(s->limits.page_size))
		bytes = prp_max_bytes(s->limits.page_size);
	if (bytes > (u64)NVME_MAX_BLOCKS * s->extent.lba_size)
		bytes = (u64)NVME_MAX_BLOCKS * s->extent.lba_size;
	bytes -= bytes % s->extent.lba_size;
	s->config.io_bytes = bytes ? bytes : s->extent.lba_size;
}

static int check_config(const struct session *s)
{
	const struct session_config *c = &s->config;

	if (c->queues > s->limits.queue_pairs)
		return fail(STATUS_USAGE,
			    "mdev %s: it has %u queue pairs, not %u; lower --queues or raise its attribute queue_pairs",
			    c->uuid, s->limits.queue_pairs, c->queues);
	/* A ring with one entry left free counts as full. */
	if (c->depth >= s->limits.queue_entries)
		return fail(STATUS_USAGE,
			    "mdev %s: its controller takes at most %u commands a queue, not %u; lower --queue-depth",
			    c->uuid, s->limits.queue_entries - 1, c->depth);
	return STATUS_OK;
}

static int create_eventfds(struct session *s)
{
	u32 nr = LIOV_VECTOR_QUEUE(s->config.queues);
	u32 i;

	s->eventfds = malloc(nr * sizeof(*s->eventfds));
	if (!s->eventfds)
		return fail(STATUS_USAGE, "out of memory; free some");
	memset(s->eventfds, -1, nr * sizeof(*s->eventfds));
	for (i = 0; i < nr; i++) {
		s->eventfds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (s->eventfds[i] < 0)
			return fail(STATUS_USAGE,
				    "cannot create an eventfd: %s; raise the limit of open files (ulimit -n)",
				    strerror(errno));
	}
	return STATUS_OK;
}

static int create_queues(struct session *s)
{
	u32 i;
	int status;

	for (i = 0; i < s->config.queues; i++) {
		status = queue_create(&s->queues[i], &s->dev, &s->mem, i,
				      s->config.depth + 1,
				      s->eventfds[LIOV_VECTOR_QUEUE(i)]);
		if (status)
			return status;
	}
	return STATUS_OK;
}

int session_restart(struct session *s)
{
	u32 entries = s->config.depth + 1;
	const char *trouble;
	int status;

	status = device_reset(&s->dev);
	if (status)
		return status;
	status = mailbox_run(&s->dev, LIOV_CMD_RESET, 0, 0, 0, 0);
	if (status)
		return status;
	trouble = session_trouble(register_read(&s->dev, LIOV_REG_STATUS));
	if (trouble)
		return fail(STATUS_USAGE, "mdev %s: %s", s->dev.uuid, trouble);

	status = check_disk(s);
	if (status)
		return status;

	/* No queue is left that could still use the memory. */
	status = memory_withdraw(&s->mem, &s->dev);
	if (status)
		return status;
	memory_destroy(&s->mem);
	status = memory_create(&s->mem, s->config.queues *
			       (queue_memory(entries) + io_memory(s)),
			       s->config.hugepages);
	if (status)
		return status;
	status = memory_publish(&s->mem, &s->dev);
	if (status)
		return status;
	status = device_enable_interrupts(&s->dev, s->eventfds,
					  LIOV_VECTOR_QUEUE(s->config.queues));
	if (status)
		return status;
	status = create_queues(s);
	if (status)
		return status;
	io_prepare(s);
	return STATUS_OK;
}

static int session_setup(struct session *s)
{
	u32 nr = s->config.queues;
	int status;

	status = check_config(s);
	if (status)
		return status;
	status = choose_disk(s);
	if (status)
		return status;
	fit_io_bytes(s);
	s->queues = calloc(nr, sizeof(*s->queues));
	s->requests = calloc((size_t)nr * s->config.depth,
			     sizeof(*s->requests));
	if (!s->queues || !s->requests)
		return fail(STATUS_USAGE,
			    "out of memory; use a smaller --queue-depth");
	status = create_eventfds(s);
	if (status)
		return status;
	return session_restart(s);
}

int session_open(struct session *s, const struct session_config *config)
{
	int status;

	*s = (struct session){ .config = *config };
	status = session_connect(&s->dev, config->uuid, &s->limits);
	if (status)
		return status;
	status = session_setup(s);
	if (status)
		session_close(s);
	return status;
}

void session_close(struct session *s)
{
	u32 i;

	/* Closing deletes the queues; only then may their memory go. */
	device_close(&s->dev);
	memory_destroy(&s->mem);
	for (i = 0; s->eventfds && i < LIOV_VECTOR_QUEUE(s->config.queues); i++) {
		if (s->eventfds[i] >= 0)
			close(s->eventfds[i]);
	}
	free(s->eventfds);
	free(s->queues);
	free(s->requests);
}

int session_range(const struct session *s, u64 lba, u64 *count)
{
	if (!extent_holds(&s->extent, lba, *count))
		return fail(STATUS_USAGE,
			    "mdev %s: %s ends at LBA %llu; choose a smaller --lba or --count",
			    s->dev.uuid, s->target, s->extent.lba_count);
	if (!*count)
		*count = s->extent.lba_count - lba;
	return STATUS_OK;
}
