// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module as one compilation unit, for build efficiency, as
 * kernel/sched/build_policy.c does it: nearly all of the compiler's time goes
 * into the kernel's headers, and DKMS builds this on every hypervisor.
 */
#include "main.c"
#include "controller.c"
#include "controller_sysfs.c"
#include "admin.c"
#include "admin_chardev.c"
#include "namespace.c"
#include "quirks.c"
#include "window.c"
#include "memory.c"
#include "vector.c"
#include "queue.c"
#include "doorbell.c"
#include "trigger.c"
#include "mailbox.c"
#include "config_space.c"
#include "vfio.c"
#include "mdev.c"
#include "mdev_sysfs.c"
#include "extent.c"
#include "slot.c"
#include "extent_sysfs.c"
#include "trace.c"
