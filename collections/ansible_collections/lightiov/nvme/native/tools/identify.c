// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "mailbox.h"
#include "options.h"
#include "util.h"

/* An ASCII register, without the padding; anything else becomes '?'. */
static void read_text(const struct device *dev, u32 offset, u32 size,
		      char *text)
{
	u32 i, end = 0;

	register_copy(dev, offset, text, size);
	for (i = 0; i < size; i++) {
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"' ||
		    text[i] == '\\')
			text[i] = text[i] ? '?' : ' ';
		if (text[i] != ' ')
			end = i + 1;
	}
	text[end] = 0;
}

static struct liov_queue_info read_queue(const struct device *dev, u32 index)
{
	struct liov_queue_info info;

	register_copy(dev, LIOV_REG_QUEUE(index), &info, sizeof(info));
	return info;
}

struct identity {
	char serial[21];
	char model[41];
	char firmware[9];
	u32 version;
	u32 status;
	u32 generation;
};

static void print_disk(u32 slot, const struct extent *e)
{
	char id[UUID_TEXT], nguid[33];

	printf("namespace %-4uNSID %u, %llu blocks of %u bytes (%llu MiB)",
	       slot, e->nsid, e->lba_count, e->lba_size,
	       e->lba_count * e->lba_size / MIB);
	if (e->flags & LIOV_NS_SLICE)
		printf(", a slice from LBA %llu on", e->start_lba);
	printf("%s%s%s\n", e->flags & LIOV_NS_READ_ONLY ? ", read-only" : "",
	       e->flags & LIOV_NS_ASKED ? ", asked back" : "",
	       e->flags & LIOV_NS_GONE ? ", gone" : "");
	if (*uuid_print(e->id, id))
		printf("              disk %s\n", id);
	if (*hex_print(e->nguid, sizeof(e->nguid), nguid))
		printf("              NGUID %s\n", nguid);
}

static void print_disks(const struct device *dev)
{
	u32 slot, count = slot_count(dev);
	struct extent extent;

	for (slot = 0; slot < count; slot++) {
		if (slot_read(dev, slot, &extent))
			print_disk(slot, &extent);
	}
}

static void print_text(const struct device *dev, const struct limits *l,
		       const struct identity *id)
{
	const char *trouble = mdev_trouble(id->status);
	u32 i;

	printf("mdev          %s\n", dev->uuid);
	printf("controller    %s, serial %s, firmware %s\n", id->model,
	       id->serial, id->firmware);
	printf("ABI           %u.%u\n", id->version >> 16,
	       id->version & 0xffff);
	printf("status        0x%x, %s; generation %u\n", id->status,
	       trouble ? trouble : "ready", id->generation);
	printf("limits        %u entries a queue, %u bytes a command, %u-byte pages, %u ms\n",
	       l->queue_entries, l->max_transfer, l->page_size, l->timeout_ms);
	printf("features     %s%s%s\n",
	       l->features & LIOV_FEATURE_VOLATILE_CACHE ?
	       " volatile-cache" : "",
	       l->features & LIOV_FEATURE_WRITE_ZEROES ? " write-zeroes" : "",
	       l->features & LIOV_FEATURE_DEALLOCATE ? " deallocate" : "");
	for (i = 0; i < l->queue_pairs; i++) {
		struct liov_queue_info q = read_queue(dev, i);

		printf("queue pair %-3ucontroller's %u, vector %u, doorbells 0x%x 0x%x\n",
		       i, le16toh(q.hw_qid), le16toh(q.vector),
		       le32toh(q.sq_doorbell), le32toh(q.cq_doorbell));
	}
	print_disks(dev);
}

static void print_json(const struct device *dev, const struct limits *l,
		       const struct identity *id)
{
	u32 i;

	printf("{\"uuid\": \"%s\", \"serial\": \"%s\", \"model\": \"%s\", ",
	       dev->uuid, id->serial, id->model);
	printf("\"firmware\": \"%s\", \"abi\": \"%u.%u\", \"status\": %u, ",
	       id->firmware, id->version >> 16, id->version & 0xffff,
	       id->status);
	printf("\"ready\": %s, \"generation\": %u, \"features\": %u, ",
	       mdev_trouble(id->status) ? "false" : "true", id->generation,
	       l->features);
	printf("\"queue_entries\": %u, \"max_transfer\": %u, ",
	       l->queue_entries, l->max_transfer);
	printf("\"page_size\": %u, \"timeout_ms\": %u, \"queue_pairs\": [",
	       l->page_size, l->timeout_ms);
	for (i = 0; i < l->queue_pairs; i++) {
		struct liov_queue_info q = read_queue(dev, i);

		printf("%s{\"hw_qid\": %u, \"vector\": %u, ", i ? ", " : "",
		       le16toh(q.hw_qid), le16toh(q.vector));
		printf("\"sq_doorbell\": %u, \"cq_doorbell\": %u}",
		       le32toh(q.sq_doorbell), le32toh(q.cq_doorbell));
	}
	printf("], \"namespaces\": ");
	slots_print(dev);
	printf("}\n");
}

int cmd_identify(const struct options *o)
{
	struct identity id;
	struct limits limits;
	struct device dev;
	int status;

	status = mdev_connect(&dev, o->uuid, &limits);
	if (status)
		return status;
	read_text(&dev, LIOV_REG_SERIAL, sizeof(id.serial) - 1, id.serial);
	read_text(&dev, LIOV_REG_MODEL, sizeof(id.model) - 1, id.model);
	read_text(&dev, LIOV_REG_FIRMWARE, sizeof(id.firmware) - 1,
		  id.firmware);
	id.version = register_read(&dev, LIOV_REG_VERSION);
	id.status = register_read(&dev, LIOV_REG_STATUS);
	id.generation = register_read(&dev, LIOV_REG_GENERATION);
	if (o->json)
		print_json(&dev, &limits, &id);
	else
		print_text(&dev, &limits, &id);
	device_close(&dev);
	return STATUS_OK;
}
