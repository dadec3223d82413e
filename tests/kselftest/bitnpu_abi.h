/* SPDX-License-Identifier: MIT */
/*
 * The layout of every structure of the interface, as a program of either word size sees it: this compiles for
 * both or not at all.
 */
#ifndef BITNPU_ABI_H
#define BITNPU_ABI_H

#include <stddef.h>

#include <drm/bitnpu_accel.h>
#include <drm/bitnpu_isa.h>

#define SIZE(type, bytes)							\
	_Static_assert(sizeof(struct type) == (bytes), #type);			\
	_Static_assert(sizeof(struct type) % 8 == 0, #type " is padded differently")
#define MEMBER(type, member, offset)						\
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)

SIZE(drm_bitnpu_query, 16);
MEMBER(drm_bitnpu_query, pointer, 8);
SIZE(drm_bitnpu_device_info, 88);
MEMBER(drm_bitnpu_device_info, features, 24);
MEMBER(drm_bitnpu_device_info, va_start, 32);
MEMBER(drm_bitnpu_device_info, mac_rows, 48);
MEMBER(drm_bitnpu_device_info, timeout_ms, 84);
SIZE(drm_bitnpu_context_info, 64);
MEMBER(drm_bitnpu_context_info, job, 8);
MEMBER(drm_bitnpu_context_info, addr, 32);
MEMBER(drm_bitnpu_context_info, jobs_failed, 56);
SIZE(drm_bitnpu_counters, 88);
MEMBER(drm_bitnpu_counters, sram_high_water, 80);
SIZE(drm_bitnpu_bo_create, 24);
MEMBER(drm_bitnpu_bo_create, address, 16);
SIZE(drm_bitnpu_bo_info, 24);
MEMBER(drm_bitnpu_bo_info, address, 16);
SIZE(drm_bitnpu_bo_mmap_offset, 16);
MEMBER(drm_bitnpu_bo_mmap_offset, offset, 8);
SIZE(drm_bitnpu_bo_wait, 16);
MEMBER(drm_bitnpu_bo_wait, timeout_ns, 8);
SIZE(drm_bitnpu_queue_create, 16);
SIZE(drm_bitnpu_queue_destroy, 8);
SIZE(drm_bitnpu_array, 16);
MEMBER(drm_bitnpu_array, stride, 12);
SIZE(drm_bitnpu_sync, 16);
MEMBER(drm_bitnpu_sync, point, 8);
SIZE(drm_bitnpu_job_bo, 8);
SIZE(drm_bitnpu_job, 48);
MEMBER(drm_bitnpu_job, bos, 16);
MEMBER(drm_bitnpu_job, syncs, 32);
SIZE(drm_bitnpu_submit, 32);
MEMBER(drm_bitnpu_submit, jobs, 8);
MEMBER(drm_bitnpu_submit, done, 24);
_Static_assert(sizeof(struct bitnpu_cmd_matmul) == BITNPU_CMD_SIZE, "bitnpu_cmd_matmul");

#endif /* BITNPU_ABI_H */
