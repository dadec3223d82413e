/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_RESET_H__
#define __BITNPU_RESET_H__

#include <linux/types.h>

struct bitnpu_device;
struct bitnpu_ring;

/** bitnpu_reset_init() - before the rings can be used; undone with the DRM device */
int bitnpu_reset_init(struct bitnpu_device *bdev);

/** bitnpu_reset_shutdown() - no reset will start any more; waits for one that runs */
void bitnpu_reset_shutdown(struct bitnpu_device *bdev);

/** bitnpu_reset_flush() - no job is in flight: wait for a reset that runs */
void bitnpu_reset_flush(struct bitnpu_device *bdev);

/** bitnpu_reset_watch() - there is a job in flight: watch its progress; any context */
void bitnpu_reset_watch(struct bitnpu_device *bdev);

/** bitnpu_reset_request() - ask for a full reset; any context */
void bitnpu_reset_request(struct bitnpu_device *bdev);

/** bitnpu_reset_give_up() - the NPU does not become ready: whatever is or comes ends with ENODEV */
void bitnpu_reset_give_up(struct bitnpu_device *bdev);

#endif /* __BITNPU_RESET_H__ */
