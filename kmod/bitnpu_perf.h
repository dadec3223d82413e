/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_PERF_H__
#define __BITNPU_PERF_H__

#include <linux/types.h>

struct bitnpu_device;
struct bitnpu_job;
struct bitnpu_record;
struct drm_bitnpu_counters;

/** bitnpu_perf_counters() - power up, read the device's counters.  Return: 0 or -ENODEV */
int bitnpu_perf_counters(struct bitnpu_device *bdev, struct drm_bitnpu_counters *counters);

/**
 * bitnpu_perf_account() - add what a job used to its context's usage; any context
 * @job: not done yet
 * @record: how it ended
 * @busy_ns: time that its ring spent on it
 */
void bitnpu_perf_account(struct bitnpu_job *job, const struct bitnpu_record *record, u64 busy_ns);

/** bitnpu_debugfs_init() - before the device is registered: registers, rings, contexts */
void bitnpu_debugfs_init(struct bitnpu_device *bdev);

#endif /* __BITNPU_PERF_H__ */
