/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The controller's namespaces.  Each has the extents that lie on it (extent.h),
 * and is the one that knows whose any LBA is.
 */
#ifndef LIGHTIOV_NAMESPACE_H
#define LIGHTIOV_NAMESPACE_H

#include "controller.h"

/* What a namespace is, wherever it is: NGUID, EUI-64, or neither. */
struct liov_ns_id {
	u8 len;
	u8 bytes[16];
};

/* As Linux names it, "eui." and its bytes. */
#define LIOV_NS_ID_PREFIX	"eui."
#define LIOV_NS_ID_TEXT		(sizeof(LIOV_NS_ID_PREFIX) + 2 * 16)

/**
 * struct liov_namespace - one active namespace
 * @extents: the parts that mediated devices have of it, in no order
 * @usable: it holds plain blocks: NVM command set and no metadata
 * @described: the list of its descriptors was read, as controllers have it since
 *	NVMe 1.3
 * @present: seen by the last scan; one with extents that is gone is kept
 * @granularity: LBAs; extents start and end at multiples of it
 * @write_granularity, @write_optimal, @dealloc_granularity, @boundary,
 * @atomic_write: LBAs, as struct liov_namespace_info has them
 */
struct liov_namespace {
	struct list_head node;
	u32 nsid;
	u32 lba_shift;
	u64 lba_count;
	u8 nguid[16];
	u8 eui64[8];
	u8 uuid[16];
	u32 write_granularity;
	u32 write_optimal;
	u32 dealloc_granularity;
	u32 boundary;
	u32 atomic_write;
	bool usable;
	bool described;
	bool read_only;
	bool present;
	u32 granularity;
	struct list_head extents;
};

/* scan.c */
void liov_namespaces_scan(struct liov_ctrl *ctrl);
void liov_namespaces_free(struct list_head *namespaces);

/* namespace.c */
struct liov_namespace *liov_namespace_find(struct liov_ctrl *ctrl, u32 nsid);
void liov_ns_id_get(const struct liov_namespace *ns, struct liov_ns_id *id);
bool liov_ns_id_equal(const struct liov_ns_id *a, const struct liov_ns_id *b);
int liov_ns_id_parse(struct liov_ns_id *id, const char *hex);
void liov_ns_id_print(const struct liov_ns_id *id, char *text);

#endif /* LIGHTIOV_NAMESPACE_H */
