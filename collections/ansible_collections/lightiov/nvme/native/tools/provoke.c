// SPDX-License-Identifier: GPL-2.0-only
/*
 * provoke: does what an owner may do at the worst moment, and checks that the
 * host answers as the ABI says.  It only ever reads the namespace.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hostile.h"
#include "io.h"
#include "mailbox.h"
#include "nvme.h"
#include "options.h"
#include "util.h"

struct load {
	struct session *s;
	bool doomed;
	u64 random;
	u64 left;
	int status;
	atomic_bool cancel;
	atomic_bool ended;
	atomic_ullong completed;
};

static enum io_next load_next(void *arg, u32 queue, struct io_request *rq)
{
	struct load *l = arg;

	(void)queue;
	if (!l->left)
		return IO_END;
	l->left--;
	rq->opcode = NVME_READ;
	rq->lba = random_next(&l->random) % l->s->extent.lba_count;
	rq->blocks = 1;
	return IO_SUBMIT;
}

static bool load_done(void *arg, u32 queue, const struct io_request *rq)
{
	struct load *l = arg;

	(void)queue;
	(void)rq;
	atomic_fetch_add(&l->completed, 1);
	return true;
}

static void *run_load(void *arg)
{
	struct load *l = arg;
	const struct io_workload w = {
		.next = load_next,
		.done = load_done,
		.arg = l,
		.quiet = l->doomed,
		.cancel = &l->cancel,
	};

	l->status = io_run(l->s, &w, 1);
	atomic_store(&l->ended, true);
	return NULL;
}

static int unmap(struct session *s)
{
	return device_unmap_memory(&s->dev, MEMORY_GPA, s->mem.size);
}

static int reset(struct session *s)
{
	return device_reset(&s->dev);
}

static int reset_queues(struct session *s)
{
	return mailbox_run(&s->dev, LIOV_CMD_RESET_QUEUES, 0, 0, 0, 0);
}

/* Runs @provocation while commands are in flight. */
static int under_load(struct session *s, int (*provocation)(struct session *))
{
	const struct timespec nap = { .tv_nsec = 10 * NSEC_PER_MSEC };
	u64 deadline = now_ns() + s->limits.timeout_ms * NSEC_PER_MSEC;
	struct load l = {
		.s = s,
		.doomed = true,
		.random = 1,
		.left = ~0ull,
	};
	pthread_t thread;
	int status;

	if (pthread_create(&thread, NULL, run_load, &l))
		return fail(STATUS_USAGE, "cannot start a thread; stop others");
	/* The host may end it before, by a reset of the controller. */
	while (!atomic_load(&l.ended) &&
	       atomic_load(&l.completed) < 2 * s->config.depth &&
	       now_ns() < deadline)
		nanosleep(&nap, NULL);
	status = provocation(s);
	atomic_store(&l.cancel, true);
	pthread_join(thread, NULL);
	return status;
}

static int works(struct session *s)
{
	struct load l = { .s = s, .random = 2, .left = 8 * s->config.depth };

	run_load(&l);
	return l.status;
}

/* After a provocation the device must work again from its reset on. */
static int works_again(struct session *s)
{
	int status = session_restart(s);

	return status ? status : works(s);
}

static int expect(const struct session *s, const char *what, u32 got, u32 want)
{
	if (got == want)
		return STATUS_OK;
	return fail(STATUS_IO,
		    "mdev %s: %s answers %u instead of %u; report this as a defect of lightiov_host",
		    s->dev.uuid, what, got, want);
}

static int expect_lost(const struct session *s, const char *what)
{
	return expect(s, what, register_read(&s->dev, LIOV_REG_STATUS) &
		      LIOV_STATUS_QUEUES_LOST, LIOV_STATUS_QUEUES_LOST);
}

static int provoke_unmap(struct session *s, const struct options *o)
{
	int status;

	(void)o;
	status = under_load(s, unmap);
	if (status)
		return status;
	status = expect_lost(s, "STATUS after VFIO_IOMMU_UNMAP_DMA");
	if (status)
		return status;
	/* What is gone does not come back by new queues. */
	status = expect(s, "RESET_QUEUES after VFIO_IOMMU_UNMAP_DMA",
			mailbox_try(&s->dev, LIOV_CMD_RESET_QUEUES, 0, 0, 0, 0),
			LIOV_RESULT_NOT_FOUND);
	if (status)
		return status;
	status = expect_lost(s, "STATUS after RESET_QUEUES without memory");
	if (status)
		return status;
	return expect(s, "CREATE_QUEUE without memory",
		      mailbox_try(&s->dev, LIOV_CMD_CREATE_QUEUE, 0,
				  MEMORY_GPA, MEMORY_GPA, 2),
		      LIOV_RESULT_QUEUES_LOST);
}

static int provoke_reset(struct session *s, const struct options *o)
{
	int status = under_load(s, reset);

	(void)o;
	if (status)
		return status;
	return expect(s, "DELETE_QUEUE after a reset",
		      mailbox_try(&s->dev, LIOV_CMD_DELETE_QUEUE, 0, 0, 0, 0),
		      LIOV_RESULT_NOT_FOUND);
}

/* The memory stays where it is, and serves the next queues. */
static int provoke_queues(struct session *s, const struct options *o)
{
	int status = under_load(s, reset_queues);

	(void)o;
	if (status)
		return status;
	status = expect(s, "DELETE_QUEUE after RESET_QUEUES",
			mailbox_try(&s->dev, LIOV_CMD_DELETE_QUEUE, 0, 0, 0, 0),
			LIOV_RESULT_NOT_FOUND);
	if (status)
		return status;
	status = expect(s, "whether the window is where it was",
			register_read64(&s->dev, LIOV_REG_WINDOW_BASE) ==
			s->mem.window, true);
	if (status)
		return status;
	status = session_requeue(s);
	return status ? status : works(s);
}

/* Commands no sane owner sends, to a device with a window and its queues. */
static int provoke_mailbox(struct session *s, const struct options *o)
{
	const u64 page = s->limits.page_size;
	const u64 end = MEMORY_GPA + s->mem.size;
	const u64 nowhere = ~0ull - page + 1;
	const struct {
		const char *what;
		u32 command;
		u64 args[4];
		u32 want;
	} cases[] = {
		{ "an unknown command", 99, { 0 }, LIOV_RESULT_INVALID },
		{ "a second OPEN_WINDOW", LIOV_CMD_OPEN_WINDOW, { page },
		  LIOV_RESULT_BUSY },
		{ "ADD_MEMORY of nothing", LIOV_CMD_ADD_MEMORY, { end, 0 },
		  LIOV_RESULT_INVALID },
		{ "ADD_MEMORY of half a page", LIOV_CMD_ADD_MEMORY,
		  { MEMORY_GPA, page / 2 }, LIOV_RESULT_INVALID },
		{ "ADD_MEMORY of too much", LIOV_CMD_ADD_MEMORY,
		  { 0, LIOV_MAX_ADD + page }, LIOV_RESULT_INVALID },
		{ "ADD_MEMORY that wraps around", LIOV_CMD_ADD_MEMORY,
		  { nowhere, 2 * page }, LIOV_RESULT_INVALID },
		{ "ADD_MEMORY outside the window", LIOV_CMD_ADD_MEMORY,
		  { nowhere, page }, LIOV_RESULT_INVALID },
		{ "ADD_MEMORY of added memory", LIOV_CMD_ADD_MEMORY,
		  { MEMORY_GPA, page }, LIOV_RESULT_BUSY },
		{ "REMOVE_MEMORY of what is not there", LIOV_CMD_REMOVE_MEMORY,
		  { 0, page }, LIOV_RESULT_NOT_FOUND },
		{ "REMOVE_MEMORY under a queue", LIOV_CMD_REMOVE_MEMORY,
		  { MEMORY_GPA, s->mem.size }, LIOV_RESULT_BUSY },
		{ "CREATE_QUEUE of a queue there is", LIOV_CMD_CREATE_QUEUE,
		  { 0, MEMORY_GPA, MEMORY_GPA + page, 2 }, LIOV_RESULT_BUSY },
		{ "CREATE_QUEUE beyond the last", LIOV_CMD_CREATE_QUEUE,
		  { s->limits.queue_pairs, MEMORY_GPA, MEMORY_GPA + page, 2 },
		  LIOV_RESULT_INVALID },
		{ "DELETE_QUEUE beyond the last", LIOV_CMD_DELETE_QUEUE,
		  { ~0ull }, LIOV_RESULT_INVALID },
		{ "DELETE_QUEUE", LIOV_CMD_DELETE_QUEUE, { 0 },
		  LIOV_RESULT_OK },
		{ "DELETE_QUEUE once more", LIOV_CMD_DELETE_QUEUE, { 0 },
		  LIOV_RESULT_NOT_FOUND },
		{ "CREATE_QUEUE without interrupts", LIOV_CMD_CREATE_QUEUE,
		  { LIOV_QUEUE_POLLED, MEMORY_GPA, MEMORY_GPA + page, 2 },
		  LIOV_RESULT_OK },
		{ "DELETE_QUEUE of a queue without interrupts",
		  LIOV_CMD_DELETE_QUEUE, { 0 }, LIOV_RESULT_OK },
		{ "CREATE_QUEUE with what no version knows",
		  LIOV_CMD_CREATE_QUEUE,
		  { 2 * LIOV_QUEUE_POLLED, MEMORY_GPA, MEMORY_GPA + page, 2 },
		  LIOV_RESULT_INVALID },
		{ "CREATE_QUEUES of none", LIOV_CMD_CREATE_QUEUES,
		  { 0, 0, 2 }, LIOV_RESULT_INVALID },
		{ "CREATE_QUEUES beyond the last", LIOV_CMD_CREATE_QUEUES,
		  { 0, s->limits.queue_pairs + 1ull, 2 }, LIOV_RESULT_INVALID },
		{ "CREATE_QUEUES from beyond the last", LIOV_CMD_CREATE_QUEUES,
		  { s->limits.queue_pairs, 1, 2 }, LIOV_RESULT_INVALID },
		{ "CREATE_QUEUES that wrap around", LIOV_CMD_CREATE_QUEUES,
		  { s->limits.queue_pairs - 1, ~0ull, 2 },
		  LIOV_RESULT_INVALID },
		{ "CREATE_QUEUES of one entry", LIOV_CMD_CREATE_QUEUES,
		  { 0, 1, 1 }, LIOV_RESULT_INVALID },
		{ "CREATE_QUEUES of more without interrupts than there are",
		  LIOV_CMD_CREATE_QUEUES, { 0, 1, 2, 2 },
		  LIOV_RESULT_INVALID },
		{ "CREATE_QUEUES with the flag of one", LIOV_CMD_CREATE_QUEUES,
		  { LIOV_QUEUE_POLLED, 1, 2 }, LIOV_RESULT_INVALID },
		{ "CREATE_QUEUE of one entry", LIOV_CMD_CREATE_QUEUE,
		  { 0, MEMORY_GPA, MEMORY_GPA + page, 1 },
		  LIOV_RESULT_INVALID },
		{ "CREATE_QUEUE of too many entries", LIOV_CMD_CREATE_QUEUE,
		  { 0, MEMORY_GPA, MEMORY_GPA + page,
		    s->limits.queue_entries + 1ull }, LIOV_RESULT_INVALID },
		{ "CREATE_QUEUE with a ring off its page",
		  LIOV_CMD_CREATE_QUEUE,
		  { 0, MEMORY_GPA + 64, MEMORY_GPA + page, 2 },
		  LIOV_RESULT_INVALID },
		{ "CREATE_QUEUE with a ring outside memory",
		  LIOV_CMD_CREATE_QUEUE, { 0, end, MEMORY_GPA, 2 },
		  LIOV_RESULT_INVALID },
		{ "CREATE_QUEUE with a ring that crosses its end",
		  LIOV_CMD_CREATE_QUEUE, { 0, end - page, MEMORY_GPA, 65 },
		  LIOV_RESULT_INVALID },
		{ "CREATE_QUEUE with a ring that wraps around",
		  LIOV_CMD_CREATE_QUEUE, { 0, nowhere, MEMORY_GPA, 128 },
		  LIOV_RESULT_INVALID },
		{ "RESET_QUEUES of none", LIOV_CMD_RESET_QUEUES, { 0 },
		  LIOV_RESULT_OK },
		{ "ADD_MEMORY of memory that is left", LIOV_CMD_ADD_MEMORY,
		  { MEMORY_GPA, page }, LIOV_RESULT_BUSY },
		{ "CREATE_QUEUE in memory that is left", LIOV_CMD_CREATE_QUEUE,
		  { 0, MEMORY_GPA, MEMORY_GPA + page, 2 }, LIOV_RESULT_OK },
		{ "CREATE_QUEUES of what there is", LIOV_CMD_CREATE_QUEUES,
		  { 0, 1, 2 }, LIOV_RESULT_BUSY },
		{ "DELETE_QUEUE of what is in the way", LIOV_CMD_DELETE_QUEUE,
		  { 0 }, LIOV_RESULT_OK },
		{ "CREATE_QUEUES without interrupts", LIOV_CMD_CREATE_QUEUES,
		  { 0, 1, 2, 1 }, LIOV_RESULT_OK },
		{ "DELETE_QUEUE of what was created with others",
		  LIOV_CMD_DELETE_QUEUE, { 0 }, LIOV_RESULT_OK },
		{ "CREATE_QUEUES", LIOV_CMD_CREATE_QUEUES, { 0, 1, 2 },
		  LIOV_RESULT_OK },
		{ "RESET", LIOV_CMD_RESET, { 0 }, LIOV_RESULT_OK },
		{ "RESET_QUEUES without a window", LIOV_CMD_RESET_QUEUES, { 0 },
		  LIOV_RESULT_NOT_FOUND },
		{ "CREATE_QUEUE without a window", LIOV_CMD_CREATE_QUEUE,
		  { 0, MEMORY_GPA, MEMORY_GPA + page, 2 },
		  LIOV_RESULT_NOT_FOUND },
		{ "CREATE_QUEUES without a window", LIOV_CMD_CREATE_QUEUES,
		  { 0, 1, 2 }, LIOV_RESULT_NOT_FOUND },
	};
	size_t i;
	int status;

	(void)o;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u32 got = mailbox_try(&s->dev, cases[i].command,
				      cases[i].args[0], cases[i].args[1],
				      cases[i].args[2], cases[i].args[3]);

		status = expect(s, cases[i].what, got, cases[i].want);
		if (status)
			return status;
	}
	return STATUS_OK;
}

#define HOSTILE_COUNT 3000

static int provoke_hostile(struct session *s, const struct options *o)
{
	return hostile_run(s, o->seed, o->count ? o->count : HOSTILE_COUNT);
}

static const struct {
	const char *name;
	int (*run)(struct session *s, const struct options *o);
} provocations[] = {
	{ "unmap", provoke_unmap },
	{ "reset", provoke_reset },
	{ "queues", provoke_queues },
	{ "mailbox", provoke_mailbox },
	{ "hostile", provoke_hostile },
};

int cmd_provoke(const struct options *o)
{
	struct session s;
	size_t i;
	int status;

	for (i = 0; i < ARRAY_SIZE(provocations); i++) {
		if (!strcmp(provocations[i].name, o->operand))
			break;
	}
	if (i == ARRAY_SIZE(provocations))
		return fail(STATUS_USAGE,
			    "provoke: '%s' is unknown; choose unmap, reset, queues, mailbox or hostile",
			    o->operand);
	if ((o->count || o->seeded) && provocations[i].run != provoke_hostile)
		return fail(STATUS_USAGE,
			    "provoke: --count and --seed are for hostile; leave them out");
	status = options_session(o, &s, 1, 4 * KIB);
	if (status)
		return status;
	status = provocations[i].run(&s, o);
	if (!status)
		status = works_again(&s);
	session_close(&s);
	if (!status)
		printf("provoke %s: the host answered as it must\n",
		       o->operand);
	return status;
}
