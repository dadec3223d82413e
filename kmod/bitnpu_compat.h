/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that this driver builds for.  The BITNPU_HAVE_* are found by
 * compiling the files in kmod/compat, one feature each: stable updates change these interfaces
 * too.
 */
#ifndef __BITNPU_COMPAT_H__
#define __BITNPU_COMPAT_H__

#include <drm/drm_file.h>
#include <drm/gpu_scheduler.h>

#include "bitnpu_features.h"

/* For timeouts see bitnpu_sched_ops. */
static inline int bitnpu_sched_init(struct drm_gpu_scheduler *sched,
				    const struct drm_sched_backend_ops *ops, u32 credits,
				    const char *name, struct device *dev)
{
#ifdef BITNPU_HAVE_SCHED_INIT_ARGS
	const struct drm_sched_init_args args = {
		.ops = ops,
		.num_rqs = DRM_SCHED_PRIORITY_COUNT,
		.credit_limit = credits,
		.timeout = MAX_SCHEDULE_TIMEOUT,
		.name = name,
		.dev = dev,
	};

	return drm_sched_init(sched, &args);
#else
	return drm_sched_init(sched, ops, NULL, DRM_SCHED_PRIORITY_COUNT, credits, 0,
			      MAX_SCHEDULE_TIMEOUT, NULL, NULL, name, dev);
#endif
}

/* One credit: an entry of the ring. */
static inline int bitnpu_sched_job_init(struct drm_sched_job *job, struct drm_sched_entity *entity,
					void *owner, struct drm_file *file)
{
#ifdef BITNPU_HAVE_SCHED_JOB_CLIENT_ID
	return drm_sched_job_init(job, entity, 1, owner, file->client_id);
#else
	return drm_sched_job_init(job, entity, 1, owner);
#endif
}

#endif /* __BITNPU_COMPAT_H__ */
