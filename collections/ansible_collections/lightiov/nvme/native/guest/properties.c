// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device says of itself: whether this driver can use it, and whether
 * it still is the one that it was.
 */
#include <linux/ctype.h>
#include <linux/moduleparam.h>

#include "guest.h"

static unsigned int poll_queues;
module_param(poll_queues, uint, 0644);
MODULE_PARM_DESC(poll_queues,
		 "Queue pairs of a device that are polled, taken when it is bound (default 0)");

/* A register of space-padded ASCII to a string that is safe to print. */
static void liov_read_string(struct liov_dev *ldev, unsigned int offset,
			     char *buf, size_t len)
{
	size_t i;

	liov_read_block(ldev, offset, buf, len);
	for (i = 0; i < len; i++)
		if (!isascii(buf[i]) || !isprint(buf[i]))
			buf[i] = ' ';
	buf[len] = '\0';
	strim(buf);
}

int liov_check_version(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	u32 magic = liov_read32(ldev, LIOV_REG_MAGIC);
	u32 version = liov_read32(ldev, LIOV_REG_VERSION);

	if (magic != LIOV_MAGIC) {
		dev_err(dev, "has LightIOV's PCI ID but not its magic number (%#x): not a LightIOV device, left alone\n",
			magic);
		return -ENODEV;
	}
	if (version >> 16 != LIOV_ABI_MAJOR) {
		dev_err(dev, "speaks LightIOV ABI %u.%u and this driver %u.%u: install lightiov-guest of the host's version\n",
			version >> 16, version & 0xffff, LIOV_ABI_MAJOR,
			LIOV_ABI_MINOR);
		return -EOPNOTSUPP;
	}
	ldev->abi_minor = version & 0xffff;
	return 0;
}

/* A deallocation is limited by its ranges, each of them, and all together. */
static void liov_read_dealloc(struct liov_dev *ldev)
{
	u64 range = liov_read32(ldev, LIOV_REG_DEALLOC_RANGE);
	u64 all = liov_read64(ldev, LIOV_REG_DEALLOC_LBAS);

	ldev->dealloc_ranges = liov_read32(ldev, LIOV_REG_DEALLOC_RANGES);
	/* The block layer knows one limit, for a range and for all. */
	ldev->dealloc_lbas = min_not_zero(range, all);
}

static void liov_read_retry_delays(struct liov_dev *ldev)
{
	unsigned int crd;

	for (crd = 1; crd < ARRAY_SIZE(ldev->retry_delay_ms); crd++)
		ldev->retry_delay_ms[crd] =
			min(liov_read32(ldev, LIOV_REG_RETRY_DELAY(crd)),
			    LIOV_PATIENCE_SECONDS * 1000);
}

/* Of each kind one for each CPU, as far as they go. */
static void liov_divide_queues(struct liov_dev *ldev)
{
	u32 pairs = min_t(u32, liov_read32(ldev, LIOV_REG_QUEUE_PAIRS),
			  LIOV_MAX_QUEUE_PAIRS);
	unsigned int wanted = READ_ONCE(poll_queues);

	ldev->nr_queues = pairs;
	ldev->nr_polled = min(wanted, num_possible_cpus());
	liov_keep_an_interrupt(ldev);
	if (ldev->nr_polled < wanted)
		dev_warn(&ldev->pdev->dev,
			 "poll_queues is %u, but of its %u queue pairs %u are polled: one at least interrupts, and no more are polled than there are CPUs\n",
			 wanted, pairs, ldev->nr_polled);
	ldev->nr_queues = min(liov_irq_queues(ldev), num_possible_cpus()) +
			  ldev->nr_polled;
}

int liov_read_properties(struct liov_dev *ldev)
{
	struct device *dev = &ldev->pdev->dev;
	u32 page_size = liov_read32(ldev, LIOV_REG_PAGE_SIZE);
	u32 max_transfer = liov_read32(ldev, LIOV_REG_MAX_TRANSFER);
	u32 entries = liov_read32(ldev, LIOV_REG_QUEUE_ENTRIES);

	if (page_size != LIOV_PRP_SIZE || max_transfer < PAGE_SIZE ||
	    entries < 2) {
		dev_err(dev, "offers pages of %u bytes, transfers of %u bytes and rings of %u entries, where %u, %lu and 2 are needed: use another controller\n",
			page_size, max_transfer, entries, LIOV_PRP_SIZE,
			PAGE_SIZE);
		return -EOPNOTSUPP;
	}

	ldev->entries = min(entries, LIOV_RING_ENTRIES);
	ldev->max_transfer = min_t(u32, max_transfer, LIOV_MAX_TRANSFER) &
			     PAGE_MASK;
	liov_divide_queues(ldev);
	ldev->features = liov_read32(ldev, LIOV_REG_FEATURES);
	liov_read_dealloc(ldev);
	liov_read_retry_delays(ldev);
	ldev->write_zeroes = liov_read32(ldev, LIOV_REG_WRITE_ZEROES);
	ldev->timeout_ms = clamp(liov_read32(ldev, LIOV_REG_TIMEOUT_MS),
				 1000u, 600000u);
	liov_read_string(ldev, LIOV_REG_SERIAL, ldev->serial, 20);
	liov_read_string(ldev, LIOV_REG_MODEL, ldev->model, 40);
	liov_read_string(ldev, LIOV_REG_FIRMWARE, ldev->firmware, 8);
	return 0;
}

/**
 * liov_check_same() - check that the device is the one that was probed
 * @ldev: device that is about to be started
 *
 * A VM that comes back from hibernation finds what its host has now.
 *
 * Return: 0 or a negative error; -ESTALE: its disks are not those of this VM.
 */
int liov_check_same(struct liov_dev *ldev)
{
	u32 features = liov_read32(ldev, LIOV_REG_FEATURES);
	struct device *dev = &ldev->pdev->dev;
	char serial[sizeof(ldev->serial)];
	int err;

	err = liov_check_version(ldev);
	if (err)
		return err;

	liov_read_string(ldev, LIOV_REG_SERIAL, serial, sizeof(serial) - 1);
	if (strcmp(serial, ldev->serial)) {
		dev_err(dev, "is of controller %s now, and its disks are of %s: give the VM back what it had, or restart it\n",
			serial, ldev->serial);
		return -ESTALE;
	}

	/* Writes would be lost in a cache that nobody knew to flush. */
	if (liov_read32(ldev, LIOV_REG_QUEUE_PAIRS) < ldev->nr_queues ||
	    liov_read32(ldev, LIOV_REG_QUEUE_ENTRIES) < ldev->entries ||
	    liov_read32(ldev, LIOV_REG_MAX_TRANSFER) < ldev->max_transfer ||
	    liov_read32(ldev, LIOV_REG_PAGE_SIZE) != LIOV_PRP_SIZE ||
	    ldev->features & ~features & ~LIOV_FEATURE_VOLATILE_CACHE ||
	    features & ~ldev->features & LIOV_FEATURE_VOLATILE_CACHE) {
		dev_err(dev, "has fewer queue pairs, shorter rings or transfers, or other features than the VM started with: give the VM back what it had, or restart it\n");
		return -ESTALE;
	}
	return 0;
}
