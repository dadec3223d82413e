// SPDX-License-Identifier: MIT
/*
 * Random blocks of ggml's tensor types.  Block layouts: ggml/src/ggml-common.h; where the order of
 * the weights in a block does not matter for random ones, it is not modelled.
 */
#include <math.h>
#include <string.h>

#include "libbitnpu/gguf.h"
#include "libbitnpu/hostops.h"
#include "random_blocks.h"

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

float random_unit(uint64_t *state)
{
	return (float)(random_next(state) >> 40) * 0x1p-24f;
}

/* Ternary weights of scale s are 0 one time in three: their deviation is s * sqrt(2/3). */
float random_tensor_scale(float deviation)
{
	return deviation * sqrtf(1.5f);
}

/* @count numbers below @bound in a byte each, four from one draw */
static void random_below(uint64_t *state, uint32_t bound, unsigned char *out, size_t count)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < count; i++, bits >>= 16) {
		if (i % 4 == 0)
			bits = random_next(state);
		out[i] = (unsigned char)((bits & 0xffff) * bound >> 16);
	}
}

/* Four 2-bit fields of 0, 1 or 2 in each byte */
static void ternary_fields(uint64_t *state, unsigned char *out, size_t count)
{
	random_below(state, 81, out, count);
	for (size_t i = 0; i < count; i++) {
		unsigned int n = out[i];

		out[i] = (unsigned char)(n % 3 | n / 3 % 3 << 2 | n / 9 % 3 << 4 | n / 27 << 6);
	}
}

/* Five trits (four in the last 4 of 52 bytes) as a fraction of 243 in units of 1/256, rounded up */
static void ternary_fractions(uint64_t *state, unsigned char *out)
{
	random_below(state, 243, out, 48);
	random_below(state, 81, out + 48, 4);
	for (int i = 0; i < 52; i++) {
		unsigned int n = i < 48 ? out[i] : out[i] * 3;

		out[i] = (unsigned char)((n * 256 + 242) / 243);
	}
}

static void put_half(unsigned char *out, float x)
{
	uint16_t half = bitnpu_to_half(x);

	memcpy(out, &half, sizeof(half));
}

/* 16 sub-blocks of 16 codes in -32 to 31, whose deviation is 18.5, under scales of 16 to 31 */
static void q6_k(uint64_t *state, float deviation, unsigned char *out)
{
	for (int i = 0; i < 192; i += 8) {
		uint64_t bits = random_next(state);

		memcpy(out + i, &bits, 8);
	}
	random_below(state, 16, out + 192, 16);
	for (int i = 192; i < 208; i++)
		out[i] += 16;
	put_half(out + 208, deviation / (18.5f * 23.5f));
}

static void q8_0(uint64_t *state, float deviation, unsigned char *out)
{
	/* Uniform codes: their deviation is 256 / sqrt(12). */
	put_half(out, deviation / 73.9f);
	for (int i = 2; i < 34; i += 8) {
		uint64_t bits = random_next(state);

		memcpy(out + i, &bits, 8);
	}
}

static float random_value(uint64_t *state, float deviation, bool ternary)
{
	float unit = random_unit(state);

	if (!ternary)
		return (2.0f * unit - 1.0f) * deviation * sqrtf(3.0f);
	return (float)((int)(unit * 3.0f) - 1) * random_tensor_scale(deviation);
}

static void random_block(uint32_t type, float deviation, bool ternary, uint64_t *state,
			 unsigned char *out)
{
	uint64_t bits[2];
	float value;

	switch (type) {
	case BITNPU_GGML_TQ1_0:
		ternary_fractions(state, out);
		put_half(out + 52, random_tensor_scale(deviation));
		break;
	case BITNPU_GGML_TQ2_0:
		ternary_fields(state, out, 64);
		put_half(out + 64, random_tensor_scale(deviation));
		break;
	case BITNPU_GGML_I2_S:
		ternary_fields(state, out, 32);
		break;
	case BITNPU_GGML_Q1_0:
		put_half(out, deviation);
		bits[0] = random_next(state);
		bits[1] = random_next(state);
		memcpy(out + 2, bits, sizeof(bits));
		break;
	case BITNPU_GGML_Q8_0:
		q8_0(state, deviation, out);
		break;
	case BITNPU_GGML_Q6_K:
		q6_k(state, deviation, out);
		break;
	case BITNPU_GGML_F16:
		put_half(out, random_value(state, deviation, ternary));
		break;
	default:
		value = random_value(state, deviation, ternary);
		memcpy(out, &value, sizeof(value));
		break;
	}
}

void random_blocks(uint32_t type, float deviation, bool ternary, bool vary, uint64_t *state,
		   uint64_t blocks, unsigned char *out)
{
	static const unsigned char sizes[] = {
		[BITNPU_GGML_F32] = 4,	  [BITNPU_GGML_F16] = 2,    [BITNPU_GGML_Q8_0] = 34,
		[BITNPU_GGML_Q6_K] = 210, [BITNPU_GGML_TQ1_0] = 54, [BITNPU_GGML_TQ2_0] = 66,
		[BITNPU_GGML_I2_S] = 32,  [BITNPU_GGML_Q1_0] = 18,
	};

	for (uint64_t i = 0; i < blocks; i++, out += sizes[type]) {
		float factor = vary ? 0.5f + random_unit(state) : 1.0f;

		random_block(type, deviation * factor, ternary, state, out);
	}
}
