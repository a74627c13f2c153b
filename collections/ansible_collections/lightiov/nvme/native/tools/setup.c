// SPDX-License-Identifier: GPL-2.0-only
/* setup: how long it takes to open an mdev for a VM of some size, and to close it. */
#include <stdio.h>

#include "io.h"
#include "mailbox.h"
#include "nvme.h"
#include "options.h"
#include "sysfs.h"
#include "util.h"

/**
 * struct figures - what was measured; times in ns
 * @bytes: of the memory that was pinned
 * @mappings: entries of the IOMMU's page table that it took
 * @counted: @mappings is known
 * @read: the first read
 * @requeued: @requeue is known
 * @requeue: new queue pairs in the same memory, and a read
 * @close: closing
 */
struct figures {
	u64 bytes;
	u64 mappings;
	bool counted;
	u64 read;
	bool requeued;
	u64 requeue;
	u64 close;
};

static enum io_next read_once(void *arg, u32 queue, struct io_request *rq)
{
	bool *done = arg;

	(void)queue;
	if (*done)
		return IO_END;
	*done = true;
	rq->opcode = NVME_READ;
	rq->lba = 0;
	rq->blocks = 1;
	return IO_SUBMIT;
}

static bool ignore(void *arg, u32 queue, const struct io_request *rq)
{
	(void)arg;
	(void)queue;
	(void)rq;
	return true;
}

static int first_read(struct session *s)
{
	bool done = false;
	const struct io_workload w = {
		.next = read_once,
		.done = ignore,
		.arg = &done,
	};

	return io_run(s, &w, 1);
}

/* What a guest does whose queues the host has taken away. */
static int requeue(struct session *s, struct figures *f)
{
	u64 started = now_ns();
	int status;

	f->requeued = mailbox_knows(&s->dev, 3);
	if (!f->requeued)
		return STATUS_OK;
	status = session_requeue(s);
	if (!status)
		status = first_read(s);
	f->requeue = now_ns() - started;
	return status;
}

static int measure(struct session *s, struct figures *f)
{
	u64 started = now_ns();
	int status;

	status = first_read(s);
	if (status)
		return status;
	f->read = now_ns() - started;
	f->bytes = s->mem.size;
	f->counted = sysfs_number(s->config.uuid, "statistics/iommu_mappings",
				  &f->mappings);
	return requeue(s, f);
}

static double ms(u64 ns)
{
	return (double)ns / NSEC_PER_MSEC;
}

/* Without opening the device, which is the same whatever the size. */
static double rate(const struct session *s, const struct figures *f)
{
	return (double)f->bytes / (1024 * MIB) * NSEC_PER_SEC /
	       (double)s->times.memory;
}

static u64 opened(const struct session *s, const struct figures *f)
{
	return s->times.device + s->times.memory + s->times.queues + f->read;
}

static void print_json(const struct session *s, const struct figures *f)
{
	char mappings[24] = "null", requeued[24] = "null";

	if (f->counted)
		snprintf(mappings, sizeof(mappings), "%llu", f->mappings);
	if (f->requeued)
		snprintf(requeued, sizeof(requeued), "%.3f", ms(f->requeue));
	printf("{\"uuid\": \"%s\", \"memory_bytes\": %llu, \"queues\": %u, ",
	       s->config.uuid, f->bytes, s->config.queues);
	printf("\"open_ms\": %.3f, \"device_ms\": %.3f, \"memory_ms\": %.3f, ",
	       ms(opened(s, f)), ms(s->times.device), ms(s->times.memory));
	printf("\"queues_ms\": %.3f, \"read_ms\": %.3f, ", ms(s->times.queues),
	       ms(f->read));
	printf("\"pinned_gib_per_second\": %.3f, \"iommu_mappings\": %s, ",
	       rate(s, f), mappings);
	printf("\"requeue_ms\": %s, \"close_ms\": %.3f}\n", requeued,
	       ms(f->close));
}

static void print_text(const struct session *s, const struct figures *f)
{
	const struct session_times *t = &s->times;
	u32 queues = s->config.queues;

	printf("open %.1f ms: device %.1f, ", ms(opened(s, f)), ms(t->device));
	printf("%llu MiB of memory %.1f (%.2f GiB/s), ", f->bytes / MIB,
	       ms(t->memory), rate(s, f));
	printf("%u queue%s %.1f, first read %.1f\n", queues,
	       queues == 1 ? "" : "s", ms(t->queues), ms(f->read));
	if (f->counted)
		printf("IOMMU mappings %llu\n", f->mappings);
	if (f->requeued)
		printf("queues anew %.1f ms\n", ms(f->requeue));
	printf("close %.1f ms\n", ms(f->close));
}

int cmd_setup(const struct options *o)
{
	struct figures f = { 0 };
	struct session s;
	int status;
	u64 started;

	status = options_session(o, &s, o->queues, 4 * KIB);
	if (status)
		return status;
	status = measure(&s, &f);
	started = now_ns();
	device_close(&s.dev);
	f.close = now_ns() - started;
	if (!status)
		(o->json ? print_json : print_text)(&s, &f);
	session_close(&s);
	return status;
}
