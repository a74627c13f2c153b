/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels the guest driver is built for.  The rest of
 * the driver is written for the newest; each helper here says in which version
 * the interface behind it changed.
 */
#ifndef LIOV_GUEST_COMPAT_H
#define LIOV_GUEST_COMPAT_H

#include <linux/blk-mq.h>
#include <linux/blkdev.h>
#include <linux/dma-direct.h>
#include <linux/pci.h>
#include <linux/version.h>

#include "guest.h"

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#include <linux/blk-mq-pci.h>
#endif

/* 6.8: struct bus_dma_region lost the redundant field "offset". */
static inline void liov_region_set(struct bus_dma_region *region,
				   phys_addr_t cpu_start, dma_addr_t dma_start,
				   u64 size)
{
	region->cpu_start = cpu_start;
	region->dma_start = dma_start;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	region->offset = cpu_start - dma_start;
#endif
	/* A reader stops at size 0, so the region exists from here on. */
	smp_store_release(&region->size, size);
}

/* 6.2: all queues of a tag set wait for their readers together. */
static inline void liov_wait_quiesced(struct request_queue *q)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	blk_mq_wait_quiesce_done(q);
#else
	blk_mq_wait_quiesce_done(q->tag_set);
#endif
}

/* 6.5: what is opened is a disk, never a partition, and modes got a type. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
static inline int liov_open(struct block_device *bdev, fmode_t mode)
{
	return liov_disk_open(bdev->bd_disk);
}

static inline void liov_release(struct gendisk *disk, fmode_t mode)
{
	liov_disk_release(disk);
}
#else
static inline int liov_open(struct gendisk *disk, blk_mode_t mode)
{
	return liov_disk_open(disk);
}

static inline void liov_release(struct gendisk *disk)
{
	liov_disk_release(disk);
}
#endif

/*
 * 6.13, and Debian's 6.12.117 at the latest: lockdep knows freezing, and that
 * another task may end it.
 */
static inline void liov_freeze_start(struct request_queue *q)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 117)
	blk_freeze_queue_start(q);
#else
	blk_freeze_queue_start_non_owner(q);
#endif
}

static inline void liov_unfreeze(struct request_queue *q)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 117)
	blk_mq_unfreeze_queue(q);
#else
	blk_mq_unfreeze_queue_non_owner(q);
#endif
}

/* 6.4: named for what it is. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define LIOV_STS_RESV_CONFLICT	BLK_STS_NEXUS
#else
#define LIOV_STS_RESV_CONFLICT	BLK_STS_RESV_CONFLICT
#endif

/* 6.14: one helper for all buses. */
static inline void liov_map_hw_queues(struct blk_mq_queue_map *map,
				      struct pci_dev *pdev, int first_vector)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
	blk_mq_pci_map_queues(map, pdev, first_vector);
#else
	blk_mq_map_hw_queues(map, &pdev->dev, first_vector);
#endif
}

/*
 * 6.13, and Debian's 6.12.117 at the latest: a list of requests has a type, is in
 * their order, and is handled by functions, which were macros.
 */
#ifdef rq_list_pop
struct rq_list {
	struct request *head;
	struct request *tail;
};

static inline struct request *liov_rqs_pop(struct rq_list *reqs)
{
	return rq_list_pop(&reqs->head);
}

static inline void liov_rqs_add(struct rq_list *reqs, struct request *req)
{
	req->rq_next = NULL;
	if (reqs->head)
		reqs->tail->rq_next = req;
	else
		reqs->head = req;
	reqs->tail = req;
}

static inline void liov_queue_rqs_reversed(struct request **rqlist)
{
	struct rq_list reqs = {};
	struct request *req;

	while ((req = rq_list_pop(rqlist))) {
		req->rq_next = reqs.head;
		reqs.head = req;
	}
	liov_queue_rqs(&reqs);
	*rqlist = reqs.head;
}
#else
#define liov_rqs_pop	rq_list_pop
#define liov_rqs_add	rq_list_add_tail
#endif

/*
 * 6.7: queues that share tags, as ours do, get lists, too; and requests are found
 * by their tags as soon as they have been started.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#define LIOV_QUEUE_RQS	NULL
#elif defined(rq_list_pop)
#define LIOV_QUEUE_RQS	liov_queue_rqs_reversed
#else
#define LIOV_QUEUE_RQS	liov_queue_rqs
#endif

/* 6.14: merging is what every driver wants, and the flag went. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
#define LIOV_TAG_SET_FLAGS \
	(BLK_MQ_F_SHOULD_MERGE | BLK_MQ_F_NO_SCHED_BY_DEFAULT)
#else
#define LIOV_TAG_SET_FLAGS	BLK_MQ_F_NO_SCHED_BY_DEFAULT
#endif

/* 6.11: file systems may write several blocks at once or not at all. */
static inline void liov_limit_atomic(struct queue_limits *lim,
				     unsigned int lba_size, unsigned int bytes)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	lim->atomic_write_hw_max = bytes;
	lim->atomic_write_hw_unit_min = lba_size;
	lim->atomic_write_hw_unit_max = rounddown_pow_of_two(bytes);
#endif
	/* 6.13: and a driver says so. */
#ifdef BLK_FEAT_ATOMIC_WRITES
	lim->features |= BLK_FEAT_ATOMIC_WRITES;
#endif
}

/*
 * 6.11: features are among the limits.
 * 6.9: limits are given when the disk is allocated.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
static inline struct gendisk *liov_alloc_anchor(struct blk_mq_tag_set *set)
{
	return blk_mq_alloc_disk(set, NULL);
}

static inline struct gendisk *
liov_alloc_disk_limited(struct blk_mq_tag_set *set,
			const struct queue_limits *lim, void *queuedata)
{
	struct gendisk *disk = blk_mq_alloc_disk(set, queuedata);
	struct request_queue *q;

	if (IS_ERR(disk))
		return disk;

	q = disk->queue;
	blk_queue_logical_block_size(q, lim->logical_block_size);
	blk_queue_physical_block_size(q, lim->physical_block_size);
	blk_queue_io_min(q, lim->io_min);
	blk_queue_io_opt(q, lim->io_opt);
	blk_queue_chunk_sectors(q, lim->chunk_sectors);
	blk_queue_virt_boundary(q, lim->virt_boundary_mask);
	blk_queue_dma_alignment(q, lim->dma_alignment);
	blk_queue_max_hw_sectors(q, lim->max_hw_sectors);
	blk_queue_max_segments(q, lim->max_segments);
	blk_queue_max_write_zeroes_sectors(q, lim->max_write_zeroes_sectors);
	blk_queue_max_discard_sectors(q, lim->max_hw_discard_sectors);
	blk_queue_max_discard_segments(q, lim->max_discard_segments ?: 1);
	q->limits.discard_granularity = lim->discard_granularity;
	return disk;
}
#else
static inline struct gendisk *liov_alloc_anchor(struct blk_mq_tag_set *set)
{
	return blk_mq_alloc_disk(set, NULL, NULL);
}

#define liov_alloc_disk_limited	blk_mq_alloc_disk
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
static inline struct gendisk *
liov_alloc_disk(struct blk_mq_tag_set *set, struct queue_limits *lim,
		bool volatile_cache, void *queuedata)
{
	struct gendisk *disk = liov_alloc_disk_limited(set, lim, queuedata);

	if (IS_ERR(disk))
		return disk;

	blk_queue_flag_set(QUEUE_FLAG_NONROT, disk->queue);
	blk_queue_write_cache(disk->queue, volatile_cache, volatile_cache);
	return disk;
}
#else
static inline struct gendisk *
liov_alloc_disk(struct blk_mq_tag_set *set, struct queue_limits *lim,
		bool volatile_cache, void *queuedata)
{
	if (volatile_cache)
		lim->features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
	return liov_alloc_disk_limited(set, lim, queuedata);
}
#endif

#endif /* LIOV_GUEST_COMPAT_H */
