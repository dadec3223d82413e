// SPDX-License-Identifier: MIT
/* Fences: a syncobj each, used again for another once it is free. */
#include "accel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

#include <libbitnpu/core.h>

/* Any failure but "not yet" means that there is nothing left to wait for: the device is gone. */
int bitnpu_accel_fence_wait(struct bitnpu_engine_fence *fence, int64_t deadline_ns)
{
	uint32_t handle = fence->syncobj;

	return drmSyncobjWait(fence->ctx->fd, &handle, 1, deadline_ns, 0, NULL) == -ETIME ? -ETIME : 0;
}

/* A syncobj does not tell how its job ended, the sync_file made of it does.  Return: 0 or the error. */
static int ask_status(const struct bitnpu_engine_fence *fence)
{
	int fd, ret, status = 0;

	if (drmSyncobjExportSyncFile(fence->ctx->fd, fence->syncobj, &fd))
		return bitnpu_accel_errno();
	ret = bitnpu_sync_file_status(fd, &status);
	close(fd);
	return ret ? ret : status < 0 ? status : 0;
}

int bitnpu_accel_fence_status(struct bitnpu_engine_fence *fence, struct bitnpu_error *err)
{
	struct drm_bitnpu_context_info info;
	const bool known = bitnpu_accel_query_context(fence->ctx, &info) == 0;
	int status;

	/* A failure is counted before its fence signals: where there was none, one call is enough. */
	if (known && info.ban == DRM_BITNPU_BAN_NONE && info.jobs_failed == 0)
		return 0;
	status = ask_status(fence);
	if (status == 0)
		return 0;
	return bitnpu_accel_fail_job(err, bitnpu_accel_name(fence->ctx), status, fence->queue,
				     fence->job, known ? &info : NULL);
}

int bitnpu_accel_fence_export(struct bitnpu_engine_fence *fence, int *fd, struct bitnpu_error *err)
{
	if (drmSyncobjExportSyncFile(fence->ctx->fd, fence->syncobj, fd))
		return bitnpu_fail(err, bitnpu_accel_errno(), "%s: cannot export a fence: %s",
				   bitnpu_accel_name(fence->ctx), strerror(errno));
	return 0;
}

void bitnpu_accel_fence_destroy(struct bitnpu_engine_fence *fence)
{
	bitnpu_accel_syncobj_put(fence->ctx, fence->syncobj);
	free(fence);
}
