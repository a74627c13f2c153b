/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers and commands of LIOV_BAR_REGS. */
#ifndef LIOV_MAILBOX_H
#define LIOV_MAILBOX_H

#include "../abi/lightiov_abi.h"
#include "types.h"
#include "vfio.h"

/* A register that cannot be read is all ones, as of a device that is gone. */
u32 register_read(const struct device *dev, u32 offset);
u64 register_read64(const struct device *dev, u32 offset);

void register_write64(const struct device *dev, u32 offset, u64 value);

/* Reads @size bytes, a multiple of 4, as they are in the registers. */
void register_copy(const struct device *dev, u32 offset, void *to, u32 size);

/* Whether the host knows what came with this minor version of the ABI. */
bool mailbox_knows(const struct device *dev, u32 minor);

/* Runs a command and says what the host answered. */
enum liov_result mailbox_try(const struct device *dev,
			     enum liov_command command, u64 arg0, u64 arg1,
			     u64 arg2, u64 arg3);

/* Runs a command; a failure is reported and becomes an exit status. */
int mailbox_run(const struct device *dev, enum liov_command command, u64 arg0,
		u64 arg1, u64 arg2, u64 arg3);

#endif
