// SPDX-License-Identifier: MIT
/* One float command at a time: shapes, formats, positions, values of every sort; and some in a row.
 * */
#include <endian.h>

#include "float_image.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define PICK(b, array)	((array)[test_random_below(&(b)->random, COUNT(array))])

/* Around vectors, accumulators, blocks and passes of engines; and primes. */
static const uint32_t edge_n[] = { 1,	2,   3,	  4,   7,   8,	 9,   15,  16,	17,  31,   32,	33,   47, 63,
				   64,	65,  127, 128, 129, 255, 256, 257, 511, 512, 513,  767, 1021, 1024,
				   1025, 2560, 4099, 6912 };
static const uint32_t edge_m[] = { 1, 1, 2, 3, 5, 17 };
static const uint32_t edge_heads[] = { 1, 2, 3, 5, 20 };
static const uint32_t edge_head_dim[] = { 2, 4, 6, 14, 16, 18, 30, 32, 34, 64, 80, 128, 130, 256, 1024 };
static const uint32_t edge_group[] = { 1, 2, 3, 4, 5, 7, 8 };
static const uint32_t edge_capacity[] = { 1, 2, 3, 4, 15, 16, 17, 33, 100, 128, 129, 257 };

static const char *const format_names[] = { "int32", "int64", "int7" };
static const char *const sort_names[] = { "ordinary", "any",	   "subnormal",
					  "zero",     "sprinkled", "huge" };

static uint32_t sum_bytes(uint8_t input_format)
{
	return input_format == BITNPU_IN_INT64 ? 8 : 4;
}

/* Random bits, or sums as they are in a model. */
static uint64_t operand_sums(struct bench *b, struct image *image, uint32_t m, uint32_t n,
			     uint32_t stride, uint64_t more, uint8_t input_format)
{
	const uint64_t bytes = (uint64_t)(m - 1) * stride + (uint64_t)n * sum_bytes(input_format) +
			       more;
	const uint64_t addr = operand_add(b, image, bytes, false);
	const bool small = test_random_below(&b->random, 2);
	const uint32_t size = sum_bytes(input_format);

	for (uint64_t at = 0; small && at + size <= bytes; at += size) {
		const int64_t value = (int64_t)test_random_below(&b->random, 40001) - 20000;
		const uint64_t bits = htole64(size == 8 ? value * 4999999 : value);

		set_bytes(image, addr + at, &bits, size);
	}
	return addr;
}

static uint64_t operand_scales(struct bench *b, struct image *image, uint8_t scales, uint32_t n,
			       enum sort sort)
{
	if (scales == BITNPU_SCALES_NONE)
		return 0;
	return operand_floats(b, image, 1, scales == BITNPU_SCALES_EACH ? n : 1, 0, sort, false);
}

static const char *check_norm_quantize(struct bench *b, uint32_t m, uint32_t n, enum sort sort)
{
	static const uint32_t eps[] = { 0x3727c5ac, 0x3727c5ac, 0, 0x7fc00000, 0xbf800000 };
	const uint32_t in_stride = row_stride(b, 4 * n), out_stride = row_stride(b, n);
	struct image image;

	image_init(&image, "norm_quantize, m %u, n %u, %s values", m, n, sort_names[sort]);
	{
		const struct bitnpu_cmd_norm_quantize cmd = {
			.opcode = BITNPU_OP_NORM_QUANTIZE,
			.m = htole32(m),
			.n = htole32(n),
			.eps = htole32(PICK(b, eps)),
			.in_addr = htole64(operand_floats(b, &image, m, n, in_stride, sort, false)),
			.w_addr = htole64(operand_floats(b, &image, 1, n, 0,
							 sort == ANY ? ANY : ORDINARY, false)),
			.out_addr = htole64(operand_add(b, &image, (uint64_t)m * out_stride, true)),
			.f_addr = htole64(operand_factors(b, &image, m, ANY, true)),
			.in_stride = htole32(in_stride),
			.out_stride = htole32(out_stride),
		};

		image_float(&image, &cmd);
	}
	/* cppcheck-suppress returnDanglingLifetime ; a message is returned, not the image */
	return bench_image(b, &image);
}

const char *group_norm_quantize(struct bench *b, uint32_t unused)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < COUNT(edge_n) && !wrong; i += b->quick ? 3 : 1)
		for (int sort = 0; sort < SORTS && !wrong; sort++)
			wrong = check_norm_quantize(b, PICK(b, edge_m), edge_n[i], sort);
	if (!wrong && !b->quick)
		wrong = check_norm_quantize(b, 1, BITNPU_MAX_K, ORDINARY);
	return wrong;
}

static const char *check_scale(struct bench *b, uint8_t input_format, uint8_t scales, uint32_t m,
			       uint32_t n, enum sort sort)
{
	const uint32_t in_stride = row_stride(b, n * sum_bytes(input_format));
	const uint32_t out_stride = row_stride(b, 4 * n);
	const uint64_t slice = input_format == BITNPU_IN_INT7 ?
			       (uint64_t)m * in_stride + 64 * test_random_below(&b->random, 3) : 0;
	const uint8_t flags = test_random_below(&b->random, 2) ? BITNPU_SCALE_ADD : 0;
	struct image image;

	image_init(&image, "scale %s, scales %u, flags %u, m %u, n %u, %s values",
		   format_names[input_format], scales, flags, m, n, sort_names[sort]);
	{
		const struct bitnpu_cmd_scale cmd = {
			.opcode = BITNPU_OP_SCALE,
			.flags = flags,
			.input_format = input_format,
			.scales = scales,
			.m = htole32(m),
			.n = htole32(n),
			.in_stride = htole32(in_stride),
			.in_addr = htole64(operand_sums(b, &image, m, n, in_stride, 3 * slice,
							input_format)),
			.f_addr = htole64(operand_factors(b, &image, m, sort, false)),
			.r_addr = htole64(operand_scales(b, &image, scales, n, sort)),
			.out_addr = htole64(operand_floats(b, &image, m, n, out_stride, sort,
							   true)),
			.slice_stride = htole64(slice),
			.out_stride = htole32(out_stride),
		};

		image_float(&image, &cmd);
	}
	/* cppcheck-suppress returnDanglingLifetime ; a message is returned, not the image */
	return bench_image(b, &image);
}

const char *group_scale(struct bench *b, uint32_t input_format)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < COUNT(edge_n) && !wrong; i += b->quick ? 3 : 1)
		for (uint8_t scales = 0; scales < 3 && !wrong; scales++)
			for (int sort = 0; sort < SORTS && !wrong; sort += b->quick ? 4 : 1)
				wrong = check_scale(b, input_format, scales, PICK(b, edge_m),
						    edge_n[i], sort);
	/* More than one pass of an engine's threads. */
	if (!wrong)
		wrong = check_scale(b, input_format, BITNPU_SCALES_EACH, 2, 20011, ORDINARY);
	return wrong;
}

static const char *check_heads(struct bench *b, uint32_t flags, uint8_t scales, uint32_t heads,
			       uint32_t head_dim, enum sort sort)
{
	const uint8_t format = test_random_below(&b->random, 2);
	const uint32_t m = PICK(b, edge_m), n = heads * head_dim;
	const uint32_t capacity = flags & BITNPU_HEADS_CACHE ? PICK(b, edge_capacity) : 0;
	const uint32_t in_stride = row_stride(b, n * sum_bytes(format));
	const uint32_t out_stride = capacity ? 0 : row_stride(b, 4 * n);
	struct image image;

	image_init(&image, "heads %s, scales %u, flags %u, m %u, %u of %u, capacity %u, %s values",
		   format_names[format], scales, flags, m, heads, head_dim, capacity,
		   sort_names[sort]);
	{
		const struct bitnpu_cmd_heads cmd = {
			.opcode = BITNPU_OP_HEADS,
			.flags = flags,
			.input_format = format,
			.scales = scales,
			.m = htole32(m),
			.heads = htole16(heads),
			.head_dim = htole16(head_dim),
			.in_stride = htole32(in_stride),
			.in_addr = htole64(operand_sums(b, &image, m, n, in_stride, 0, format)),
			.f_addr = htole64(operand_factors(b, &image, m, sort, false)),
			.r_addr = htole64(operand_scales(b, &image, scales, n, sort)),
			.t_addr = flags ? htole64(operand_tokens(b, &image, m, head_dim,
								 capacity ? capacity : 1, true,
								 sort)) : 0,
			.out_addr = htole64(operand_add(b, &image, capacity ?
							2ULL * n * capacity :
							(uint64_t)m * out_stride, true)),
			.out_stride = htole32(out_stride),
			.capacity = htole32(capacity),
		};

		image_float(&image, &cmd);
	}
	/* cppcheck-suppress returnDanglingLifetime ; a message is returned, not the image */
	return bench_image(b, &image);
}

const char *group_heads(struct bench *b, uint32_t flags)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < COUNT(edge_head_dim) && !wrong; i += b->quick ? 2 : 1)
		for (uint8_t scales = 0; scales < 3 && !wrong; scales++)
			for (int sort = 0; sort < SORTS && !wrong; sort += b->quick ? 4 : 1)
				wrong = check_heads(b, flags, scales, PICK(b, edge_heads),
						    edge_head_dim[i], sort);
	return wrong;
}

static const char *check_attention(struct bench *b, uint32_t m, uint32_t heads, uint32_t group,
				   uint32_t head_dim, uint32_t capacity, enum sort sort)
{
	const uint32_t n = heads * group * head_dim, stride = row_stride(b, 4 * n);
	const bool in_place = test_random_below(&b->random, 2);
	struct image image;

	image_init(&image, "attention%s, m %u, %u of %u, group %u, capacity %u, %s values",
		   in_place ? " in place" : "", m, heads, head_dim, group, capacity,
		   sort_names[sort]);
	{
		struct bitnpu_cmd_attention cmd = {
			.opcode = BITNPU_OP_ATTENTION,
			.group = htole16(group),
			.m = htole32(m),
			.heads = htole16(heads),
			.head_dim = htole16(head_dim),
			.capacity = htole32(capacity),
			.in_addr = htole64(operand_floats(b, &image, m, n, stride, sort, in_place)),
			.k_addr = htole64(operand_halves(b, &image, heads * capacity * head_dim,
							 sort)),
			.v_addr = htole64(operand_halves(b, &image, heads * capacity * head_dim,
							 sort)),
			.t_addr = htole64(operand_tokens(b, &image, m, head_dim, capacity, false,
							 ANY)),
			.in_stride = htole32(stride),
			.out_stride = htole32(in_place ? stride : row_stride(b, 4 * n)),
		};

		cmd.out_addr = in_place ? cmd.in_addr :
			       htole64(operand_add(b, &image, (uint64_t)m * le32toh(cmd.out_stride),
						   true));
		image_float(&image, &cmd);
	}
	/* cppcheck-suppress returnDanglingLifetime ; a message is returned, not the image */
	return bench_image(b, &image);
}

const char *group_attention(struct bench *b, uint32_t unused)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < COUNT(edge_head_dim) && !wrong; i++)
		for (int sort = 0; sort < SORTS && !wrong; sort += b->quick ? 4 : 1)
			wrong = check_attention(b, 1 + test_random_below(&b->random, 4),
						1 + test_random_below(&b->random, 3),
						PICK(b, edge_group), edge_head_dim[i],
						edge_head_dim[i] < 256 ? PICK(b, edge_capacity) : 9,
						sort);
	for (size_t i = 0; i < COUNT(edge_capacity) && !wrong; i++)
		wrong = check_attention(b, PICK(b, edge_m), 1, PICK(b, edge_group), 16,
					edge_capacity[i], i % 2 ? SPRINKLED : ORDINARY);
	if (!wrong)
		wrong = check_attention(b, 3, 1, 4, 8, b->quick ? 1025 : 4100, ORDINARY);
	return wrong;
}

static const char *check_gate(struct bench *b, uint8_t scales, uint32_t n, enum sort sort)
{
	const uint8_t gate = test_random_below(&b->random, 2), up = test_random_below(&b->random, 2);
	const uint8_t wider = gate == BITNPU_IN_INT64 ? gate : up;
	const uint32_t m = PICK(b, edge_m), in_stride = row_stride(b, n * sum_bytes(wider));
	const uint32_t out_stride = row_stride(b, 4 * n);
	/* The second scales begin at a multiple of 64 bytes. */
	const uint32_t scale_floats = scales == BITNPU_SCALES_EACH ? (n + 15) / 16 * 16 + n : 17;
	struct image image;

	image_init(&image, "gate %s, up %s, scales %u, m %u, n %u, %s values", format_names[gate],
		   format_names[up], scales, m, n, sort_names[sort]);
	{
		const struct bitnpu_cmd_gate cmd = {
			.opcode = BITNPU_OP_GATE,
			.gate_format = gate,
			.up_format = up,
			.m = htole32(m),
			.n = htole32(n),
			.in_stride = htole32(in_stride),
			.in_addr = htole64(operand_sums(b, &image, m, n, in_stride, 0, gate)),
			.up_addr = htole64(operand_sums(b, &image, m, n, in_stride, 0, up)),
			.f_addr = htole64(operand_factors(b, &image, m, sort, false)),
			.r_addr = scales ? htole64(operand_floats(b, &image, 1, scale_floats, 0,
								  sort, false)) : 0,
			.out_addr = htole64(operand_add(b, &image, (uint64_t)m * out_stride, true)),
			.out_stride = htole32(out_stride),
			.scales = scales,
		};

		image_float(&image, &cmd);
	}
	/* cppcheck-suppress returnDanglingLifetime ; a message is returned, not the image */
	return bench_image(b, &image);
}

const char *group_gate(struct bench *b, uint32_t unused)
{
	const char *wrong = NULL;

	for (size_t i = 0; i < COUNT(edge_n) && !wrong; i += b->quick ? 3 : 1)
		for (uint8_t scales = 0; scales < 3 && !wrong; scales++)
			for (int sort = 0; sort < SORTS && !wrong; sort += b->quick ? 4 : 1)
				wrong = check_gate(b, scales, edge_n[i], sort);
	if (!wrong)
		wrong = check_gate(b, BITNPU_SCALES_EACH, 20011, ORDINARY);
	return wrong;
}
