// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold: keeps an mdev and its queues open, as an idle VM would, and tells of
 * each event what the mdev's disks are then.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "mailbox.h"
#include "options.h"
#include "util.h"

static void tell(const struct session *s, u32 generation)
{
	printf("{\"generation\": %u, \"namespaces\": ", generation);
	slots_print(&s->dev);
	printf("}\n");
	fflush(stdout);
}

/* Nothing is in flight for any disk: there is no I/O at all. */
static void let_go(const struct session *s)
{
	u32 slot, count = slot_count(&s->dev);
	struct extent extent;
	char id[UUID_TEXT];

	for (slot = 0; slot < count; slot++) {
		if (!slot_read(&s->dev, slot, &extent) ||
		    !(extent.flags & LIOV_NS_ASKED))
			continue;
		if (!slot_release(&s->dev, slot, &extent))
			continue;
		printf("let go of %s\n", uuid_print(extent.id, id));
		fflush(stdout);
	}
}

/* Sleeps until an event or a signal; true if it is an event. */
static bool wait_for_event(const struct session *s, int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = s->eventfds[LIOV_VECTOR_EVENT], .events = POLLIN },
	};

	while (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		;
	/* Emptied before the table is read: what changes later is an event. */
	if (fds[1].revents)
		eventfd_drain(fds[1].fd);
	return !fds[0].revents;
}

static void hold(const struct options *o, const struct session *s, int signals)
{
	u32 generation, told = register_read(&s->dev, LIOV_REG_GENERATION);

	tell(s, told);
	printf("ready\n");
	fflush(stdout);
	do {
		if (o->let_go)
			let_go(s);
		generation = register_read(&s->dev, LIOV_REG_GENERATION);
		if (generation != told)
			tell(s, generation);
		told = generation;
	} while (wait_for_event(s, signals));
}

int cmd_hold(const struct options *o)
{
	struct session s;
	sigset_t mask;
	int status, signals;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (signals < 0)
		return fail(STATUS_USAGE,
			    "hold: cannot wait for signals: %s; raise the limit of open files (ulimit -n)",
			    strerror(errno));
	status = options_session(o, &s, o->queues, 4 * KIB);
	if (status)
		return status;
	hold(o, &s, signals);
	session_close(&s);
	return STATUS_OK;
}
