// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module as one compilation unit, for build efficiency, as
 * kernel/sched/build_policy.c does it: nearly all of the compiler's time goes
 * into the kernel's headers, and DKMS builds this in every guest.
 */
#include "main.c"
#include "mailbox.c"
#include "memory.c"
#include "queue.c"
#include "request.c"
#include "recover.c"
#include "extents.c"
#include "disk.c"
#include "limits.c"
#include "identity.c"
