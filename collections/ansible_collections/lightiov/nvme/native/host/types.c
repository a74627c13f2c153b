// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which kinds of mediated devices there are: each controller is the parent of
 * all of them, and they are created and removed through sysfs.
 */
#include <linux/slab.h>

#include "passthrough.h"
#include "top.h"

static const struct liov_kind * const liov_kinds[] = {
	&liov_passthrough_kind,
};

/* The kernel keeps state in a parent's types, so no two parents share them. */
struct liov_types {
	struct liov_type types[ARRAY_SIZE(liov_kinds)];
	struct mdev_type *list[ARRAY_SIZE(liov_kinds)];
};

static int liov_mdev_probe(struct mdev_device *mdev_dev)
{
	const struct liov_kind *kind = liov_type_kind(mdev_dev->type);
	struct liov_ctrl *ctrl = liov_type_ctrl(mdev_dev->type);
	struct liov_mdev *mdev;
	int ret;

	mdev = kind->alloc(&mdev_dev->dev, &liov_vfio_ops);
	if (IS_ERR(mdev))
		return PTR_ERR(mdev);
	dev_set_drvdata(&mdev_dev->dev, mdev);

	mutex_lock(&ctrl->lock);
	list_add_tail(&mdev->node, &ctrl->mdevs);
	mutex_unlock(&ctrl->lock);

	ret = vfio_register_emulated_iommu_dev(&mdev->vdev);
	if (ret)
		goto out_put;
	return 0;

out_put:
	mutex_lock(&ctrl->lock);
	list_del(&mdev->node);
	mutex_unlock(&ctrl->lock);
	vfio_put_device(&mdev->vdev);
	return ret;
}

/* Waits until the device is closed; VFIO asks its user to do so. */
static void liov_mdev_remove(struct mdev_device *mdev_dev)
{
	struct liov_mdev *mdev = dev_get_drvdata(&mdev_dev->dev);
	struct liov_ctrl *ctrl = mdev->ctrl;

	vfio_unregister_group_dev(&mdev->vdev);

	mutex_lock(&ctrl->lock);
	list_del(&mdev->node);
	mdev->kind->remove(mdev);
	liov_extents_drop(mdev);
	liov_tenant_set(mdev, "");
	mutex_unlock(&ctrl->lock);

	vfio_put_device(&mdev->vdev);
}

static unsigned int liov_type_available(struct mdev_type *type)
{
	return liov_type_kind(type)->available(liov_type_ctrl(type));
}

static ssize_t liov_type_description(struct mdev_type *type, char *buf)
{
	return sysfs_emit(buf, "%s\n", liov_type_kind(type)->description);
}

/* Of all kinds: those that only some have are invisible with the others. */
static const struct attribute_group *liov_mdev_groups[] = {
	&liov_mdev_group,
	&liov_extents_group,
	&liov_passthrough_group,
	&liov_statistics_group,
	NULL
};

struct mdev_driver liov_mdev_driver = {
	.device_api	  = VFIO_DEVICE_API_PCI_STRING,
	.probe		  = liov_mdev_probe,
	.remove		  = liov_mdev_remove,
	.get_available	  = liov_type_available,
	.show_description = liov_type_description,
	.driver		  = {
		.name	    = "lightiov_mdev",
		.owner	    = THIS_MODULE,
		.mod_name   = KBUILD_MODNAME,
		.dev_groups = liov_mdev_groups,
	},
};

int liov_parent_add(struct liov_ctrl *ctrl)
{
	struct liov_types *types = kzalloc(sizeof(*types), GFP_KERNEL);
	unsigned int i;
	int ret;

	if (!types)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(liov_kinds); i++) {
		types->types[i].kind = liov_kinds[i];
		types->types[i].type.sysfs_name = liov_kinds[i]->name;
		types->types[i].type.pretty_name = liov_kinds[i]->pretty_name;
		types->list[i] = &types->types[i].type;
	}
	ctrl->types = types;
	ret = mdev_register_parent(&ctrl->parent, ctrl->dev, &liov_mdev_driver,
				   types->list, ARRAY_SIZE(liov_kinds));
	if (ret)
		kfree(types);
	return ret;
}

/* Waits until all mediated devices are gone. */
void liov_parent_remove(struct liov_ctrl *ctrl)
{
	mdev_unregister_parent(&ctrl->parent);
	kfree(ctrl->types);
}
