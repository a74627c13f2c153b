// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "io.h"
#include "mailbox.h"
#include "mdev.h"
#include "nvme.h"
#include "util.h"

/* How often a thread that waits looks at the device's status by itself. */
#define SLICE_MS 1000

/**
 * struct worker - the thread of one queue
 * @s: the session
 * @w: the workload
 * @queue: its queue
 * @requests: its requests; the index is the command ID
 * @idle: those not in flight
 * @in_flight: how many are
 * @failed: shared by all workers: stop, somebody has reported why
 * @deadline: when what is in flight counts as lost
 * @thread: for all but the first
 */
struct worker {
	struct session *s;
	const struct io_workload *w;
	struct queue *queue;
	struct io_request *requests;
	struct io_request *idle;
	u32 in_flight;
	atomic_bool *failed;
	u64 deadline;
	pthread_t thread;
};

/* Only the first worker to fail says why: the others fail of the same cause. */
static bool first_to_fail(struct worker *worker)
{
	return !atomic_exchange(worker->failed, true) && !worker->w->quiet;
}

static bool cancelled(const struct worker *worker)
{
	return worker->w->cancel && atomic_load(worker->w->cancel);
}

static void submit(struct worker *worker, struct io_request *rq)
{
	struct nvme_sqe sqe = request_sqe(worker->s, rq,
					  (u16)(rq - worker->requests));

	queue_put(worker->queue, &sqe);
}

/* Each completion and each submission gives the rest the full time again. */
static void extend_deadline(struct worker *worker)
{
	worker->deadline = now_ns() +
			   worker->s->limits.timeout_ms * NSEC_PER_MSEC;
}

/* The controller may not know: it is the host that says who only reads. */
static bool refuse_write(struct worker *worker)
{
	if (first_to_fail(worker))
		fail(STATUS_IO,
		     "mdev %s: %s is read-only; name another, or give the mdev its extent without read_only",
		     worker->s->dev.uuid, worker->s->disk);
	atomic_store(worker->failed, true);
	return false;
}

/*
 * What the workload asks for is the extent's or it is not done: beside it, data
 * of others lies on the same namespace.
 */
static bool within_extent(struct worker *worker, const struct io_request *rq)
{
	const struct session *s = worker->s;
	bool writes = rq->opcode == NVME_WRITE ||
		      rq->opcode == NVME_WRITE_ZEROES;

	if (writes && s->extent.flags & LIOV_NS_READ_ONLY)
		return refuse_write(worker);
	if (rq->opcode == NVME_FLUSH ||
	    (rq->blocks && extent_holds(&s->extent, rq->lba, rq->blocks)))
		return true;
	if (first_to_fail(worker))
		fail(STATUS_IO,
		     "mdev %s: %u blocks from LBA %llu on are not all in %s, which has %llu; report this as a defect of liov",
		     s->dev.uuid, rq->blocks, rq->lba, s->disk,
		     s->extent.lba_count);
	atomic_store(worker->failed, true);
	return false;
}

/* Puts the workload's next command into the ring; false if there is none. */
static bool fill_one(struct worker *worker)
{
	const struct io_workload *w = worker->w;
	struct io_request *rq = worker->idle;

	rq->submitted = now_ns();
	switch (w->next(w->arg, worker->queue->index, rq)) {
	case IO_SUBMIT:
		if (!within_extent(worker, rq))
			break;
		worker->idle = rq->next;
		rq->in_flight = true;
		worker->in_flight++;
		submit(worker, rq);
		return true;
	case IO_FAILED:
		atomic_store(worker->failed, true);
		break;
	case IO_END:
		break;
	}
	return false;
}

/* Fills the queue as far as there is work; false once there is no more. */
static bool fill(struct worker *worker)
{
	bool more = true, put = false;

	while (worker->idle && more) {
		more = fill_one(worker);
		put |= more;
	}
	if (put) {
		queue_ring(worker->queue);
		extend_deadline(worker);
	}
	return more;
}

static void complete(struct worker *worker, const struct nvme_cqe *cqe)
{
	const struct io_workload *w = worker->w;
	u32 status = NVME_CQE_STATUS(le16toh(cqe->status));
	u16 cid = le16toh(cqe->cid);
	struct io_request *rq;

	if (cid >= worker->s->config.depth || !worker->requests[cid].in_flight) {
		if (first_to_fail(worker))
			fail(STATUS_IO,
			     "mdev %s: queue pair %u completed command %u, which it did not have; reset the controller",
			     worker->s->dev.uuid, worker->queue->index, cid);
		return;
	}
	/* Why the queue was deleted, the device's status says in a moment. */
	if ((status & NVME_STATUS_MASK) == NVME_SQ_DELETED)
		return;
	rq = &worker->requests[cid];
	rq->next = worker->idle;
	rq->in_flight = false;
	worker->idle = rq;
	worker->in_flight--;
	if (!status) {
		if (!w->done(w->arg, worker->queue->index, rq))
			atomic_store(worker->failed, true);
		return;
	}
	if (first_to_fail(worker))
		fail(STATUS_IO,
		     "mdev %s: %s of %s at LBA %llu (%u blocks) failed: NVMe status type %u code 0x%02x, %s",
		     worker->s->dev.uuid, nvme_opcode_name(rq->opcode),
		     worker->s->disk, rq->lba, rq->blocks,
		     NVME_STATUS_TYPE(status), NVME_STATUS_CODE(status),
		     nvme_status_name(status));
}

/* Takes what has completed; false if nothing has. */
static bool reap(struct worker *worker)
{
	struct nvme_cqe cqe;
	bool any = false;

	while (worker->in_flight && queue_take(worker->queue, &cqe)) {
		complete(worker, &cqe);
		any = true;
	}
	if (any) {
		queue_release(worker->queue);
		extend_deadline(worker);
	}
	return any;
}

static bool report_trouble(struct worker *worker, const char *trouble)
{
	if (first_to_fail(worker))
		fail(STATUS_IO, "mdev %s: I/O stopped: %s",
		     worker->s->dev.uuid, trouble);
	return false;
}

/*
 * Waits for the queue's interrupt.  False if there will be none: the device is
 * in trouble, the deadline has passed or the workload was cancelled.
 */
static bool wait_for_interrupt(struct worker *worker)
{
	struct session *s = worker->s;
	struct pollfd fds[] = {
		{ .fd = worker->queue->eventfd, .events = POLLIN },
		{ .fd = s->eventfds[LIOV_VECTOR_EVENT], .events = POLLIN },
	};

	while (now_ns() < worker->deadline) {
		const char *trouble;

		if (cancelled(worker))
			return false;
		if (poll(fds, ARRAY_SIZE(fds), SLICE_MS) < 0)
			continue;
		if (fds[0].revents) {
			eventfd_drain(fds[0].fd);
			return true;
		}
		/* Another thread may take the event: hence the slices. */
		if (fds[1].revents)
			eventfd_drain(fds[1].fd);
		trouble = mdev_trouble(register_read(&s->dev, LIOV_REG_STATUS));
		if (trouble)
			return report_trouble(worker, trouble);
	}
	if (first_to_fail(worker))
		fail(STATUS_IO,
		     "mdev %s: queue pair %u completed nothing in %u ms; the kernel log of the host says whether the controller still answers",
		     s->dev.uuid, worker->queue->index, s->limits.timeout_ms);
	return false;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	bool more = true;

	for (;;) {
		if (more && !atomic_load(worker->failed) && !cancelled(worker))
			more = fill(worker);
		else
			more = false;
		if (!worker->in_flight)
			break;
		if (!reap(worker) && !wait_for_interrupt(worker))
			break;
	}
	return NULL;
}

int io_run(struct session *s, const struct io_workload *w, u32 queues)
{
	u32 depth = s->config.depth;
	atomic_bool failed = false;
	struct worker *workers = calloc(queues, sizeof(*workers));
	u32 i, tag, started = 1;

	if (!workers)
		return fail(STATUS_USAGE, "out of memory; free some");
	for (i = 0; i < queues; i++) {
		workers[i] = (struct worker){
			.s = s,
			.w = w,
			.queue = &s->queues[i],
			.requests = &s->requests[(size_t)i * depth],
			.failed = &failed,
		};
		for (tag = 0; tag < depth; tag++) {
			workers[i].requests[tag].in_flight = false;
			workers[i].requests[tag].next = workers[i].idle;
			workers[i].idle = &workers[i].requests[tag];
		}
	}
	for (; started < queues; started++) {
		int error = pthread_create(&workers[started].thread, NULL, work,
					   &workers[started]);

		if (error) {
			if (first_to_fail(&workers[started]))
				fail(STATUS_USAGE,
				     "cannot start a thread: %s; lower --queues",
				     strerror(error));
			break;
		}
	}
	work(&workers[0]);
	for (i = 1; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
	return atomic_load(&failed) ? STATUS_IO : STATUS_OK;
}

static enum io_next flush_once(void *arg, u32 queue, struct io_request *rq)
{
	bool *flushed = arg;

	(void)queue;
	if (*flushed)
		return IO_END;
	*flushed = true;
	rq->opcode = NVME_FLUSH;
	rq->lba = 0;
	rq->blocks = 0;
	return IO_SUBMIT;
}

static bool flush_done(void *arg, u32 queue, const struct io_request *rq)
{
	(void)arg;
	(void)queue;
	(void)rq;
	return true;
}

int io_flush(struct session *s)
{
	bool flushed = false;
	const struct io_workload w = {
		.next = flush_once,
		.done = flush_done,
		.arg = &flushed,
	};

	/* Without a volatile cache, what is completed is durable. */
	if (!(s->limits.features & LIOV_FEATURE_VOLATILE_CACHE))
		return STATUS_OK;
	return io_run(s, &w, 1);
}
