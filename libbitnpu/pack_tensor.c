// SPDX-License-Identifier: MIT
/* Packs one matrix of a GGUF file into tiles, a tile of 16 rows at a time. */
#include "gguf_internal.h"
#include "half.h"
#include "pack_plan.h"
#include "tensor_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE	4096

/* All that packing one tile needs. */
struct packing {
	const struct bitnpu_gguf *gguf;
	const struct bitnpu_gguf_tensor *tensor;
	struct bitnpu_pack_plan *plan;
	struct bitnpu_error *err;
	int8_t *codes;		/* of 16 rows */
	float *floats;		/* of one row, for the methods that start from floats */
	void *tiles;
	uint16_t *scales;
};

static int refuse_row(const struct packing *p, uint32_t row, const char *what)
{
	return bitnpu_fail(p->err, -EINVAL, "%s: tensor %.*s: row %u: %s", p->gguf->path,
			   BITNPU_NAME_ARGS(p->tensor->name), row, what);
}

/* Bits of the largest magnitude: for floats without sign, the order of the bits is theirs. */
static uint32_t largest_bits(const float *x, uint32_t count)
{
	uint32_t largest = 0, i;

	for (i = 0; i < count; i++) {
		uint32_t u = bitnpu_bits_of_float(x[i]) & 0x7fffffff;

		largest = u > largest ? u : largest;
	}
	return largest;
}

/*
 * Adding 1.5 * 2^23 rounds to the nearest integer, ties to even, and leaves it in the low bits
 * (Hacker's Delight, section 17-1 has the idea); |x| is at most @most, 63 or 127, here.
 */
static int8_t round_code(float x, float most)
{
	x = x > most ? most : x;
	x = x < -most ? -most : x;
	return (int8_t)(bitnpu_bits_of_float(x + 0x1.8p23f) & 0xff);
}

static int round_row(struct packing *p, uint32_t row, int8_t *codes)
{
	float most = p->plan->format == BITNPU_PACK_INT7 ? 63.0f : 127.0f, scale;
	uint32_t k = p->plan->k, largest, i;

	bitnpu_tensor_floats(p->tensor, (uint64_t)row * k, k, p->floats);
	largest = largest_bits(p->floats, k);
	if (largest >= 0x7f800000)
		return refuse_row(p, row, "a weight is not finite");
	scale = bitnpu_float_of_bits(largest) / most;
	p->plan->row_scale[row] = scale;
	if (scale == 0) {
		memset(codes, 0, k);
		return 0;
	}
	for (i = 0; i < k; i++)
		codes[i] = round_code(p->floats[i] / scale, most);
	return 0;
}

static void sign_row(struct packing *p, uint32_t row, int8_t *codes)
{
	uint32_t k = p->plan->k, i;

	bitnpu_tensor_floats(p->tensor, (uint64_t)row * k, k, p->floats);
	for (i = 0; i < k; i++)
		codes[i] = (p->floats[i] > 0) - (p->floats[i] < 0);
}

static int pack_row(struct packing *p, uint32_t row, int8_t *codes)
{
	switch (p->plan->method) {
	case BITNPU_PACK_ROUNDED_FLOATS:
		return round_row(p, row, codes);
	case BITNPU_PACK_TERNARY_FLOATS:
		sign_row(p, row, codes);
		return 0;
	default:
		if (!bitnpu_row_codes(p->tensor->type, bitnpu_row_at(p->tensor, row), p->plan->k,
				      codes))
			return refuse_row(p, row, "it holds code 3, which is no weight");
		return 0;
	}
}

/* Group scales of a tile: for each group 16 halves, one a row; rows past the end have 0. */
static void pack_scales(struct packing *p, uint32_t first_row, uint32_t rows)
{
	uint32_t groups = ((p->plan->k - 1) >> p->plan->group_shift) + 1;
	uint16_t *out = p->scales + (uint64_t)first_row * groups;
	uint32_t row, g;

	for (row = 0; row < rows; row++) {
		const unsigned char *blocks = bitnpu_row_at(p->tensor, first_row + row);

		for (g = 0; g < groups; g++)
			/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set with the shift */
			out[g * BITNPU_TILE_ROWS + row] =
				bitnpu_block_scale(p->tensor->type, blocks, g);
	}
}

static int pack_tiles(struct packing *p)
{
	uint32_t n = p->plan->n, first, rows, i;
	int ret;

	for (first = 0; first < n; first += rows) {
		rows = n - first < BITNPU_TILE_ROWS ? n - first : BITNPU_TILE_ROWS;
		for (i = 0; i < rows; i++) {
			ret = pack_row(p, first + i, p->codes + (size_t)i * p->plan->k);
			if (ret)
				return ret;
		}
		bitnpu_tiles_encode(p->plan->format, n, p->plan->k, first, rows, p->codes,
				    p->tiles);
		if (p->scales)
			pack_scales(p, first, rows);
	}
	return 0;
}

static uint64_t page_align(uint64_t bytes)
{
	return (bytes + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

/* Tiles, group scales and row scales each begin a page: an engine may import them by themselves. */
static int allocate(struct packing *p, struct bitnpu_packed_tensor *packed)
{
	struct bitnpu_weights *w = &packed->w;
	uint64_t tiles, scales, bytes;
	unsigned char *memory;

	w->format = p->plan->format;
	w->group_shift = p->plan->group_shift;
	w->output = w->group_shift ? BITNPU_Y_INT64 : BITNPU_Y_INT32;
	w->n = p->plan->n;
	w->k = p->plan->k;
	w->tiles_bytes = bitnpu_tiles_bytes(w->format, w->n, w->k);
	w->scales_bytes = bitnpu_scales_bytes(w->n, w->k, w->group_shift);
	tiles = page_align(w->tiles_bytes);
	scales = page_align(w->scales_bytes);
	/* The factor may still turn one scale into one a row. */
	bytes = tiles + scales + page_align((uint64_t)w->n * sizeof(float));
	if (bytes > SIZE_MAX)
		return -ENOMEM;
	memory = aligned_alloc(PAGE, bytes);
	if (!memory)
		return -ENOMEM;
	/* Whole pages may be read; the tiles themselves are written by packing. */
	memset(memory + w->tiles_bytes, 0, bytes - w->tiles_bytes);
	packed->memory = memory;
	w->tiles = memory;
	p->tiles = memory;
	if (w->group_shift) {
		w->scales = memory + tiles;
		p->scales = (uint16_t *)(memory + tiles);
	}
	w->row_scale = (float *)(memory + tiles + scales);
	return 0;
}

static void store_row_scales(const struct bitnpu_pack_plan *plan, struct bitnpu_weights *w)
{
	w->row_scale_count = plan->row_scale_count;
	if (w->row_scale_count)
		memcpy((float *)w->row_scale, plan->row_scale,
		       w->row_scale_count * sizeof(*w->row_scale));
	else
		w->row_scale = NULL;
}

int bitnpu_pack_planned(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor,
			struct bitnpu_pack_plan *plan, struct bitnpu_packed_tensor *packed,
			struct bitnpu_error *err)
{
	struct packing p = { .gguf = gguf, .tensor = tensor, .plan = plan, .err = err };
	struct bitnpu_packed_tensor out = { .memory = NULL };
	int ret = -ENOMEM;

	p.codes = malloc((size_t)BITNPU_TILE_ROWS * plan->k);
	p.floats = malloc(plan->k * sizeof(*p.floats));
	if (!p.codes || !p.floats || allocate(&p, &out)) {
		bitnpu_fail(err, ret, "%s: tensor %.*s: out of memory", gguf->path,
			    BITNPU_NAME_ARGS(tensor->name));
		goto out;
	}
	ret = pack_tiles(&p);
	if (!ret && plan->method == BITNPU_PACK_ROUNDED_FLOATS)
		ret = bitnpu_apply_factor(gguf, tensor, plan, err);
	if (ret)
		goto out;
	store_row_scales(plan, &out.w);
	*packed = out;
	out.memory = NULL;
out:
	free(out.memory);
	free(p.floats);
	free(p.codes);
	return ret;
}

int bitnpu_pack_tensor(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor,
		       struct bitnpu_packed_tensor *packed, struct bitnpu_error *err)
{
	struct bitnpu_pack_plan plan = { .n = 0 };
	int ret = bitnpu_pack_plan(gguf, tensor, &plan, err);

	if (ret)
		return ret;
	ret = bitnpu_pack_planned(gguf, tensor, &plan, packed, err);
	bitnpu_pack_plan_free(&plan);
	return ret;
}

void bitnpu_packed_tensor_free(struct bitnpu_packed_tensor *packed)
{
	if (!packed)
		return;
	free(packed->memory);
	memset(packed, 0, sizeof(*packed));
}
