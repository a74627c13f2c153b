// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a controller says of itself.
 */
#include <linux/log2.h>
#include <linux/sysfs.h>

#include "controller.h"

static void liov_ctrl_parse_features(struct liov_ctrl *ctrl,
				     const struct nvme_id_ctrl *id)
{
	u16 oncs = le16_to_cpu(id->oncs);

	if (id->vwc & NVME_CTRL_VWC_PRESENT)
		ctrl->features |= LIOV_FEATURE_VOLATILE_CACHE;
	if ((oncs & NVME_CTRL_ONCS_WRITE_ZEROES) &&
	    !(ctrl->quirks & LIOV_QUIRK_NO_WRITE_ZEROES))
		ctrl->features |= LIOV_FEATURE_WRITE_ZEROES;
	if (oncs & NVME_CTRL_ONCS_DSM)
		ctrl->features |= LIOV_FEATURE_DEALLOCATE;
}

static void liov_ctrl_parse_times(struct liov_ctrl *ctrl,
				  const struct nvme_id_ctrl *id)
{
	u32 *delays = ctrl->limits.retry_delays;

	/* RTD3 Entry Latency is in microseconds. */
	ctrl->shutdown_timeout =
		clamp(usecs_to_jiffies(le32_to_cpu(id->rtd3e)), 5UL * HZ,
		      60UL * HZ);
	/* These count units of 100 ms. */
	ctrl->activation_timeout =
		clamp_t(unsigned long, le16_to_cpu(id->mtfa) * HZ / 10,
			LIOV_ADMIN_TIMEOUT, LIOV_ACTIVATION_MAX);
	delays[0] = le16_to_cpu(id->crdt1) * 100;
	delays[1] = le16_to_cpu(id->crdt2) * 100;
	delays[2] = le16_to_cpu(id->crdt3) * 100;
}

static void liov_ctrl_parse_hmb(struct liov_ctrl *ctrl,
				const struct nvme_id_ctrl *id)
{
	struct liov_hmb *hmb = &ctrl->hmb;

	/* These count units of 4 KiB.  One piece is as many as it ever is. */
	hmb->preferred = (u64)le32_to_cpu(id->hmpre) << 12;
	hmb->minimum = (u64)max(le32_to_cpu(id->hmmin),
				le32_to_cpu(id->hmminds)) << 12;
}

static void liov_ctrl_parse(struct liov_ctrl *ctrl,
			    const struct nvme_id_ctrl *id)
{
	memcpy(ctrl->serial, id->sn, sizeof(ctrl->serial));
	memcpy(ctrl->model, id->mn, sizeof(ctrl->model));
	memcpy(ctrl->firmware, id->fr, sizeof(ctrl->firmware));
	ctrl->nr_nsids = le32_to_cpu(id->nn);
	/* Any namespace's format or erase may be every namespace's. */
	ctrl->format_all = id->fna & (BIT(0) | BIT(1));

	ctrl->max_transfer = LIOV_MAX_TRANSFER;
	if (id->mdts && id->mdts + PAGE_SHIFT < ilog2(LIOV_MAX_TRANSFER))
		ctrl->max_transfer = PAGE_SIZE << id->mdts;
	if (id->mdts && (ctrl->quirks & LIOV_QUIRK_STRIPES))
		ctrl->stripe = ctrl->max_transfer;

	/* What can be reported and what is to be have the same bits. */
	ctrl->events = le32_to_cpu(id->oaes) &
		       (NVME_AEN_CFG_NS_ATTR | NVME_AEN_CFG_FW_ACT);
	ctrl->atomic_write = le16_to_cpu(id->awupf) + 1;
	liov_ctrl_parse_features(ctrl, id);
	liov_ctrl_parse_times(ctrl, id);
	liov_ctrl_parse_hmb(ctrl, id);
}

static void liov_ctrl_parse_limits(struct liov_ctrl *ctrl,
				   const struct nvme_id_ctrl_nvm *id)
{
	struct liov_limits *limits = &ctrl->limits;

	limits->dealloc_ranges = id->dmrl;
	limits->dealloc_range = le32_to_cpu(id->dmrsl);
	limits->dealloc_lbas = le64_to_cpu(id->dmsl);
	/* A power of two of pages.  No command can ask for more than 2 GiB. */
	if (id->wzsl)
		limits->write_zeroes =
			BIT(min_t(u32, id->wzsl + PAGE_SHIFT, 31));
}

/* Return: as liov_admin_exec(). */
static int liov_ctrl_ask(struct liov_ctrl *ctrl, u8 cns,
			 const struct liov_dma *data)
{
	struct liov_request rq = {};

	liov_admin_identify(&rq.cmd, cns, 0, data);
	return liov_admin_exec(ctrl, &rq, LIOV_ADMIN_TIMEOUT);
}

int liov_ctrl_identify(struct liov_ctrl *ctrl)
{
	struct liov_dma data;
	int ret;

	ret = liov_dma_alloc(ctrl, &data, NVME_IDENTIFY_DATA_SIZE,
			     DMA_FROM_DEVICE);
	if (ret)
		return ret;

	ret = liov_admin_errno(liov_ctrl_ask(ctrl, NVME_ID_CNS_CTRL, &data));
	if (ret)
		/* A command may be in flight: the buffer goes when it cannot. */
		goto out_disable;
	liov_ctrl_parse(ctrl, data.cpu);

	/* Older ones look at two bits of the CNS only. */
	if (readl(ctrl->regs + NVME_REG_VS) < NVME_VS(1, 2, 0))
		goto out_free;
	ret = liov_ctrl_ask(ctrl, NVME_ID_CNS_CS_CTRL, &data);
	if (ret < 0)
		goto out_disable;
	/* Controllers before NVMe 2.0 may not know it, and tell no limits. */
	if (!ret)
		liov_ctrl_parse_limits(ctrl, data.cpu);
	ret = 0;
	goto out_free;

out_disable:
	liov_ctrl_quiesce(ctrl);
out_free:
	liov_dma_free(ctrl, &data);
	return ret;
}

/* Identify pads its strings with spaces. */
ssize_t liov_emit_padded(char *buf, const char *text, size_t size)
{
	while (size && text[size - 1] == ' ')
		size--;
	return sysfs_emit(buf, "%.*s\n", (int)size, text);
}
