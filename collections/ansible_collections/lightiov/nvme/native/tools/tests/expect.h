/* SPDX-License-Identifier: GPL-2.0-only */
/* Says what is not as it should be, and counts it. */
#ifndef LIGHTIOV_EXPECT_H
#define LIGHTIOV_EXPECT_H

#include <stdio.h>

static unsigned int failures;

#define CHECK(condition)						\
	do {								\
		if (!(condition)) {					\
			printf("%s:%d: not so: %s\n", __FILE__,		\
			       __LINE__, #condition);			\
			failures++;					\
		}							\
	} while (0)

#endif /* LIGHTIOV_EXPECT_H */
