// SPDX-License-Identifier: MIT
/*
 * Decides how a matrix is packed.  BitNet b1.58 trains one scale a tensor (Ma et al.,
 * arXiv:2402.17764); the file formats spread it over blocks.  Where one scale serves the tensor or
 * each row it is taken out of the sum again, which then is an exact 32-bit integer.
 */
#include "gguf_internal.h"
#include "half.h"
#include "pack_plan.h"
#include "tensor_rows.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BLOCK	256
#define MAX_ACTIVATION	128	/* |int8| */

/* What the decisions are about. */
struct source {
	const struct bitnpu_gguf *gguf;
	const struct bitnpu_gguf_tensor *tensor;
	struct bitnpu_pack_plan *plan;
	struct bitnpu_error *err;
};

static int refuse(const struct source *s, const char *what)
{
	return bitnpu_fail(s->err, -EINVAL, "%s: tensor %.*s: %s", s->gguf->path,
			   BITNPU_NAME_ARGS(s->tensor->name), what);
}

static int refuse_at(const struct source *s, uint64_t row, uint64_t column, const char *what)
{
	return bitnpu_fail(s->err, -EINVAL, "%s: tensor %.*s: row %llu, column %llu: %s",
			   s->gguf->path, BITNPU_NAME_ARGS(s->tensor->name),
			   (unsigned long long)row, (unsigned long long)column, what);
}

static int no_memory(const struct source *s)
{
	return bitnpu_fail(s->err, -ENOMEM, "%s: tensor %.*s: out of memory", s->gguf->path,
			   BITNPU_NAME_ARGS(s->tensor->name));
}

static bool ends_with(const struct bitnpu_gguf_string *s, const char *end)
{
	size_t length = strlen(end);

	return s->length > length && !memcmp(s->data + s->length - length, end, length);
}

bool bitnpu_is_matrix(const struct bitnpu_gguf_tensor *tensor)
{
	return tensor->n_dims == 2 && ends_with(&tensor->name, ".weight");
}

const struct bitnpu_gguf_tensor *bitnpu_scale_tensor(const struct bitnpu_gguf *gguf,
						     const struct bitnpu_gguf_tensor *matrix,
						     const char *suffix)
{
	size_t stem = matrix->name.length - strlen(".weight");
	char name[128];

	if (!ends_with(&matrix->name, ".weight") || stem + strlen(suffix) >= sizeof(name) ||
	    memchr(matrix->name.data, '\0', stem))
		return NULL;
	memcpy(name, matrix->name.data, stem);
	memcpy(name + stem, suffix, strlen(suffix) + 1);
	return bitnpu_gguf_find_tensor(gguf, name);
}

static bool half_is_finite(uint16_t half)
{
	return (half & 0x7c00) != 0x7c00;
}

static int new_row_scales(const struct source *s)
{
	s->plan->row_scale = calloc(s->plan->n, sizeof(float));
	if (!s->plan->row_scale)
		return no_memory(s);
	s->plan->row_scale_count = s->plan->n;
	return 0;
}

/* One scale for all rows if they agree; a row of zeros, recorded as 0, agrees with any. */
static void merge_row_scales(struct bitnpu_pack_plan *plan)
{
	float scale = 0;
	float *one;
	uint32_t i;

	for (i = 0; i < plan->n; i++) {
		if (plan->row_scale[i] == 0)
			continue;
		if (scale != 0 && plan->row_scale[i] != scale)
			return;
		scale = plan->row_scale[i];
	}
	plan->row_scale[0] = scale;
	plan->row_scale_count = 1;
	one = realloc(plan->row_scale, sizeof(*one));
	if (one)
		plan->row_scale = one;
}

/* Return: 1 when the block holds a weight other than 0, 0 when not, -1 when a code is undefined */
static int block_counts(const struct source *s, const unsigned char *block, uint32_t elements)
{
	static const int8_t zeros[MAX_BLOCK];
	int8_t codes[MAX_BLOCK];

	if (!bitnpu_row_codes(s->tensor->type, block, elements, codes))
		return -1;
	return !!memcmp(codes, zeros, elements);
}

/*
 * One row of a ternary type with block scales: clears @same when two blocks that hold other weights
 * than 0 have different scales.  Blocks of zeros carry any scale, usually 0.
 */
static int plan_ternary_row(const struct source *s, uint32_t row, bool *same)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(s->tensor->type);
	const unsigned char *block = bitnpu_row_at(s->tensor, row);
	uint16_t row_scale = 0;
	uint32_t k;
	int counts;

	for (k = 0; k < s->plan->k; k += layout->block, block += layout->bytes) {
		uint16_t scale = bitnpu_block_scale(s->tensor->type, block, 0);

		if (!half_is_finite(scale))
			return refuse_at(s, row, k, "the block's scale is not finite");
		if (!*same || scale == row_scale || !(scale & 0x7fff))
			continue;
		counts = block_counts(s, block, layout->block);
		if (counts < 0)
			return refuse_at(s, row, k, "the block holds code 3, which is no weight");
		if (counts && row_scale)
			*same = false;
		else if (counts)
			row_scale = scale;
	}
	s->plan->row_scale[row] = bitnpu_half_expand(row_scale);
	return 0;
}

static int plan_ternary_blocks(const struct source *s)
{
	bool same = true;
	uint32_t row;
	int ret = new_row_scales(s);

	for (row = 0; !ret && row < s->plan->n; row++)
		ret = plan_ternary_row(s, row, &same);
	if (ret)
		return ret;
	if (same) {
		s->plan->group_shift = 0;
		merge_row_scales(s->plan);
		return 0;
	}
	free(s->plan->row_scale);
	s->plan->row_scale = NULL;
	s->plan->row_scale_count = 0;
	return 0;
}

static int plan_tensor_scale(const struct source *s)
{
	float scale = bitnpu_tensor_scale(s->tensor);

	if (!isfinite(scale))
		return refuse(s, "the tensor's scale is not finite");
	s->plan->row_scale = malloc(sizeof(scale));
	if (!s->plan->row_scale)
		return no_memory(s);
	s->plan->row_scale[0] = scale;
	s->plan->row_scale_count = 1;
	return 0;
}

static uint64_t absolute_sum(const int8_t *codes, uint32_t count)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		sum += abs(codes[i]);
	return sum;
}

/*
 * Whether the worst activations make the 64-bit sum of a row wrap (docs/numerics.md): group scales in
 * units of 2^-24, times the codes' absolute sums, times 128.
 */
static bool row_can_wrap(const struct source *s, const unsigned char *blocks, bool exact)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(s->tensor->type);
	uint64_t sum = 0, term, codes_sum = (uint64_t)layout->block * 128;
	int8_t codes[MAX_BLOCK];
	uint32_t k;

	for (k = 0; k < s->plan->k; k += layout->block, blocks += layout->bytes) {
		uint16_t half = bitnpu_block_scale(s->tensor->type, blocks, 0) & 0x7fff;

		if (exact) {
			bitnpu_row_codes(s->tensor->type, blocks, layout->block, codes);
			codes_sum = absolute_sum(codes, layout->block);
		}
		term = (uint64_t)(bitnpu_half_expand(half) * 0x1p24f) * codes_sum;
		if (__builtin_mul_overflow(term, MAX_ACTIVATION, &term) ||
		    __builtin_add_overflow(sum, term, &sum))
			return true;
	}
	return sum > INT64_MAX;
}

static int plan_group_scales(const struct source *s)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(s->tensor->type);
	uint32_t row, k;

	for (row = 0; row < s->plan->n; row++) {
		const unsigned char *blocks = bitnpu_row_at(s->tensor, row);

		for (k = 0; k < s->plan->k; k += layout->block)
			if (!half_is_finite(bitnpu_block_scale(s->tensor->type, blocks,
							       k / layout->block)))
				return refuse_at(s, row, k, "the block's scale is not finite");
		/* Only 8-bit codes can get there, and then the bound without the codes tells. */
		if (s->plan->format == BITNPU_W_INT8 && row_can_wrap(s, blocks, false) &&
		    row_can_wrap(s, blocks, true))
			return refuse_at(s, row, 0, "scales are so large that sums leave 64 bits");
	}
	return 0;
}

static int plan_codes(const struct source *s, const struct bitnpu_code_type *coded)
{
	s->plan->method = BITNPU_PACK_CODES;
	s->plan->format = coded->format;
	s->plan->group_shift = coded->group_shift;
	if (!coded->group_shift)
		return plan_tensor_scale(s);
	if (coded->format == BITNPU_W_TERNARY)
		return plan_ternary_blocks(s);
	return plan_group_scales(s);
}

/* Return: whether all of them are 0, +s or -s with one finite @scale, 0 when all are 0 */
static bool is_ternary(const float *x, uint32_t count, float *scale)
{
	uint32_t first = 0, u, i;

	for (i = 0; i < count; i++) {
		u = bitnpu_bits_of_float(x[i]) & 0x7fffffff;
		if (!u)
			continue;
		if (!first)
			first = u;
		if (u != first || u >= 0x7f800000)
			return false;
	}
	*scale = bitnpu_float_of_bits(first);
	return true;
}

/*
 * Embedding and head are read once a token as a whole, so their bits count.  7 with a scale a row are
 * closer to floats than Q6_K (docs/packed-format.md has the measurement), 6 are not.
 */
static bool takes_seven_bits(const struct source *s)
{
	return s->tensor == bitnpu_gguf_find_tensor(s->gguf, "token_embd.weight") ||
	       s->tensor == bitnpu_gguf_find_tensor(s->gguf, "output.weight");
}

static int plan_floats(const struct source *s)
{
	float *x = malloc(s->plan->k * sizeof(*x));
	uint32_t row;
	int ret;

	if (!x)
		return no_memory(s);
	ret = new_row_scales(s);
	for (row = 0; !ret && row < s->plan->n; row++) {
		if (bitnpu_tensor_floats(s->tensor, (uint64_t)row * s->plan->k, s->plan->k, x)) {
			ret = refuse(s, "cannot be read as floats");
			break;
		}
		if (!is_ternary(x, s->plan->k, &s->plan->row_scale[row]))
			break;
	}
	if (ret)
		goto out;
	if (row == s->plan->n) {
		s->plan->method = BITNPU_PACK_TERNARY_FLOATS;
		s->plan->format = BITNPU_W_TERNARY;
		merge_row_scales(s->plan);
	} else {
		s->plan->method = BITNPU_PACK_ROUNDED_FLOATS;
		s->plan->format = takes_seven_bits(s) ? BITNPU_PACK_INT7 : BITNPU_W_INT8;
	}
out:
	free(x);
	return ret;
}

/* Files converted for llama.cpp may keep BitNet's scale in a tensor "X.scale" beside "X.weight". */
static int read_factor(const struct source *s)
{
	const struct bitnpu_gguf_tensor *t = bitnpu_scale_tensor(s->gguf, s->tensor, ".scale");
	uint32_t i;

	if (!t)
		return 0;
	if (t->elements != 1 && t->elements != s->plan->n)
		return bitnpu_fail(s->err, -EINVAL, "%s: tensor %.*s: %llu elements, expected 1 or %u",
				   s->gguf->path, BITNPU_NAME_ARGS(t->name),
				   (unsigned long long)t->elements, s->plan->n);
	s->plan->factor = calloc(s->plan->n, sizeof(float));
	if (!s->plan->factor)
		return no_memory(s);
	s->plan->factor_count = t->elements;
	if (bitnpu_tensor_floats(t, 0, t->elements, s->plan->factor))
		return bitnpu_fail(s->err, -EINVAL, "%s: tensor %.*s: its type cannot be read as "
				   "floats", s->gguf->path, BITNPU_NAME_ARGS(t->name));
	for (i = 0; i < s->plan->factor_count; i++)
		if (!isfinite(s->plan->factor[i]))
			return bitnpu_fail(s->err, -EINVAL, "%s: tensor %.*s: element %u is not "
					   "finite", s->gguf->path, BITNPU_NAME_ARGS(t->name), i);
	return 0;
}

int bitnpu_apply_factor(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor,
			struct bitnpu_pack_plan *plan, struct bitnpu_error *err)
{
	const struct source s = { gguf, tensor, plan, err };
	uint32_t count = plan->factor_count > plan->row_scale_count ? plan->factor_count
								    : plan->row_scale_count;
	float *product;
	uint32_t i;

	if (!plan->factor)
		return 0;
	product = malloc(count * sizeof(*product));
	if (!product)
		return no_memory(&s);
	for (i = 0; i < count; i++) {
		product[i] = plan->factor[plan->factor_count > 1 ? i : 0];
		if (plan->row_scale)
			product[i] *= plan->row_scale[plan->row_scale_count > 1 ? i : 0];
		if (!isfinite(product[i])) {
			free(product);
			return refuse_at(&s, i, 0, "the product of its scales is not finite");
		}
	}
	free(plan->row_scale);
	plan->row_scale = product;
	plan->row_scale_count = count;
	return 0;
}

static int check_shape(const struct source *s)
{
	const struct bitnpu_gguf_tensor *t = s->tensor;
	char type[16];

	if (t->n_dims != 2)
		return bitnpu_fail(s->err, -EINVAL, "%s: tensor %.*s: %u dimensions, a matrix has 2",
				   s->gguf->path, BITNPU_NAME_ARGS(t->name), t->n_dims);
	if (t->dims[0] > BITNPU_MAX_K || t->dims[1] > BITNPU_MAX_N)
		return bitnpu_fail(s->err, -EINVAL, "%s: tensor %.*s: %llu columns and %llu rows, at "
				   "most %u and %u are supported", s->gguf->path,
				   BITNPU_NAME_ARGS(t->name), (unsigned long long)t->dims[0],
				   (unsigned long long)t->dims[1], BITNPU_MAX_K, BITNPU_MAX_N);
	if (!bitnpu_ggml_layout(t->type) || t->type == BITNPU_GGML_I8)
		return bitnpu_fail(s->err, -ENOTSUP, "%s: tensor %.*s: %s is not supported",
				   s->gguf->path, BITNPU_NAME_ARGS(t->name),
				   bitnpu_ggml_type_name(t->type, type));
	return 0;
}

int bitnpu_pack_plan(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor,
		     struct bitnpu_pack_plan *plan, struct bitnpu_error *err)
{
	const struct source s = { gguf, tensor, plan, err };
	const struct bitnpu_code_type *coded = bitnpu_code_type(tensor->type);
	int ret = check_shape(&s);

	memset(plan, 0, sizeof(*plan));
	if (ret)
		return ret;
	plan->n = tensor->dims[1];
	plan->k = tensor->dims[0];
	ret = coded ? plan_codes(&s, coded) : plan_floats(&s);
	if (!ret)
		ret = read_factor(&s);
	if (!ret && plan->method != BITNPU_PACK_ROUNDED_FLOATS)
		ret = bitnpu_apply_factor(gguf, tensor, plan, err);
	if (ret)
		bitnpu_pack_plan_free(plan);
	return ret;
}

void bitnpu_pack_plan_free(struct bitnpu_pack_plan *plan)
{
	free(plan->row_scale);
	free(plan->factor);
	memset(plan, 0, sizeof(*plan));
}
