// SPDX-License-Identifier: MIT
/* Float commands on the host's memory: the float operations applied to rows. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "float_run.h"
#include "half.h"

/* Elements of a pass over a long row of sums, and of a block that stays in the nearest cache. */
#define PASS_ELEMENTS	8192
#define BLOCK_ELEMENTS	1024

/* Every NaN becomes the same: which one arithmetic gives depends on the processor. */
static void settle_nans(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (x[i] != x[i])
			x[i] = bitnpu_float_of_bits(BITNPU_NAN);
}

static unsigned char *row_at(const struct bitnpu_float_job *job, enum bitnpu_role role, uint32_t row)
{
	return job->at[role] + (size_t)row * job->op->ranges[role].stride;
}

static float *floats_at(const struct bitnpu_float_job *job, enum bitnpu_role role, uint32_t row)
{
	return (float *)row_at(job, role, row);
}

static struct bitnpu_factor *factor_at(const struct bitnpu_float_job *job, uint32_t row)
{
	return (struct bitnpu_factor *)job->at[BITNPU_ROLE_FACTORS] + row;
}

static uint32_t position_at(const struct bitnpu_float_job *job, uint32_t row)
{
	uint32_t position;

	memcpy(&position, row_at(job, BITNPU_ROLE_TOKENS, row), sizeof(position));
	return le32toh(position);
}

static const float *table_at(const struct bitnpu_float_job *job, uint32_t row)
{
	return (const float *)(row_at(job, BITNPU_ROLE_TOKENS, row) + BITNPU_TOKEN_TABLE);
}

/* ---- sums ------------------------------------------------------------------------------------ */

/**
 * struct sums - exact sums of a row, and their scales
 * @y: element 0
 * @format: &enum bitnpu_input_format
 * @row_scales: of element 0, or of all; NULL without
 */
struct sums {
	const unsigned char *y;
	uint8_t format;
	const float *row_scales;
};

/* Elements @first to @first + @count - 1 of a row as floats; int7: at most BLOCK_ELEMENTS. */
static void scale(const struct bitnpu_float_job *job, const struct sums *sums, uint32_t row,
		  uint32_t first, uint32_t count, float *out)
{
	const struct bitnpu_float_command *op = job->op;
	const bool each = op->scales == BITNPU_SCALES_EACH;
	const float *scales = sums->row_scales && each ? sums->row_scales + first : sums->row_scales;
	const size_t scale_count = op->scales == BITNPU_SCALES_NONE ? 0 : each ? count : 1;
	const struct bitnpu_factor *factor = factor_at(job, row);
	const float x_scale = bitnpu_float_of_bits(le32toh(factor->scale));
	const int32_t *y = (const int32_t *)sums->y;
	int32_t joined[BLOCK_ELEMENTS];

	if (sums->format == BITNPU_IN_INT64) {
		job->ops->scale_i64((const int64_t *)sums->y + first, count, scales, scale_count,
				    x_scale, out);
		return;
	}
	y += first;
	if (sums->format == BITNPU_IN_INT7) {
		const size_t slice = op->slice_stride / sizeof(*y);
		const int32_t *const slices[] = { y, y + slice, y + 2 * slice, y + 3 * slice };

		job->ops->sum_int7(slices, count, (int32_t)le32toh(factor->sum), joined);
		y = joined;
	}
	job->ops->scale_i32(y, count, scales, scale_count, x_scale, out);
}

static struct sums sums_at(const struct bitnpu_float_job *job, uint32_t row)
{
	return (struct sums){
		.y = row_at(job, BITNPU_ROLE_IN, row),
		.format = job->op->input_format,
		.row_scales = (const float *)job->at[BITNPU_ROLE_SCALES],
	};
}

static struct sums up_sums_at(const struct bitnpu_float_job *job, uint32_t row)
{
	const unsigned char *scales = job->at[BITNPU_ROLE_SCALES];

	return (struct sums){
		.y = row_at(job, BITNPU_ROLE_UP, row),
		.format = job->op->up_format,
		.row_scales = scales ? (const float *)(scales + job->op->up_scales) : NULL,
	};
}

static void scale_block(const struct bitnpu_float_job *job, uint32_t row, uint32_t first,
			uint32_t count)
{
	const struct sums sums = sums_at(job, row);
	float *out = floats_at(job, BITNPU_ROLE_OUT, row) + first;
	float value[BLOCK_ELEMENTS];

	if (job->op->flags & BITNPU_SCALE_ADD) {
		scale(job, &sums, row, first, count, value);
		job->ops->add(out, value, count);
	} else {
		scale(job, &sums, row, first, count, out);
	}
	settle_nans(out, count);
}

static void gate_block(const struct bitnpu_float_job *job, uint32_t row, uint32_t first,
		       uint32_t count)
{
	const struct sums gate_sums = sums_at(job, row), up_sums = up_sums_at(job, row);
	float *out = floats_at(job, BITNPU_ROLE_OUT, row) + first;
	float gate[BLOCK_ELEMENTS], up[BLOCK_ELEMENTS];

	scale(job, &gate_sums, row, first, count, gate);
	scale(job, &up_sums, row, first, count, up);
	job->ops->relu2_gate(gate, up, count, out);
	settle_nans(out, count);
}

static void heads(const struct bitnpu_float_job *job, uint32_t row, float *scratch)
{
	const struct bitnpu_float_command *op = job->op;
	const bool cached = op->flags & BITNPU_HEADS_CACHE;
	const uint32_t position = cached ? position_at(job, row) : 0;
	const struct sums sums = sums_at(job, row);
	float *out = cached ? scratch : floats_at(job, BITNPU_ROLE_OUT, row);
	uint16_t *cache = (uint16_t *)job->at[BITNPU_ROLE_OUT];

	if (cached && position >= op->capacity)
		return;
	scale(job, &sums, row, 0, op->n, out);
	if (op->flags & BITNPU_HEADS_ROTATE)
		job->ops->rope(out, op->heads, op->head_dim, table_at(job, row));
	settle_nans(out, op->n);
	for (uint32_t head = 0; cached && head < op->heads; head++)
		job->ops->to_halves(out + (size_t)head * op->head_dim, op->head_dim,
				    cache + ((size_t)head * op->capacity + position) * op->head_dim);
}

/* ---- floats ---------------------------------------------------------------------------------- */

static void norm_quantize(const struct bitnpu_float_job *job, uint32_t row)
{
	const struct bitnpu_float_command *op = job->op;
	int8_t *x = (int8_t *)row_at(job, BITNPU_ROLE_OUT, row);
	const float scale = job->ops->norm_quantize(floats_at(job, BITNPU_ROLE_IN, row),
						    (const float *)job->at[BITNPU_ROLE_WEIGHT],
						    op->n, bitnpu_float_of_bits(op->eps), x);
	int32_t sum = 0;

	for (uint32_t i = 0; i < op->n; i++)
		sum += x[i];
	*factor_at(job, row) = (struct bitnpu_factor){
		.scale = htole32(bitnpu_bits_of_float(scale)),
		.sum = htole32((uint32_t)sum),
	};
}

static uint32_t visible(const struct bitnpu_float_job *job, uint32_t row)
{
	const uint32_t position = position_at(job, row), capacity = job->op->capacity;

	return position < capacity ? position + 1 : capacity;
}

/* The query heads of one key/value head. */
static void attend(const struct bitnpu_float_job *job, uint32_t row, uint32_t head, float *scratch)
{
	const struct bitnpu_float_command *op = job->op;
	const size_t cache = (size_t)head * op->capacity * op->head_dim;
	const size_t first = (size_t)head * op->group * op->head_dim;
	const struct bitnpu_attention a = {
		.k = (const uint16_t *)job->at[BITNPU_ROLE_KEYS] + cache,
		.v = (const uint16_t *)job->at[BITNPU_ROLE_VALUES] + cache,
		.stride = op->head_dim,
		.head_dim = op->head_dim,
		.heads = op->group,
		.n = visible(job, row),
	};
	float *out = floats_at(job, BITNPU_ROLE_OUT, row) + first;
	float *scores = scratch, *sums = scratch + (size_t)op->group * a.n;

	job->ops->attention_scores(&a, floats_at(job, BITNPU_ROLE_IN, row) + first, 0, a.n, scores);
	for (uint32_t h = 0; h < a.heads; h++)
		job->ops->softmax(scores + (size_t)h * a.n, a.n);
	job->ops->attention_sums(&a, scores, 0, BITNPU_SUM_LANES, sums);
	job->ops->attention_fold(&a, sums, 0, a.heads, out);
	settle_nans(out, (size_t)op->group * op->head_dim);
}

/* ---- passes ---------------------------------------------------------------------------------- */

static bool is_cut(const struct bitnpu_float_command *op)
{
	return op->opcode == BITNPU_OP_SCALE || op->opcode == BITNPU_OP_GATE;
}

static uint32_t parts_of_row(const struct bitnpu_float_command *op)
{
	if (is_cut(op))
		return (op->n + PASS_ELEMENTS - 1) / PASS_ELEMENTS;
	return op->opcode == BITNPU_OP_ATTENTION ? op->heads : 1;
}

uint32_t bitnpu_float_passes(const struct bitnpu_float_job *job)
{
	/* At most 2^16 rows of 2^11 parts: SCALE's of 2^24 elements, or 2^15 heads. */
	return job->op->m * parts_of_row(job->op);
}

static void run_blocks(const struct bitnpu_float_job *job, uint32_t row, uint32_t part)
{
	const uint32_t n = job->op->n, first = part * PASS_ELEMENTS;
	const uint32_t end = n - first < PASS_ELEMENTS ? n : first + PASS_ELEMENTS;

	for (uint32_t at = first; at < end; at += BLOCK_ELEMENTS) {
		const uint32_t count = end - at < BLOCK_ELEMENTS ? end - at : BLOCK_ELEMENTS;

		if (job->op->opcode == BITNPU_OP_SCALE)
			scale_block(job, row, at, count);
		else
			gate_block(job, row, at, count);
	}
}

void bitnpu_float_pass(void *arg, uint32_t index, unsigned int thread)
{
	const struct bitnpu_float_job *job = arg;
	const uint32_t parts = parts_of_row(job->op), row = index / parts, part = index % parts;

	switch (job->op->opcode) {
	case BITNPU_OP_NORM_QUANTIZE:
		norm_quantize(job, row);
		break;
	case BITNPU_OP_HEADS:
		heads(job, row, job->scratch + thread * job->scratch_floats);
		break;
	case BITNPU_OP_ATTENTION:
		attend(job, row, part, job->scratch + thread * job->scratch_floats);
		break;
	default:
		run_blocks(job, row, part);
		break;
	}
}

static size_t scratch_floats(const struct bitnpu_float_job *job)
{
	const struct bitnpu_float_command *op = job->op;
	uint32_t most = 0;

	if (op->opcode == BITNPU_OP_HEADS)
		return op->n;
	if (op->opcode != BITNPU_OP_ATTENTION)
		return 0;
	for (uint32_t row = 0; row < op->m; row++)
		most = visible(job, row) > most ? visible(job, row) : most;
	return (size_t)op->group * (most + BITNPU_SUM_LANES * op->head_dim);
}

int bitnpu_float_begin(struct bitnpu_float_job *job, const struct bitnpu_checked_cmd *cmd,
		       const struct bitnpu_hostops *ops, unsigned int threads)
{
	*job = (struct bitnpu_float_job){ .op = &cmd->op, .ops = ops };
	for (int role = 0; role < BITNPU_ROLES; role++) {
		const struct bitnpu_operand *operand = &cmd->operands[role];

		if (operand->bo)
			job->at[role] = (unsigned char *)operand->bo->host + operand->offset;
	}
	job->scratch_floats = scratch_floats(job);
	if (!job->scratch_floats)
		return 0;
	job->scratch = malloc(threads * job->scratch_floats * sizeof(float));
	return job->scratch ? 0 : -ENOMEM;
}

void bitnpu_float_end(struct bitnpu_float_job *job)
{
	free(job->scratch);
}
