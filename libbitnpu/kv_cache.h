/* SPDX-License-Identifier: MIT */
/* Keys and values of past tokens as IEEE halves. */
#ifndef BITNPU_KV_CACHE_H
#define BITNPU_KV_CACHE_H

#include "error.h"
#include "hostops.h"

/**
 * struct bitnpu_kv_cache - the cache
 * @k: keys, [layer][head][position][head_dim]: what one query head reads is contiguous
 * @v: values, likewise
 * @heads: key/value heads
 * @head_dim: elements of a head
 * @n_ctx: positions
 * @bytes: of both
 */
struct bitnpu_kv_cache {
	uint16_t *k, *v;
	uint32_t heads, head_dim, n_ctx;
	uint64_t bytes;
};

/** bitnpu_kv_create() - memory for @n_ctx positions, touched only as they are used */
int bitnpu_kv_create(struct bitnpu_kv_cache *kv, uint32_t layers, uint32_t heads,
		     uint32_t head_dim, uint32_t n_ctx, struct bitnpu_error *err);
void bitnpu_kv_destroy(struct bitnpu_kv_cache *kv);

/** bitnpu_kv_store() - round a token's key and value for one head, head_dim floats each, to halves */
void bitnpu_kv_store(struct bitnpu_kv_cache *kv, uint32_t layer, uint32_t head, uint32_t position,
		     const float *k, const float *v);

/**
 * bitnpu_kv_view() - what the query heads of a key/value head see
 * @kv: the cache
 * @layer: block
 * @head: key/value head
 * @group: query heads of this key/value head
 * @n: positions visible, from 0, at least 1
 */
struct bitnpu_attention bitnpu_kv_view(const struct bitnpu_kv_cache *kv, uint32_t layer,
				       uint32_t head, uint32_t group, uint32_t n);

#endif /* BITNPU_KV_CACHE_H */
