// SPDX-License-Identifier: MIT
/* Kernels in portable C: rows of x stay rows. */
#include <string.h>

#include "cpu.h"

static void lay_out(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
		    const int8_t *values, uint32_t count)
{
	memcpy((int8_t *)x->data + (size_t)row * x->columns + column, values, count);
}

/* The line's words are little-endian: byte b of a row's word holds the codes of k = 4s + b. */
static inline void add_line(const uint8_t *line, uint32_t planes, const int8_t *x, int32_t *sums)
{
	const uint32_t bits = 8 / planes, mask = (1u << bits) - 1;

	for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r++) {
		const uint8_t *word = line + 4 * r;
		int32_t sum = 0;

		for (uint32_t i = 0; i < 4 * planes; i++)
			sum += (int32_t)(word[i % 4] >> i / 4 * bits & mask) * x[i];
		sums[r] += sum;
	}
}

static inline void add_lines(const uint8_t *w, uint32_t lines, uint32_t planes,
			     const struct bitnpu_cpu_x *x, uint32_t column,
			     int32_t (*sums)[BITNPU_TILE_ROWS])
{
	for (uint32_t row = 0; row < x->rows; row++) {
		const int8_t *values = (const int8_t *)x->data + (size_t)row * x->columns + column;

		memset(sums[row], 0, sizeof(sums[row]));
		for (uint32_t line = 0; line < lines; line++)
			add_line(w + (size_t)line * BITNPU_LINE_BYTES, planes,
				 values + line * 4 * planes, sums[row]);
	}
}

static void sums_ternary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			 uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	add_lines(w, lines, 4, x, column, sums);
}

static void sums_binary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	add_lines(w, lines, 8, x, column, sums);
}

static void sums_int8(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
		      uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	for (uint32_t row = 0; row < x->rows; row++) {
		const int8_t *values = (const int8_t *)x->data + (size_t)row * x->columns + column;

		memset(sums[row], 0, sizeof(sums[row]));
		for (uint32_t line = 0; line < lines; line++)
			for (uint32_t i = 0; i < BITNPU_LINE_BYTES; i++)
				sums[row][i / 4] += (int8_t)w[line * BITNPU_LINE_BYTES + i] *
						    values[4 * line + i % 4];
	}
}

static const struct bitnpu_cpu_kernel kernels[] = {
	[BITNPU_W_TERNARY] = { "rows", 1, lay_out, sums_ternary, NULL },
	[BITNPU_W_BINARY] = { "rows", 1, lay_out, sums_binary, NULL },
	[BITNPU_W_INT8] = { "rows", 1, lay_out, sums_int8, NULL },
};

static const struct bitnpu_cpu_kernel *kernel(uint8_t weight_format, uint32_t rows,
					      uint32_t segment)
{
	return &kernels[weight_format];
}

static bool usable(void)
{
	return true;
}

const struct bitnpu_cpu_level bitnpu_cpu_scalar = {
	.name = "scalar",
	.usable = usable,
	.kernel = kernel,
};
