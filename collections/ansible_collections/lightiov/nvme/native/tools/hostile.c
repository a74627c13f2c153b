// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest may send is all tried; what VMs of one tenant could do to each
 * other, and are trusted not to do, is not.  So the controller finds nothing in
 * our memory but what does no harm, whatever is taken for a ring: SQ entries
 * are written while there is no window, hence no queue, and data and completions
 * go to areas where no SQ is ever created.
 */
#include <stdio.h>
#include <string.h>

#include "harmless.h"
#include "hostile.h"
#include "mailbox.h"
#include "util.h"

#define RESULTS (LIOV_RESULT_DEVICE + 1)

/**
 * struct hostile - a run
 * @s: the session; its memory is ours
 * @h: where commands transfer to
 * @random: state of the generator
 * @sq: gpa of the area for SQs; one of any size may start in its first half
 * @sq_bytes: of half of it
 * @cq: gpa of the area for CQs
 * @cq_bytes: of half of it
 * @list: gpa of the PRP list
 * @data: gpa of the data
 * @results: how often the host gave which result
 * @created: how many queue pairs there were
 * @doorbells: how often one was rung
 */
struct hostile {
	struct session *s;
	struct harmless h;
	u64 random;
	u64 sq;
	u64 sq_bytes;
	u64 cq;
	u64 cq_bytes;
	u64 list;
	u64 data;
	u64 results[RESULTS];
	u64 created;
	u64 doorbells;
};

static u64 below(struct hostile *x, u64 limit)
{
	return random_next(&x->random) % limit;
}

static void *at(const struct hostile *x, u64 gpa)
{
	return (char *)x->s->mem.start + (gpa - MEMORY_GPA);
}

/* Addresses are known, and there is no queue yet. */
static void fill_rings(struct hostile *x)
{
	u64 window = register_read64(&x->s->dev, LIOV_REG_WINDOW_BASE);
	struct nvme_sqe *sqe = at(x, x->sq);
	u64 i, entries = 2 * x->sq_bytes / sizeof(*sqe);

	x->h.data = window + x->data;
	x->h.list = window + x->list;
	harmless_list(&x->h, at(x, x->list));
	for (i = 0; i < entries; i++)
		sqe[i] = harmless_command(&x->h, &x->s->extent, &x->random);
	memset(at(x, x->cq), 0, 2 * x->cq_bytes);
}

static u64 page_below(struct hostile *x, u64 bytes)
{
	return below(x, bytes / x->h.page) * x->h.page;
}

/* Those of each pair, which CREATE_QUEUES makes queues of. */
static void put_rings(struct hostile *x, bool sane)
{
	u64 end = MEMORY_GPA + x->s->mem.size, sq, cq;
	u32 i;

	for (i = 0; i < x->s->limits.queue_pairs; i++) {
		sq = x->sq + page_below(x, x->sq_bytes);
		cq = x->cq + page_below(x, x->cq_bytes);
		if (!sane) {
			sq = RANDOM_OF(&x->random, sq, sq, x->sq + 64, end,
				       ~0ull);
			cq = RANDOM_OF(&x->random, cq, cq, x->cq + 16, end,
				       ~0ull);
		}
		register_write64(&x->s->dev, LIOV_REG_RINGS(i), sq);
		register_write64(&x->s->dev, LIOV_REG_RINGS(i) + 8, cq);
	}
}

/* What a sane owner sends: else there would be no queue to be hostile with. */
static void sane_args(struct hostile *x, u32 command, u64 *args)
{
	args[0] = MEMORY_GPA;
	args[1] = x->s->mem.size;
	if (command == LIOV_CMD_OPEN_WINDOW)
		args[0] += args[1];
	if (command == LIOV_CMD_CREATE_QUEUES) {
		put_rings(x, true);
		args[0] = below(x, x->s->limits.queue_pairs);
		args[1] = 1 + below(x, x->s->limits.queue_pairs - args[0]);
		args[2] = 2 + below(x, 31);
		args[3] = below(x, args[1] + 1);
	}
	if (command != LIOV_CMD_CREATE_QUEUE &&
	    command != LIOV_CMD_DELETE_QUEUE)
		return;
	args[0] = below(x, x->s->limits.queue_pairs);
	if (command == LIOV_CMD_CREATE_QUEUE && below(x, 2))
		args[0] |= LIOV_QUEUE_POLLED;
	args[1] = x->sq + page_below(x, x->sq_bytes);
	args[2] = x->cq + page_below(x, x->cq_bytes);
	args[3] = 2 + below(x, 31);
}

/* At the edges, over them, and anything. */
static void odd_args(struct hostile *x, u32 command, u64 *args)
{
	u64 page = x->h.page, size = x->s->mem.size, end = MEMORY_GPA + size;
	u64 pairs = x->s->limits.queue_pairs;
	u64 entries = x->s->limits.queue_entries;

	switch (command) {
	case LIOV_CMD_OPEN_WINDOW:
		args[0] = RANDOM_OF(&x->random, end - page, page, 0, end + 1,
				    1ull << 40, ~0ull);
		break;
	case LIOV_CMD_ADD_MEMORY:
	case LIOV_CMD_REMOVE_MEMORY:
		args[0] = RANDOM_OF(&x->random, MEMORY_GPA, MEMORY_GPA + page,
				    MEMORY_GPA + 1, 0, end, ~0ull - page + 1);
		args[1] = RANDOM_OF(&x->random, size, size - page, page, 1, 0,
				    LIOV_MAX_ADD, LIOV_MAX_ADD + page,
				    ~0ull - page + 1);
		break;
	case LIOV_CMD_CREATE_QUEUE:
		args[0] = RANDOM_OF(&x->random, 0, pairs - 1, pairs,
				    LIOV_QUEUE_POLLED, 2 * LIOV_QUEUE_POLLED,
				    LIOV_QUEUE_POLLED | pairs, ~0ull);
		/* Of what is valid nothing is outside of its area. */
		args[1] = RANDOM_OF(&x->random, x->sq, x->sq + 64, end,
				    ~0ull - page + 1);
		args[2] = RANDOM_OF(&x->random, x->cq, x->cq + 16, end,
				    ~0ull - page + 1);
		args[3] = RANDOM_OF(&x->random, 2, entries, entries + 1, 1, 0,
				    1ull << 32, ~0ull);
		break;
	case LIOV_CMD_CREATE_QUEUES:
		put_rings(x, below(x, 2));
		args[0] = RANDOM_OF(&x->random, 0, pairs - 1, pairs, ~0ull);
		args[1] = RANDOM_OF(&x->random, 1, pairs, pairs + 1, 0, ~0ull);
		args[2] = RANDOM_OF(&x->random, 2, entries, entries + 1, 1, 0,
				    1ull << 32, ~0ull);
		args[3] = RANDOM_OF(&x->random, 0, 1, pairs, pairs + 1, ~0ull);
		break;
	case LIOV_CMD_DELETE_QUEUE:
		args[0] = RANDOM_OF(&x->random, pairs - 1, pairs, ~0ull);
		break;
	case LIOV_CMD_RELEASE_EXTENT:
		args[0] = RANDOM_OF(&x->random, 0, x->s->config.slot, 31, 32,
				    LIOV_MAX_NAMESPACES - 1,
				    LIOV_MAX_NAMESPACES, ~0ull);
		/* Its own ID would give the disk away, if it were asked for. */
		args[1] = random_next(&x->random);
		args[2] = RANDOM_OF(&x->random, 0, ~0ull);
		break;
	}
}

/* Resets are rare, so that others get somewhere between them. */
static u32 pick_command(struct hostile *x)
{
	if (!below(x, 48))
		return LIOV_CMD_RESET;
	if (!below(x, 48))
		return LIOV_CMD_RESET_QUEUES;
	return (u32)RANDOM_OF(&x->random, LIOV_CMD_OPEN_WINDOW,
			      LIOV_CMD_ADD_MEMORY, LIOV_CMD_REMOVE_MEMORY,
			      LIOV_CMD_CREATE_QUEUE, LIOV_CMD_CREATE_QUEUE,
			      LIOV_CMD_CREATE_QUEUES, LIOV_CMD_DELETE_QUEUE,
			      LIOV_CMD_RELEASE_EXTENT,
			      LIOV_CMD_CREATE_QUEUES + 1, 0, ~0u);
}

static int send_command(struct hostile *x)
{
	u32 command = pick_command(x), result;
	u64 args[4];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(args); i++)
		args[i] = random_next(&x->random);
	if (below(x, 3) && command != LIOV_CMD_RELEASE_EXTENT)
		sane_args(x, command, args);
	else
		odd_args(x, command, args);
	result = mailbox_try(&x->s->dev, command, args[0], args[1], args[2],
			     args[3]);
	if (result >= RESULTS || result == LIOV_RESULT_DEAD)
		return fail(STATUS_IO,
			    "mdev %s: command %u with 0x%llx, 0x%llx, 0x%llx, 0x%llx was answered by %u; the kernel log of the host says why",
			    x->s->dev.uuid, command, args[0], args[1], args[2],
			    args[3], result);
	x->results[result]++;
	if (command == LIOV_CMD_CREATE_QUEUE && result == LIOV_RESULT_OK)
		x->created++;
	if (command == LIOV_CMD_CREATE_QUEUES && result == LIOV_RESULT_OK)
		x->created += args[1];
	/* The window is never where the one before was. */
	if (command == LIOV_CMD_OPEN_WINDOW && result == LIOV_RESULT_OK)
		fill_rings(x);
	return STATUS_OK;
}

/* Its own doorbells only: beside them are those of other owners. */
static int ring(struct hostile *x)
{
	u32 pair = (u32)below(x, x->s->limits.queue_pairs);
	u32 entries = x->s->limits.queue_entries;
	struct queue queue = { .index = pair };

	if (!queue_find_doorbells(&queue, &x->s->dev))
		return fail(STATUS_IO,
			    "mdev %s: the doorbells of queue pair %u are outside their BAR; report this as a defect of lightiov_host",
			    x->s->dev.uuid, pair);
	doorbell_write(below(x, 2) ? queue.sq_doorbell : queue.cq_doorbell,
		       (u32)RANDOM_OF(&x->random, below(x, 32), below(x, 32),
				      below(x, 32), 0, 1, 31, 32, entries - 1,
				      entries, 0xffff, ~0u));
	x->doorbells++;
	return STATUS_OK;
}

/* Instead of the session's memory, which it gets anew when it is restarted. */
static int take_memory(struct hostile *x)
{
	struct session *s = x->s;
	const struct limits *l = &s->limits;
	u64 page = l->page_size;
	int status;

	x->h.page = l->page_size;
	x->h.most = l->max_transfer < HARMLESS_MAX_BYTES ? l->max_transfer :
		    HARMLESS_MAX_BYTES;
	x->h.most -= x->h.most % l->page_size;
	x->sq_bytes = align_up((u64)l->queue_entries * sizeof(struct nvme_sqe),
			       page);
	x->cq_bytes = align_up((u64)l->queue_entries * sizeof(struct nvme_cqe),
			       page);
	x->sq = MEMORY_GPA;
	x->cq = x->sq + 2 * x->sq_bytes;
	x->list = x->cq + 2 * x->cq_bytes;
	x->data = x->list + page;

	status = mailbox_run(&s->dev, LIOV_CMD_RESET, 0, 0, 0, 0);
	if (status)
		return status;
	status = memory_withdraw(&s->mem, &s->dev);
	if (status)
		return status;
	memory_destroy(&s->mem);
	status = memory_create(&s->mem, x->data + 2 * (u64)x->h.most + page -
			       MEMORY_GPA, s->config.hugepages);
	if (status)
		return status;
	return device_map_memory(&s->dev, s->mem.start, MEMORY_GPA,
				 s->mem.size);
}

static void report(const struct hostile *x)
{
	static const char * const names[RESULTS] = {
		"OK", "INVALID", "BUSY", "NOT_FOUND", "NO_MEMORY", "NO_WINDOW",
		"QUEUES_LOST", "QUARANTINED", "DEAD", "DEVICE",
	};
	size_t i;

	printf("%llu queue pairs created, %llu doorbells rung; commands answered:",
	       x->created, x->doorbells);
	for (i = 0; i < RESULTS; i++) {
		if (x->results[i])
			printf(" %s %llu", names[i], x->results[i]);
	}
	putchar('\n');
}

int hostile_run(struct session *s, u64 seed, u64 count)
{
	struct hostile x = { .s = s, .random = seed };
	int status;

	/* Now, so that it is known of a run that does not end. */
	printf("seed %llu, %llu commands and doorbells\n", seed, count);
	fflush(stdout);
	status = take_memory(&x);
	while (!status && count--)
		status = below(&x, 3) ? send_command(&x) : ring(&x);
	report(&x);
	return status;
}
