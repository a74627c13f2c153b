// SPDX-License-Identifier: GPL-2.0-only
#include "mailbox.h"
#include "mdev.h"
#include "util.h"

static int check_identity(const struct device *dev)
{
	u32 version = register_read(dev, LIOV_REG_VERSION);

	if (register_read(dev, LIOV_REG_MAGIC) != LIOV_MAGIC)
		return fail(STATUS_USAGE,
			    "mdev %s: its registers are not those of LightIOV; install the lightiov_host module of this version",
			    dev->uuid);
	if (version >> 16 != LIOV_ABI_MAJOR)
		return fail(STATUS_USAGE,
			    "mdev %s: it speaks ABI %u.%u and liov %u.x; install tools and host module of one version",
			    dev->uuid, version >> 16, version & 0xffff,
			    LIOV_ABI_MAJOR);
	return STATUS_OK;
}

static u32 find_write_zeroes(const struct device *dev, u32 features)
{
	u32 most = register_read(dev, LIOV_REG_WRITE_ZEROES);

	if (!(features & LIOV_FEATURE_WRITE_ZEROES))
		return 0;
	/* A controller without a limit tells none, and so do older hosts. */
	return most ? most : ~0u;
}

int mdev_connect(struct device *dev, const char *uuid, struct limits *limits)
{
	int status;

	status = device_open(dev, uuid);
	if (status)
		return status;
	status = check_identity(dev);
	if (status) {
		device_close(dev);
		return status;
	}
	*limits = (struct limits){
		.queue_pairs = register_read(dev, LIOV_REG_QUEUE_PAIRS),
		.queue_entries = register_read(dev, LIOV_REG_QUEUE_ENTRIES),
		.max_transfer = register_read(dev, LIOV_REG_MAX_TRANSFER),
		.page_size = register_read(dev, LIOV_REG_PAGE_SIZE),
		.timeout_ms = register_read(dev, LIOV_REG_TIMEOUT_MS),
		.features = register_read(dev, LIOV_REG_FEATURES),
	};
	limits->write_zeroes = find_write_zeroes(dev, limits->features);
	return STATUS_OK;
}

const char *mdev_trouble(u32 status)
{
	if (status == ~0u || status & LIOV_STATUS_DEAD)
		return "its controller is gone; replace it or bind it again";
	if (status & LIOV_STATUS_QUARANTINED)
		return "the operator quarantined it; write 0 to its attribute 'quarantine'";
	if (status & LIOV_STATUS_QUEUES_LOST)
		return "the host deleted its queues (a reset, memory or a disk gone); run it again";
	if (!(status & LIOV_STATUS_READY))
		return "its controller is being reset; run the command again in a minute";
	return NULL;
}
