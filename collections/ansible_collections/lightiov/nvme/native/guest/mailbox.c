// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers and the command mailbox.  Each access is trapped by the host, so
 * none of this is on the I/O path.
 */
#include <linux/io-64-nonatomic-lo-hi.h>

#include "guest.h"

u32 liov_read32(struct liov_dev *ldev, unsigned int offset)
{
	return readl(ldev->regs + offset);
}

u64 liov_read64(struct liov_dev *ldev, unsigned int offset)
{
	return readq(ldev->regs + offset);
}

void liov_write64(struct liov_dev *ldev, unsigned int offset, u64 value)
{
	writeq(value, ldev->regs + offset);
}

/* Copy whole 32-bit registers, @len a multiple of 4. */
void liov_read_block(struct liov_dev *ldev, unsigned int offset, void *buf,
		     size_t len)
{
	size_t i;

	for (i = 0; i < len; i += 4) {
		__le32 word = cpu_to_le32(liov_read32(ldev, offset + i));

		memcpy(buf + i, &word, sizeof(word));
	}
}

static int liov_result_to_errno(u32 result)
{
	switch (result) {
	case LIOV_RESULT_OK:
		return 0;
	case LIOV_RESULT_INVALID:
		return -EINVAL;
	case LIOV_RESULT_BUSY:
		return -EBUSY;
	case LIOV_RESULT_NOT_FOUND:
		return -ENOENT;
	case LIOV_RESULT_NO_MEMORY:
		return -ENOMEM;
	case LIOV_RESULT_NO_WINDOW:
		return -ENOSPC;
	case LIOV_RESULT_QUEUES_LOST:
		return -EAGAIN;
	case LIOV_RESULT_QUARANTINED:
		return -EPERM;
	case LIOV_RESULT_DEAD:
	case U32_MAX:			/* unplugged */
		return -ENODEV;
	default:
		return -EIO;
	}
}

/**
 * liov_command() - have the host run one mailbox command
 * @ldev: device
 * @command: LIOV_CMD_*
 * @arg0: see enum liov_command, also for the rest
 * @arg1: second argument
 * @arg2: third argument
 * @arg3: fourth argument
 *
 * The command has completed when the write that starts it returns.
 *
 * Return: 0 or a negative error; -ENODEV: the controller or the device is gone
 * for good; -EAGAIN: the host took all queues away meanwhile, so start over.
 */
int liov_command(struct liov_dev *ldev, enum liov_command command, u64 arg0,
		 u64 arg1, u64 arg2, u64 arg3)
{
	lockdep_assert_held(&ldev->lock);

	liov_write64(ldev, LIOV_REG_ARG0, arg0);
	liov_write64(ldev, LIOV_REG_ARG1, arg1);
	liov_write64(ldev, LIOV_REG_ARG2, arg2);
	liov_write64(ldev, LIOV_REG_ARG3, arg3);
	writel(command, ldev->regs + LIOV_REG_COMMAND);
	return liov_result_to_errno(liov_read32(ldev, LIOV_REG_RESULT));
}
