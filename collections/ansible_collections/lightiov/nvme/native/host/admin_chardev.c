// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/lightiovN: the kernel's NVMe admin passthrough ioctl, so that nvme-cli
 * goes on working on a controller that has no /dev/nvmeN any more.
 *
 * Only commands that can do no harm to the VMs are let through.
 */
#include <linux/moduleparam.h>
#include <linux/nvme_ioctl.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "top.h"

/* Formatting a namespace may take an hour; nothing needs less than this. */
#define LIOV_MIN_TIMEOUT_MS	60000
#define LIOV_MAX_TIMEOUT_MS	3600000

#define LIOV_NS_MGMT_DELETE	1
#define LIOV_NS_ATTACH_DETACH	1

/* Firmware Commit's action in bits 5:3, and the one that does not wait. */
#define LIOV_FW_ACTION(cdw10)	((cdw10) >> 3 & 0x7)
#define LIOV_FW_ACTIVATE_NOW	3

/* Feature IDs from here on are the vendor's, as are nvme_admin_vendor_start's. */
#define LIOV_FEAT_VENDOR	0xc0

/*
 * Where a command's length is not known: no length that fits into 16 bits is
 * more.  And it takes a list of PRPs, whose entries after the data lead nowhere.
 */
#define LIOV_UNKNOWN_SIZE	SZ_64K

static bool vendor_commands;
module_param(vendor_commands, bool, 0644);
MODULE_PARM_DESC(vendor_commands,
		 "Let root give vendor-specific admin commands and features to controllers (default: N).  Nobody knows what these do: they may erase or lock what VMs use, stop the controller, or leave it unusable");

/* What a command does to namespaces. */
enum liov_admin_effect {
	LIOV_EFFECT_NONE,
	LIOV_EFFECT_CREATES,	/* namespaces come */
	LIOV_EFFECT_DESTROYS,	/* its namespace, or all, go or lose data */
	LIOV_EFFECT_REFUSED,	/* not a command to be given by hand */
};

/* Whoever allows them answers for what VMs use; the rest is looked at again. */
static enum liov_admin_effect liov_vendor_effect(void)
{
	return READ_ONCE(vendor_commands) ? LIOV_EFFECT_CREATES :
					    LIOV_EFFECT_REFUSED;
}

static enum liov_admin_effect liov_feature_effect(u8 feature)
{
	switch (feature) {
	case NVME_FEAT_POWER_MGMT:
	case NVME_FEAT_TEMP_THRESH:
	case NVME_FEAT_AUTO_PST:
	case NVME_FEAT_TIMESTAMP:
	case NVME_FEAT_HCTM:
	case NVME_FEAT_NOPSC:
		return LIOV_EFFECT_NONE;
	default:
		return feature >= LIOV_FEAT_VENDOR ? liov_vendor_effect() :
						     LIOV_EFFECT_REFUSED;
	}
}

static enum liov_admin_effect
liov_admin_effect(struct liov_ctrl *ctrl, const struct nvme_passthru_cmd64 *cmd,
		  u32 *nsid)
{
	*nsid = cmd->nsid;

	switch (cmd->opcode) {
	case nvme_admin_identify:
	case nvme_admin_get_log_page:
	case nvme_admin_get_features:
	case nvme_admin_download_fw:
	case nvme_admin_activate_fw:
	case nvme_admin_dev_self_test:
	case nvme_admin_security_recv:
	case nvme_admin_directive_recv:
	case nvme_admin_nvme_mi_recv:
	case nvme_admin_get_lba_status:
		return LIOV_EFFECT_NONE;
	case nvme_admin_set_features:
		return liov_feature_effect(cmd->cdw10);
	case nvme_admin_ns_mgmt:
		if ((cmd->cdw10 & 0xf) == LIOV_NS_MGMT_DELETE)
			return LIOV_EFFECT_DESTROYS;
		return LIOV_EFFECT_CREATES;
	case nvme_admin_ns_attach:
		if ((cmd->cdw10 & 0xf) == LIOV_NS_ATTACH_DETACH)
			return LIOV_EFFECT_DESTROYS;
		return LIOV_EFFECT_CREATES;
	case nvme_admin_format_nvm:
		if (READ_ONCE(ctrl->format_all))
			*nsid = NVME_NSID_ALL;
		return LIOV_EFFECT_DESTROYS;
	case nvme_admin_sanitize_nvm:
	case nvme_admin_security_send:
		/* Both may erase or lock the whole of the media. */
		*nsid = NVME_NSID_ALL;
		return LIOV_EFFECT_DESTROYS;
	default:
		return cmd->opcode >= nvme_admin_vendor_start ?
			       liov_vendor_effect() : LIOV_EFFECT_REFUSED;
	}
}

/* Whether it may keep the controller from other commands for longer than VMs wait. */
static bool liov_admin_stalls(const struct nvme_passthru_cmd64 *cmd)
{
	switch (cmd->opcode) {
	case nvme_admin_activate_fw:
		return LIOV_FW_ACTION(cmd->cdw10) == LIOV_FW_ACTIVATE_NOW;
	case nvme_admin_format_nvm:
		return true;
	default:
		return false;
	}
}

/* Caller holds ctrl->lock, and is about to count a command that takes its time. */
static int liov_check_tenant_resets(struct liov_ctrl *ctrl)
{
	lockdep_assert_held(&ctrl->lock);

	if (!ctrl->tenant_resets)
		return 0;
	dev_err(ctrl->dev,
		"controller is being reset between two tenants, which would cut an admin command short, so it was refused: try again\n");
	return -EBUSY;
}

/* From here until liov_stall_end() no mediated device can be opened. */
static int liov_stall_begin(struct liov_ctrl *ctrl, const char *what,
			    const char *remedy)
{
	struct liov_mdev *mdev;
	int ret;

	mutex_lock(&ctrl->lock);
	ret = liov_check_tenant_resets(ctrl);
	list_for_each_entry(mdev, &ctrl->mdevs, node) {
		if (!mdev->open)
			continue;
		dev_err(ctrl->dev,
			"%s would stop the I/O of device %s and was refused: shut its VM down first%s\n",
			what, dev_name(liov_mdev_dev(mdev)), remedy);
		ret = -EBUSY;
		break;
	}
	if (!ret)
		ctrl->stalls++;
	mutex_unlock(&ctrl->lock);
	return ret;
}

static void liov_stall_end(struct liov_ctrl *ctrl)
{
	mutex_lock(&ctrl->lock);
	ctrl->stalls--;
	mutex_unlock(&ctrl->lock);
}

/* From here until liov_ns_change_end() no extent can be added or grown. */
static int liov_ns_change_begin(struct liov_ctrl *ctrl, u32 nsid)
{
	struct liov_namespace *ns;
	struct liov_mdev *owner;
	unsigned int owners;
	int ret;

	mutex_lock(&ctrl->lock);
	ret = liov_check_tenant_resets(ctrl);
	list_for_each_entry(ns, &ctrl->namespaces, node) {
		if (nsid != NVME_NSID_ALL && nsid != ns->nsid)
			continue;
		owners = liov_namespace_owners(ctrl, ns, &owner);
		if (!owners)
			continue;
		dev_err(ctrl->dev,
			"namespace %u is used by %s%s, so an admin command against it was refused: release its extents, or remove all devices that have any\n",
			ns->nsid, dev_name(liov_mdev_dev(owner)),
			owners > 1 ? " and others" : "");
		ret = -EBUSY;
		break;
	}
	if (!ret)
		ctrl->ns_changes++;
	mutex_unlock(&ctrl->lock);
	return ret;
}

static void liov_ns_change_end(struct liov_ctrl *ctrl)
{
	liov_namespaces_scan(ctrl);
	mutex_lock(&ctrl->lock);
	ctrl->ns_changes--;
	mutex_unlock(&ctrl->lock);
}

/*
 * How many bytes the command itself says that it transfers.  More than its
 * caller has a buffer for would go elsewhere in the memory of host or VMs.
 */
static u64 liov_transfer_size(const struct nvme_passthru_cmd64 *cmd)
{
	switch (cmd->opcode) {
	case nvme_admin_get_log_page:
		return ((cmd->cdw10 >> 16) + 1ULL +
			((u64)(cmd->cdw11 & 0xffff) << 16)) * sizeof(u32);
	case nvme_admin_download_fw:
		return (cmd->cdw10 + 1ULL) * sizeof(u32);
	case nvme_admin_security_send:
	case nvme_admin_security_recv:
		return cmd->cdw11;
	case nvme_admin_directive_recv:
		return (cmd->cdw10 + 1ULL) * sizeof(u32);
	case nvme_admin_get_lba_status:
		return (cmd->cdw12 + 1ULL) * sizeof(u32);
	default:
		/* None of the others transfers more than a page, if that. */
		return 0;
	}
}

/* Commands of a fixed size transfer a page, whatever their caller says. */
static u32 liov_buffer_size(const struct nvme_passthru_cmd64 *cmd)
{
	if (cmd->opcode == nvme_admin_nvme_mi_recv ||
	    cmd->opcode >= nvme_admin_vendor_start ||
	    (cmd->opcode == nvme_admin_set_features &&
	     (u8)cmd->cdw10 >= LIOV_FEAT_VENDOR))
		return max_t(u32, cmd->data_len, LIOV_UNKNOWN_SIZE);
	return max_t(u32, cmd->data_len, PAGE_SIZE);
}

/* Points a command to its data, by a list in @list if it needs one. */
static void liov_set_prps(struct nvme_command *cmd, const struct liov_dma *data,
			  const struct liov_dma *list)
{
	__le64 *entries = list->cpu;
	size_t pages = data->size / PAGE_SIZE, i;

	cmd->common.dptr.prp1 = cpu_to_le64(data->iova);
	if (pages == 2)
		cmd->common.dptr.prp2 = cpu_to_le64(data->iova + PAGE_SIZE);
	if (pages <= 2)
		return;

	for (i = 1; i < pages; i++)
		entries[i - 1] = cpu_to_le64(data->iova + i * PAGE_SIZE);
	cmd->common.dptr.prp2 = cpu_to_le64(list->iova);
}

static int liov_passthru_run(struct liov_ctrl *ctrl,
			     const struct nvme_passthru_cmd64 *ucmd,
			     u32 *result)
{
	struct liov_request rq = {};
	struct nvme_command *cmd = &rq.cmd;
	u32 timeout_ms = clamp_t(u32, ucmd->timeout_ms, LIOV_MIN_TIMEOUT_MS,
				 LIOV_MAX_TIMEOUT_MS);
	void __user *user = u64_to_user_ptr(ucmd->addr);
	struct liov_dma data, list;
	int ret;

	cmd->common.opcode = ucmd->opcode;
	cmd->common.nsid = cpu_to_le32(ucmd->nsid);
	cmd->common.cdw2[0] = cpu_to_le32(ucmd->cdw2);
	cmd->common.cdw2[1] = cpu_to_le32(ucmd->cdw3);
	cmd->common.cdw10 = cpu_to_le32(ucmd->cdw10);
	cmd->common.cdw11 = cpu_to_le32(ucmd->cdw11);
	cmd->common.cdw12 = cpu_to_le32(ucmd->cdw12);
	cmd->common.cdw13 = cpu_to_le32(ucmd->cdw13);
	cmd->common.cdw14 = cpu_to_le32(ucmd->cdw14);
	cmd->common.cdw15 = cpu_to_le32(ucmd->cdw15);

	ret = liov_dma_alloc(ctrl, &data, liov_buffer_size(ucmd),
			     nvme_is_write(cmd) ? DMA_TO_DEVICE :
						  DMA_FROM_DEVICE);
	if (ret)
		return ret;
	ret = liov_dma_alloc(ctrl, &list, PAGE_SIZE, DMA_TO_DEVICE);
	if (ret)
		goto out_data;
	liov_set_prps(cmd, &data, &list);

	ret = -EFAULT;
	if (nvme_is_write(cmd) &&
	    copy_from_user(data.cpu, user, ucmd->data_len))
		goto out_list;
	ret = liov_admin_run(ctrl, &rq, msecs_to_jiffies(timeout_ms));
	*result = rq.result;
	if (ret >= 0 && !nvme_is_write(cmd) &&
	    copy_to_user(user, data.cpu, ucmd->data_len))
		ret = -EFAULT;

out_list:
	liov_dma_free(ctrl, &list);
out_data:
	liov_dma_free(ctrl, &data);
	return ret;
}

/* Runs a command that is not refused, for whatever it does to namespaces. */
static int liov_passthru_guarded(struct liov_ctrl *ctrl,
				 const struct nvme_passthru_cmd64 *ucmd,
				 u32 *result)
{
	enum liov_admin_effect effect;
	u32 nsid;
	int ret;

	effect = liov_admin_effect(ctrl, ucmd, &nsid);
	if (effect == LIOV_EFFECT_REFUSED) {
		dev_warn_ratelimited(ctrl->dev,
				     "admin command 0x%02x with cdw10 0x%x was refused, since it may harm VMs%s\n",
				     ucmd->opcode, ucmd->cdw10,
				     ucmd->opcode >= nvme_admin_vendor_start ?
				     ": see the parameter vendor_commands of lightiov_host" :
				     "");
		return -EPERM;
	}
	if (effect == LIOV_EFFECT_DESTROYS) {
		ret = liov_ns_change_begin(ctrl, nsid);
		if (ret)
			return ret;
	}

	ret = liov_passthru_run(ctrl, ucmd, result);
	if (effect == LIOV_EFFECT_DESTROYS)
		liov_ns_change_end(ctrl);
	else if (effect == LIOV_EFFECT_CREATES)
		liov_namespaces_scan(ctrl);
	return ret;
}

static int liov_passthru(struct liov_ctrl *ctrl,
			 const struct nvme_passthru_cmd64 *ucmd, u32 *result)
{
	bool stalls = liov_admin_stalls(ucmd);
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (ucmd->flags || ucmd->metadata_len)
		return -EINVAL;
	if (ucmd->data_len > LIOV_ADMIN_MAX_DATA)
		return -EMSGSIZE;
	if (liov_transfer_size(ucmd) > ucmd->data_len)
		return -EINVAL;

	if (stalls) {
		ret = liov_stall_begin(ctrl,
				       ucmd->opcode == nvme_admin_format_nvm ?
				       "Format NVM" : "activation of firmware",
				       "");
		if (ret)
			return ret;
	}
	ret = liov_passthru_guarded(ctrl, ucmd, result);
	if (stalls)
		liov_stall_end(ctrl);
	return ret;
}

static long liov_chardev_cmd(struct liov_ctrl *ctrl, void __user *arg)
{
	struct nvme_passthru_cmd __user *uarg = arg;
	struct nvme_passthru_cmd in;
	struct nvme_passthru_cmd64 cmd = {};
	u32 result = 0;
	int ret;

	if (copy_from_user(&in, uarg, sizeof(in)))
		return -EFAULT;

	cmd.opcode = in.opcode;
	cmd.flags = in.flags;
	cmd.nsid = in.nsid;
	cmd.cdw2 = in.cdw2;
	cmd.cdw3 = in.cdw3;
	cmd.metadata_len = in.metadata_len;
	cmd.addr = in.addr;
	cmd.data_len = in.data_len;
	cmd.cdw10 = in.cdw10;
	cmd.cdw11 = in.cdw11;
	cmd.cdw12 = in.cdw12;
	cmd.cdw13 = in.cdw13;
	cmd.cdw14 = in.cdw14;
	cmd.cdw15 = in.cdw15;
	cmd.timeout_ms = in.timeout_ms;

	ret = liov_passthru(ctrl, &cmd, &result);
	if (ret >= 0 && put_user(result, &uarg->result))
		return -EFAULT;
	return ret;
}

static long liov_chardev_cmd64(struct liov_ctrl *ctrl, void __user *arg)
{
	struct nvme_passthru_cmd64 __user *uarg = arg;
	struct nvme_passthru_cmd64 cmd;
	u32 result = 0;
	int ret;

	if (copy_from_user(&cmd, uarg, sizeof(cmd)))
		return -EFAULT;

	ret = liov_passthru(ctrl, &cmd, &result);
	if (ret >= 0 && put_user((u64)result, &uarg->result))
		return -EFAULT;
	return ret;
}

static long liov_chardev_reset(struct liov_ctrl *ctrl)
{
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	ret = liov_stall_begin(ctrl, "a reset",
			       ", or write 1 to lightiov/reset_controller, which has VMs start anew");
	if (ret)
		return ret;
	liov_ctrl_reset(ctrl, READ_ONCE(ctrl->epoch));
	liov_stall_end(ctrl);
	return liov_ctrl_state(ctrl) == LIOV_CTRL_LIVE ? 0 : -EIO;
}

static long liov_chardev_rescan(struct liov_ctrl *ctrl)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	liov_namespaces_scan(ctrl);
	return 0;
}

static long liov_chardev_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	struct liov_ctrl *ctrl = file->private_data;
	long ret = -ENODEV;

	down_read(&ctrl->access);
	if (!ctrl->removed) {
		switch (cmd) {
		case NVME_IOCTL_ADMIN_CMD:
			ret = liov_chardev_cmd(ctrl, (void __user *)arg);
			break;
		case NVME_IOCTL_ADMIN64_CMD:
			ret = liov_chardev_cmd64(ctrl, (void __user *)arg);
			break;
		case NVME_IOCTL_RESET:
			ret = liov_chardev_reset(ctrl);
			break;
		case NVME_IOCTL_RESCAN:
			ret = liov_chardev_rescan(ctrl);
			break;
		default:
			ret = -ENOTTY;
		}
	}
	up_read(&ctrl->access);
	return ret;
}

/* Runs under the lock that misc_deregister() takes, so it is still there. */
static int liov_chardev_open(struct inode *inode, struct file *file)
{
	struct liov_ctrl *ctrl = container_of(file->private_data,
					      struct liov_ctrl, misc);

	liov_ctrl_get(ctrl);
	file->private_data = ctrl;
	return 0;
}

static int liov_chardev_release(struct inode *inode, struct file *file)
{
	liov_ctrl_put(file->private_data);
	return 0;
}

static const struct file_operations liov_chardev_fops = {
	.owner		= THIS_MODULE,
	.open		= liov_chardev_open,
	.release	= liov_chardev_release,
	.unlocked_ioctl	= liov_chardev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

int liov_chardev_add(struct liov_ctrl *ctrl)
{
	ctrl->misc.minor = MISC_DYNAMIC_MINOR;
	ctrl->misc.name = ctrl->misc_name;
	ctrl->misc.fops = &liov_chardev_fops;
	ctrl->misc.parent = ctrl->dev;
	ctrl->misc.mode = 0600;
	return misc_register(&ctrl->misc);
}

/* Waits for commands in flight; files that stay open get ENODEV. */
void liov_chardev_remove(struct liov_ctrl *ctrl)
{
	misc_deregister(&ctrl->misc);
	down_write(&ctrl->access);
	ctrl->removed = true;
	up_write(&ctrl->access);
}
