// SPDX-License-Identifier: GPL-2.0-only
#include "mdev.h"

#define CREATE_TRACE_POINTS
#include "trace.h"
