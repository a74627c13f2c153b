// SPDX-License-Identifier: GPL-2.0-only
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sysfs.h"
#include "util.h"

#define MDEV_DEVICES	"/sys/bus/mdev/devices"

bool sysfs_link(const char *uuid, const char *name, char *target, size_t size)
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t length;

	snprintf(path, sizeof(path), MDEV_DEVICES "/%s/%s", uuid, name);
	length = readlink(path, link, sizeof(link) - 1);
	if (length < 0)
		return false;
	link[length] = 0;
	snprintf(target, size, "%s", basename(link));
	return true;
}

bool sysfs_number(const char *uuid, const char *name, u64 *value)
{
	char path[PATH_MAX];
	FILE *file;
	bool found;

	snprintf(path, sizeof(path), MDEV_DEVICES "/%s/%s", uuid, name);
	file = fopen(path, "re");
	if (!file)
		return false;
	found = fscanf(file, "%llu", value) == 1;
	fclose(file);
	return found;
}

u32 sysfs_extents_named(const char *uuid, const char *name, u8 *id)
{
	char path[PATH_MAX], line[256], text[UUID_TEXT], found[65];
	u32 count = 0;
	FILE *file;

	snprintf(path, sizeof(path), MDEV_DEVICES "/%s/extents", uuid);
	/* A dash stands for no name. */
	file = strcmp(name, "-") ? fopen(path, "re") : NULL;
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %36s %*s %*s %*s %*s %*s %64s", text,
			   found) == 2 &&
		    !strcmp(found, name) && uuid_parse(text, id))
			count++;
	}
	fclose(file);
	return count;
}
