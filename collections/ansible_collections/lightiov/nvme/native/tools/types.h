/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel integer names, so that the ABI header and these tools read alike. */
#ifndef LIOV_TYPES_H
#define LIOV_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#endif
