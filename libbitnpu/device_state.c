// SPDX-License-Identifier: MIT
/* A session's memory on a device that runs whole steps: constants, activations, the KV cache. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device_step.h"

int bitnpu_device_can_step(const struct bitnpu_device *dev, struct bitnpu_error *err)
{
	static const char *const names[] = { "NORM_QUANTIZE", "SCALE", "HEADS", "ATTENTION", "GATE" };
	const struct bitnpu_device_info *info = bitnpu_device_get_info(dev);
	char missing[64] = "";

	if ((info->features & BITNPU_FEATURES_FLOAT) == BITNPU_FEATURES_FLOAT)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const size_t used = strlen(missing);

		if (!(info->features & BITNPU_FEATURE_NORM_QUANTIZE << i))
			snprintf(missing + used, sizeof(missing) - used, "%s%s", used ? ", " : "",
				 names[i]);
	}
	return bitnpu_fail(err, -ENOTSUP, "steps cannot stay on %s: it lacks the commands %s",
			   info->name, missing);
}

/* ---- constants ------------------------------------------------------------------------------- */

/**
 * struct writer - lays arrays out one after the other, each aligned
 * @base: where they are written, NULL when only their sizes are counted
 * @addr: device address of the first
 * @used: bytes so far
 */
struct writer {
	unsigned char *base;
	uint64_t addr, used;
};

static float *take(struct writer *w, size_t count, uint64_t *addr)
{
	float *at = w->base ? (float *)(w->base + w->used) : NULL;

	*addr = w->addr + w->used;
	w->used += bitnpu_row_bytes(count, sizeof(float));
	return at;
}

static uint64_t put(struct writer *w, const float *values, size_t count)
{
	uint64_t addr;
	float *at = take(w, count, &addr);

	if (at)
		memcpy(at, values, count * sizeof(*values));
	return addr;
}

static uint8_t kind_of(const struct bitnpu_weights *w)
{
	if (!w->row_scale)
		return BITNPU_SCALES_NONE;
	return w->row_scale_count > 1 ? BITNPU_SCALES_EACH : BITNPU_SCALES_ONE;
}

static struct bitnpu_scales_operand put_scales(struct writer *writer, const struct bitnpu_weights *w)
{
	const uint8_t kind = kind_of(w);
	uint64_t addr = kind == BITNPU_SCALES_NONE ? 0 : put(writer, w->row_scale,
							     w->row_scale_count);

	return (struct bitnpu_scales_operand){ addr, kind };
}

/* The scales of @w as another kind that says the same: x * 1.0f is x, one scale is that of each
 * row. */
static uint64_t put_scales_as(struct writer *writer, const struct bitnpu_weights *w, uint8_t kind)
{
	const uint32_t count = kind == BITNPU_SCALES_EACH ? w->n : 1;
	uint64_t addr;
	float *at = take(writer, count, &addr);

	for (uint32_t i = 0; at && i < count; i++)
		at[i] = !w->row_scale ? 1.0f : w->row_scale[w->row_scale_count > 1 ? i : 0];
	return addr;
}

/* GATE takes those of both matrices, one after the other and of one kind. */
static struct bitnpu_scales_operand put_gate_scales(struct writer *writer,
						const struct bitnpu_layer *layer)
{
	const struct bitnpu_weights *gate = &layer->matrices[BITNPU_FFN_GATE];
	const struct bitnpu_weights *up = &layer->matrices[BITNPU_FFN_UP];
	const uint8_t kind = kind_of(gate) > kind_of(up) ? kind_of(gate) : kind_of(up);
	uint64_t addr;

	if (kind == BITNPU_SCALES_NONE)
		return (struct bitnpu_scales_operand){ 0, kind };
	addr = put_scales_as(writer, gate, kind);
	put_scales_as(writer, up, kind);
	return (struct bitnpu_scales_operand){ addr, kind };
}

static void put_layer(struct bitnpu_session *s, uint32_t index, struct writer *w)
{
	const struct bitnpu_model_info *info = &s->model->info;
	const struct bitnpu_layer *layer = &s->model->layers[index];
	const uint32_t sizes[BITNPU_NORMS] = {
		[BITNPU_ATTN_NORM] = info->n_embd,
		[BITNPU_ATTN_SUB_NORM] = info->n_head * info->head_dim,
		[BITNPU_FFN_NORM] = info->n_embd,
		[BITNPU_FFN_SUB_NORM] = info->n_ff,
	};
	struct bitnpu_scales_operand *scales = s->device->scales + (size_t)index * BITNPU_MATRICES;

	for (int norm = 0; norm < BITNPU_NORMS; norm++)
		s->device->norms[(size_t)index * BITNPU_NORMS + norm] =
			put(w, layer->norms[norm], sizes[norm]);
	for (int matrix = 0; matrix < BITNPU_MATRICES; matrix++)
		if (matrix != BITNPU_FFN_GATE && matrix != BITNPU_FFN_UP)
			scales[matrix] = put_scales(w, &layer->matrices[matrix]);
	scales[BITNPU_FFN_GATE] = put_gate_scales(w, layer);
}

static void put_all(struct bitnpu_session *s, struct writer *w)
{
	const struct bitnpu_model *model = s->model;
	const uint32_t layers = model->info.n_layer;

	for (uint32_t i = 0; i < layers; i++)
		put_layer(s, i, w);
	s->device->norms[(size_t)layers * BITNPU_NORMS] = put(w, model->output_norm,
							      model->info.n_embd);
	s->device->scales[(size_t)layers * BITNPU_MATRICES] = put_scales(w, &model->head);
}

/* ---- buffers --------------------------------------------------------------------------------- */

static int create(struct bitnpu_session *s, uint64_t bytes, uint32_t flags, struct bitnpu_bo **bo,
		  struct bitnpu_error *err)
{
	int ret = bitnpu_bo_create(s->ctx, bytes, flags, bo, err);

	if (!ret)
		s->stats.device_bytes += bitnpu_bo_size(*bo);
	return ret;
}

static int create_constants(struct bitnpu_session *s, struct bitnpu_error *err)
{
	struct writer counter = { 0 }, writer = { 0 };
	void *map;
	int ret;

	put_all(s, &counter);
	ret = create(s, counter.used, BITNPU_BO_READ_ONLY, &s->device->constants, err);
	if (!ret)
		ret = bitnpu_bo_map(s->device->constants, BITNPU_MAP_WRITE, &map, err);
	if (ret)
		return ret;
	writer.base = map;
	writer.addr = bitnpu_bo_address(s->device->constants);
	put_all(s, &writer);
	return bitnpu_bo_unmap(s->device->constants, err);
}

static int create_cache(struct bitnpu_session *s, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = &s->model->info;
	int ret = 0;

	/* At most 2^16 elements a position and 2^20 positions, each a whole number of lines. */
	s->device->kv_half = (uint64_t)info->n_head_kv * info->head_dim * s->params.n_ctx *
			     sizeof(uint16_t);
	s->device->kv_half = (s->device->kv_half + BITNPU_ADDR_ALIGN - 1) / BITNPU_ADDR_ALIGN *
			     BITNPU_ADDR_ALIGN;
	for (uint32_t i = 0; !ret && i < info->n_layer; i++)
		ret = create(s, 2 * s->device->kv_half, 0, &s->device->kv[i], err);
	s->stats.kv_bytes = 2 * s->device->kv_half * info->n_layer;
	return ret;
}

int bitnpu_device_state_create(struct bitnpu_session *s, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = &s->model->info;
	const uint32_t q = info->n_head * info->head_dim;
	const uint64_t row = bitnpu_row_bytes(q > info->n_ff ? q : info->n_ff, sizeof(float));
	struct bitnpu_device_state *state = calloc(1, sizeof(*state));
	int ret;

	if (!state)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	s->device = state;
	state->norms = calloc((size_t)info->n_layer * BITNPU_NORMS + 1, sizeof(*state->norms));
	state->scales = calloc((size_t)info->n_layer * BITNPU_MATRICES + 1, sizeof(*state->scales));
	state->kv = calloc(info->n_layer, sizeof(struct bitnpu_bo *));
	if (!state->norms || !state->scales || !state->kv)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	ret = create_constants(s, err);
	if (!ret)
		ret = create(s, row * s->params.n_batch, 0, &state->rows, err);
	if (!ret)
		ret = create(s, (uint64_t)BITNPU_ADDR_ALIGN * s->params.n_batch, 0, &state->factors,
			     err);
	if (!ret)
		ret = create(s, bitnpu_logits_stride(s), 0, &state->logits, err);
	return ret ? ret : create_cache(s, err);
}

void bitnpu_device_state_destroy(struct bitnpu_session *s)
{
	struct bitnpu_device_state *state = s->device;

	if (!state)
		return;
	for (uint32_t i = 0; state->kv && i < s->model->info.n_layer; i++)
		bitnpu_bo_destroy(state->kv[i]);
	bitnpu_bo_destroy(state->logits);
	bitnpu_bo_destroy(state->factors);
	bitnpu_bo_destroy(state->rows);
	bitnpu_bo_destroy(state->constants);
	free(state->kv);
	free(state->scales);
	free(state->norms);
	free(state);
}
