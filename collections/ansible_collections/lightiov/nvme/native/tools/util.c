// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

int fail(int status, const char *fmt, ...)
{
	va_list args;

	/* One sentence of one thread stays in one piece. */
	flockfile(stderr);
	fputs("liov: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	funlockfile(stderr);
	return status;
}

u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

u64 align_up(u64 value, u64 alignment)
{
	return (value + alignment - 1) / alignment * alignment;
}

/* SplitMix64: any state is a good seed. */
u64 random_next(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

bool all_zeroes(const void *data, u64 bytes)
{
	const char *first = data;

	return !*first && !memcmp(first, first + 1, bytes - 1);
}

void eventfd_drain(int fd)
{
	u64 events;

	while (read(fd, &events, sizeof(events)) < 0 && errno == EINTR)
		;
}

const char *hex_print(const u8 *bytes, u32 size, char *text)
{
	u32 i;

	text[0] = 0;
	for (i = 0; i < size && !all_zeroes(bytes, size); i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
	return text;
}

static const char uuid_form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

const char *uuid_print(const u8 *uuid, char *text)
{
	size_t i, byte = 0;

	text[0] = 0;
	if (all_zeroes(uuid, UUID_BYTES))
		return text;
	for (i = 0; uuid_form[i]; i++) {
		if (uuid_form[i] == '-')
			text[i] = '-';
		else
			sprintf(text + i++, "%02x", uuid[byte++]);
	}
	text[i] = 0;
	return text;
}

static u8 hex_digit(char digit)
{
	return (u8)(isdigit((unsigned char)digit) ? digit - '0' :
		    tolower((unsigned char)digit) - 'a' + 10);
}

bool uuid_parse(const char *text, u8 *uuid)
{
	size_t i, digits = 0;

	for (i = 0; uuid_form[i]; i++) {
		if (uuid_form[i] == '-') {
			if (text[i] != '-')
				return false;
			continue;
		}
		if (!isxdigit((unsigned char)text[i]))
			return false;
		uuid[digits / 2] = (u8)(uuid[digits / 2] << 4 |
					hex_digit(text[i]));
		digits++;
	}
	return !text[i];
}

bool parse_number(const char *text, u64 *value)
{
	bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	static const char suffixes[] = "KMGT";
	const char *suffix;
	unsigned int shift;
	char *end;

	/* strtoull() would take "-1" and leading blanks. */
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, hexadecimal ? 16 : 10);
	if (errno)
		return false;
	if (!*end)
		return true;
	suffix = strchr(suffixes, toupper((unsigned char)*end));
	if (!suffix || end[1])
		return false;
	shift = 10 * (unsigned int)(suffix - suffixes + 1);
	if (*value > ~0ull >> shift)
		return false;
	*value <<= shift;
	return true;
}
