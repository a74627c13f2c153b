// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "mailbox.h"
#include "util.h"

static const char * const command_names[] = {
	[LIOV_CMD_RESET] = "RESET",
	[LIOV_CMD_OPEN_WINDOW] = "OPEN_WINDOW",
	[LIOV_CMD_ADD_MEMORY] = "ADD_MEMORY",
	[LIOV_CMD_REMOVE_MEMORY] = "REMOVE_MEMORY",
	[LIOV_CMD_CREATE_QUEUE] = "CREATE_QUEUE",
	[LIOV_CMD_DELETE_QUEUE] = "DELETE_QUEUE",
	[LIOV_CMD_RELEASE_EXTENT] = "RELEASE_EXTENT",
	[LIOV_CMD_RESET_QUEUES] = "RESET_QUEUES",
	[LIOV_CMD_CREATE_QUEUES] = "CREATE_QUEUES",
};

static const char * const result_texts[] = {
	[LIOV_RESULT_INVALID] =
		"an argument is out of range; install tools and host module of one version",
	[LIOV_RESULT_BUSY] = "it exists already; run the command again",
	[LIOV_RESULT_NOT_FOUND] =
		"there is no such window, range, queue pair or extent; run the command again",
	[LIOV_RESULT_NO_MEMORY] =
		"the host cannot pin the memory; raise the locked-memory limit (ulimit -l), run as root, or use a smaller --queue-depth or --memory",
	[LIOV_RESULT_NO_WINDOW] =
		"no free I/O address window is large enough; stop another mdev of this controller",
	[LIOV_RESULT_QUEUES_LOST] =
		"the controller was reset meanwhile; run the command again",
	[LIOV_RESULT_QUARANTINED] =
		"the operator quarantined it; write 0 to its attribute 'quarantine'",
	[LIOV_RESULT_DEAD] =
		"its controller is gone; replace it or bind it again",
	[LIOV_RESULT_DEVICE] =
		"the controller refused or did not answer; the kernel log says why",
};

u32 register_read(const struct device *dev, u32 offset)
{
	__le32 value;

	if (pread(dev->fd, &value, sizeof(value), (off_t)(dev->regs + offset)) !=
	    sizeof(value))
		return ~0u;
	return le32toh(value);
}

u64 register_read64(const struct device *dev, u32 offset)
{
	u64 low = register_read(dev, offset);

	return low | (u64)register_read(dev, offset + 4) << 32;
}

void register_copy(const struct device *dev, u32 offset, void *to, u32 size)
{
	u32 i;

	for (i = 0; i < size; i += sizeof(__le32)) {
		__le32 value = htole32(register_read(dev, offset + i));

		memcpy((char *)to + i, &value, sizeof(value));
	}
}

static bool register_write(const struct device *dev, u32 offset, const void *value,
			   size_t size)
{
	return pwrite(dev->fd, value, size, (off_t)(dev->regs + offset)) ==
	       (ssize_t)size;
}

bool mailbox_knows(const struct device *dev, u32 minor)
{
	return (register_read(dev, LIOV_REG_VERSION) & 0xffff) >= minor;
}

/* Of a device that is gone the next command tells. */
void register_write64(const struct device *dev, u32 offset, u64 value)
{
	__le64 bytes = htole64(value);

	(void)register_write(dev, offset, &bytes, sizeof(bytes));
}

enum liov_result mailbox_try(const struct device *dev,
			     enum liov_command command, u64 arg0, u64 arg1,
			     u64 arg2, u64 arg3)
{
	const __le64 args[] = {
		htole64(arg0), htole64(arg1), htole64(arg2), htole64(arg3),
	};
	__le32 value = htole32(command);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(args); i++) {
		if (!register_write(dev, LIOV_REG_ARG0 + 8 * i, &args[i],
				    sizeof(args[i])))
			return LIOV_RESULT_DEAD;
	}
	if (!register_write(dev, LIOV_REG_COMMAND, &value, sizeof(value)))
		return LIOV_RESULT_DEAD;
	return register_read(dev, LIOV_REG_RESULT);
}

int mailbox_run(const struct device *dev, enum liov_command command, u64 arg0,
		u64 arg1, u64 arg2, u64 arg3)
{
	u32 result = mailbox_try(dev, command, arg0, arg1, arg2, arg3);
	const char *text =
		"the answer is unknown; install tools and host module of one version";

	if (result == LIOV_RESULT_OK)
		return STATUS_OK;
	if (result == ~0u)
		result = LIOV_RESULT_DEAD;
	if (result < ARRAY_SIZE(result_texts))
		text = result_texts[result];
	return fail(STATUS_USAGE, "mdev %s: %s failed (result %u): %s",
		    dev->uuid, command_names[command], result, text);
}
