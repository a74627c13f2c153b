// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "disk.h"
#include "mailbox.h"
#include "prp.h"
#include "request.h"
#include "session.h"
#include "util.h"

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
		status = queue_prepare(&s->queues[i], &s->dev, &s->mem, i,
				       s->config.depth + 1,
				       s->eventfds[LIOV_VECTOR_QUEUE(i)]);
		if (status)
			return status;
	}
	return queues_create(s->queues, s->config.queues, &s->dev, &s->mem);
}

/* After a reset of any kind: can the disk be used? */
static int check_ready(struct session *s)
{
	const char *trouble =
		mdev_trouble(register_read(&s->dev, LIOV_REG_STATUS));

	if (trouble)
		return fail(STATUS_USAGE, "mdev %s: %s", s->dev.uuid, trouble);
	return disk_check(s);
}

/* Of the queue pairs and their requests, or more if it was asked for. */
static u64 memory_needed(const struct session *s)
{
	u64 need = s->config.queues * (queue_memory(s->config.depth + 1) +
				       request_memory(s));

	return need > s->config.memory ? need : s->config.memory;
}

static int start_queues(struct session *s)
{
	u64 started = now_ns();
	int status;

	status = device_enable_interrupts(&s->dev, s->eventfds,
					  LIOV_VECTOR_QUEUE(s->config.queues));
	if (status)
		return status;
	status = create_queues(s);
	s->times.queues = now_ns() - started;
	return status;
}

int session_restart(struct session *s)
{
	u64 started;
	int status;

	status = device_reset(&s->dev);
	if (status)
		return status;
	status = mailbox_run(&s->dev, LIOV_CMD_RESET, 0, 0, 0, 0);
	if (status)
		return status;
	status = check_ready(s);
	if (status)
		return status;

	/* No queue is left that could still use the memory. */
	status = memory_withdraw(&s->mem, &s->dev);
	if (status)
		return status;
	memory_destroy(&s->mem);
	status = memory_create(&s->mem, memory_needed(s), s->config.hugepages);
	if (status)
		return status;
	started = now_ns();
	status = memory_publish(&s->mem, &s->dev);
	if (status)
		return status;
	s->times.memory = now_ns() - started;
	status = start_queues(s);
	if (status)
		return status;
	request_prepare(s);
	return STATUS_OK;
}

int session_requeue(struct session *s)
{
	int status;

	status = mailbox_run(&s->dev, LIOV_CMD_RESET_QUEUES, 0, 0, 0, 0);
	if (status)
		return status;
	status = check_ready(s);
	if (status)
		return status;
	memory_clear(&s->mem);
	status = create_queues(s);
	if (status)
		return status;
	request_prepare(s);
	return STATUS_OK;
}

static int session_setup(struct session *s)
{
	u32 nr = s->config.queues;
	int status;

	status = check_config(s);
	if (status)
		return status;
	status = disk_choose(s);
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
	u64 started = now_ns();
	int status;

	*s = (struct session){ .config = *config };
	status = mdev_connect(&s->dev, config->uuid, &s->limits);
	if (status)
		return status;
	s->times.device = now_ns() - started;
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
