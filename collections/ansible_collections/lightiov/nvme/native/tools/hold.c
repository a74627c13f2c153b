// SPDX-License-Identifier: GPL-2.0-only
/* hold: keeps an mdev and its queues open, as an idle VM would. */
#include <signal.h>
#include <stdio.h>

#include "options.h"
#include "util.h"

int cmd_hold(const struct options *o)
{
	struct session s;
	sigset_t signals;
	int status, signal;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	status = options_session(o, &s, o->queues, 4 * KIB);
	if (status)
		return status;
	printf("ready\n");
	fflush(stdout);
	sigwait(&signals, &signal);
	session_close(&s);
	return STATUS_OK;
}
