// SPDX-License-Identifier: MIT
/* Why a job failed, in words, from the status of its fence and what the driver knows of its context. */
#include "accel.h"

#include <stdio.h>
#include <string.h>
#include <xf86drm.h>

int bitnpu_accel_query_context(const struct bitnpu_accel_context *ctx,
			       struct drm_bitnpu_context_info *info)
{
	struct drm_bitnpu_query query = {
		.type = DRM_BITNPU_QUERY_CONTEXT,
		.size = sizeof(*info),
		.pointer = (uintptr_t)info,
	};

	memset(info, 0, sizeof(*info));
	return drmIoctl(ctx->fd, DRM_IOCTL_BITNPU_QUERY, &query) ? bitnpu_accel_errno() : 0;
}

/* The reason of a ban: one clause about the job that was the reason. */
static void describe_ban(const struct drm_bitnpu_context_info *info, char *text, size_t size)
{
	const unsigned long long addr = info->addr;
	const struct bitnpu_fault fault = {
		.status = info->status,
		.index = info->index,
		.field = info->field,
		.addr = info->addr,
	};
	struct bitnpu_error err;

	switch (info->ban) {
	case DRM_BITNPU_BAN_LIST:
		bitnpu_fail_fault(&err, -EINVAL, &fault);
		snprintf(text, size, "%s", err.message);
		break;
	case DRM_BITNPU_BAN_FAULT:
		snprintf(text, size, "command %u: %s device address 0x%llx, which is %s (%s)", info->index,
			 info->status == BITNPU_STATUS_READ_ONLY ? "write to" : "access to", addr,
			 info->status == BITNPU_STATUS_READ_ONLY ? "read-only" : "not mapped",
			 bitnpu_status_name(info->status));
		break;
	case DRM_BITNPU_BAN_HANG:
		snprintf(text, size, "command %u: no progress in the time allowed, the device was stopped",
			 info->index);
		break;
	case DRM_BITNPU_BAN_DEVICE:
		snprintf(text, size, "command %u: the device failed at address 0x%llx (%s)", info->index,
			 addr, bitnpu_status_name(info->status));
		break;
	case DRM_BITNPU_BAN_RESET:
		snprintf(text, size, "the device was reset because of another context while it ran the job,"
			 " which may not be run twice");
		break;
	default:
		snprintf(text, size, "banned for reason %u", info->ban);
	}
}

/* What a failed job's status means when no ban explains it. */
static const char *describe_status(int status)
{
	switch (-status) {
	case ENODEV:
		return "the device is gone";
	case ETIME:
		return "no progress in the time allowed";
	case EIO:
		return "the device failed";
	case ECANCELED:
		return "cancelled";
	default:
		return strerror(-status);
	}
}

int bitnpu_accel_fail_job(struct bitnpu_error *err, const char *device, int status, uint32_t queue,
			  uint64_t job, const struct drm_bitnpu_context_info *info)
{
	const int code = status == -ETIME ? -ETIMEDOUT : status;
	char reason[sizeof(((struct bitnpu_error *)0)->message)];

	if (status == -ENODEV || !info || info->ban == DRM_BITNPU_BAN_NONE)
		return bitnpu_fail(err, code, "%s: job: %s", device, describe_status(status));
	describe_ban(info, reason, sizeof(reason));
	if (info->queue != queue || info->job != job)
		return bitnpu_fail(err, code, "%s: job %s, the context is banned: %s", device,
				   status == -ENOTRECOVERABLE ? "refused" : "cancelled", reason);
	bitnpu_fail(err, code, "%s: %s; the context is banned", device, reason);
	if (err)
		err->fault = (struct bitnpu_fault){
			.status = info->status ? info->status : BITNPU_STATUS_DEVICE,
			.index = info->index,
			.field = info->field,
			.addr = info->addr,
		};
	return code;
}
