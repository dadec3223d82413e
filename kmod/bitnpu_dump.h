/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_DUMP_H__
#define __BITNPU_DUMP_H__

struct bitnpu_device;
struct bitnpu_ring;

int bitnpu_dump_init(struct bitnpu_device *bdev);

/** bitnpu_dump_shutdown() - waits for a dump that is being written */
void bitnpu_dump_shutdown(struct bitnpu_device *bdev);

/**
 * bitnpu_dump() - hand registers, entries and records to devcoredump
 * @bdev: powered; in a work item of its reset_wq
 * @ring: whose first job is the reason, or NULL
 * @reason: constant text
 *
 * Takes a snapshot without allocating; a work item turns it into text.  While that has not been
 * done, further calls do nothing.
 */
void bitnpu_dump(struct bitnpu_device *bdev, struct bitnpu_ring *ring, const char *reason);

#endif /* __BITNPU_DUMP_H__ */
