// SPDX-License-Identifier: MIT
/*
 * Running a step that stays on the device: the host enters tokens, submits one list, and reads
 * logits. With a trace callback the step is cut where that looks at results, and the host reads
 * those too.
 */
#include <endian.h>
#include <string.h>

#include "device_step.h"
#include "hostops.h"

/**
 * struct device_step - a session and the step it runs
 * @s: the session, of several the first
 * @members: of a step of several sessions, a token each; otherwise NULL
 * @tokens: their numbers in the vocabulary
 * @m: how many
 * @input_bo: the lists' input
 * @input: likewise, mapped
 * @err: optional
 */
struct device_step {
	struct bitnpu_session *s;
	struct bitnpu_session *const *members;
	const uint32_t *tokens;
	uint32_t m;
	struct bitnpu_bo *input_bo;
	unsigned char *input;
	struct bitnpu_error *err;
};

static float *residual_of(const struct device_step *st, uint32_t row)
{
	return (float *)(st->input + bitnpu_residual_offset(st->s, st->m) +
			 (size_t)row * bitnpu_residual_stride(st->s));
}

/* A token's entry, and its embedding as the beginning of its residual stream. */
static void enter_pass(void *arg, uint32_t row, unsigned int thread)
{
	const struct device_step *st = arg;
	const struct bitnpu_model *model = st->s->model;
	const uint32_t head_dim = model->info.head_dim;
	const uint32_t position = st->members ? st->members[row]->position : st->s->position + row;
	unsigned char *entry = st->input + (size_t)row * bitnpu_token_stride(head_dim);
	const uint32_t bits = htole32(position);

	memcpy(entry, &bits, sizeof(bits));
	bitnpu_rope_table(position, head_dim, model->rope_base,
			  (float *)(entry + BITNPU_TOKEN_TABLE));
	bitnpu_weights_dequantize_row(&model->embedding, st->tokens[row], residual_of(st, row));
}

/* Rows without what lies between them, if there is somebody to see them. */
static void trace_residual(const struct device_step *st, int layer, const char *name)
{
	const size_t row_bytes = st->s->model->info.n_embd * sizeof(float);

	for (uint32_t row = 0; row < st->m; row++)
		memcpy(st->s->trace_rows + row * row_bytes, residual_of(st, row), row_bytes);
	bitnpu_trace(st->s, layer, name, BITNPU_ELEMENT_FLOAT, st->s->trace_rows,
		     st->m * row_bytes);
}

static int enter(struct device_step *st)
{
	void *map;
	int ret = bitnpu_bo_map(st->input_bo, BITNPU_MAP_WRITE, &map, st->err);

	if (ret)
		return ret;
	st->input = map;
	bitnpu_pool_run(st->s->pool, st->m, enter_pass, st);
	if (st->s->params.trace)
		trace_residual(st, -1, "embedding");
	return bitnpu_bo_unmap(st->input_bo, st->err);
}

/* ---- what a trace sees between the parts of a step ------------------------------------------- */

static int trace_stage(struct device_step *st, uint32_t layer, enum bitnpu_stage stage)
{
	void *y;
	int ret = bitnpu_bo_map(st->s->y, BITNPU_MAP_READ, &y, st->err);

	if (ret)
		return ret;
	for (int matrix = 0; matrix < BITNPU_MATRICES; matrix++)
		if (bitnpu_stage_of(matrix) == stage)
			bitnpu_trace_sums(st->s, layer, matrix, st->m, y);
	return bitnpu_bo_unmap(st->s->y, st->err);
}

/* The end of a block, and the last norm after the last of them. */
static int trace_layer(struct device_step *st, uint32_t layer, bool with_norm)
{
	const struct bitnpu_session *s = st->s;
	const uint32_t n = s->model->info.n_embd;
	void *map;
	int ret = bitnpu_bo_map(st->input_bo, BITNPU_MAP_READ, &map, st->err);

	if (ret)
		return ret;
	st->input = map;
	trace_residual(st, (int)layer, "layer");
	if (with_norm) {
		bitnpu_hostops()->rms_norm(residual_of(st, st->m - 1), s->model->output_norm, n,
					   s->model->rms_eps, s->scratch.normed);
		bitnpu_trace(s, -1, "norm", BITNPU_ELEMENT_FLOAT, s->scratch.normed,
			     n * sizeof(float));
	}
	return bitnpu_bo_unmap(st->input_bo, st->err);
}

static int read_factor(struct device_step *st, struct bitnpu_factor *factor)
{
	void *map;
	int ret = bitnpu_bo_map(st->s->device->factors, BITNPU_MAP_READ, &map, st->err);

	if (ret)
		return ret;
	memcpy(factor, map, sizeof(*factor));
	return bitnpu_bo_unmap(st->s->device->factors, st->err);
}

/* Sums of the head; those of several slices put together. */
static int trace_head(struct device_step *st)
{
	const struct bitnpu_session *s = st->s;
	const struct bitnpu_weights *w = &s->model->head;
	const int32_t *slices[BITNPU_MAX_SLICES] = { NULL };
	struct bitnpu_factor factor;
	void *map;
	int ret = read_factor(st, &factor);

	if (!ret)
		ret = bitnpu_bo_map(s->y, BITNPU_MAP_READ, &map, st->err);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < s->head_slices; i++)
		slices[i] = (const int32_t *)((unsigned char *)map + s->head[i].y_offset);
	if (s->head_slices > 1)
		bitnpu_hostops()->sum_int7(slices, w->n, (int32_t)le32toh(factor.sum),
					   (int32_t *)s->trace_rows);
	bitnpu_trace(s, -1, "output", bitnpu_element_of(w),
		     s->head_slices > 1 ? (const void *)s->trace_rows : slices[0],
		     (size_t)w->n * bitnpu_sum_bytes(w));
	return bitnpu_bo_unmap(s->y, st->err);
}

/* What list @index of the plan has computed. */
static int trace_list(struct device_step *st, size_t index, bool with_head)
{
	const uint32_t layers = st->s->model->info.n_layer;
	const size_t layer = index / BITNPU_BLOCK_CUTS, part = index % BITNPU_BLOCK_CUTS;

	if (layer < layers && part < BITNPU_STAGES)
		return trace_stage(st, (uint32_t)layer, part);
	if (layer < layers)
		return trace_layer(st, (uint32_t)layer, with_head && layer + 1 == layers);
	return part == 0 ? trace_head(st) : 0;
}

/* ---- the step -------------------------------------------------------------------------------- */

static int read_logits(struct device_step *st)
{
	const struct bitnpu_session *s = st->s;
	const size_t bytes = s->model->info.n_vocab * sizeof(float);
	void *map;
	int ret = bitnpu_bo_map(s->device->logits, BITNPU_MAP_READ, &map, st->err);

	if (ret)
		return ret;
	memcpy(s->scratch.logits, map, bytes);
	bitnpu_trace(s, -1, "logits", BITNPU_ELEMENT_FLOAT, s->scratch.logits, bytes);
	return bitnpu_bo_unmap(s->device->logits, st->err);
}

int bitnpu_device_step(struct bitnpu_session *s, const uint32_t *tokens, uint32_t m, bool with_head,
		       struct bitnpu_error *err)
{
	struct device_step st = { .s = s, .tokens = tokens, .m = m, .err = err };
	const struct bitnpu_plan *plan;
	const struct bitnpu_lists *lists;
	int ret = bitnpu_device_plan_get(s, m, with_head, &plan, err);

	if (ret)
		return ret;
	st.input_bo = plan->input;
	lists = with_head ? &plan->with_head : &plan->lists;
	ret = enter(&st);
	for (size_t i = 0; !ret && i < lists->count; i++) {
		ret = bitnpu_session_run(s, lists->list[i], err);
		if (!ret && s->params.trace)
			ret = trace_list(&st, i, with_head);
	}
	return !ret && with_head ? read_logits(&st) : ret;
}

/* ---- several sessions ------------------------------------------------------------------------ */

bool bitnpu_device_can_step_together(struct bitnpu_session *const *members, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (!members[i]->device || members[i]->ctx != members[0]->ctx)
			return false;
	return true;
}

/* Each member's row of @logits becomes its own. */
static int share_logits(struct bitnpu_session *const *members, uint32_t count,
			struct bitnpu_bo *logits, struct bitnpu_error *err)
{
	const uint32_t stride = bitnpu_logits_stride(members[0]);
	void *map;
	int ret = bitnpu_bo_map(logits, BITNPU_MAP_READ, &map, err);

	if (ret)
		return ret;
	for (uint32_t i = 0; i < count; i++)
		memcpy(members[i]->scratch.logits, (unsigned char *)map + (size_t)i * stride,
		       members[i]->model->info.n_vocab * sizeof(float));
	return bitnpu_bo_unmap(logits, err);
}

int bitnpu_device_step_together(struct bitnpu_session *const *members, const uint32_t *tokens,
				uint32_t count, struct bitnpu_error *err)
{
	struct device_step st = { .s = members[0], .members = members, .tokens = tokens,
				  .m = count, .err = err };
	struct bitnpu_device_group *group;
	int ret = bitnpu_device_group_get(members, count, &group, err);

	if (ret)
		return ret;
	st.input_bo = group->input;
	ret = enter(&st);
	for (size_t i = 0; !ret && i < group->lists.count; i++)
		ret = bitnpu_session_run(st.s, group->lists.list[i], err);
	return ret ? ret : share_logits(members, count, group->logits, err);
}
