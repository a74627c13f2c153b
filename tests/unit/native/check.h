/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel's code expects, and says when it is not as it should be. */
#ifndef LIGHTIOV_CHECK_H
#define LIGHTIOV_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "expect.h"

typedef uint32_t u32;
typedef uint64_t u64;

#endif /* LIGHTIOV_CHECK_H */
