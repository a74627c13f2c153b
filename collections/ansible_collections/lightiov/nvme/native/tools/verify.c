// SPDX-License-Identifier: GPL-2.0-only
/*
 * verify: writes a pattern that names its owner and its place, reads it back
 * and says what differs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "disk.h"
#include "io.h"
#include "nvme.h"
#include "options.h"
#include "pattern.h"
#include "util.h"

#define VERIFY_IO_BYTES (128 * KIB)

/* What one thread has found. */
struct findings {
	u64 bad;
	u64 lba;
	struct pattern_report report;
};

/**
 * struct verify - one pass over the range
 * @s: the session
 * @seed: of the pattern
 * @opcode: NVME_WRITE: put the pattern; NVME_READ: check it
 * @end: LBA after the last one
 * @findings: one a queue
 * @next: first LBA that nobody has taken yet; queues share the range
 */
struct verify {
	struct session *s;
	u64 seed;
	u8 opcode;
	u64 end;
	struct findings *findings;
	atomic_ullong next;
};

static enum io_next verify_next(void *arg, u32 queue, struct io_request *rq)
{
	struct verify *v = arg;
	u32 size = v->s->extent.lba_size;
	u64 blocks = v->s->config.io_bytes / size;
	u64 lba = atomic_fetch_add(&v->next, blocks);
	u32 i;

	(void)queue;
	if (lba >= v->end)
		return IO_END;
	if (blocks > v->end - lba)
		blocks = v->end - lba;
	rq->opcode = v->opcode;
	rq->lba = lba;
	rq->blocks = (u32)blocks;
	if (rq->opcode == NVME_READ)
		pattern_poison(rq->data, blocks * size);
	for (i = 0; rq->opcode == NVME_WRITE && i < rq->blocks; i++)
		pattern_fill((char *)rq->data + (size_t)i * size, size, v->seed,
			     lba + i);
	return IO_SUBMIT;
}

static bool verify_done(void *arg, u32 queue, const struct io_request *rq)
{
	struct verify *v = arg;
	struct findings *f = &v->findings[queue];
	u32 size = v->s->extent.lba_size;
	struct pattern_report report;
	u32 i;

	for (i = 0; rq->opcode == NVME_READ && i < rq->blocks; i++) {
		report = pattern_check((char *)rq->data + (size_t)i * size,
				       size, v->seed, rq->lba + i);
		if (report.fault == PATTERN_OK)
			continue;
		if (!f->bad++ || rq->lba + i < f->lba) {
			f->lba = rq->lba + i;
			f->report = report;
		}
	}
	return true;
}

static int pass(struct verify *v, u8 opcode, u64 lba)
{
	const struct io_workload w = {
		.next = verify_next,
		.done = verify_done,
		.arg = v,
	};

	v->opcode = opcode;
	atomic_store(&v->next, lba);
	return io_run(v->s, &w, v->s->config.queues);
}

static int conclude(const struct verify *v, u64 count)
{
	const struct findings *first = NULL;
	const struct session *s = v->s;
	char text[128];
	u64 bad = 0;
	u32 i;

	for (i = 0; i < s->config.queues; i++) {
		const struct findings *f = &v->findings[i];

		bad += f->bad;
		if (f->bad && (!first || f->lba < first->lba))
			first = f;
	}
	if (!first) {
		printf("%llu blocks hold the pattern of seed %llu\n", count,
		       v->seed);
		return STATUS_OK;
	}
	pattern_describe(&first->report, text, sizeof(text));
	return fail(STATUS_IO,
		    "mdev %s: %s: %llu of %llu blocks are not as seed %llu makes them: the first, LBA %llu, %s",
		    s->dev.uuid, s->disk, bad, count, v->seed, first->lba,
		    text);
}

static int run_passes(const struct options *o, struct verify *v)
{
	u64 count = o->count;
	int status;

	status = disk_range(v->s, o->lba, &count);
	if (status)
		return status;
	v->end = o->lba + count;
	if (!o->seeded) {
		/* Now, so that it is known of a run that does not end. */
		printf("seed %llu\n", v->seed);
		fflush(stdout);
	}
	if (!o->check_only) {
		status = pass(v, NVME_WRITE, o->lba);
		if (!status)
			status = io_flush(v->s);
		if (status)
			return status;
		if (o->write_only) {
			printf("%llu blocks written with the pattern of seed %llu\n",
			       count, v->seed);
			return STATUS_OK;
		}
	}
	status = pass(v, NVME_READ, o->lba);
	return status ? status : conclude(v, count);
}

/* One of its own each time: what an earlier run wrote must not pass. */
static int choose_seed(const struct options *o, u64 *seed)
{
	u32 own;

	*seed = o->seed;
	if (o->seeded)
		return STATUS_OK;
	if (getrandom(&own, sizeof(own), 0) != sizeof(own))
		return fail(STATUS_USAGE,
			    "verify: the kernel has no random numbers: %s; add --seed",
			    strerror(errno));
	*seed = own;
	return STATUS_OK;
}

int cmd_verify(const struct options *o)
{
	struct session s;
	struct verify v = { .s = &s };
	int status;

	if (o->write_only && o->check_only)
		return fail(STATUS_USAGE,
			    "verify: --write-only and --check-only exclude each other; leave out both to do both");
	if (!o->check_only && !o->destroy)
		return fail(STATUS_USAGE,
			    "verify: it overwrites the range; add --yes-destroy-data, or --check-only to read a pattern written before");
	if (o->check_only && !o->seeded)
		return fail(STATUS_USAGE,
			    "verify: --check-only needs the --seed of what was written, which the run that wrote it printed");
	status = choose_seed(o, &v.seed);
	if (status)
		return status;
	status = options_session(o, &s, o->queues, VERIFY_IO_BYTES);
	if (status)
		return status;
	v.findings = calloc(o->queues, sizeof(*v.findings));
	status = v.findings ? run_passes(o, &v) :
		 fail(STATUS_USAGE, "out of memory; free some");
	free(v.findings);
	session_close(&s);
	return status;
}
