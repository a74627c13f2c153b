/* SPDX-License-Identifier: GPL-2.0-only */
/* An mdev that is open and speaks this ABI: what it allows, how it is. */
#ifndef LIOV_MDEV_H
#define LIOV_MDEV_H

#include "types.h"
#include "vfio.h"

/**
 * struct limits - what the controller allows
 * @queue_pairs: of this mdev
 * @queue_entries: most entries of a ring
 * @max_transfer: most bytes of a command
 * @page_size: unit of PRP entries
 * @timeout_ms: a command that takes longer is lost
 * @features: LIOV_FEATURE_*
 * @write_zeroes: most bytes of a Write Zeroes command; 0: it has none
 */
struct limits {
	u32 queue_pairs;
	u32 queue_entries;
	u32 max_transfer;
	u32 page_size;
	u32 timeout_ms;
	u32 features;
	u32 write_zeroes;
};

/* Opens the device, unless its ABI is another. */
int mdev_connect(struct device *dev, const char *uuid, struct limits *limits);

/* Why I/O cannot go on, from LIOV_REG_STATUS; NULL if it can. */
const char *mdev_trouble(u32 status);

#endif
