// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "../abi/lightiov_abi.h"
#include "disk.h"
#include "sysfs.h"
#include "util.h"

static int find_id(struct session *s, const u8 *id)
{
	u32 slot, count = slot_count(&s->dev);

	for (slot = 0; slot < count; slot++) {
		if (!slot_read(&s->dev, slot, &s->extent) ||
		    memcmp(s->extent.id, id, UUID_BYTES))
			continue;
		s->config.slot = slot;
		return STATUS_OK;
	}
	return fail(STATUS_USAGE,
		    "mdev %s: it has no disk %s; name one that 'liov identify' lists",
		    s->config.uuid, s->config.disk);
}

static int find_named(struct session *s)
{
	const char *disk = s->config.disk;
	u8 id[UUID_BYTES];
	u32 count;

	/* Of whole namespaces that have no ID, none is named by it. */
	if (uuid_parse(disk, id) && !all_zeroes(id, sizeof(id)))
		return find_id(s, id);
	count = sysfs_extents_named(s->config.uuid, disk, id);
	if (count > 1)
		return fail(STATUS_USAGE,
			    "mdev %s: it has %u disks of the name %s; name it by its ID, which 'liov identify' shows",
			    s->config.uuid, count, disk);
	if (count)
		return find_id(s, id);
	return fail(STATUS_USAGE,
		    "mdev %s: it has no disk of the name %s; name one that its attribute 'extents' lists",
		    s->config.uuid, disk);
}

static int find_only(struct session *s)
{
	u32 slot, found = 0, count = slot_count(&s->dev);
	struct extent extent;

	for (slot = 0; slot < count; slot++) {
		if (!slot_read(&s->dev, slot, &extent))
			continue;
		s->config.slot = slot;
		s->extent = extent;
		found++;
	}
	if (found == 1)
		return STATUS_OK;
	if (!found)
		return fail(STATUS_USAGE,
			    "mdev %s: it has no disk; write its attribute 'extent'",
			    s->config.uuid);
	return fail(STATUS_USAGE,
		    "mdev %s: it has %u namespaces; say which with --namespace or --disk, as 'liov identify' lists them",
		    s->config.uuid, found);
}

int disk_choose(struct session *s)
{
	const struct session_config *c = &s->config;
	int status = STATUS_OK;

	if (c->slot == SLOT_NONE)
		return STATUS_OK;
	if (c->disk)
		status = find_named(s);
	else if (c->slot == SLOT_ONLY)
		status = find_only(s);
	else if (!slot_read(&s->dev, c->slot, &s->extent))
		status = fail(STATUS_USAGE,
			      "mdev %s: it has no namespace %u; choose one that 'liov identify' lists",
			      c->uuid, c->slot);
	if (status)
		return status;
	extent_name(&s->extent, c->slot, s->disk);
	if (s->extent.flags & LIOV_NS_GONE)
		return fail(STATUS_USAGE,
			    "mdev %s: %s is gone: its namespace was detached, replaced or made smaller; bring that back, or give the mdev another extent",
			    c->uuid, s->disk);
	return STATUS_OK;
}

int disk_check(struct session *s)
{
	const struct extent chosen = s->extent;
	struct extent now;

	if (s->config.slot == SLOT_NONE)
		return STATUS_OK;
	if (!slot_read(&s->dev, s->config.slot, &now) ||
	    now.flags & LIOV_NS_GONE || now.nsid != chosen.nsid ||
	    now.start_lba != chosen.start_lba ||
	    memcmp(now.id, chosen.id, sizeof(now.id)))
		return fail(STATUS_USAGE,
			    "mdev %s: %s was taken away; name one that 'liov identify' lists",
			    s->config.uuid, s->disk);
	s->extent = now;
	return STATUS_OK;
}

int disk_range(const struct session *s, u64 lba, u64 *count)
{
	if (!extent_holds(&s->extent, lba, *count))
		return fail(STATUS_USAGE,
			    "mdev %s: %s ends at LBA %llu; choose a smaller --lba or --count",
			    s->dev.uuid, s->disk, s->extent.lba_count);
	if (!*count)
		*count = s->extent.lba_count - lba;
	return STATUS_OK;
}
