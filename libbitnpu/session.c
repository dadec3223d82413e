// SPDX-License-Identifier: MIT
/* Sessions: parameters, lifetime, and the steps of an evaluation. */
#include <errno.h>
#include <fenv.h>
#include <stdlib.h>

#include "device_step.h"

#define DEFAULT_N_CTX	4096
#define DEFAULT_N_BATCH	128
/* The rotary table is exact to float up to there (docs/numerics.md). */
#define MAX_N_CTX	(1u << 20)

static int set_params(struct bitnpu_session_params *p, const struct bitnpu_model_info *info,
		      struct bitnpu_error *err)
{
	const uint32_t trained = info->n_ctx_train;

	if (!p->n_ctx)
		p->n_ctx = trained < DEFAULT_N_CTX ? trained : DEFAULT_N_CTX;
	if (!p->n_batch)
		p->n_batch = DEFAULT_N_BATCH;
	if (p->n_ctx > MAX_N_CTX)
		return bitnpu_fail(err, -EINVAL, "n_ctx %u: at most %u positions are supported",
				   p->n_ctx, MAX_N_CTX);
	if (p->n_batch > BITNPU_MAX_M)
		return bitnpu_fail(err, -EINVAL, "n_batch %u: at most %u tokens are supported",
				   p->n_batch, BITNPU_MAX_M);
	/* More could never be used. */
	p->n_batch = p->n_batch < p->n_ctx ? p->n_batch : p->n_ctx;
	return 0;
}

/* Replace BITNPU_STEP_AUTO in @step. */
static int choose_step(const struct bitnpu_device *dev, uint32_t *step, struct bitnpu_error *err)
{
	switch (*step) {
	case BITNPU_STEP_AUTO:
		*step = bitnpu_device_get_info(dev)->whole_steps &&
			!bitnpu_device_can_step(dev, NULL) ? BITNPU_STEP_DEVICE : BITNPU_STEP_HOST;
		return 0;
	case BITNPU_STEP_HOST:
		return 0;
	case BITNPU_STEP_DEVICE:
		return bitnpu_device_can_step(dev, err);
	default:
		return bitnpu_fail(err, -EINVAL, "step %u: undefined", *step);
	}
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* What is all zero but for the last when steps stay on the device. */
static int create_scratch(struct bitnpu_session *s, bool on_device, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = &s->model->info;
	struct bitnpu_scratch *f = &s->scratch;
	size_t q = (size_t)info->n_head * info->head_dim;
	size_t kv = (size_t)info->n_head_kv * info->head_dim;
	size_t group = info->n_head / info->n_head_kv, batch = on_device ? 0 : s->params.n_batch;
	size_t rows = on_device ? 0 : larger(info->n_head, bitnpu_pool_threads(s->pool) * group);
	const struct {
		float **part;
		size_t floats;
	} parts[] = {
		{ &f->residual, batch * info->n_embd },
		{ &f->q, batch * q },
		{ &f->k, batch * kv },
		{ &f->v, batch * kv },
		{ &f->gate, batch * info->n_ff },
		{ &f->up, batch * info->n_ff },
		{ &f->branch, batch * info->n_embd },
		{ &f->rope, batch * info->head_dim },
		{ &f->x_scale, batch },
		{ (float **)&f->x_sum, batch },
		{ &f->normed, info->n_embd },
		{ &f->scores, rows * s->params.n_ctx },
		{ &f->sums, rows * BITNPU_SUM_LANES * info->head_dim },
		{ &f->logits, info->n_vocab },
	};
	size_t total = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		total += parts[i].floats;
	f->memory = malloc(total * sizeof(float));
	if (!f->memory)
		return bitnpu_fail(err, -ENOMEM,
				   "n_batch %u, n_ctx %u: no memory for %zu bytes of activations",
				   s->params.n_batch, s->params.n_ctx, total * sizeof(float));
	f->score_floats = group * s->params.n_ctx;
	f->sum_floats = group * BITNPU_SUM_LANES * info->head_dim;
	total = 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		*parts[i].part = f->memory + total;
		total += parts[i].floats;
	}
	return 0;
}

/* Room for the sums of any matrix. */
static int create_trace_rows(struct bitnpu_session *s, struct bitnpu_error *err)
{
	size_t most = larger((size_t)s->head[0].w->n * bitnpu_sum_bytes(s->head[0].w),
			     (size_t)s->model->info.n_embd * sizeof(float) * s->params.n_batch);

	if (!s->params.trace)
		return 0;
	for (size_t i = 0; i < (size_t)s->model->info.n_layer * BITNPU_MATRICES; i++) {
		const struct bitnpu_weights *w = s->sites[i].w;
		size_t bytes = (size_t)w->n * bitnpu_sum_bytes(w) * s->params.n_batch;

		most = bytes > most ? bytes : most;
	}
	s->trace_rows = malloc(most);
	if (!s->trace_rows)
		return bitnpu_fail(err, -ENOMEM, "n_batch %u: no memory for %zu bytes of trace",
				   s->params.n_batch, most);
	return 0;
}

/* The lists of a step of one token, so that what the device refuses is known now. */
static int create_plan(struct bitnpu_session *s, struct bitnpu_error *err)
{
	const struct bitnpu_plan *plan;
	struct bitnpu_cmdlist *head;
	int ret;

	if (s->device)
		return bitnpu_device_plan_get(s, 1, true, &plan, err);
	ret = bitnpu_plan_head(s, 1, &head, err);
	return ret ? ret : bitnpu_plan_get(s, 1, &plan, err);
}

static int create_on_device(struct bitnpu_session *s, bool on_device, struct bitnpu_error *err)
{
	int ret = bitnpu_session_place(s, err);

	if (!ret)
		ret = bitnpu_queue_create(s->ctx, &s->queue, err);
	if (!ret)
		ret = bitnpu_session_buffers(s, err);
	if (!ret && on_device)
		ret = bitnpu_device_state_create(s, err);
	return ret ? ret : create_plan(s, err);
}

/* Caller has completed @params. */
static int create(struct bitnpu_model *model, struct bitnpu_device *dev,
		  const struct bitnpu_session_params *params, struct bitnpu_session **out,
		  struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = &model->info;
	const bool on_device = params->step == BITNPU_STEP_DEVICE;
	struct bitnpu_session *s = calloc(1, sizeof(*s));
	int ret = 0;

	if (!s)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	s->model = model;
	s->dev = dev;
	s->params = *params;
	s->stats.step = params->step;
	s->pool = bitnpu_pool_get();
	if (!s->pool)
		ret = bitnpu_fail(err, -ENOMEM, "session: out of memory");
	if (!ret && !on_device)
		ret = bitnpu_kv_create(&s->kv, info->n_layer, info->n_head_kv, info->head_dim,
				       s->params.n_ctx, err);
	if (!ret)
		ret = create_scratch(s, on_device, err);
	if (!ret)
		ret = create_on_device(s, on_device, err);
	if (!ret)
		ret = create_trace_rows(s, err);
	if (ret) {
		bitnpu_session_destroy(s);
		return ret;
	}
	if (!on_device)
		s->stats.kv_bytes = s->kv.bytes;
	*out = s;
	return 0;
}

int bitnpu_session_create(struct bitnpu_model *model, struct bitnpu_device *dev,
			  const struct bitnpu_session_params *params, struct bitnpu_session **out,
			  struct bitnpu_error *err)
{
	struct bitnpu_session_params p = params ? *params : (struct bitnpu_session_params){ 0 };
	const bool automatic = p.step == BITNPU_STEP_AUTO;
	int ret = set_params(&p, &model->info, err);

	if (!ret)
		ret = choose_step(dev, &p.step, err);
	if (ret)
		return ret;
	ret = create(model, dev, &p, out, err);
	/* A context too long for the device's memory may have room in the host's. */
	if (automatic && p.step == BITNPU_STEP_DEVICE && (ret == -ENOMEM || ret == -E2BIG)) {
		p.step = BITNPU_STEP_HOST;
		ret = create(model, dev, &p, out, err);
	}
	return ret;
}

void bitnpu_session_destroy(struct bitnpu_session *s)
{
	if (!s)
		return;
	bitnpu_device_group_leave(s);
	bitnpu_plan_free_all(s);
	bitnpu_device_state_destroy(s);
	bitnpu_bo_destroy(s->y);
	bitnpu_bo_destroy(s->x);
	bitnpu_queue_destroy(s->queue);
	free(s->sites);
	bitnpu_placement_put(s->model, s->placement);
	free(s->trace_rows);
	free(s->scratch.memory);
	bitnpu_pool_put(s->pool);
	bitnpu_kv_destroy(&s->kv);
	free(s);
}

static int check_tokens(const struct bitnpu_session *s, const uint32_t *tokens, size_t count,
			struct bitnpu_error *err)
{
	if (!count)
		return bitnpu_fail(err, -EINVAL, "no tokens to evaluate");
	if (count > s->params.n_ctx - s->position)
		return bitnpu_fail(err, -ENOSPC,
				   "the context is full: %u of %u positions are taken, %zu more "
				   "asked for",
				   s->position, s->params.n_ctx, count);
	for (size_t i = 0; i < count; i++)
		if (tokens[i] >= s->model->info.n_vocab)
			return bitnpu_fail(err, -EINVAL,
					   "token %zu is %u, the vocabulary has %u tokens", i,
					   tokens[i], s->model->info.n_vocab);
	return 0;
}

static int step(struct bitnpu_session *s, const uint32_t *tokens, uint32_t m, bool head,
		struct bitnpu_error *err)
{
	return s->device ? bitnpu_device_step(s, tokens, m, head, err) :
			   bitnpu_step(s, tokens, m, head, err);
}

static int timed_step(struct bitnpu_session *s, const uint32_t *tokens, uint32_t m, bool head,
		      struct bitnpu_error *err)
{
	uint64_t begin = bitnpu_now_ns();
	int ret = step(s, tokens, m, head, err);

	if (ret)
		return ret;
	if (m > 1) {
		s->stats.prefill_tokens += m;
		s->stats.prefill_ns += bitnpu_now_ns() - begin;
	} else {
		s->stats.decode_tokens++;
		s->stats.decode_ns += bitnpu_now_ns() - begin;
	}
	return 0;
}

/* What a failed step leaves in the KV cache lies past the position: it is never seen. */
static int eval(struct bitnpu_session *s, const uint32_t *tokens, size_t count,
		struct bitnpu_error *err)
{
	uint32_t start = s->position;
	int ret = 0;

	for (size_t done = 0; !ret && done < count;) {
		size_t left = count - done;
		uint32_t m = left < s->params.n_batch ? (uint32_t)left : s->params.n_batch;

		ret = timed_step(s, tokens + done, m, m == left, err);
		done += m;
		s->position += m;
	}
	if (ret)
		s->position = start;
	return ret;
}

int bitnpu_session_eval(struct bitnpu_session *s, const uint32_t *tokens, size_t count,
			const float **logits, struct bitnpu_error *err)
{
	int ret = check_tokens(s, tokens, count, err);
	fenv_t env;

	if (ret)
		return ret;
	/*
	 * The caller's thread may round another way or flush subnormals, as every program does that
	 * links an object built with -ffast-math: the pinned operations need IEEE's defaults.
	 */
	fegetenv(&env);
	fesetenv(FE_DFL_ENV);
	ret = eval(s, tokens, count, err);
	fesetenv(&env);
	if (ret)
		return ret;
	*logits = s->scratch.logits;
	return 0;
}

/* What @members have to have in common, and room for a token each. */
static int check_members(struct bitnpu_session *const *members, const uint32_t *tokens, size_t count,
			 struct bitnpu_error *err)
{
	const struct bitnpu_session *first = count ? members[0] : NULL;

	if (!count)
		return bitnpu_fail(err, -EINVAL, "no sessions to evaluate");
	if (count > first->params.n_batch)
		return bitnpu_fail(err, -EINVAL, "%zu sessions at once, n_batch of the first is %u",
				   count, first->params.n_batch);
	for (size_t i = 0; i < count; i++) {
		const struct bitnpu_session *s = members[i];
		int ret;

		if (s->model != first->model || s->params.n_ctx != first->params.n_ctx)
			return bitnpu_fail(err, -EINVAL,
					   "session %zu: another model or n_ctx than the first", i);
		if (s->params.trace)
			return bitnpu_fail(err, -EINVAL, "session %zu: is traced", i);
		for (size_t j = 0; j < i; j++)
			if (members[j] == s)
				return bitnpu_fail(err, -EINVAL, "session %zu is session %zu", i, j);
		ret = check_tokens(s, &tokens[i], 1, err);
		if (ret)
			return ret;
	}
	return 0;
}

/* Steps of the host and of the device do not mix, nor do address spaces: then one after the other. */
static int step_together(struct bitnpu_session *const *sessions, const uint32_t *tokens,
			 size_t count, struct bitnpu_error *err)
{
	bool on_device = false;
	int ret = 0;

	for (size_t i = 0; i < count; i++)
		on_device = on_device || sessions[i]->device;
	if (!on_device)
		return bitnpu_step_together(sessions, tokens, count, err);
	if (count > 1 && bitnpu_device_can_step_together(sessions, count))
		return bitnpu_device_step_together(sessions, tokens, count, err);
	for (size_t i = 0; !ret && i < count; i++)
		ret = step(sessions[i], &tokens[i], 1, true, err);
	return ret;
}

int bitnpu_sessions_eval(struct bitnpu_session *const *sessions, const uint32_t *tokens, size_t count,
			 const float **logits, struct bitnpu_error *err)
{
	int ret = check_members(sessions, tokens, count, err);
	uint64_t begin = bitnpu_now_ns();
	fenv_t env;

	if (ret)
		return ret;
	fegetenv(&env);
	fesetenv(FE_DFL_ENV);
	ret = step_together(sessions, tokens, count, err);
	fesetenv(&env);
	if (ret)
		return ret;
	sessions[0]->stats.decode_tokens += count;
	sessions[0]->stats.decode_ns += bitnpu_now_ns() - begin;
	for (size_t i = 0; i < count; i++) {
		sessions[i]->position++;
		logits[i] = sessions[i]->scratch.logits;
	}
	return 0;
}

uint32_t bitnpu_session_position(const struct bitnpu_session *s)
{
	return s->position;
}

void bitnpu_session_rewind(struct bitnpu_session *s, uint32_t position)
{
	if (position < s->position)
		s->position = position;
}

void bitnpu_session_get_stats(const struct bitnpu_session *s, struct bitnpu_session_stats *stats)
{
	*stats = s->stats;
}
