// SPDX-License-Identifier: GPL-2.0-only
/* bench: how many commands a second, and how long each takes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "histogram.h"
#include "io.h"
#include "nvme.h"
#include "options.h"
#include "sysfs.h"
#include "util.h"

/**
 * struct stream - what one queue does
 * @random: state of its generator
 * @slot: next slot of a sequential stream
 * @latency: of its commands, in ns
 */
struct stream {
	u64 random;
	u64 slot;
	struct histogram latency;
};

/**
 * struct bench - a run
 * @s: the session
 * @mode: what the queues do
 * @lba: first LBA
 * @blocks: LBAs of a command
 * @slots: places in the range where a command may go
 * @end: when to stop
 * @streams: one a queue
 */
struct bench {
	struct session s;
	enum bench_mode mode;
	u64 lba;
	u32 blocks;
	u64 slots;
	u64 end;
	struct stream *streams;
};

/* A run cut short still reports what it has measured. */
static atomic_bool stopped;

static void stop(int signal)
{
	(void)signal;
	atomic_store(&stopped, true);
}

static bool writes(enum bench_mode mode)
{
	return mode == BENCH_WRITE || mode == BENCH_RANDWRITE;
}

static enum io_next bench_next(void *arg, u32 queue, struct io_request *rq)
{
	struct bench *b = arg;
	struct stream *stream = &b->streams[queue];
	u64 slot;

	if (atomic_load(&stopped) || rq->submitted >= b->end)
		return IO_END;
	if (b->mode == BENCH_RANDREAD || b->mode == BENCH_RANDWRITE) {
		slot = random_next(&stream->random) % b->slots;
	} else {
		slot = stream->slot;
		stream->slot = (slot + 1) % b->slots;
	}
	rq->opcode = writes(b->mode) ? NVME_WRITE : NVME_READ;
	rq->lba = b->lba + slot * b->blocks;
	rq->blocks = b->blocks;
	return IO_SUBMIT;
}

static bool bench_done(void *arg, u32 queue, const struct io_request *rq)
{
	struct bench *b = arg;

	histogram_add(&b->streams[queue].latency, now_ns() - rq->submitted);
	return true;
}

/* Controllers may treat zeroes as a special case. */
static void fill_data(struct session *s, u64 seed)
{
	u32 nr = s->config.queues * s->config.depth;
	u64 words = s->config.io_bytes / sizeof(u64);
	u64 state = seed, word;
	u32 i;

	for (i = 0; i < nr; i++) {
		u64 *data = s->requests[i].data;

		for (word = 0; word < words; word++)
			data[word] = random_next(&state);
	}
}

static void print_json(const struct bench *b, const struct histogram *h,
		       double seconds, double iops, const char *interrupts)
{
	const struct session_config *c = &b->s.config;
	static const double percents[] = { 50, 90, 95, 99, 99.9, 99.99 };
	size_t i;

	printf("{\"uuid\": \"%s\", \"mode\": \"%s\", \"block_size\": %llu, ",
	       c->uuid, bench_mode_name(b->mode), c->io_bytes);
	printf("\"queues\": %u, \"queue_depth\": %u, \"seconds\": %.3f, ",
	       c->queues, c->depth, seconds);
	printf("\"ios\": %llu, \"iops\": %.1f, \"mib_per_second\": %.2f, ",
	       h->count, iops, iops * (double)c->io_bytes / MIB);
	printf("\"host_interrupts\": %s, ", interrupts);
	printf("\"latency_us\": {\"min\": %.1f, \"mean\": %.1f, \"max\": %.1f",
	       (double)h->min / 1000, histogram_mean(h) / 1000,
	       (double)h->max / 1000);
	for (i = 0; i < ARRAY_SIZE(percents); i++)
		printf(", \"p%g\": %.1f", percents[i],
		       (double)histogram_percentile(h, percents[i]) / 1000);
	printf("}}\n");
}

static void print_text(const struct bench *b, const struct histogram *h,
		       double seconds, double iops, const char *interrupts)
{
	const struct session_config *c = &b->s.config;

	printf("%s, %llu bytes, %u queue%s of depth %u, %.1f s\n",
	       bench_mode_name(b->mode), c->io_bytes, c->queues,
	       c->queues == 1 ? "" : "s", c->depth, seconds);
	printf("  %.0f IOPS, %.1f MiB/s, %llu commands, %s host interrupts\n",
	       iops, iops * (double)c->io_bytes / MIB, h->count, interrupts);
	printf("  latency us: min %.1f mean %.1f p50 %.1f p99 %.1f p99.9 %.1f max %.1f\n",
	       (double)h->min / 1000, histogram_mean(h) / 1000,
	       (double)histogram_percentile(h, 50) / 1000,
	       (double)histogram_percentile(h, 99) / 1000,
	       (double)histogram_percentile(h, 99.9) / 1000,
	       (double)h->max / 1000);
}

/* The mdev may be on its way out, and its attributes gone before it. */
static bool count_interrupts(const struct bench *b, u64 *count)
{
	return sysfs_number(b->s.dev.uuid, "statistics/interrupts", count);
}

static int measure(struct bench *b, const struct options *o)
{
	const struct io_workload w = {
		.next = bench_next,
		.done = bench_done,
		.arg = b,
	};
	const struct sigaction action = { .sa_handler = stop };
	struct histogram *total = &b->streams[0].latency;
	u64 before, after, started;
	char interrupts[24];
	double seconds;
	bool counted;
	int status;
	u32 i;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	counted = count_interrupts(b, &before);
	started = now_ns();
	b->end = started + o->seconds * NSEC_PER_SEC;
	status = io_run(&b->s, &w, o->queues);
	seconds = (double)(now_ns() - started) / NSEC_PER_SEC;
	if (status)
		return status;
	snprintf(interrupts, sizeof(interrupts), o->json ? "null" : "unknown");
	if (counted && count_interrupts(b, &after))
		snprintf(interrupts, sizeof(interrupts), "%llu",
			 after - before);
	for (i = 1; i < o->queues; i++)
		histogram_merge(total, &b->streams[i].latency);
	(o->json ? print_json : print_text)(b, total, seconds,
					    (double)total->count / seconds,
					    interrupts);
	return STATUS_OK;
}

static int prepare(struct bench *b, const struct options *o)
{
	u64 count = o->count;
	int status;
	u32 i;

	if (b->s.config.io_bytes != o->block_size)
		return fail(STATUS_USAGE,
			    "--block-size %llu: a command of %s transfers whole blocks of %u bytes, up to %u bytes",
			    o->block_size, b->s.disk, b->s.extent.lba_size,
			    b->s.limits.max_transfer);
	status = disk_range(&b->s, o->lba, &count);
	if (status)
		return status;
	b->lba = o->lba;
	b->blocks = (u32)(o->block_size / b->s.extent.lba_size);
	b->slots = count / b->blocks;
	if (!b->slots)
		return fail(STATUS_USAGE,
			    "--count %llu: it is less than one command of %llu bytes; raise it",
			    count, o->block_size);
	b->streams = calloc(o->queues, sizeof(*b->streams));
	if (!b->streams)
		return fail(STATUS_USAGE, "out of memory; lower --queues");
	for (i = 0; i < o->queues; i++) {
		b->streams[i].random = o->seed + i;
		/* Sequential streams start apart. */
		b->streams[i].slot = b->slots / o->queues * i;
	}
	if (writes(b->mode))
		fill_data(&b->s, o->seed);
	return measure(b, o);
}

int cmd_bench(const struct options *o)
{
	struct bench b = { .mode = o->mode };
	int status;

	if (writes(o->mode) && !o->destroy)
		return fail(STATUS_USAGE,
			    "bench: --mode %s overwrites data; add --yes-destroy-data",
			    bench_mode_name(o->mode));
	status = options_session(o, &b.s, o->queues, o->block_size);
	if (status)
		return status;
	status = prepare(&b, o);
	free(b.streams);
	session_close(&b.s);
	return status;
}
