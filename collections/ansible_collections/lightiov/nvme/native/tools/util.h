/* SPDX-License-Identifier: GPL-2.0-only */
/* Exit statuses, messages, time and numbers. */
#ifndef LIOV_UTIL_H
#define LIOV_UTIL_H

#include "types.h"

/* Every function that can fail returns the exit status it asks for. */
enum {
	STATUS_OK = 0,
	STATUS_IO = 1,		/* I/O or verification failed */
	STATUS_USAGE = 2,	/* the command line or the environment is wrong */
};

#define KIB 1024ull
#define MIB (1024 * KIB)
#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Prints one sentence (object, cause, remedy) and returns @status. */
[[gnu::format(printf, 2, 3)]]
int fail(int status, const char *fmt, ...);

u64 now_ns(void);
u64 align_up(u64 value, u64 alignment);
u64 random_next(u64 *state);
bool all_zeroes(const void *data, u64 bytes);

/* Empties an eventfd; one without events is empty already. */
void eventfd_drain(int fd);

/* In hexadecimal digits; nothing if all of it is zeroes.  Both return @text. */
const char *hex_print(const u8 *bytes, u32 size, char *text);

#define UUID_BYTES 16
#define UUID_TEXT 37

const char *uuid_print(const u8 *uuid, char *text);

/* Accepts the usual form only, since the text becomes a part of paths. */
bool uuid_parse(const char *text, u8 *uuid);

/*
 * Accepts decimal (with leading zeroes, too), 0x hexadecimal and the suffixes
 * K, M, G, T (powers of 1024).
 */
bool parse_number(const char *text, u64 *value);

#endif
