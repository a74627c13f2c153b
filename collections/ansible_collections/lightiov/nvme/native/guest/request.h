/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A request on its way to the controller and back: what the files share that it
 * passes, tagset.c, request.c, data.c and complete.c.
 */
#ifndef LIOV_GUEST_REQUEST_H
#define LIOV_GUEST_REQUEST_H

#include "guest.h"

/**
 * struct liov_iod - the driver's part of a request
 * @cmd: the command, with the addresses of the data
 * @prp_list: PRP list, or NULL
 * @prp_pool: that it is of
 * @dma_len: bytes of data mapped as one piece without a list; or
 * @nr_prps: PRP entries of data mapped piece by piece
 * @status: NVMe status without the phase tag, or LIOV_CANCELLED
 * @retries: how often it was tried again
 * @generation: tells this use of the tag from the one before
 */
struct liov_iod {
	struct nvme_command cmd;
	__le64 *prp_list;
	struct dma_pool *prp_pool;
	unsigned int dma_len;
	u16 nr_prps;
	u16 status;
	u8 retries;
	u8 generation;
};

/* request.c */
blk_status_t liov_queue_rq(struct blk_mq_hw_ctx *hctx,
			   const struct blk_mq_queue_data *bd);
void liov_commit_rqs(struct blk_mq_hw_ctx *hctx);

/* complete.c */
void liov_complete_rq(struct request *req);
int liov_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob);
void liov_queue_look(struct liov_queue *q);

/* data.c */
blk_status_t liov_map_data(struct liov_queue *q, struct request *req);
void liov_unmap_data(struct liov_queue *q, struct request *req);
void liov_free_payload(struct request *req);

#endif /* LIOV_GUEST_REQUEST_H */
