// SPDX-License-Identifier: MIT
/* MATMUL on plain matrices, element by element. */
#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plain_matmul.h"

bool plain_matmul_alloc(struct plain_matmul *mm, uint8_t weight_format, uint8_t output_format,
			uint8_t group_shift, uint32_t m, uint32_t n, uint32_t k)
{
	*mm = (struct plain_matmul){
		.weight_format = weight_format,
		.output_format = output_format,
		.m = m,
		.n = n,
		.k = k,
	};
	if (output_format == BITNPU_Y_INT64) {
		const uint32_t size = 1u << group_shift;

		mm->group_shift = group_shift;
		mm->groups = k / size + (k % size != 0);
		mm->s = calloc((size_t)n * mm->groups, sizeof(*mm->s));
	}
	mm->x = calloc(m, k);
	mm->w = calloc(n, k);
	if (mm->x && mm->w && (mm->s || !mm->groups))
		return true;
	plain_matmul_free(mm);
	return false;
}

void plain_matmul_free(struct plain_matmul *mm)
{
	free(mm->x);
	free(mm->w);
	free(mm->s);
	mm->x = mm->w = NULL;
	mm->s = NULL;
}

void plain_matmul_random(struct plain_matmul *mm, struct test_random *random)
{
	static const int8_t ternary[] = { -1, 0, 1, -1, 0, 1, -1, 0, 1, 2 };

	test_random_bytes(random, mm->x, (size_t)mm->m * mm->k);
	test_random_bytes(random, mm->w, (size_t)mm->n * mm->k);
	for (size_t i = 0; i < (size_t)mm->n * mm->k; i++) {
		const uint8_t byte = mm->w[i];

		if (mm->weight_format == BITNPU_W_TERNARY)
			mm->w[i] = ternary[byte % sizeof(ternary)];
		else if (mm->weight_format == BITNPU_W_BINARY)
			mm->w[i] = byte & 1 ? 1 : -1;
	}
	for (size_t i = 0; i < (size_t)mm->n * mm->groups; i++) {
		mm->s[i] = test_random_u64(random);
		if ((mm->s[i] & 0x7c00) == 0x7c00)
			mm->s[i] &= 0x83ff;
	}
}

int64_t plain_half(uint16_t half)
{
	const int exponent = half / 1024 % 32;
	const double fraction = (half % 1024) / 1024.0;
	const double sign = half < 0x8000 ? 1 : -1;

	/* A double holds every value times 2^24 exactly. */
	if (exponent == 0)
		return sign * ldexp(fraction, 24 - 14);
	return sign * ldexp(1 + fraction, 24 + exponent - 15);
}

uint64_t plain_element(const struct plain_matmul *mm, uint32_t i, uint32_t j)
{
	const int8_t *x = mm->x + (size_t)i * mm->k;
	const int8_t *w = mm->w + (size_t)j * mm->k;
	const uint64_t size = mm->groups ? UINT64_C(1) << mm->group_shift : mm->k;
	uint64_t y = 0;

	for (uint64_t first = 0, g = 0; first < mm->k; first += size, g++) {
		const uint64_t end = first + size < mm->k ? first + size : mm->k;
		int64_t sum = 0;

		for (uint64_t k = first; k < end; k++)
			sum += (int64_t)x[k] * w[k];
		if (mm->groups)
			sum = (uint64_t)plain_half(mm->s[j * (size_t)mm->groups + g]) *
			      (uint64_t)sum;
		y += (uint64_t)sum;
	}
	return y;
}

uint32_t plain_y_size(const struct plain_matmul *mm)
{
	return mm->output_format == BITNPU_Y_INT64 ? sizeof(int64_t) : sizeof(int32_t);
}

static uint32_t line_k(const struct plain_matmul *mm)
{
	switch (mm->weight_format) {
	case BITNPU_W_TERNARY:
		return 16;
	case BITNPU_W_BINARY:
		return 32;
	default:
		return 4;
	}
}

static size_t lines(const struct plain_matmul *mm)
{
	return (mm->k + line_k(mm) - 1) / line_k(mm);
}

static size_t tiles(const struct plain_matmul *mm)
{
	return ((size_t)mm->n + 15) / 16;
}

size_t plain_w_bytes(const struct plain_matmul *mm)
{
	return tiles(mm) * lines(mm) * 64;
}

size_t plain_s_bytes(const struct plain_matmul *mm)
{
	return tiles(mm) * mm->groups * 32;
}

size_t plain_x_bytes(const struct plain_matmul *mm, size_t stride)
{
	return (mm->m - 1) * stride + ((size_t)mm->k + 63) / 64 * 64;
}

size_t plain_y_bytes(const struct plain_matmul *mm, size_t stride)
{
	return (mm->m - 1) * stride + (size_t)mm->n * plain_y_size(mm);
}

/* Set @bits bits of *@byte, from bit @shift, to @value. */
static void set_bits(uint8_t *byte, unsigned int shift, unsigned int bits, unsigned int value)
{
	const unsigned int mask = ((1u << bits) - 1) << shift;

	*byte = (*byte & ~mask) | (value << shift & mask);
}

void plain_pack_w(const struct plain_matmul *mm, uint8_t *out)
{
	for (size_t n = 0; n < mm->n; n++) {
		for (size_t k = 0; k < mm->k; k++) {
			const int w = mm->w[n * mm->k + k];
			const size_t line = n / 16 * lines(mm) + k / line_k(mm);
			const unsigned int in_line = k % line_k(mm);
			uint8_t *byte = out + 64 * line + 4 * (n % 16) + in_line % 4;

			if (mm->weight_format == BITNPU_W_TERNARY)
				set_bits(byte, in_line / 4 * 2, 2, w + 1);
			else if (mm->weight_format == BITNPU_W_BINARY)
				set_bits(byte, in_line / 4, 1, (w + 1) / 2);
			else
				*byte = w;
		}
	}
}

void plain_pack_s(const struct plain_matmul *mm, uint8_t *out)
{
	for (size_t n = 0; n < mm->n; n++) {
		for (size_t g = 0; g < mm->groups; g++) {
			const size_t at = (n / 16 * mm->groups + g) * 16 + n % 16;

			out[2 * at] = mm->s[n * mm->groups + g] & 0xff;
			out[2 * at + 1] = mm->s[n * mm->groups + g] >> 8;
		}
	}
}

void plain_pack_x(const struct plain_matmul *mm, uint8_t *out, size_t stride)
{
	for (size_t m = 0; m < mm->m; m++)
		memcpy(out + m * stride, mm->x + m * mm->k, mm->k);
}

void plain_pack_y(const struct plain_matmul *mm, uint8_t *out, size_t stride)
{
	const uint32_t size = plain_y_size(mm);

	for (size_t m = 0; m < mm->m; m++) {
		for (size_t n = 0; n < mm->n; n++) {
			const uint64_t y = htole64(plain_element(mm, m, n));

			memcpy(out + m * stride + n * size, &y, size);
		}
	}
}

void plain_command(const struct plain_matmul *mm, uint32_t x_stride, uint32_t y_stride,
		   struct bitnpu_cmd_matmul *cmd)
{
	*cmd = (struct bitnpu_cmd_matmul){
		.opcode = BITNPU_OP_MATMUL,
		.weight_format = mm->weight_format,
		.output_format = mm->output_format,
		.m = htole32(mm->m),
		.n = htole32(mm->n),
		.k = htole32(mm->k),
		.x_stride = htole32(x_stride),
		.y_stride = htole32(y_stride),
		.group_shift = mm->group_shift,
	};
}
