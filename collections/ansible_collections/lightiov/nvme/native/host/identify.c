// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a controller says of itself, each time that it starts: it may have other
 * firmware then.
 */
#include <linux/log2.h>
#include <linux/sysfs.h>

#include "controller.h"

static u32 liov_ctrl_parse_features(struct liov_ctrl *ctrl,
				    const struct nvme_id_ctrl *id)
{
	u16 oncs = le16_to_cpu(id->oncs);
	u32 features = 0;

	if (id->vwc & NVME_CTRL_VWC_PRESENT)
		features |= LIOV_FEATURE_VOLATILE_CACHE;
	if ((oncs & NVME_CTRL_ONCS_WRITE_ZEROES) &&
	    !(ctrl->quirks & LIOV_QUIRK_NO_WRITE_ZEROES))
		features |= LIOV_FEATURE_WRITE_ZEROES;
	if (oncs & NVME_CTRL_ONCS_DSM)
		features |= LIOV_FEATURE_DEALLOCATE;
	return features;
}

static void liov_ctrl_parse_times(struct liov_ctrl *ctrl,
				  const struct nvme_id_ctrl *id)
{
	u32 *delays = ctrl->limits.retry_delays;
	u32 activation;

	/* RTD3 Entry Latency is in microseconds. */
	ctrl->shutdown_timeout =
		clamp(usecs_to_jiffies(le32_to_cpu(id->rtd3e)), 5UL * HZ,
		      60UL * HZ);
	/* These count units of 100 ms. */
	activation = clamp_t(unsigned long, le16_to_cpu(id->mtfa) * HZ / 10,
			     LIOV_ADMIN_TIMEOUT, LIOV_ACTIVATION_MAX);
	WRITE_ONCE(ctrl->activation_timeout, activation);
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

/* What stays, as long as the controller belongs to us. */
static void liov_ctrl_parse_once(struct liov_ctrl *ctrl,
				 const struct nvme_id_ctrl *id)
{
	memcpy(ctrl->serial, id->sn, sizeof(ctrl->serial));
	memcpy(ctrl->model, id->mn, sizeof(ctrl->model));
	liov_ctrl_parse_hmb(ctrl, id);
	ctrl->known = true;
}

static void liov_ctrl_parse(struct liov_ctrl *ctrl,
			    const struct nvme_id_ctrl *id)
{
	bool striped = id->mdts && (ctrl->quirks & LIOV_QUIRK_STRIPES);

	lockdep_assert_held(&ctrl->lock);

	if (!ctrl->known)
		liov_ctrl_parse_once(ctrl, id);
	memcpy(ctrl->firmware, id->fr, sizeof(ctrl->firmware));
	WRITE_ONCE(ctrl->nr_nsids, le32_to_cpu(id->nn));
	/* Any namespace's format or erase may be every namespace's. */
	WRITE_ONCE(ctrl->format_all, id->fna & (BIT(0) | BIT(1)));

	ctrl->max_transfer = LIOV_MAX_TRANSFER;
	if (id->mdts && id->mdts + PAGE_SHIFT < ilog2(LIOV_MAX_TRANSFER))
		ctrl->max_transfer = PAGE_SIZE << id->mdts;
	ctrl->stripe = striped ? ctrl->max_transfer : 0;

	/* What can be reported and what is to be have the same bits. */
	ctrl->events = le32_to_cpu(id->oaes) &
		       (NVME_AEN_CFG_NS_ATTR | NVME_AEN_CFG_FW_ACT);
	ctrl->atomic_write = le16_to_cpu(id->awupf) + 1;
	ctrl->features = liov_ctrl_parse_features(ctrl, id);
	liov_ctrl_parse_times(ctrl, id);
}

static void liov_ctrl_parse_limits(struct liov_ctrl *ctrl,
				   const struct nvme_id_ctrl_nvm *id)
{
	struct liov_limits *limits = &ctrl->limits;

	lockdep_assert_held(&ctrl->lock);

	limits->dealloc_ranges = id->dmrl;
	limits->dealloc_range = le32_to_cpu(id->dmrsl);
	limits->dealloc_lbas = le64_to_cpu(id->dmsl);
	/* A power of two of pages.  No command can ask for more than 2 GiB. */
	limits->write_zeroes =
		id->wzsl ? BIT(min_t(u32, id->wzsl + PAGE_SHIFT, 31)) : 0;
}

/* Return: as liov_admin_exec(). */
static int liov_ctrl_ask(struct liov_ctrl *ctrl, u8 cns)
{
	struct liov_request rq = {};

	liov_admin_identify(&rq.cmd, cns, 0, &ctrl->admin.data);
	return liov_admin_exec(ctrl, &rq, LIOV_ADMIN_TIMEOUT);
}

static int liov_ctrl_identify_nvm(struct liov_ctrl *ctrl)
{
	int ret;

	/* Older ones look at two bits of the CNS only. */
	if (readl(ctrl->regs + NVME_REG_VS) < NVME_VS(1, 2, 0))
		return 0;
	ret = liov_ctrl_ask(ctrl, NVME_ID_CNS_CS_CTRL);
	if (!ret) {
		mutex_lock(&ctrl->lock);
		liov_ctrl_parse_limits(ctrl, ctrl->admin.data.cpu);
		mutex_unlock(&ctrl->lock);
	}
	/* Controllers before NVMe 2.0 may not know it, and tell no limits. */
	return min(ret, 0);
}

/*
 * Of a controller that is starting.  One that was asked before and refuses has
 * told enough to go on with.
 *
 * Return: 0, or an error, after which a command may be in flight.
 */
int liov_ctrl_identify(struct liov_ctrl *ctrl)
{
	int ret = liov_ctrl_ask(ctrl, NVME_ID_CNS_CTRL);

	if (ret > 0 && ctrl->known) {
		dev_warn(ctrl->dev,
			 "controller does not identify itself again (status 0x%x): what its devices are told of it may be out of date, reset it once it is well\n",
			 ret);
		return 0;
	}
	if (ret)
		return liov_admin_errno(ret);
	mutex_lock(&ctrl->lock);
	liov_ctrl_parse(ctrl, ctrl->admin.data.cpu);
	mutex_unlock(&ctrl->lock);
	return liov_ctrl_identify_nvm(ctrl);
}

/* Identify pads its strings with spaces. */
ssize_t liov_emit_padded(char *buf, const char *text, size_t size)
{
	while (size && text[size - 1] == ' ')
		size--;
	return sysfs_emit(buf, "%.*s\n", (int)size, text);
}
