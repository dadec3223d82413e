// SPDX-License-Identifier: MIT
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "libbitnpu/hostops.h"
#include "plain_float.h"
#include "plain_ops.h"

struct memory {
	plain_at_fn *at;
	void *user;
};

static uint8_t *at(const struct memory *memory, uint64_t addr)
{
	return memory->at(memory->user, addr);
}

static float get_float(const uint8_t *p)
{
	float x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static void put_float(uint8_t *p, float x)
{
	const uint32_t nan = BITNPU_NAN;

	memcpy(p, x != x ? (const void *)&nan : &x, sizeof(x));
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static float *room(size_t floats)
{
	float *out = malloc(floats * sizeof(*out));

	if (!out)
		abort();
	return out;
}

static float *load_floats(const uint8_t *p, size_t n)
{
	float *out = room(n);

	memcpy(out, p, n * sizeof(*out));
	return out;
}

/* Element @i of a row of sums at @y, of slices @slice bytes apart, whose activations add up to
 * @x_sum. */
static float value(const uint8_t *y, uint64_t slice, uint8_t format, uint32_t i, int32_t x_sum,
		   float factor)
{
	uint32_t twice;
	int64_t wide;

	if (format == BITNPU_IN_INT64) {
		memcpy(&wide, y + 8 * (size_t)i, sizeof(wide));
		return (float)(int64_t)le64toh(wide) * 0x1p-24f * factor;
	}
	y += 4 * (size_t)i;
	if (format == BITNPU_IN_INT32)
		return (float)(int32_t)get32(y) * factor;
	twice = 64 * get32(y) + 16 * get32(y + slice) + 4 * get32(y + 2 * slice) +
		get32(y + 3 * slice) - 43 * (uint32_t)x_sum;
	/* Half of it, towards minus infinity. */
	return (float)(int32_t)(twice / 2 | (twice & 0x80000000)) * factor;
}

static float factor_of(const struct bitnpu_factor *f, const uint8_t *scales, uint8_t kind, uint32_t i)
{
	const float x_scale = get_float((const uint8_t *)&f->scale);

	if (kind == BITNPU_SCALES_NONE)
		return x_scale;
	return x_scale * get_float(scales + (kind == BITNPU_SCALES_EACH ? 4 * (size_t)i : 0));
}

static const struct bitnpu_factor *factor_at(const struct memory *memory, uint64_t addr, uint32_t row)
{
	return (const struct bitnpu_factor *)at(memory, le64toh(addr)) + row;
}

static void norm_quantize(const struct bitnpu_cmd_norm_quantize *c, const struct memory *memory)
{
	const uint32_t n = le32toh(c->n), eps = le32toh(c->eps);
	float *weight = load_floats(at(memory, le64toh(c->w_addr)), n), *normed = room(n);

	for (uint32_t row = 0; row < le32toh(c->m); row++) {
		float *in = load_floats(at(memory, le64toh(c->in_addr)) +
					(size_t)row * le32toh(c->in_stride), n);
		int8_t *x = (int8_t *)at(memory, le64toh(c->out_addr)) +
			    (size_t)row * le32toh(c->out_stride);
		uint8_t *f = at(memory, le64toh(c->f_addr)) + 8 * (size_t)row;
		int32_t sum = 0;

		plain_rms_norm(in, weight, n, get_float((const uint8_t *)&eps), normed);
		put_float(f, plain_quantize(normed, n, x));
		for (uint32_t i = 0; i < n; i++)
			sum += x[i];
		sum = htole32(sum);
		memcpy(f + 4, &sum, sizeof(sum));
		free(in);
	}
	free(normed);
	free(weight);
}

static void scale(const struct bitnpu_cmd_scale *c, const struct memory *memory)
{
	const uint8_t *scales = c->scales ? at(memory, le64toh(c->r_addr)) : NULL;

	for (uint32_t row = 0; row < le32toh(c->m); row++) {
		const struct bitnpu_factor *f = factor_at(memory, c->f_addr, row);
		const uint8_t *y = at(memory, le64toh(c->in_addr)) +
				   (size_t)row * le32toh(c->in_stride);
		uint8_t *out = at(memory, le64toh(c->out_addr)) +
			       (size_t)row * le32toh(c->out_stride);

		for (uint32_t i = 0; i < le32toh(c->n); i++, out += 4) {
			float v = value(y, le64toh(c->slice_stride), c->input_format, i,
					(int32_t)le32toh(f->sum),
					factor_of(f, scales, c->scales, i));

			put_float(out, c->flags & BITNPU_SCALE_ADD ? get_float(out) + v : v);
		}
	}
}

static const uint8_t *token_at(const struct memory *memory, uint64_t addr, uint32_t row,
			       uint32_t head_dim)
{
	return at(memory, le64toh(addr)) + (size_t)row * ((64 + 4 * head_dim + 63) / 64 * 64);
}

static void rotate(float *head, uint32_t head_dim, const uint8_t *table)
{
	const uint32_t half = head_dim / 2;

	for (uint32_t i = 0; i < half; i++) {
		const float c = get_float(table + 4 * i), s = get_float(table + 4 * (half + i));
		const float a = head[i], b = head[half + i];

		head[i] = a * c - b * s;
		head[half + i] = a * s + b * c;
	}
}

static void store_halves(uint8_t *p, const float *x, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint16_t half = x[i] != x[i] ? BITNPU_HALF_NAN : bitnpu_to_half(x[i]);

		memcpy(p + 2 * i, &half, sizeof(half));
	}
}

static void heads(const struct bitnpu_cmd_heads *c, const struct memory *memory)
{
	const uint32_t count = le16toh(c->heads), head_dim = le16toh(c->head_dim);
	const uint32_t capacity = le32toh(c->capacity);
	const uint8_t *scales = c->scales ? at(memory, le64toh(c->r_addr)) : NULL;
	float *x = room(head_dim);

	for (uint32_t i = 0; i < le32toh(c->m) * count; i++) {
		const uint32_t row = i / count, head = i % count;
		const struct bitnpu_factor *f = factor_at(memory, c->f_addr, row);
		const uint8_t *y = at(memory, le64toh(c->in_addr)) +
				   (size_t)row * le32toh(c->in_stride);
		const uint8_t *token = c->flags ? token_at(memory, c->t_addr, row, head_dim) : NULL;
		uint8_t *out = at(memory, le64toh(c->out_addr));

		for (uint32_t d = 0; d < head_dim; d++)
			x[d] = value(y, 0, c->input_format, head * head_dim + d, 0,
				     factor_of(f, scales, c->scales, head * head_dim + d));
		if (c->flags & BITNPU_HEADS_ROTATE)
			rotate(x, head_dim, token + 64);
		if (!(c->flags & BITNPU_HEADS_CACHE)) {
			out += (size_t)row * le32toh(c->out_stride) + (size_t)head * head_dim * 4;
			for (uint32_t d = 0; d < head_dim; d++)
				put_float(out + 4 * d, x[d]);
		} else if (get32(token) < capacity) {
			out += ((size_t)head * capacity + get32(token)) * head_dim * 2;
			store_halves(out, x, head_dim);
		}
	}
	free(x);
}

static void attention(const struct bitnpu_cmd_attention *c, const struct memory *memory)
{
	const uint32_t head_dim = le16toh(c->head_dim), group = le16toh(c->group);
	const uint32_t count = le16toh(c->heads) * group, capacity = le32toh(c->capacity);
	float *scores = room(capacity), *result = room(head_dim);

	for (uint32_t i = 0; i < le32toh(c->m) * count; i++) {
		const uint32_t row = i / count, head = i % count;
		const uint32_t position = get32(token_at(memory, c->t_addr, row, head_dim));
		const size_t cache = (size_t)(head / group) * capacity * head_dim * 2;
		const size_t offset = (size_t)head * head_dim * 4;
		float *q = load_floats(at(memory, le64toh(c->in_addr)) +
				       (size_t)row * le32toh(c->in_stride) + offset, head_dim);
		uint8_t *out = at(memory, le64toh(c->out_addr)) +
			       (size_t)row * le32toh(c->out_stride) + offset;

		plain_attention(q, (const uint16_t *)(at(memory, le64toh(c->k_addr)) + cache),
				(const uint16_t *)(at(memory, le64toh(c->v_addr)) + cache), head_dim,
				head_dim, position < capacity ? position + 1 : capacity, scores,
				result);
		for (uint32_t d = 0; d < head_dim; d++)
			put_float(out + 4 * d, result[d]);
		free(q);
	}
	free(result);
	free(scores);
}

static void gate(const struct bitnpu_cmd_gate *c, const struct memory *memory)
{
	const uint32_t n = le32toh(c->n);
	const uint8_t *scales = c->scales ? at(memory, le64toh(c->r_addr)) : NULL;
	const size_t block = c->scales == BITNPU_SCALES_EACH ? (4 * (size_t)n + 63) / 64 * 64 : 64;
	const uint8_t *up_scales = scales ? scales + block : NULL;

	for (uint32_t row = 0; row < le32toh(c->m); row++) {
		const struct bitnpu_factor *f = factor_at(memory, c->f_addr, row);
		const size_t offset = (size_t)row * le32toh(c->in_stride);
		uint8_t *out = at(memory, le64toh(c->out_addr)) +
			       (size_t)row * le32toh(c->out_stride);

		for (uint32_t i = 0; i < n; i++) {
			float g = value(at(memory, le64toh(c->in_addr)) + offset, 0, c->gate_format,
					i, 0, factor_of(f, scales, c->scales, i));
			float up = value(at(memory, le64toh(c->up_addr)) + offset, 0, c->up_format,
					 i, 0, factor_of(f, up_scales, c->scales, i));

			g = g > 0.0f ? g : 0.0f;
			put_float(out + 4 * (size_t)i, g * g * up);
		}
	}
}

void plain_float_run(const void *cmd, plain_at_fn *at_fn, void *user)
{
	const struct memory memory = { .at = at_fn, .user = user };
	union {
		uint8_t opcode;
		struct bitnpu_cmd_norm_quantize norm_quantize;
		struct bitnpu_cmd_scale scale;
		struct bitnpu_cmd_heads heads;
		struct bitnpu_cmd_attention attention;
		struct bitnpu_cmd_gate gate;
	} c;

	memcpy(&c, cmd, sizeof(c));
	switch (c.opcode) {
	case BITNPU_OP_NORM_QUANTIZE:
		norm_quantize(&c.norm_quantize, &memory);
		break;
	case BITNPU_OP_SCALE:
		scale(&c.scale, &memory);
		break;
	case BITNPU_OP_HEADS:
		heads(&c.heads, &memory);
		break;
	case BITNPU_OP_ATTENTION:
		attention(&c.attention, &memory);
		break;
	default:
		gate(&c.gate, &memory);
		break;
	}
}

bool plain_has_address(uint8_t opcode, uint32_t field)
{
	const bool fifth = opcode == BITNPU_OP_HEADS || opcode == BITNPU_OP_ATTENTION ||
			   opcode == BITNPU_OP_GATE;

	if (opcode < BITNPU_OP_MATMUL || opcode > BITNPU_OP_GATE)
		return false;
	return field == 16 || field == 24 || field == 32 || field == 40 || (fifth && field == 48);
}
