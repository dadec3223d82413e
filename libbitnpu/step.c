// SPDX-License-Identifier: MIT
/*
 * One step of BitNet b1.58 2B4T's graph (Ma et al., arXiv:2504.12285; sub-norms and squared ReLU as
 * in its released checkpoint): per block
 *
 *	h += Wo . sub_norm(attention(rope(Wq . norm(h)), rope(Wk . norm(h)), Wv . norm(h)))
 *	h += Wdown . sub_norm(relu(Wgate . norm(h))^2 * (Wup . norm(h)))
 *
 * where every W is a matmul of int8 activations on the device.  Rows (tokens) are independent but in
 * attention, and there query groups are: the loops over them are where threads can be put to work.
 */
#include <errno.h>
#include <string.h>

#include "hostops.h"
#include "session.h"

/* A session and the step it runs. */
struct step {
	struct bitnpu_session *s;
	const struct bitnpu_plan *plan;
	uint32_t m;
	struct bitnpu_error *err;
};

static void trace(const struct bitnpu_session *s, int layer, const char *name,
		  enum bitnpu_element element, const void *data, size_t bytes)
{
	if (s->params.trace)
		s->params.trace(s->params.trace_user, layer, name, element, data, bytes);
}

/* ---- host to device and back ----------------------------------------------------------------- */

/* Normalize and quantize @m rows of @n floats into the x buffer. */
static int feed(struct bitnpu_session *s, const float *rows, uint32_t m, uint32_t n,
		const float *norm, struct bitnpu_error *err)
{
	uint32_t stride = bitnpu_row_bytes(n, 1);
	void *x;
	int ret = bitnpu_bo_map(s->x, BITNPU_MAP_WRITE, &x, err);

	if (ret)
		return ret;
	for (uint32_t row = 0; row < m; row++) {
		bitnpu_rms_norm(rows + (size_t)row * n, norm, n, s->model->rms_eps,
				s->scratch.normed);
		s->scratch.x_scale[row] = bitnpu_quantize_row(s->scratch.normed, n,
							      (int8_t *)x + (size_t)row * stride);
	}
	return bitnpu_bo_unmap(s->x, err);
}

static int run(struct bitnpu_session *s, struct bitnpu_cmdlist *list, struct bitnpu_error *err)
{
	uint64_t begin = bitnpu_now_ns();
	struct bitnpu_fence *done;
	int ret = bitnpu_queue_submit(s->queue, list, NULL, 0, &done, err);

	if (ret)
		return ret;
	s->stats.submissions++;
	ret = bitnpu_fence_wait(done, BITNPU_WAIT_FOREVER, err);
	bitnpu_fence_destroy(done);
	s->stats.device_ns += bitnpu_now_ns() - begin;
	return ret;
}

/* Hand the sums to the trace callback, rows packed. */
static void trace_sums(const struct bitnpu_session *s, int layer, const char *name,
		       const struct bitnpu_site *site, const unsigned char *y, uint32_t m)
{
	size_t row_bytes = (size_t)site->w->n * bitnpu_sum_bytes(site->w);

	if (!s->params.trace)
		return;
	for (uint32_t row = 0; row < m; row++)
		memcpy(s->trace_rows + row * row_bytes, y + (size_t)row * site->y_stride, row_bytes);
	trace(s, layer, name,
	      site->w->output == BITNPU_Y_INT64 ? BITNPU_ELEMENT_INT64 : BITNPU_ELEMENT_INT32,
	      s->trace_rows, m * row_bytes);
}

/* Convert @m rows of sums at @y to floats. */
static void scale(const struct bitnpu_session *s, const struct bitnpu_site *site,
		  const unsigned char *y, uint32_t m, float *out)
{
	const struct bitnpu_weights *w = site->w;

	for (uint32_t row = 0; row < m; row++, y += site->y_stride, out += w->n) {
		float x_scale = s->scratch.x_scale[row];

		if (w->output == BITNPU_Y_INT64)
			bitnpu_scale_i64((const int64_t *)y, w->n, w->row_scale, w->row_scale_count,
					 x_scale, out);
		else
			bitnpu_scale_i32((const int32_t *)y, w->n, w->row_scale, w->row_scale_count,
					 x_scale, out);
	}
}

/* Run a block's @stage on what was fed; @out by matrix, those of the stage set. */
static int run_stage(const struct step *st, uint32_t layer, enum bitnpu_stage stage,
		     float *const out[BITNPU_MATRICES])
{
	struct bitnpu_session *s = st->s;
	void *y = NULL;
	int ret = run(s, st->plan->lists[layer * BITNPU_STAGES + stage], st->err);

	if (!ret)
		ret = bitnpu_bo_map(s->y, BITNPU_MAP_READ, &y, st->err);
	if (ret)
		return ret;
	for (int matrix = 0; matrix < BITNPU_MATRICES; matrix++) {
		const struct bitnpu_site *site = &s->sites[layer * BITNPU_MATRICES + matrix];
		const unsigned char *sums = (unsigned char *)y + site->y_offset;

		if (bitnpu_stage_of(matrix) != stage)
			continue;
		trace_sums(s, (int)layer, bitnpu_matrix_name(matrix), site, sums, st->m);
		scale(s, site, sums, st->m, out[matrix]);
	}
	return bitnpu_bo_unmap(s->y, st->err);
}

/* ---- the graph ------------------------------------------------------------------------------- */

static void embed(const struct step *st, const uint32_t *tokens)
{
	const struct bitnpu_model *model = st->s->model;
	const struct bitnpu_scratch *f = &st->s->scratch;
	uint32_t head_dim = model->info.head_dim;

	for (uint32_t row = 0; row < st->m; row++) {
		bitnpu_weights_dequantize_row(&model->embedding, tokens[row],
					      f->residual + (size_t)row * model->info.n_embd);
		bitnpu_rope_table(st->s->position + row, head_dim, model->rope_base,
				  f->rope + (size_t)row * head_dim);
	}
	trace(st->s, -1, "embedding", BITNPU_ELEMENT_FLOAT, f->residual,
	      (size_t)st->m * model->info.n_embd * sizeof(float));
}

/* Rotate the step's queries and keys and enter keys and values in the cache. */
static void remember(const struct step *st, uint32_t layer)
{
	struct bitnpu_session *s = st->s;
	const struct bitnpu_model_info *info = &s->model->info;
	size_t q_width = (size_t)info->n_head * info->head_dim;
	size_t kv_width = (size_t)info->n_head_kv * info->head_dim;

	for (uint32_t row = 0; row < st->m; row++) {
		const float *table = s->scratch.rope + (size_t)row * info->head_dim;
		float *k = s->scratch.k + row * kv_width;

		bitnpu_rope(s->scratch.q + row * q_width, info->n_head, info->head_dim, table);
		bitnpu_rope(k, info->n_head_kv, info->head_dim, table);
		bitnpu_kv_store(&s->kv, layer, s->position + row, k,
				s->scratch.v + row * kv_width);
	}
}

/* Each token sees itself and what was before it.  The result takes the queries' place. */
static void attend(const struct step *st, uint32_t layer)
{
	struct bitnpu_session *s = st->s;
	const struct bitnpu_model_info *info = &s->model->info;
	uint32_t group = info->n_head / info->n_head_kv;
	size_t q_width = (size_t)info->n_head * info->head_dim;

	for (uint32_t row = 0; row < st->m; row++) {
		for (uint32_t head = 0; head < info->n_head_kv; head++) {
			float *q = s->scratch.q + row * q_width +
				   (size_t)head * group * info->head_dim;

			bitnpu_kv_attend(&s->kv, layer, head, q, group, s->position + row + 1,
					 s->scratch.scores, q);
		}
	}
}

static void add_branch(const struct step *st)
{
	bitnpu_add(st->s->scratch.residual, st->s->scratch.branch,
		   (size_t)st->m * st->s->model->info.n_embd);
}

static int attention_branch(const struct step *st, uint32_t layer)
{
	struct bitnpu_session *s = st->s;
	const struct bitnpu_model_info *info = &s->model->info;
	const float *const *norms = s->model->layers[layer].norms;
	struct bitnpu_scratch *f = &s->scratch;
	int ret = feed(s, f->residual, st->m, info->n_embd, norms[BITNPU_ATTN_NORM], st->err);

	if (!ret)
		ret = run_stage(st, layer, BITNPU_STAGE_QKV,
				(float *[BITNPU_MATRICES]){ [BITNPU_ATTN_Q] = f->q,
							    [BITNPU_ATTN_K] = f->k,
							    [BITNPU_ATTN_V] = f->v });
	if (ret)
		return ret;
	remember(st, layer);
	attend(st, layer);
	ret = feed(s, f->q, st->m, info->n_head * info->head_dim, norms[BITNPU_ATTN_SUB_NORM],
		   st->err);
	if (!ret)
		ret = run_stage(st, layer, BITNPU_STAGE_ATTN_OUT,
				(float *[BITNPU_MATRICES]){ [BITNPU_ATTN_OUT] = f->branch });
	if (!ret)
		add_branch(st);
	return ret;
}

static int ffn_branch(const struct step *st, uint32_t layer)
{
	struct bitnpu_session *s = st->s;
	const struct bitnpu_model_info *info = &s->model->info;
	const float *const *norms = s->model->layers[layer].norms;
	struct bitnpu_scratch *f = &s->scratch;
	int ret = feed(s, f->residual, st->m, info->n_embd, norms[BITNPU_FFN_NORM], st->err);

	if (!ret)
		ret = run_stage(st, layer, BITNPU_STAGE_GATE_UP,
				(float *[BITNPU_MATRICES]){ [BITNPU_FFN_GATE] = f->gate,
							    [BITNPU_FFN_UP] = f->up });
	if (ret)
		return ret;
	bitnpu_relu2_gate(f->gate, f->up, (size_t)st->m * info->n_ff, f->gate);
	ret = feed(s, f->gate, st->m, info->n_ff, norms[BITNPU_FFN_SUB_NORM], st->err);
	if (!ret)
		ret = run_stage(st, layer, BITNPU_STAGE_DOWN,
				(float *[BITNPU_MATRICES]){ [BITNPU_FFN_DOWN] = f->branch });
	if (!ret)
		add_branch(st);
	return ret;
}

/* Logits after the last of @m tokens. */
static int head(const struct step *st)
{
	struct bitnpu_session *s = st->s;
	uint32_t n_embd = s->model->info.n_embd;
	const float *last = s->scratch.residual + (size_t)(st->m - 1) * n_embd;
	void *y = NULL;
	int ret = feed(s, last, 1, n_embd, s->model->output_norm, st->err);

	if (ret)
		return ret;
	trace(s, -1, "norm", BITNPU_ELEMENT_FLOAT, s->scratch.normed, n_embd * sizeof(float));
	ret = run(s, s->head_list, st->err);
	if (!ret)
		ret = bitnpu_bo_map(s->y, BITNPU_MAP_READ, &y, st->err);
	if (ret)
		return ret;
	trace_sums(s, -1, "output", &s->head, y, 1);
	scale(s, &s->head, y, 1, s->scratch.logits);
	trace(s, -1, "logits", BITNPU_ELEMENT_FLOAT, s->scratch.logits,
	      (size_t)s->model->info.n_vocab * sizeof(float));
	return bitnpu_bo_unmap(s->y, st->err);
}

int bitnpu_step(struct bitnpu_session *s, const uint32_t *tokens, uint32_t m, bool with_head,
		struct bitnpu_error *err)
{
	struct step st = { .s = s, .m = m, .err = err };
	int ret = bitnpu_plan_get(s, m, &st.plan, err);

	if (ret)
		return ret;
	embed(&st, tokens);
	for (uint32_t layer = 0; !ret && layer < s->model->info.n_layer; layer++) {
		ret = attention_branch(&st, layer);
		if (!ret)
			ret = ffn_branch(&st, layer);
		if (!ret)
			trace(s, (int)layer, "layer", BITNPU_ELEMENT_FLOAT, s->scratch.residual,
			      (size_t)m * s->model->info.n_embd * sizeof(float));
	}
	if (!ret && with_head)
		ret = head(&st);
	return ret;
}
