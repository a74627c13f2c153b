// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI configuration space that a VM sees: an image, and a mask of the bits
 * in it that can be written.  Sizing a BAR works by the mask alone.
 */
#include "mdev.h"

#define LIOV_CAP_EXP	0x40
#define LIOV_CAP_MSIX	0x80

static void liov_config_put16(u8 *config, u32 offset, u16 value)
{
	put_unaligned_le16(value, config + offset);
}

static void liov_config_put32(u8 *config, u32 offset, u32 value)
{
	put_unaligned_le32(value, config + offset);
}

static void liov_config_add_bar(struct liov_mdev *mdev, int bar, u64 size)
{
	u32 offset = PCI_BASE_ADDRESS_0 + bar * sizeof(u32);
	u64 mask = ~(size - 1);

	liov_config_put32(mdev->config, offset,
			  PCI_BASE_ADDRESS_SPACE_MEMORY |
			  PCI_BASE_ADDRESS_MEM_TYPE_64);
	liov_config_put32(mdev->config_mask, offset, lower_32_bits(mask));
	liov_config_put32(mdev->config_mask, offset + 4, upper_32_bits(mask));
}

/* A PCIe endpoint that can be reset on its own. */
static void liov_config_add_express(struct liov_mdev *mdev)
{
	u8 *cap = mdev->config + LIOV_CAP_EXP;

	cap[PCI_CAP_LIST_ID] = PCI_CAP_ID_EXP;
	cap[PCI_CAP_LIST_NEXT] = LIOV_CAP_MSIX;
	liov_config_put16(cap, PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	liov_config_put32(cap, PCI_EXP_DEVCAP,
			  PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
	liov_config_put32(cap, PCI_EXP_LNKCAP,
			  PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	liov_config_put16(cap, PCI_EXP_LNKSTA,
			  PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1);
	liov_config_put16(mdev->config_mask + LIOV_CAP_EXP, PCI_EXP_DEVCTL,
			  0xffff & ~PCI_EXP_DEVCTL_BCR_FLR);
}

static void liov_config_add_msix(struct liov_mdev *mdev)
{
	const struct liov_kind *kind = mdev->kind;
	u8 *cap = mdev->config + LIOV_CAP_MSIX;

	cap[PCI_CAP_LIST_ID] = PCI_CAP_ID_MSIX;
	/* The table size is 0's based. */
	liov_config_put16(cap, PCI_MSIX_FLAGS, kind->vectors(mdev) - 1);
	liov_config_put32(cap, PCI_MSIX_TABLE, kind->msix_table);
	liov_config_put32(cap, PCI_MSIX_PBA, kind->msix_pba);
	liov_config_put16(mdev->config_mask + LIOV_CAP_MSIX, PCI_MSIX_FLAGS,
			  PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

/* Called when the device is opened; a reset leaves it to its owner. */
void liov_config_init(struct liov_mdev *mdev)
{
	u8 *config = mdev->config;
	u64 size;
	int bar;

	memset(config, 0, LIOV_CONFIG_SIZE);
	memset(mdev->config_mask, 0, LIOV_CONFIG_SIZE);

	liov_config_put16(config, PCI_VENDOR_ID, LIOV_PCI_VENDOR_ID);
	liov_config_put16(config, PCI_DEVICE_ID, mdev->kind->device_id);
	liov_config_put16(config, PCI_SUBSYSTEM_VENDOR_ID, LIOV_PCI_VENDOR_ID);
	liov_config_put16(config, PCI_SUBSYSTEM_ID, mdev->kind->device_id);
	liov_config_put16(config, PCI_STATUS, PCI_STATUS_CAP_LIST);
	liov_config_put32(config, PCI_CLASS_REVISION,
			  mdev->kind->class << 8 | mdev->kind->revision);
	config[PCI_CAPABILITY_LIST] = LIOV_CAP_EXP;

	liov_config_put16(mdev->config_mask, PCI_COMMAND,
			  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			  PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
			  PCI_COMMAND_INTX_DISABLE);
	mdev->config_mask[PCI_CACHE_LINE_SIZE] = 0xff;
	mdev->config_mask[PCI_INTERRUPT_LINE] = 0xff;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		size = mdev->kind->region_size(mdev, bar);
		if (size)
			liov_config_add_bar(mdev, bar, size);
	}
	liov_config_add_express(mdev);
	liov_config_add_msix(mdev);
}

/* Returns whether the owner asked for a function level reset. */
bool liov_config_write(struct liov_mdev *mdev, u32 offset, const u8 *data,
		       size_t count)
{
	const u32 reset = LIOV_CAP_EXP + PCI_EXP_DEVCTL + 1;
	size_t i;

	for (i = 0; i < count; i++) {
		u8 mask = mdev->config_mask[offset + i];
		u8 *byte = &mdev->config[offset + i];

		*byte = (*byte & ~mask) | (data[i] & mask);
	}

	return offset <= reset && reset < offset + count &&
	       (data[reset - offset] & (PCI_EXP_DEVCTL_BCR_FLR >> 8));
}
