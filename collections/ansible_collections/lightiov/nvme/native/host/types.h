/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef LIGHTIOV_TYPES_H
#define LIGHTIOV_TYPES_H

#include "controller.h"

extern struct mdev_driver liov_mdev_driver;
int liov_parent_add(struct liov_ctrl *ctrl);
void liov_parent_remove(struct liov_ctrl *ctrl);

#endif /* LIGHTIOV_TYPES_H */
