/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_RESET_H__
#define __BITNPU_RESET_H__

#include <drm/gpu_scheduler.h>

struct bitnpu_device;
struct bitnpu_job;

int bitnpu_reset_init(struct bitnpu_device *bdev);

/** bitnpu_reset_request() - ask for a full reset; any context */
void bitnpu_reset_request(struct bitnpu_device *bdev);

/** bitnpu_reset_timedout() - &drm_sched_backend_ops.timedout_job; docs/hardware.md, section 8 */
enum drm_gpu_sched_stat bitnpu_reset_timedout(struct drm_sched_job *base);

/** bitnpu_reset_shutdown() - no reset will start any more; waits for one that runs */
void bitnpu_reset_shutdown(struct bitnpu_device *bdev);

/** bitnpu_dump() - hand registers, entries and records to devcoredump; @job may be NULL */
void bitnpu_dump(struct bitnpu_device *bdev, struct bitnpu_job *job, const char *reason);

#endif /* __BITNPU_RESET_H__ */
