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
		return "the host deleted its queues (a reset, or memory gone); run it again";
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
		.namespaces = register_read(dev, LIOV_REG_NAMESPACES),
		.max_transfer = register_read(dev, LIOV_REG_MAX_TRANSFER),
		.page_size = register_read(dev, LIOV_REG_PAGE_SIZE),
		.timeout_ms = register_read(dev, LIOV_REG_TIMEOUT_MS),
		.features = register_read(dev, LIOV_REG_FEATURES),
	};
	return STATUS_OK;
}

int session_namespace(const struct device *dev, const struct limits *limits,
		      u32 index, struct namespace *ns)
{
	struct liov_namespace_info info;

	if (!limits->namespaces)
		return fail(STATUS_USAGE,
			    "mdev %s: it has no namespace; set its attribute namespaces",
			    dev->uuid);
	if (index >= limits->namespaces)
		return fail(STATUS_USAGE,
			    "mdev %s: it has no namespace %u; choose one of 0 to %u",
			    dev->uuid, index, limits->namespaces - 1);
	register_copy(dev, LIOV_REG_NAMESPACE(index), &info, sizeof(info));
	*ns = (struct namespace){
		.nsid = le32toh(info.nsid),
		.flags = le32toh(info.flags),
		.lba_size = 1u << (le32toh(info.lba_shift) & 31),
		.start_lba = le64toh(info.start_lba),
		.lba_count = le64toh(info.lba_count),
	};
	memcpy(ns->nguid, info.nguid, sizeof(ns->nguid));
	memcpy(ns->eui64, info.eui64, sizeof(ns->eui64));
	memcpy(ns->uuid, info.uuid, sizeof(ns->uuid));
	return STATUS_OK;
}

static int choose_namespace(struct session *s)
{
	if (s->config.ns == NAMESPACE_ONLY && s->limits.namespaces > 1)
		return fail(STATUS_USAGE,
			    "mdev %s: it has %u namespaces; say which with --namespace, as 'liov identify' counts them",
			    s->config.uuid, s->limits.namespaces);
	if (s->config.ns == NAMESPACE_ONLY)
		s->config.ns = 0;
	return session_namespace(&s->dev, &s->limits, s->config.ns, &s->ns);
}

/* Lowers what one command transfers to what it can, in whole blocks. */
static void fit_io_bytes(struct session *s)
{
	u64 bytes = s->config.io_bytes;

	if (bytes > s->limits.max_transfer)
		bytes = s->limits.max_transfer;
	if (bytes > prp_max_bytes(s->limits.page_size))
		bytes = prp_max_bytes(s->limits.page_size);
	if (bytes > (u64)NVME_MAX_BLOCKS * s->ns.lba_size)
		bytes = (u64)NVME_MAX_BLOCKS * s->ns.lba_size;
	bytes -= bytes % s->ns.lba_size;
	s->config.io_bytes = bytes ? bytes : s->ns.lba_size;
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
	status = choose_namespace(s);
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
	u64 end = s->ns.lba_count;

	if (lba >= end || *count > end - lba)
		return fail(STATUS_USAGE,
			    "mdev %s: namespace %u ends at LBA %llu; choose a smaller --lba or --count",
			    s->dev.uuid, s->config.ns, end);
	if (!*count)
		*count = end - lba;
	return STATUS_OK;
}
