// SPDX-License-Identifier: MIT
/*
 * The commands of a step that stays on the device: the graph of step.c, each line of which is one
 * command. Between two barriers are commands that do not depend on each other.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device_step.h"
#include "half.h"

/* Commands of a block, and of each sequence more, with room to spare: as many for the head. */
#define BLOCK_COMMANDS		40
#define SEQUENCE_COMMANDS	12

/**
 * struct builder - a step's commands
 * @batch: its tokens
 * @s: the session whose buffers and constants are used
 * @m: tokens
 * @residual: device address of the residual stream
 * @cmds: commands of the current list
 * @count: how many
 * @lists: lists so far
 */
struct builder {
	const struct bitnpu_batch *batch;
	struct bitnpu_session *s;
	uint32_t m;
	uint64_t residual;
	struct bitnpu_cmd *cmds;
	size_t count;
	struct bitnpu_lists *lists;
};

static void add(struct builder *b, const void *cmd)
{
	memcpy(&b->cmds[b->count++], cmd, sizeof(*b->cmds));
}

/* The commands so far become a list. */
static int end_list(struct builder *b, struct bitnpu_error *err)
{
	int ret = bitnpu_cmdlist_create(b->s->ctx, b->cmds, b->count * sizeof(*b->cmds),
					&b->lists->list[b->lists->count], err);

	if (ret)
		return ret;
	b->lists->count++;
	b->count = 0;
	return 0;
}

static void barrier(struct builder *b)
{
	const struct bitnpu_cmd cmd = { .opcode = BITNPU_OP_BARRIER };

	add(b, &cmd);
}

/* A barrier where the host looks at results if there is somebody to show them to: the list ends
 * there. */
static int cut(struct builder *b, struct bitnpu_error *err)
{
	if (b->s->params.trace)
		return end_list(b, err);
	barrier(b);
	return 0;
}

/* ---- commands -------------------------------------------------------------------------------- */

/**
 * struct rows - rows of every buffer that one command takes
 * @first: the first of them
 * @count: how many
 * @factors: device address of their factors
 */
struct rows {
	uint32_t first, count;
	uint64_t factors;
};

/* Those of a sequence.  Its factors have a line of their own: commands name them by its address. */
static struct rows rows_of(const struct builder *b, uint32_t sequence)
{
	return (struct rows){
		.first = sequence * b->batch->rows,
		.count = b->batch->rows,
		.factors = bitnpu_bo_address(b->s->device->factors) +
			   (uint64_t)sequence * BITNPU_ADDR_ALIGN,
	};
}

/* @count rows, without a look at sequences. */
static struct rows first_rows(const struct builder *b, uint32_t count)
{
	return (struct rows){
		.count = count,
		.factors = bitnpu_bo_address(b->s->device->factors),
	};
}

/* @rows of @n floats at @in become x. */
static void norm_quantize(struct builder *b, uint64_t in, uint32_t n, uint64_t norm,
			  const struct rows *rows)
{
	const uint32_t in_stride = bitnpu_row_bytes(n, sizeof(float));
	const uint32_t out_stride = bitnpu_row_bytes(n, 1);
	const struct bitnpu_cmd_norm_quantize cmd = {
		.opcode = BITNPU_OP_NORM_QUANTIZE,
		.m = htole32(rows->count),
		.n = htole32(n),
		.eps = htole32(bitnpu_bits_of_float(b->s->model->rms_eps)),
		.in_addr = htole64(in + (uint64_t)rows->first * in_stride),
		.w_addr = htole64(norm),
		.out_addr = htole64(bitnpu_bo_address(b->s->x) + (uint64_t)rows->first * out_stride),
		.f_addr = htole64(rows->factors),
		.in_stride = htole32(in_stride),
		.out_stride = htole32(out_stride),
	};

	add(b, &cmd);
}

static uint64_t sums_of(const struct builder *b, const struct bitnpu_site *site)
{
	return bitnpu_bo_address(b->s->y) + site->y_offset;
}

static uint8_t format_of(const struct bitnpu_weights *w)
{
	return w->output == BITNPU_Y_INT64 ? BITNPU_IN_INT64 : BITNPU_IN_INT32;
}

static const struct bitnpu_site *site_of(const struct builder *b, uint32_t layer,
					 enum bitnpu_matrix matrix)
{
	return &b->s->sites[(size_t)layer * BITNPU_MATRICES + matrix];
}

static struct bitnpu_scales_operand scales_of(const struct builder *b, uint32_t layer,
					  enum bitnpu_matrix matrix)
{
	return b->s->device->scales[(size_t)layer * BITNPU_MATRICES + matrix];
}

/* Sums of a branch's last matrix are added to the residual stream. */
static void add_residual(struct builder *b, uint32_t layer, enum bitnpu_matrix matrix)
{
	const struct bitnpu_site *site = site_of(b, layer, matrix);
	const struct bitnpu_scales_operand scales = scales_of(b, layer, matrix);
	const struct bitnpu_cmd_scale cmd = {
		.opcode = BITNPU_OP_SCALE,
		.flags = BITNPU_SCALE_ADD,
		.input_format = format_of(site->w),
		.scales = scales.kind,
		.m = htole32(b->m),
		.n = htole32(site->w->n),
		.in_stride = htole32(site->y_stride),
		.in_addr = htole64(sums_of(b, site)),
		.f_addr = htole64(bitnpu_bo_address(b->s->device->factors)),
		.r_addr = htole64(scales.addr),
		.out_addr = htole64(b->residual),
		.out_stride = htole32(bitnpu_residual_stride(b->s)),
	};

	add(b, &cmd);
}

static uint64_t tokens_of(const struct builder *b, const struct rows *rows)
{
	return b->batch->input + (uint64_t)rows->first * bitnpu_token_stride(b->s->model->info.head_dim);
}

static void heads(struct builder *b, uint32_t layer, enum bitnpu_matrix matrix, uint8_t flags,
		  const struct rows *rows, uint64_t out)
{
	const struct bitnpu_model_info *info = &b->s->model->info;
	const struct bitnpu_site *site = site_of(b, layer, matrix);
	const struct bitnpu_scales_operand scales = scales_of(b, layer, matrix);
	const bool cached = flags & BITNPU_HEADS_CACHE;
	const struct bitnpu_cmd_heads cmd = {
		.opcode = BITNPU_OP_HEADS,
		.flags = flags,
		.input_format = format_of(site->w),
		.scales = scales.kind,
		.m = htole32(rows->count),
		.heads = htole16((uint16_t)(site->w->n / info->head_dim)),
		.head_dim = htole16((uint16_t)info->head_dim),
		.in_stride = htole32(site->y_stride),
		.in_addr = htole64(sums_of(b, site) + (uint64_t)rows->first * site->y_stride),
		.f_addr = htole64(rows->factors),
		.r_addr = htole64(scales.addr),
		.t_addr = htole64(tokens_of(b, rows)),
		.out_addr = htole64(out),
		.out_stride = htole32(cached ? 0 : bitnpu_row_bytes(site->w->n, sizeof(float))),
		.capacity = htole32(cached ? b->s->params.n_ctx : 0),
	};

	add(b, &cmd);
}

/* Device address of a row of queries; the result of attention takes their place. */
static uint64_t queries_of(const struct builder *b, const struct rows *rows)
{
	const struct bitnpu_model_info *info = &b->s->model->info;
	const uint32_t stride = bitnpu_row_bytes(info->n_head * info->head_dim, sizeof(float));

	return bitnpu_bo_address(b->s->device->rows) + (uint64_t)rows->first * stride;
}

static void attention(struct builder *b, const struct rows *rows, uint64_t cache)
{
	const struct bitnpu_model_info *info = &b->s->model->info;
	const uint64_t queries = htole64(queries_of(b, rows));
	const uint32_t stride = htole32(bitnpu_row_bytes(info->n_head * info->head_dim,
							 sizeof(float)));
	const struct bitnpu_cmd_attention cmd = {
		.opcode = BITNPU_OP_ATTENTION,
		.group = htole16((uint16_t)(info->n_head / info->n_head_kv)),
		.m = htole32(rows->count),
		.heads = htole16((uint16_t)info->n_head_kv),
		.head_dim = htole16((uint16_t)info->head_dim),
		.capacity = htole32(b->s->params.n_ctx),
		.in_addr = queries,
		.k_addr = htole64(cache),
		.v_addr = htole64(cache + b->s->device->kv_half),
		.t_addr = htole64(tokens_of(b, rows)),
		.out_addr = queries,
		.in_stride = stride,
		.out_stride = stride,
	};

	add(b, &cmd);
}

static void gate(struct builder *b, uint32_t layer)
{
	const struct bitnpu_site *site = site_of(b, layer, BITNPU_FFN_GATE);
	const struct bitnpu_site *up = site_of(b, layer, BITNPU_FFN_UP);
	const struct bitnpu_scales_operand scales = scales_of(b, layer, BITNPU_FFN_GATE);
	const struct bitnpu_cmd_gate cmd = {
		.opcode = BITNPU_OP_GATE,
		.gate_format = format_of(site->w),
		.up_format = format_of(up->w),
		.m = htole32(b->m),
		.n = htole32(site->w->n),
		.in_stride = htole32(site->y_stride),
		.in_addr = htole64(sums_of(b, site)),
		.up_addr = htole64(sums_of(b, up)),
		.f_addr = htole64(bitnpu_bo_address(b->s->device->factors)),
		.r_addr = htole64(scales.addr),
		.out_addr = htole64(bitnpu_bo_address(b->s->device->rows)),
		.out_stride = htole32(bitnpu_row_bytes(site->w->n, sizeof(float))),
		.activation = BITNPU_ACT_RELU2,
		.scales = scales.kind,
	};

	add(b, &cmd);
}

/* ---- the graph ------------------------------------------------------------------------------- */

static int stage(struct builder *b, uint32_t layer, enum bitnpu_stage stage, struct bitnpu_error *err)
{
	for (int matrix = 0; matrix < BITNPU_MATRICES; matrix++) {
		if (bitnpu_stage_of(matrix) == stage) {
			const struct bitnpu_cmd_matmul cmd =
				bitnpu_matmul_of(b->s, site_of(b, layer, matrix), b->m);

			add(b, &cmd);
		}
	}
	return cut(b, err);
}

/* Each sequence has a cache of its own. */
static uint64_t cache_of(const struct builder *b, uint32_t layer, uint32_t sequence)
{
	return bitnpu_bo_address(b->batch->members[sequence]->device->kv[layer]);
}

/* From the sums of queries, keys and values to what attention makes of them. */
static void attend(struct builder *b, uint32_t layer)
{
	for (uint32_t i = 0; i < b->batch->sequences; i++) {
		const struct rows rows = rows_of(b, i);
		const uint64_t cache = cache_of(b, layer, i);

		heads(b, layer, BITNPU_ATTN_Q, BITNPU_HEADS_ROTATE, &rows, queries_of(b, &rows));
		heads(b, layer, BITNPU_ATTN_K, BITNPU_HEADS_ROTATE | BITNPU_HEADS_CACHE, &rows, cache);
		heads(b, layer, BITNPU_ATTN_V, BITNPU_HEADS_CACHE, &rows,
		      cache + b->s->device->kv_half);
	}
	barrier(b);
	for (uint32_t i = 0; i < b->batch->sequences; i++) {
		const struct rows rows = rows_of(b, i);

		attention(b, &rows, cache_of(b, layer, i));
	}
	barrier(b);
}

static int attention_branch(struct builder *b, uint32_t layer, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = &b->s->model->info;
	const uint64_t *norms = b->s->device->norms + (size_t)layer * BITNPU_NORMS;
	const struct rows all = first_rows(b, b->m);
	int ret;

	for (uint32_t i = 0; i < b->batch->sequences; i++) {
		const struct rows rows = rows_of(b, i);

		norm_quantize(b, b->residual, info->n_embd, norms[BITNPU_ATTN_NORM], &rows);
	}
	barrier(b);
	ret = stage(b, layer, BITNPU_STAGE_QKV, err);
	if (ret)
		return ret;
	attend(b, layer);
	norm_quantize(b, queries_of(b, &all), info->n_head * info->head_dim,
		      norms[BITNPU_ATTN_SUB_NORM], &all);
	barrier(b);
	ret = stage(b, layer, BITNPU_STAGE_ATTN_OUT, err);
	if (ret)
		return ret;
	add_residual(b, layer, BITNPU_ATTN_OUT);
	barrier(b);
	return 0;
}

static int ffn_branch(struct builder *b, uint32_t layer, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = &b->s->model->info;
	const uint64_t *norms = b->s->device->norms + (size_t)layer * BITNPU_NORMS;
	const struct rows all = first_rows(b, b->m);
	int ret;

	norm_quantize(b, b->residual, info->n_embd, norms[BITNPU_FFN_NORM], &all);
	barrier(b);
	ret = stage(b, layer, BITNPU_STAGE_GATE_UP, err);
	if (ret)
		return ret;
	gate(b, layer);
	barrier(b);
	norm_quantize(b, bitnpu_bo_address(b->s->device->rows), info->n_ff,
		      norms[BITNPU_FFN_SUB_NORM], &all);
	barrier(b);
	ret = stage(b, layer, BITNPU_STAGE_DOWN, err);
	if (ret)
		return ret;
	add_residual(b, layer, BITNPU_FFN_DOWN);
	return cut(b, err);
}

/* Logits of @rows rows of the residual stream from @from on, to @logits. */
static int head_rows(struct builder *b, uint64_t from, uint32_t rows, uint64_t logits,
		     struct bitnpu_error *err)
{
	const struct bitnpu_session *s = b->s;
	const struct bitnpu_model_info *info = &s->model->info;
	const struct rows all = first_rows(b, rows);
	const struct bitnpu_scales_operand scales =
		s->device->scales[(size_t)info->n_layer * BITNPU_MATRICES];
	const bool sliced = s->head_slices > 1;
	const struct bitnpu_cmd_scale cmd = {
		.opcode = BITNPU_OP_SCALE,
		.input_format = sliced ? BITNPU_IN_INT7 : format_of(s->head[0].w),
		.scales = scales.kind,
		.m = htole32(rows),
		.n = htole32(info->n_vocab),
		.in_stride = htole32(s->head[0].y_stride),
		.in_addr = htole64(sums_of(b, &s->head[0])),
		.f_addr = htole64(all.factors),
		.r_addr = htole64(scales.addr),
		.out_addr = htole64(logits),
		.slice_stride = htole64(sliced ? s->head[1].y_offset - s->head[0].y_offset : 0),
		.out_stride = htole32(bitnpu_logits_stride(s)),
	};
	int ret;

	norm_quantize(b, from, info->n_embd, s->device->norms[(size_t)info->n_layer * BITNPU_NORMS],
		      &all);
	barrier(b);
	for (uint32_t i = 0; i < s->head_slices; i++) {
		const struct bitnpu_cmd_matmul matmul = bitnpu_matmul_of(s, &s->head[i], rows);

		add(b, &matmul);
	}
	ret = cut(b, err);
	if (ret)
		return ret;
	add(b, &cmd);
	return 0;
}

/* After the last token of each sequence; of several, each has one.  y has room for some rows at once. */
static int head(struct builder *b, struct bitnpu_error *err)
{
	const uint32_t stride = bitnpu_residual_stride(b->s), count = b->batch->sequences;
	const uint64_t from = b->residual + (uint64_t)(b->batch->rows - 1) * stride;
	int ret = 0;

	for (uint32_t row = 0; !ret && row < count; row += b->s->head_rows) {
		const uint32_t left = count - row;

		if (row)
			barrier(b);
		ret = head_rows(b, from + (uint64_t)row * stride,
				left < b->s->head_rows ? left : b->s->head_rows,
				b->batch->logits + (uint64_t)row * bitnpu_logits_stride(b->s), err);
	}
	return ret;
}

static int build(struct builder *b, bool with_head, struct bitnpu_error *err)
{
	const uint32_t layers = b->s->model->info.n_layer;
	int ret = 0;

	for (uint32_t layer = 0; !ret && layer < layers; layer++) {
		ret = attention_branch(b, layer, err);
		if (!ret)
			ret = ffn_branch(b, layer, err);
	}
	if (!ret && with_head)
		ret = head(b, err);
	return !ret && b->count ? end_list(b, err) : ret;
}

int bitnpu_device_lists_build(const struct bitnpu_batch *batch, bool with_head,
			      struct bitnpu_lists *lists, struct bitnpu_error *err)
{
	struct bitnpu_session *s = batch->members[0];
	const uint32_t layers = s->model->info.n_layer;
	const size_t block = BLOCK_COMMANDS + (size_t)batch->sequences * SEQUENCE_COMMANDS;
	struct builder b = {
		.batch = batch,
		.s = s,
		.m = batch->sequences * batch->rows,
		.cmds = calloc(((size_t)layers + 1) * block, sizeof(*b.cmds)),
		.lists = lists,
	};
	int ret = 0;

	b.residual = batch->input + bitnpu_residual_offset(s, b.m);
	/* Cut at most after every stage and block, the head in two. */
	lists->list = calloc((size_t)layers * BITNPU_BLOCK_CUTS + 2, sizeof(*lists->list));
	if (!b.cmds || !lists->list)
		ret = bitnpu_fail(err, -ENOMEM, "session: out of memory");
	if (!ret)
		ret = build(&b, with_head, err);
	if (ret)
		bitnpu_lists_free(lists);
	free(b.cmds);
	return ret;
}

int bitnpu_device_input_create(struct bitnpu_session *s, uint32_t m, struct bitnpu_bo **input,
			       struct bitnpu_error *err)
{
	return bitnpu_bo_create(s->ctx, bitnpu_residual_offset(s, m) +
				(uint64_t)m * bitnpu_residual_stride(s), 0, input, err);
}

int bitnpu_device_plan_get(struct bitnpu_session *s, uint32_t m, bool with_head,
			   const struct bitnpu_plan **out, struct bitnpu_error *err)
{
	struct bitnpu_plan *plan = bitnpu_plan_find(s, m);
	struct bitnpu_lists *lists = with_head ? &plan->with_head : &plan->lists;
	int ret = 0;

	if (!plan->m) {
		ret = bitnpu_device_input_create(s, m, &plan->input, err);
		if (ret)
			return ret;
		plan->m = m;
	}
	if (!lists->list) {
		const struct bitnpu_batch batch = {
			.members = &s,
			.sequences = 1,
			.rows = m,
			.input = bitnpu_bo_address(plan->input),
			.logits = bitnpu_bo_address(s->device->logits),
		};

		ret = bitnpu_device_lists_build(&batch, with_head, lists, err);
		if (ret)
			return ret;
	}
	plan->last_use = ++s->uses;
	*out = plan;
	return 0;
}
