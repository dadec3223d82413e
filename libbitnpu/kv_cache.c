// SPDX-License-Identifier: MIT
/* The KV cache: where a token's keys and values lie. */
#include <errno.h>
#include <stdlib.h>

#include "kv_cache.h"

int bitnpu_kv_create(struct bitnpu_kv_cache *kv, uint32_t layers, uint32_t heads,
		     uint32_t head_dim, uint32_t n_ctx, struct bitnpu_error *err)
{
	size_t halves, bytes;

	if (__builtin_mul_overflow((size_t)layers * heads, (size_t)head_dim * n_ctx, &halves) ||
	    __builtin_mul_overflow(halves, 2 * sizeof(uint16_t), &bytes))
		return bitnpu_fail(err, -ENOMEM, "n_ctx %u: the KV cache overflows", n_ctx);
	kv->k = calloc(halves, sizeof(uint16_t));
	kv->v = calloc(halves, sizeof(uint16_t));
	if (!kv->k || !kv->v) {
		bitnpu_kv_destroy(kv);
		return bitnpu_fail(err, -ENOMEM, "n_ctx %u: no memory for a KV cache of %zu bytes",
				   n_ctx, bytes);
	}
	kv->heads = heads;
	kv->head_dim = head_dim;
	kv->n_ctx = n_ctx;
	kv->bytes = bytes;
	return 0;
}

void bitnpu_kv_destroy(struct bitnpu_kv_cache *kv)
{
	free(kv->k);
	free(kv->v);
	kv->k = NULL;
	kv->v = NULL;
}

static size_t row_of(const struct bitnpu_kv_cache *kv, uint32_t layer, uint32_t head,
		     uint32_t position)
{
	return (((size_t)layer * kv->heads + head) * kv->n_ctx + position) * kv->head_dim;
}

void bitnpu_kv_store(struct bitnpu_kv_cache *kv, uint32_t layer, uint32_t head, uint32_t position,
		     const float *k, const float *v)
{
	const struct bitnpu_hostops *ops = bitnpu_hostops();
	size_t row = row_of(kv, layer, head, position);

	ops->to_halves(k, kv->head_dim, kv->k + row);
	ops->to_halves(v, kv->head_dim, kv->v + row);
}

struct bitnpu_attention bitnpu_kv_view(const struct bitnpu_kv_cache *kv, uint32_t layer,
				       uint32_t head, uint32_t group, uint32_t n)
{
	size_t row = row_of(kv, layer, head, 0);

	return (struct bitnpu_attention){
		.k = kv->k + row,
		.v = kv->v + row,
		.stride = kv->head_dim,
		.head_dim = kv->head_dim,
		.heads = group,
		.n = n,
	};
}
