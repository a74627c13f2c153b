// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Preloaded into a program that knows its VFIO device by a PCI address: where
 * it asks the kernel for the device of that name, it asks for the mdev, whose
 * name is a UUID.  The link `mdev` among what sysfs tells of the address says
 * which that is.
 */
#include <dlfcn.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...)
{
	int (*next)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
	char path[64], uuid[37] = "";
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (request == VFIO_GROUP_GET_DEVICE_FD) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.12s/mdev", (char *)argument);
		if (readlink(path, uuid, sizeof(uuid) - 1) > 0)
			argument = uuid;
	}
	return next(fd, request, argument);
}
