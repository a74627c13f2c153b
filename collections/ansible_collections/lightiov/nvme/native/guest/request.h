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
 * @sgt: scatterlist, if @sgt.sgl
 * @dma: address of the data, if @dma_len
 * @dma_len: bytes of data mapped as one piece
 * @prp_list: PRP list, or NULL
 * @prp_dma: its address
 * @status: NVMe status without the phase tag, or LIOV_CANCELLED
 * @retries: how often it was tried again
 * @generation: tells this use of the tag from the one before
 */
struct liov_iod {
	struct sg_table sgt;
	dma_addr_t dma;
	unsigned int dma_len;
	__le64 *prp_list;
	dma_addr_t prp_dma;
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
void liov_queue_poll(struct liov_queue *q);

/* data.c */
blk_status_t liov_map_data(struct liov_dev *ldev, struct request *req,
			   struct nvme_command *cmd);
void liov_unmap_data(struct liov_dev *ldev, struct request *req);
void liov_free_payload(struct request *req);

#endif /* LIOV_GUEST_REQUEST_H */
