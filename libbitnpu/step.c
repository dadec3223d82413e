// SPDX-License-Identifier: MIT
/*
 * One step of BitNet b1.58 2B4T's graph (Ma et al., arXiv:2504.12285; sub-norms and squared ReLU as
 * in its released checkpoint): per block
 *
 *	h += Wo . sub_norm(attention(rope(Wq . norm(h)), rope(Wk . norm(h)), Wv . norm(h)))
 *	h += Wdown . sub_norm(relu(Wgate . norm(h))^2 * (Wup . norm(h)))
 *
 * where every W is a matmul of int8 activations on the device.  What the host does between two
 * submissions is one function of a token's row, from the sums of one to the activations of the next:
 * rows are independent, so they are passes of the pool's loop.  A step of one token shares out what
 * is long: its heads, attention over the cache, and the logits.
 */
#include <errno.h>
#include <string.h>

#include "hostops.h"
#include "session.h"

/* Positions of a pass over the scores, elements of one over the logits: some microseconds. */
#define SCORE_POSITIONS 256
#define LOGITS 8192
/* The least passes a thread over the values. */
#define PASSES_PER_THREAD 4

/**
 * struct step - a session and the step it runs
 * @s: the session
 * @members: sessions of the rows, or NULL when all are @s, one position after the other
 * @ops: float operations
 * @plan: command lists
 * @tokens: their numbers in the vocabulary
 * @m: how many
 * @layer: block that is computed
 * @x: activations of the next submission, mapped while rows are computed
 * @y: sums of the last one, likewise
 * @err: optional
 */
struct step {
	struct bitnpu_session *s;
	struct bitnpu_session *const *members;
	const struct bitnpu_hostops *ops;
	const struct bitnpu_plan *plan;
	const uint32_t *tokens;
	uint32_t m, layer;
	int8_t *x;
	const unsigned char *y;
	struct bitnpu_error *err;
};

static struct bitnpu_session *session_of(const struct step *st, uint32_t row)
{
	return st->members ? st->members[row] : st->s;
}

static uint32_t position_of(const struct step *st, uint32_t row)
{
	return st->members ? st->members[row]->position : st->s->position + row;
}

/* ---- host to device and back ----------------------------------------------------------------- */

static const struct bitnpu_site *site_of(const struct step *st, enum bitnpu_matrix matrix)
{
	return &st->s->sites[st->layer * BITNPU_MATRICES + matrix];
}

/* Normalize and quantize @values as row @row of the next submission. */
static void feed(struct step *st, uint32_t row, const float *values, uint32_t n, const float *norm)
{
	int8_t *x = st->x + (size_t)row * bitnpu_row_bytes(n, 1);

	st->s->scratch.x_scale[row] =
		st->ops->norm_quantize(values, norm, n, st->s->model->rms_eps, x);
}

static const void *sums_of(const struct step *st, const struct bitnpu_site *site, uint32_t row,
			   uint32_t first)
{
	return st->y + site->y_offset + (size_t)row * site->y_stride +
	       (size_t)first * bitnpu_sum_bytes(site->w);
}

/* @count exact sums @y of rows @first on of @w as floats. */
static void scale(const struct step *st, const struct bitnpu_weights *w, uint32_t row, uint32_t first,
		  uint32_t count, const void *y, float *out)
{
	const float *row_scale = w->row_scale_count > 1 ? w->row_scale + first : w->row_scale;
	size_t scales = w->row_scale_count > 1 ? count : w->row_scale_count;
	float x_scale = st->s->scratch.x_scale[row];

	if (w->output == BITNPU_Y_INT64)
		st->ops->scale_i64(y, count, row_scale, scales, x_scale, out);
	else
		st->ops->scale_i32(y, count, row_scale, scales, x_scale, out);
}

static void take(const struct step *st, enum bitnpu_matrix matrix, uint32_t row, float *out)
{
	const struct bitnpu_site *site = site_of(st, matrix);

	scale(st, site->w, row, 0, site->w->n, sums_of(st, site, row, 0), out);
}

/* Map what the host is about to read and write, which holds nothing that the device still needs. */
static int begin_host(struct step *st, bool reads_sums, bool feeds)
{
	void *map;
	int ret;

	st->x = NULL;
	st->y = NULL;
	if (reads_sums) {
		ret = bitnpu_bo_map(st->s->y, BITNPU_MAP_READ, &map, st->err);
		if (ret)
			return ret;
		st->y = map;
	}
	if (feeds) {
		ret = bitnpu_bo_map(st->s->x, BITNPU_MAP_WRITE, &map, st->err);
		if (ret) {
			if (st->y)
				bitnpu_bo_unmap(st->s->y, NULL);
			return ret;
		}
		st->x = map;
	}
	return 0;
}

static int end_host(struct step *st)
{
	int y = st->y ? bitnpu_bo_unmap(st->s->y, st->err) : 0;
	int x = st->x ? bitnpu_bo_unmap(st->s->x, y ? NULL : st->err) : 0;

	return y ? y : x;
}

static void each_row(struct step *st, bitnpu_pass_fn *pass)
{
	bitnpu_pool_run(st->s->pool, st->m, pass, st);
}

/* Run a block's @stage on what was fed and map its sums; end_host() follows. */
static int run_stage(struct step *st, enum bitnpu_stage stage)
{
	const size_t index = (size_t)st->layer * BITNPU_STAGES + stage;
	int ret = bitnpu_session_run(st->s, st->plan->lists.list[index], st->err);

	if (!ret)
		ret = begin_host(st, true, true);
	for (int matrix = 0; !ret && matrix < BITNPU_MATRICES; matrix++)
		if (bitnpu_stage_of(matrix) == stage)
			bitnpu_trace_sums(st->s, st->layer, matrix, st->m, st->y);
	return ret;
}

/* ---- rows between two submissions ------------------------------------------------------------ */

static float *residual_of(const struct step *st, uint32_t row)
{
	return st->s->scratch.residual + (size_t)row * st->s->model->info.n_embd;
}

static void feed_residual(struct step *st, uint32_t row, uint32_t layer, int norm)
{
	const struct bitnpu_model *model = st->s->model;

	feed(st, row, residual_of(st, row), model->info.n_embd, model->layers[layer].norms[norm]);
}

/* Tokens to the first block's activations. */
static void enter_pass(void *arg, uint32_t row, unsigned int thread)
{
	struct step *st = arg;
	const struct bitnpu_model *model = st->s->model;
	uint32_t head_dim = model->info.head_dim;

	bitnpu_weights_dequantize_row(&model->embedding, st->tokens[row], residual_of(st, row));
	bitnpu_rope_table(position_of(st, row), head_dim, model->rope_base,
			  st->s->scratch.rope + (size_t)row * head_dim);
	feed_residual(st, row, 0, BITNPU_ATTN_NORM);
}

static float *queries_of(const struct step *st, uint32_t row)
{
	const struct bitnpu_model_info *info = &st->s->model->info;

	return st->s->scratch.q + (size_t)row * info->n_head * info->head_dim;
}

/* @count columns of @matrix's sums from @first on. */
static void take_part(const struct step *st, enum bitnpu_matrix matrix, uint32_t row, uint32_t first,
		      uint32_t count, float *out)
{
	const struct bitnpu_site *site = site_of(st, matrix);

	scale(st, site->w, row, first, count, sums_of(st, site, row, first), out + first);
}

/* Rotate the queries and the key of a key/value head, enter key and value in the cache. */
static void remember(struct step *st, uint32_t row, uint32_t head)
{
	struct bitnpu_session *s = st->s;
	const struct bitnpu_model_info *info = &s->model->info;
	uint32_t dim = info->head_dim, heads = info->n_head / info->n_head_kv;
	size_t kv_width = (size_t)info->n_head_kv * dim;
	const float *table = s->scratch.rope + (size_t)row * dim;
	float *q = queries_of(st, row), *k = s->scratch.k + row * kv_width;
	float *v = s->scratch.v + row * kv_width;

	take_part(st, BITNPU_ATTN_Q, row, head * heads * dim, heads * dim, q);
	take_part(st, BITNPU_ATTN_K, row, head * dim, dim, k);
	take_part(st, BITNPU_ATTN_V, row, head * dim, dim, v);
	st->ops->rope(q + (size_t)head * heads * dim, heads, dim, table);
	st->ops->rope(k + (size_t)head * dim, 1, dim, table);
	bitnpu_kv_store(&session_of(st, row)->kv, st->layer, head, position_of(st, row),
			k + (size_t)head * dim, v + (size_t)head * dim);
}

static void remember_pass(void *arg, uint32_t index, unsigned int thread)
{
	struct step *st = arg;
	uint32_t heads = st->s->model->info.n_head_kv;

	remember(st, index / heads, index % heads);
}

static struct bitnpu_attention view(const struct step *st, uint32_t row, uint32_t head)
{
	const struct bitnpu_model_info *info = &st->s->model->info;

	return bitnpu_kv_view(&session_of(st, row)->kv, st->layer, head,
			      info->n_head / info->n_head_kv, position_of(st, row) + 1);
}

static float *queries_of_head(const struct step *st, uint32_t row, uint32_t head)
{
	const struct bitnpu_model_info *info = &st->s->model->info;

	return queries_of(st, row) +
	       (size_t)head * (info->n_head / info->n_head_kv) * info->head_dim;
}

static void feed_attention(struct step *st, uint32_t row)
{
	const struct bitnpu_model *model = st->s->model;

	feed(st, row, queries_of(st, row), model->info.n_head * model->info.head_dim,
	     model->layers[st->layer].norms[BITNPU_ATTN_SUB_NORM]);
}

/* A token sees itself and what was before it.  The result takes the queries' place. */
static void attend(struct step *st, uint32_t row, uint32_t head, unsigned int thread)
{
	const struct bitnpu_scratch *f = &st->s->scratch;
	const struct bitnpu_attention a = view(st, row, head);
	float *scores = f->scores + thread * f->score_floats;
	float *sums = f->sums + thread * f->sum_floats;
	float *q = queries_of_head(st, row, head);

	st->ops->attention_scores(&a, q, 0, a.n, scores);
	for (uint32_t h = 0; h < a.heads; h++)
		st->ops->softmax(scores + (size_t)h * a.n, a.n);
	st->ops->attention_sums(&a, scores, 0, BITNPU_SUM_LANES, sums);
	st->ops->attention_fold(&a, sums, 0, a.heads, q);
}

static void attend_pass(void *arg, uint32_t row, unsigned int thread)
{
	struct step *st = arg;

	for (uint32_t head = 0; head < st->s->model->info.n_head_kv; head++)
		attend(st, row, head, thread);
	feed_attention(st, row);
}

/* Both at once, of the only token: what a head remembers no other looks at. */
static void head_pass(void *arg, uint32_t head, unsigned int thread)
{
	remember(arg, 0, head);
	attend(arg, 0, head, thread);
}

static void attention_out_pass(void *arg, uint32_t row, unsigned int thread)
{
	struct step *st = arg;
	uint32_t n = st->s->model->info.n_embd;
	float *branch = st->s->scratch.branch + (size_t)row * n;

	take(st, BITNPU_ATTN_OUT, row, branch);
	st->ops->add(residual_of(st, row), branch, n);
	feed_residual(st, row, st->layer, BITNPU_FFN_NORM);
}

static void gate_pass(void *arg, uint32_t row, unsigned int thread)
{
	struct step *st = arg;
	const struct bitnpu_model *model = st->s->model;
	uint32_t n = model->info.n_ff;
	float *gate = st->s->scratch.gate + (size_t)row * n;
	float *up = st->s->scratch.up + (size_t)row * n;

	take(st, BITNPU_FFN_GATE, row, gate);
	take(st, BITNPU_FFN_UP, row, up);
	st->ops->relu2_gate(gate, up, n, gate);
	feed(st, row, gate, n, model->layers[st->layer].norms[BITNPU_FFN_SUB_NORM]);
}

/* The end of a block, and the next one's activations. */
static void down_pass(void *arg, uint32_t row, unsigned int thread)
{
	struct step *st = arg;
	uint32_t n = st->s->model->info.n_embd;
	float *branch = st->s->scratch.branch + (size_t)row * n;

	take(st, BITNPU_FFN_DOWN, row, branch);
	st->ops->add(residual_of(st, row), branch, n);
	if (st->layer + 1 < st->s->model->info.n_layer)
		feed_residual(st, row, st->layer + 1, BITNPU_ATTN_NORM);
}

/* ---- attention of one token ------------------------------------------------------------------ */

static uint32_t blocks_of(uint32_t n, uint32_t block)
{
	return (n + block - 1) / block;
}

static float *scores_of_head(const struct step *st, const struct bitnpu_attention *a, uint32_t head)
{
	return st->s->scratch.scores + (size_t)head * a->heads * a->n;
}

static void scores_pass(void *arg, uint32_t index, unsigned int thread)
{
	const struct step *st = arg;
	uint32_t blocks = blocks_of(position_of(st, 0) + 1, SCORE_POSITIONS);
	uint32_t head = index / blocks, first = index % blocks * SCORE_POSITIONS;
	const struct bitnpu_attention a = view(st, 0, head);

	st->ops->attention_scores(&a, queries_of_head(st, 0, head), first,
				  a.n - first < SCORE_POSITIONS ? a.n : first + SCORE_POSITIONS,
				  scores_of_head(st, &a, head));
}

static void softmax_pass(void *arg, uint32_t index, unsigned int thread)
{
	const struct step *st = arg;
	size_t n = (size_t)position_of(st, 0) + 1;

	st->ops->softmax(st->s->scratch.scores + index * n, n);
}

static float *sums_of_head(const struct step *st, const struct bitnpu_attention *a, uint32_t head)
{
	return st->s->scratch.sums + (size_t)head * a->heads * BITNPU_SUM_LANES * a->head_dim;
}

/*
 * Passes over the values of a head: enough for all threads, and no more, because each reads some
 * neighbouring rows of every 16.
 */
static uint32_t value_parts(const struct step *st)
{
	uint32_t parts = 1;

	while (parts < BITNPU_SUM_LANES &&
	       parts * st->s->model->info.n_head_kv < PASSES_PER_THREAD * bitnpu_pool_threads(st->s->pool))
		parts *= 2;
	return parts;
}

static void sums_pass(void *arg, uint32_t index, unsigned int thread)
{
	const struct step *st = arg;
	uint32_t parts = value_parts(st), lanes = BITNPU_SUM_LANES / parts;
	uint32_t head = index / parts, first = index % parts * lanes;
	const struct bitnpu_attention a = view(st, 0, head);

	st->ops->attention_sums(&a, scores_of_head(st, &a, head), first, first + lanes,
				sums_of_head(st, &a, head));
}

static void fold_pass(void *arg, uint32_t head, unsigned int thread)
{
	const struct step *st = arg;
	const struct bitnpu_attention a = view(st, 0, head);

	st->ops->attention_fold(&a, sums_of_head(st, &a, head), 0, a.heads,
				queries_of_head(st, 0, head));
}

static void attend_one(struct step *st)
{
	const struct bitnpu_model_info *info = &st->s->model->info;
	struct bitnpu_pool *pool = st->s->pool;
	uint32_t n = position_of(st, 0) + 1;

	if (n < SCORE_POSITIONS) {
		bitnpu_pool_run(pool, info->n_head_kv, head_pass, st);
	} else {
		bitnpu_pool_run(pool, info->n_head_kv, remember_pass, st);
		bitnpu_pool_run(pool, info->n_head_kv * blocks_of(n, SCORE_POSITIONS), scores_pass, st);
		bitnpu_pool_run(pool, info->n_head, softmax_pass, st);
		bitnpu_pool_run(pool, info->n_head_kv * value_parts(st), sums_pass, st);
		bitnpu_pool_run(pool, info->n_head_kv, fold_pass, st);
	}
	feed_attention(st, 0);
}

/* ---- the graph ------------------------------------------------------------------------------- */

static int enter(struct step *st)
{
	const struct bitnpu_session *s = st->s;
	int ret = begin_host(st, false, true);

	if (ret)
		return ret;
	each_row(st, enter_pass);
	bitnpu_trace(s, -1, "embedding", BITNPU_ELEMENT_FLOAT, s->scratch.residual,
		     (size_t)st->m * s->model->info.n_embd * sizeof(float));
	return end_host(st);
}

static int attention_branch(struct step *st)
{
	int ret = run_stage(st, BITNPU_STAGE_QKV);

	if (ret)
		return ret;
	if (st->m > 1) {
		bitnpu_pool_run(st->s->pool, st->m * st->s->model->info.n_head_kv, remember_pass, st);
		each_row(st, attend_pass);
	} else {
		attend_one(st);
	}
	ret = end_host(st);
	if (!ret)
		ret = run_stage(st, BITNPU_STAGE_ATTN_OUT);
	if (ret)
		return ret;
	each_row(st, attention_out_pass);
	return end_host(st);
}

static int ffn_branch(struct step *st)
{
	int ret = run_stage(st, BITNPU_STAGE_GATE_UP);

	if (ret)
		return ret;
	each_row(st, gate_pass);
	ret = end_host(st);
	if (!ret)
		ret = run_stage(st, BITNPU_STAGE_DOWN);
	if (ret)
		return ret;
	each_row(st, down_pass);
	return end_host(st);
}

/* Rows of the head's submission and the first of them. */
struct head_rows {
	const struct step *st;
	uint32_t first;
};

/* Sums of the head; those of several slices are put together in @room, @count int32. */
static const void *head_sums(const struct step *st, uint32_t row, uint32_t first, uint32_t count,
			     void *room)
{
	const struct bitnpu_session *s = st->s;
	const int32_t *y[BITNPU_MAX_SLICES];

	if (s->head_slices == 1)
		return sums_of(st, &s->head[0], row, first);
	for (uint32_t i = 0; i < BITNPU_MAX_SLICES; i++)
		y[i] = sums_of(st, &s->head[i], row, first);
	st->ops->sum_int7(y, count, s->scratch.x_sum[row], room);
	return room;
}

/* Sums and what they become take the same place, element by element. */
static void logits_pass(void *arg, uint32_t index, unsigned int thread)
{
	const struct head_rows *rows = arg;
	const struct step *st = rows->st;
	uint32_t n = st->s->model->info.n_vocab, blocks = blocks_of(n, LOGITS);
	uint32_t row = index / blocks, first = index % blocks * LOGITS;
	uint32_t count = n - first < LOGITS ? n - first : LOGITS;
	float *logits = session_of(st, rows->first + row)->scratch.logits + first;

	scale(st, &st->s->model->head, row, first, count, head_sums(st, row, first, count, logits),
	      logits);
}

static void trace_head(const struct step *st)
{
	const struct bitnpu_session *s = st->s;
	const struct bitnpu_weights *w = &s->model->head;

	if (s->params.trace)
		bitnpu_trace(s, -1, "output", bitnpu_element_of(w),
			     head_sums(st, 0, 0, w->n, s->trace_rows),
			     (size_t)w->n * bitnpu_sum_bytes(w));
}

static int32_t sum_of(const int8_t *x, uint32_t n)
{
	int32_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += x[i];
	return sum;
}

static int feed_head(struct step *st, uint32_t first, uint32_t count)
{
	struct bitnpu_session *s = st->s;
	const struct bitnpu_model *model = s->model;
	uint32_t n = model->info.n_embd;
	int ret = begin_host(st, false, true);

	if (ret)
		return ret;
	for (uint32_t row = 0; row < count; row++) {
		feed(st, row, residual_of(st, first + row), n, model->output_norm);
		s->scratch.x_sum[row] = sum_of(st->x + (size_t)row * bitnpu_row_bytes(n, 1), n);
	}
	if (s->params.trace)
		st->ops->rms_norm(residual_of(st, first), model->output_norm, n, model->rms_eps,
				  s->scratch.normed);
	bitnpu_trace(s, -1, "norm", BITNPU_ELEMENT_FLOAT, s->scratch.normed, n * sizeof(float));
	return end_host(st);
}

/* Logits after @count rows from @first on, at most the session's head_rows. */
static int head(struct step *st, uint32_t first, uint32_t count)
{
	struct bitnpu_session *s = st->s;
	struct head_rows rows = { .st = st, .first = first };
	uint32_t n_vocab = s->model->info.n_vocab;
	struct bitnpu_cmdlist *list;
	int ret = bitnpu_plan_head(s, count, &list, st->err);

	if (!ret)
		ret = feed_head(st, first, count);
	if (!ret)
		ret = bitnpu_session_run(s, list, st->err);
	if (!ret)
		ret = begin_host(st, true, false);
	if (ret)
		return ret;
	trace_head(st);
	bitnpu_pool_run(s->pool, count * blocks_of(n_vocab, LOGITS), logits_pass, &rows);
	bitnpu_trace(s, -1, "logits", BITNPU_ELEMENT_FLOAT, s->scratch.logits,
		     (size_t)n_vocab * sizeof(float));
	return end_host(st);
}

/* From tokens to the last block's residual stream. */
static int blocks(struct step *st)
{
	const struct bitnpu_model_info *info = &st->s->model->info;
	int ret = bitnpu_plan_get(st->s, st->m, &st->plan, st->err);

	if (!ret)
		ret = enter(st);
	for (; !ret && st->layer < info->n_layer; st->layer++) {
		ret = attention_branch(st);
		if (!ret)
			ret = ffn_branch(st);
		if (!ret)
			bitnpu_trace(st->s, (int)st->layer, "layer", BITNPU_ELEMENT_FLOAT,
				     st->s->scratch.residual,
				     (size_t)st->m * info->n_embd * sizeof(float));
	}
	return ret;
}

int bitnpu_step(struct bitnpu_session *s, const uint32_t *tokens, uint32_t m, bool with_head,
		struct bitnpu_error *err)
{
	struct step st = { .s = s, .ops = bitnpu_hostops(), .tokens = tokens, .m = m, .err = err };
	int ret = blocks(&st);

	return !ret && with_head ? head(&st, m - 1, 1) : ret;
}

int bitnpu_step_together(struct bitnpu_session *const *members, const uint32_t *tokens, uint32_t m,
			 struct bitnpu_error *err)
{
	struct step st = { .s = members[0], .members = members, .ops = bitnpu_hostops(),
			   .tokens = tokens, .m = m, .err = err };
	uint32_t most = st.s->head_rows;
	int ret = blocks(&st);

	for (uint32_t row = 0; !ret && row < m; row += most)
		ret = head(&st, row, m - row < most ? m - row : most);
	return ret;
}
