/* SPDX-License-Identifier: MIT */
/* Buffers of engines that work in the host's own memory: ops of &struct bitnpu_engine_ops. */
#ifndef BITNPU_HOST_MEMORY_H
#define BITNPU_HOST_MEMORY_H

#include "engine.h"

/** bitnpu_host_memory_bytes() - Return: of the machine, 0 when unknown */
uint64_t bitnpu_host_memory_bytes(void);

int bitnpu_host_bo_create(struct bitnpu_engine_context *ctx, uint64_t size, uint32_t flags,
			  struct bitnpu_engine_bo **out, struct bitnpu_error *err);
int bitnpu_host_bo_import(struct bitnpu_engine_context *ctx, const void *ptr, uint64_t size,
			  uint32_t flags, struct bitnpu_engine_bo **out, struct bitnpu_error *err);
void bitnpu_host_bo_destroy(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo);
int bitnpu_host_bo_map(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
		       uint32_t access, struct bitnpu_error *err);
int bitnpu_host_bo_unmap(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
			 struct bitnpu_error *err);

#endif /* BITNPU_HOST_MEMORY_H */
