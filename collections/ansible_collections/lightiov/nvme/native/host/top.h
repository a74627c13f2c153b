/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What main.c puts together for each controller: its mediated devices, its
 * attributes and its character device.
 */
#ifndef LIGHTIOV_TOP_H
#define LIGHTIOV_TOP_H

#include "mdev.h"

/* types.c */
extern struct mdev_driver liov_mdev_driver;
int liov_parent_add(struct liov_ctrl *ctrl);
void liov_parent_remove(struct liov_ctrl *ctrl);

/* controller_sysfs.c */
extern const struct attribute_group *liov_ctrl_groups[];

/* admin_chardev.c */
int liov_chardev_add(struct liov_ctrl *ctrl);
void liov_chardev_remove(struct liov_ctrl *ctrl);

#endif /* LIGHTIOV_TOP_H */
