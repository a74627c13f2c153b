/* SPDX-License-Identifier: GPL-2.0-only */
/* An owner out of its mind, within what its tenant's other VMs survive. */
#ifndef LIOV_HOSTILE_H
#define LIOV_HOSTILE_H

#include "session.h"

/*
 * @count mailbox commands and doorbell writes, odd and random ones, with odd
 * and random NVMe commands in the rings; the same for the same @seed.
 */
int hostile_run(struct session *s, u64 seed, u64 count);

#endif
