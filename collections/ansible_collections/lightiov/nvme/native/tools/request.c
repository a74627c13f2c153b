// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>

#include "prp.h"
#include "request.h"
#include "util.h"

u64 request_memory(const struct session *s)
{
	u64 page = s->limits.page_size;

	return s->config.depth * (align_up(s->config.io_bytes, page) + page);
}

void request_prepare(struct session *s)
{
	u32 nr = s->config.queues * s->config.depth;
	u32 i;

	for (i = 0; i < nr; i++) {
		struct io_request *rq = &s->requests[i];

		rq->data = memory_take(&s->mem, s->config.io_bytes);
		rq->data_iova = memory_iova(&s->mem, rq->data);
		rq->list = memory_take(&s->mem, s->limits.page_size);
		rq->list_iova = memory_iova(&s->mem, rq->list);
	}
}

struct nvme_sqe request_sqe(const struct session *s, const struct io_request *rq,
			    u16 cid)
{
	u64 bytes = (u64)rq->blocks * s->extent.lba_size;
	struct nvme_sqe sqe = {
		.opcode = rq->opcode,
		.cid = htole16(cid),
		.nsid = htole32(s->extent.nsid),
	};
	struct prp prp;

	if (rq->opcode != NVME_FLUSH) {
		sqe.slba = htole64(s->extent.start_lba + rq->lba);
		sqe.length = htole32(rq->blocks - 1);
	}
	if (rq->opcode == NVME_READ || rq->opcode == NVME_WRITE) {
		prp = prp_build(rq->data_iova, bytes, s->limits.page_size,
				rq->list, rq->list_iova);
		sqe.prp1 = htole64(prp.prp1);
		sqe.prp2 = htole64(prp.prp2);
	}
	return sqe;
}
