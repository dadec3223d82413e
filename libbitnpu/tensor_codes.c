// SPDX-License-Identifier: MIT
/*
 * Codes of the tensor types that store code * scale.
 *
 * Block layouts are ggml's (ggml/src/ggml-common.h, ggml-quants.c); I2_S is the layout that
 * microsoft/BitNet writes on x86 (src/ggml-bitnet-mad.cpp, ACT_PARALLEL): 128 consecutive elements in
 * 32 bytes, element 32 f + i in bits 6 - 2f of byte i.  The layouts it writes on ARM and without
 * ACT_PARALLEL carry the same type number and nothing that tells them apart.
 */
#include "gguf_internal.h"
#include "tensor_rows.h"

#include <drm/bitnpu_isa.h>
#include <string.h>

#define ONES	0x0101010101010101ull
#define THREES	0x0303030303030303ull

/* Packed structs: the file's alignment need not be theirs. */
struct tq1_0 {
	uint8_t qs[48];		/* 5 trits a byte */
	uint8_t qh[4];		/* 4 trits a byte */
	uint16_t d;
} __attribute__((packed));

struct tq2_0 {
	uint8_t qs[64];
	uint16_t d;
} __attribute__((packed));

struct q8_0 {
	uint16_t d;
	int8_t qs[32];
} __attribute__((packed));

struct q1_0 {
	uint16_t d;
	uint8_t qs[16];
} __attribute__((packed));

const struct bitnpu_code_type *bitnpu_code_type(uint32_t type)
{
	static const struct bitnpu_code_type tq = { BITNPU_W_TERNARY, 8 };
	static const struct bitnpu_code_type i2_s = { BITNPU_W_TERNARY, 0 };
	static const struct bitnpu_code_type q8_0 = { BITNPU_W_INT8, 5 };
	static const struct bitnpu_code_type q1_0 = { BITNPU_W_BINARY, 7 };

	switch (type) {
	case BITNPU_GGML_TQ1_0:
	case BITNPU_GGML_TQ2_0:
		return &tq;
	case BITNPU_GGML_I2_S:
		return &i2_s;
	case BITNPU_GGML_Q8_0:
		return &q8_0;
	case BITNPU_GGML_Q1_0:
		return &q1_0;
	default:
		return NULL;
	}
}

const unsigned char *bitnpu_row_at(const struct bitnpu_gguf_tensor *tensor, uint64_t row)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(tensor->type);

	return tensor->data + row * (tensor->dims[0] / layout->block * layout->bytes);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* Eight two-bit fields at bit @shift of eight bytes become codes: field - 1, without borrows. */
static void store_codes(int8_t *codes, uint64_t bytes, unsigned int shift)
{
	uint64_t fields = bytes >> shift & THREES;
	uint64_t out = ((fields | 0x80 * ONES) - ONES) ^ 0x80 * ONES;

	memcpy(codes, &out, sizeof(out));
}

/* Both bits of a field set, in any of 32 bytes. */
static bool has_code_3(const uint8_t *bytes)
{
	uint64_t found = 0;
	unsigned int i;

	for (i = 0; i < 32; i += 8)
		found |= load64(bytes + i) & load64(bytes + i) >> 1 & 0x55 * ONES;
	return found;
}

/* 32 bytes hold 4 runs of 32 elements; the first lies at bit @first, the next @step further. */
static void decode_2bit(const uint8_t *bytes, int first, int step, int8_t *codes)
{
	unsigned int i, run;

	for (i = 0; i < 32; i += 8) {
		uint64_t x = load64(bytes + i);

		for (run = 0; run < 4; run++)
			store_codes(codes + 32 * run + i, x, first + step * (int)run);
	}
}

static bool decode_tq2_0(const struct tq2_0 *b, int8_t *codes)
{
	if (!(b->d & 0x7fff)) {
		memset(codes, 0, 256);
		return true;
	}
	if (has_code_3(b->qs) || has_code_3(b->qs + 32))
		return false;
	decode_2bit(b->qs, 0, 2, codes);
	decode_2bit(b->qs + 32, 0, 2, codes + 128);
	return true;
}

/*
 * A byte is a fraction of 243 in units of 1/256: multiplying by 3^trit modulo 256 moves the wanted
 * trit to the front, the next multiplication by 3 carries it out.
 */
static int8_t trit(uint8_t byte, uint8_t power)
{
	return (int8_t)((uint8_t)(byte * power) * 3 >> 8) - 1;
}

static void decode_tq1_0(const struct tq1_0 *b, int8_t *codes)
{
	static const uint8_t powers[5] = { 1, 3, 9, 27, 81 };
	unsigned int i, t;

	if (!(b->d & 0x7fff)) {
		memset(codes, 0, 256);
		return;
	}
	for (t = 0; t < 5; t++) {
		for (i = 0; i < 32; i++)
			codes[32 * t + i] = trit(b->qs[i], powers[t]);
		for (i = 0; i < 16; i++)
			codes[160 + 16 * t + i] = trit(b->qs[32 + i], powers[t]);
	}
	for (t = 0; t < 4; t++)
		for (i = 0; i < 4; i++)
			codes[240 + 4 * t + i] = trit(b->qh[i], powers[t]);
}

/* Spreads the bits of a byte over eight bytes, then 0/1 becomes -1/+1. */
static void decode_q1_0(const struct q1_0 *b, int8_t *codes)
{
	unsigned int i;

	for (i = 0; i < 16; i++) {
		uint64_t bits = b->qs[i] * ONES & 0x8040201008040201ull;
		uint64_t set = (bits + 0x7f * ONES) >> 7 & ONES;
		uint64_t out;

		/* The topmost bit is 0x80 itself: adding 0x7f carries nothing into the next byte. */
		out = ((set << 1 | 0x80 * ONES) - ONES) ^ 0x80 * ONES;
		memcpy(codes + 8 * i, &out, sizeof(out));
	}
}

bool bitnpu_row_codes(uint32_t type, const unsigned char *blocks, uint64_t count, int8_t *codes)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(type);
	uint64_t i;

	for (i = 0; i < count; i += layout->block, blocks += layout->bytes, codes += layout->block) {
		switch (type) {
		case BITNPU_GGML_TQ1_0:
			decode_tq1_0((const struct tq1_0 *)blocks, codes);
			break;
		case BITNPU_GGML_TQ2_0:
			if (!decode_tq2_0((const struct tq2_0 *)blocks, codes))
				return false;
			break;
		case BITNPU_GGML_I2_S:
			if (has_code_3(blocks))
				return false;
			decode_2bit(blocks, 6, -2, codes);
			break;
		case BITNPU_GGML_Q8_0:
			memcpy(codes, ((const struct q8_0 *)blocks)->qs, 32);
			break;
		case BITNPU_GGML_Q1_0:
			decode_q1_0((const struct q1_0 *)blocks, codes);
			break;
		}
	}
	return true;
}

uint16_t bitnpu_block_scale(uint32_t type, const unsigned char *blocks, uint64_t block)
{
	switch (type) {
	case BITNPU_GGML_TQ1_0:
		return ((const struct tq1_0 *)blocks)[block].d;
	case BITNPU_GGML_TQ2_0:
		return ((const struct tq2_0 *)blocks)[block].d;
	case BITNPU_GGML_Q8_0:
		return ((const struct q8_0 *)blocks)[block].d;
	case BITNPU_GGML_Q1_0:
		return ((const struct q1_0 *)blocks)[block].d;
	default:
		return 0;
	}
}

float bitnpu_tensor_scale(const struct bitnpu_gguf_tensor *tensor)
{
	float scale;

	memcpy(&scale, tensor->data + tensor->elements / 4, sizeof(scale));
	return scale;
}
