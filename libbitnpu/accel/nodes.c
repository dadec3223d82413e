// SPDX-License-Identifier: MIT
/* Which device files are the driver's. */
#include "accel.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

/* What the kernel calls the files, before their number. */
#define PREFIX		"accel"

/* Whether an open device file is the driver's; *@major is the version of its interface. */
static bool is_ours(int fd, int *major)
{
	drmVersionPtr version = drmGetVersion(fd);
	bool ours;

	if (!version)
		return false;
	ours = strcmp(version->name, DRM_BITNPU_DRIVER_NAME) == 0;
	*major = version->version_major;
	drmFreeVersion(version);
	return ours;
}

static int query_device(int fd, struct drm_bitnpu_device_info *info)
{
	struct drm_bitnpu_query query = {
		.type = DRM_BITNPU_QUERY_DEVICE,
		.size = sizeof(*info),
		.pointer = (uintptr_t)info,
	};

	return drmIoctl(fd, DRM_IOCTL_BITNPU_QUERY, &query) ? bitnpu_accel_errno() : 0;
}

static int fail_open(const char *path, struct bitnpu_error *err)
{
	const int ret = bitnpu_accel_errno();

	if (ret == -EACCES || ret == -EPERM)
		return bitnpu_fail(err, ret, "%s: %s: the user must be in the group that it belongs to,"
				   " usually \"render\"", path, strerror(-ret));
	return bitnpu_fail(err, ret, "%s: %s", path, strerror(-ret));
}

int bitnpu_accel_open_node(const char *path, struct drm_bitnpu_device_info *info,
			   struct bitnpu_error *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int major, ret;

	if (fd < 0)
		return fail_open(path, err);
	memset(info, 0, sizeof(*info));
	if (!is_ours(fd, &major)) {
		ret = bitnpu_fail(err, -ENODEV, "%s: not a file of the driver %s", path,
				  DRM_BITNPU_DRIVER_NAME);
		goto close;
	}
	if (major != DRM_BITNPU_VERSION_MAJOR) {
		ret = bitnpu_fail(err, -EPROTONOSUPPORT,
				  "%s: the driver's interface is version %d, the library's %d", path,
				  major, DRM_BITNPU_VERSION_MAJOR);
		goto close;
	}
	ret = query_device(fd, info);
	if (ret) {
		bitnpu_fail(err, ret, "%s: cannot ask what the device is: %s", path, strerror(-ret));
		goto close;
	}
	return fd;

close:
	close(fd);
	return ret;
}

/* Whether the kernel says that the device of file @name is the driver's. */
static bool is_bound(const char *sys, const char *name)
{
	char path[512], driver[512];
	const char *base;
	ssize_t length;

	snprintf(path, sizeof(path), "%s/%s/device/driver", sys, name);
	length = readlink(path, driver, sizeof(driver) - 1);
	if (length < 0)
		return false;
	driver[length] = '\0';
	base = strrchr(driver, '/');
	return strcmp(base ? base + 1 : driver, DRM_BITNPU_DRIVER_NAME) == 0;
}

/* Whether @name in @dev is the driver's, filling @node. */
static bool look_at(const char *dev, const char *sys, const char *name,
		    struct bitnpu_accel_node *node)
{
	bool ours;
	int fd, major;

	if (snprintf(node->path, sizeof(node->path), "%s/%s", dev, name) >= (int)sizeof(node->path))
		return false;
	fd = open(node->path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		node->error = bitnpu_accel_errno();
		return is_bound(sys, name);
	}
	node->error = 0;
	ours = is_ours(fd, &major);
	close(fd);
	return ours;
}

static int is_numbered(const struct dirent *entry)
{
	const char *number = entry->d_name + strlen(PREFIX);

	return strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && *number &&
	       strspn(number, "0123456789") == strlen(number);
}

unsigned int bitnpu_accel_scan(const char *dev, const char *sys, struct bitnpu_accel_node **out)
{
	struct bitnpu_accel_node *nodes = NULL;
	struct dirent **entries = NULL;
	unsigned int found = 0;
	int count = scandir(dev, &entries, is_numbered, versionsort);

	if (count > 0)
		nodes = calloc(count, sizeof(*nodes));
	for (int i = 0; i < count; i++) {
		if (nodes && look_at(dev, sys, entries[i]->d_name, &nodes[found]))
			found++;
		free(entries[i]);
	}
	free(entries);
	*out = nodes;
	return found;
}
