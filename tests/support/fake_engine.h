/* SPDX-License-Identifier: MIT */
/* An engine that does what a test tells it to, for tests of the core. */
#ifndef TEST_FAKE_ENGINE_H
#define TEST_FAKE_ENGINE_H

#include "libbitnpu/engine.h"

/**
 * struct fake_engine - what the engine shall do and what it has seen
 * @features: feature mask of its device
 * @max_buffer_bytes: of its device
 * @room: of its device for buffers, in bytes, or 0 when unlimited; more are -ENOMEM
 * @has_queues: its device takes jobs in advance (fake_queue.h) instead of executing them
 * @addr: device address of the next buffer; 0 leaves it to the core
 * @fail_context: what context_create returns, likewise @fail_queue
 * @fail_bo: what bo_create and bo_import return, likewise @fail_map, @fail_unmap and @fail_prepare
 * @execute: called for each list with m of its first MATMUL, on the thread that executes; may be
 *	NULL
 * @user: for @execute
 * @devices: opened and not closed, likewise @contexts, @bos and @prepared
 * @maps: bo_map calls less bo_unmap calls
 * @access: of the last bo_map
 * @executed: lists executed
 * @bytes: of the buffers that exist
 *
 * The counts are atomic.
 */
struct fake_engine {
	uint64_t features, max_buffer_bytes, room, addr;
	int fail_context, fail_queue, fail_bo, fail_map, fail_unmap, fail_prepare;
	bool has_queues;
	int (*execute)(struct fake_engine *fake, uint32_t id, struct bitnpu_error *err);
	void *user;
	int devices, contexts, bos, prepared, maps, executed;
	uint32_t access;
	uint64_t bytes;
};

/** fake_engine_init() - an engine with every feature that does nothing and never fails */
void fake_engine_init(struct fake_engine *fake);

/** fake_device_open() - Return: the device of @fake; bitnpu_device_close(); aborts without memory */
struct bitnpu_device *fake_device_open(struct fake_engine *fake);

/** fake_count() - Return: one of @fake's counts */
int fake_count(const int *count);

#endif /* TEST_FAKE_ENGINE_H */
