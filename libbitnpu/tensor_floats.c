// SPDX-License-Identifier: MIT
/* Elements of a tensor as floats, whatever its type. */
#include "gguf_internal.h"
#include "half.h"
#include "tensor_rows.h"
#include "weights.h"

#include <errno.h>
#include <string.h>

#define MAX_BLOCK 256

/* ggml's block: 256 elements in 16 runs of 16, each run with its own signed scale. */
struct q6_k {
	uint8_t low[128];	/* low four bits */
	uint8_t high[64];	/* high two bits */
	int8_t scales[16];
	uint16_t d;
} __attribute__((packed));

/*
 * Half a block: 128 elements from 64 bytes of @low, 32 of @high and 8 scales.  Byte i of @high holds
 * the high bits of elements i, i + 32, i + 64 and i + 96; the low bits of i and i + 64 share a byte,
 * so do those of i + 32 and i + 96.
 */
static void q6_k_half(const uint8_t *low, const uint8_t *high, const int8_t *scales, float d,
		      float *out)
{
	unsigned int i, run, sixteenth;

	for (run = 0; run < 4; run++) {
		for (i = 0; i < 32; i++) {
			unsigned int four = low[run % 2 * 32 + i] >> run / 2 * 4 & 15;
			unsigned int two = high[i] >> run * 2 & 3;

			sixteenth = 2 * run + i / 16;
			out[32 * run + i] = d * (float)scales[sixteenth] *
					    (float)((int)(four | two << 4) - 32);
		}
	}
}

static void q6_k_floats(const unsigned char *blocks, uint64_t count, float *out)
{
	const struct q6_k *b = (const struct q6_k *)blocks;
	uint64_t i;

	for (i = 0; i < count; i += 256, b++, out += 256) {
		float d = bitnpu_half_expand(b->d);

		q6_k_half(b->low, b->high, b->scales, d, out);
		q6_k_half(b->low + 64, b->high + 32, b->scales + 8, d, out + 128);
	}
}

/* Blocks of 16 have a constant trip count, which is what lets -O2 vectorize the loop. */
static void f16_floats(const unsigned char *data, uint64_t count, float *out)
{
	uint16_t halves[16];
	uint64_t i;
	unsigned int j;

	for (i = 0; i + 16 <= count; i += 16) {
		memcpy(halves, data + 2 * i, sizeof(halves));
		for (j = 0; j < 16; j++)
			out[i + j] = bitnpu_half_expand(halves[j]);
	}
	for (; i < count; i++) {
		memcpy(halves, data + 2 * i, sizeof(halves[0]));
		out[i] = bitnpu_half_expand(halves[0]);
	}
}

static void bf16_floats(const unsigned char *data, uint64_t count, float *out)
{
	uint16_t top;
	uint64_t i;

	for (i = 0; i < count; i++) {
		memcpy(&top, data + 2 * i, sizeof(top));
		out[i] = bitnpu_float_of_bits((uint32_t)top << 16);
	}
}

static int coded_floats(const struct bitnpu_gguf_tensor *tensor, const unsigned char *blocks,
			uint64_t count, float *out)
{
	const struct bitnpu_code_type *coded = bitnpu_code_type(tensor->type);
	uint32_t block = bitnpu_ggml_layout(tensor->type)->block;
	uint32_t bytes = bitnpu_ggml_layout(tensor->type)->bytes;
	int8_t codes[MAX_BLOCK];
	float scale = 0;
	uint64_t i;
	uint32_t j;

	if (!coded->group_shift)
		scale = bitnpu_tensor_scale(tensor);
	for (i = 0; i < count; i += block, blocks += bytes) {
		if (!bitnpu_row_codes(tensor->type, blocks, block, codes))
			return -EINVAL;
		if (coded->group_shift)
			scale = bitnpu_half_expand(bitnpu_block_scale(tensor->type, blocks, 0));
		for (j = 0; j < block; j++)
			out[i + j] = (float)codes[j] * scale;
	}
	return 0;
}

int bitnpu_tensor_floats(const struct bitnpu_gguf_tensor *tensor, uint64_t first, uint64_t count,
			 float *out)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(tensor->type);
	const unsigned char *data;

	if (!layout)
		return -ENOTSUP;
	data = tensor->data + first / layout->block * layout->bytes;
	switch (tensor->type) {
	case BITNPU_GGML_F32:
		memcpy(out, data, count * sizeof(*out));
		return 0;
	case BITNPU_GGML_F16:
		f16_floats(data, count, out);
		return 0;
	case BITNPU_GGML_BF16:
		bf16_floats(data, count, out);
		return 0;
	case BITNPU_GGML_Q6_K:
		q6_k_floats(data, count, out);
		return 0;
	default:
		return bitnpu_code_type(tensor->type) ? coded_floats(tensor, data, count, out)
						      : -ENOTSUP;
	}
}
