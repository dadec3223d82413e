// SPDX-License-Identifier: MIT
/* Blocks of a model: matmuls and float commands that depend on each other, in buffers used again.
 * */
#include <endian.h>

#include "float_image.h"

/**
 * struct block - its shape and memory
 * @m: tokens
 * @embd: elements of the residual stream
 * @ff: of the gate
 * @heads: key/value heads
 * @group: query heads of each
 * @head_dim: elements of a head
 * @capacity: of the caches
 * @output_format: of the matmuls
 * @h: residual stream, @m rows @row apart
 * @act: queries and what attention makes of them, then the gate's result; rows likewise
 * @x: activations, rows @row apart
 * @f: their factors
 * @y: sums, two matrices of @m rows @y_row apart
 * @tokens: entries
 * @k: cache, likewise @v
 * @weight: of all norms
 * @row: bytes between rows of anything but sums
 * @y_row: of sums
 */
struct block {
	uint32_t m, embd, ff, heads, group, head_dim, capacity;
	uint8_t output_format;
	uint64_t h, act, x, f, y, tokens, k, v, weight;
	uint32_t row, y_row;
};

static void place(struct bench *b, struct image *image, struct block *block)
{
	const uint32_t widest = block->ff > 2 * block->embd ? block->ff : 2 * block->embd;
	const uint64_t cache = 2ULL * block->heads * block->capacity * block->head_dim;

	block->row = (4 * widest + 63) / 64 * 64;
	block->y_row = 2 * block->row;
	block->h = operand_floats(b, image, block->m, block->embd, block->row, ORDINARY, true);
	block->act = operand_add(b, image, (uint64_t)block->m * block->row, true);
	block->x = operand_add(b, image, (uint64_t)block->m * block->row, true);
	block->f = operand_factors(b, image, block->m, ANY, true);
	block->y = operand_add(b, image, 3ULL * block->m * block->y_row, true);
	block->tokens = operand_tokens(b, image, block->m, block->head_dim, block->capacity, true,
				       ORDINARY);
	block->k = operand_add(b, image, cache, true);
	block->v = operand_add(b, image, cache, true);
	block->weight = operand_floats(b, image, 1, widest, 0, ORDINARY, false);
	/* What lies before the tokens in the caches is random: they are the first. */
	for (uint32_t i = 0; i < block->m; i++) {
		const uint32_t position = htole32(i);

		set_bytes(image, block->tokens + (uint64_t)i *
			  ((64 + 4 * block->head_dim + 63) / 64 * 64), &position, sizeof(position));
	}
}

static void add_norm(struct image *image, const struct block *block, uint64_t in, uint32_t n)
{
	const struct bitnpu_cmd_norm_quantize cmd = {
		.opcode = BITNPU_OP_NORM_QUANTIZE,
		.m = htole32(block->m),
		.n = htole32(n),
		.eps = htole32(0x3727c5ac),
		.in_addr = htole64(in),
		.w_addr = htole64(block->weight),
		.out_addr = htole64(block->x),
		.f_addr = htole64(block->f),
		.in_stride = htole32(block->row),
		.out_stride = htole32(block->row),
	};

	image_float(image, &cmd);
	image_opcode(image, BITNPU_OP_BARRIER);
}

/* Sums go to the @index-th place in y. */
static void add_matmul(struct bench *b, struct image *image, const struct block *block,
		       uint32_t index, uint32_t n, uint32_t k)
{
	struct image_place at = { 0 };
	struct plain_matmul plain;

	image_shape(&plain, test_random_below(&b->random, 3), block->output_format, 5, block->m, n,
		    k, &b->random);
	/* Scales that do not drown what the tokens are. */
	for (size_t i = 0; i < (size_t)n * plain.groups; i++)
		plain.s[i] = random_half(&b->random, ORDINARY);
	image_place_random(image, &plain, &b->random, &at);
	image_operands(image, &plain, &at);
	at.x = block->x;
	at.x_stride = block->row;
	at.y = block->y + (uint64_t)index * block->m * block->y_row;
	at.y_stride = block->y_row;
	image_take_x(image, &plain, &at);
	image_matmul(image, &plain, &at);
	plain_matmul_free(&plain);
}

static void add_heads(struct image *image, const struct block *block, uint32_t index, uint8_t flags,
		      uint32_t heads, uint64_t out)
{
	const struct bitnpu_cmd_heads cmd = {
		.opcode = BITNPU_OP_HEADS,
		.flags = flags,
		.input_format = block->output_format,
		.m = htole32(block->m),
		.heads = htole16(heads),
		.head_dim = htole16(block->head_dim),
		.in_stride = htole32(block->y_row),
		.in_addr = htole64(block->y + (uint64_t)index * block->m * block->y_row),
		.f_addr = htole64(block->f),
		.t_addr = htole64(block->tokens),
		.out_addr = htole64(out),
		.out_stride = htole32(flags & BITNPU_HEADS_CACHE ? 0 : block->row),
		.capacity = htole32(flags & BITNPU_HEADS_CACHE ? block->capacity : 0),
	};

	image_float(image, &cmd);
}

static void add_attention(struct image *image, const struct block *block)
{
	const struct bitnpu_cmd_attention cmd = {
		.opcode = BITNPU_OP_ATTENTION,
		.group = htole16(block->group),
		.m = htole32(block->m),
		.heads = htole16(block->heads),
		.head_dim = htole16(block->head_dim),
		.capacity = htole32(block->capacity),
		.in_addr = htole64(block->act),
		.k_addr = htole64(block->k),
		.v_addr = htole64(block->v),
		.t_addr = htole64(block->tokens),
		.out_addr = htole64(block->act),
		.in_stride = htole32(block->row),
		.out_stride = htole32(block->row),
	};

	image_opcode(image, BITNPU_OP_BARRIER);
	image_float(image, &cmd);
	image_opcode(image, BITNPU_OP_BARRIER);
}

static void add_gate(struct image *image, const struct block *block)
{
	const struct bitnpu_cmd_gate cmd = {
		.opcode = BITNPU_OP_GATE,
		.gate_format = block->output_format,
		.up_format = block->output_format,
		.m = htole32(block->m),
		.n = htole32(block->ff),
		.in_stride = htole32(block->y_row),
		.in_addr = htole64(block->y),
		.up_addr = htole64(block->y + (uint64_t)block->m * block->y_row),
		.f_addr = htole64(block->f),
		.out_addr = htole64(block->act),
		.out_stride = htole32(block->row),
	};

	image_opcode(image, BITNPU_OP_BARRIER);
	image_float(image, &cmd);
	image_opcode(image, BITNPU_OP_BARRIER);
}

/* A branch's end: its sums are added to the residual stream. */
static void add_residual(struct image *image, const struct block *block)
{
	const struct bitnpu_cmd_scale cmd = {
		.opcode = BITNPU_OP_SCALE,
		.flags = BITNPU_SCALE_ADD,
		.input_format = block->output_format,
		.m = htole32(block->m),
		.n = htole32(block->embd),
		.in_stride = htole32(block->y_row),
		.in_addr = htole64(block->y),
		.f_addr = htole64(block->f),
		.out_addr = htole64(block->h),
		.out_stride = htole32(block->row),
	};

	image_opcode(image, BITNPU_OP_BARRIER);
	image_float(image, &cmd);
	image_opcode(image, BITNPU_OP_BARRIER);
}

static void add_block(struct bench *b, struct image *image, const struct block *block)
{
	const uint32_t kv = block->heads * block->head_dim, q = kv * block->group;

	add_norm(image, block, block->h, block->embd);
	add_matmul(b, image, block, 0, q, block->embd);
	add_matmul(b, image, block, 1, kv, block->embd);
	add_matmul(b, image, block, 2, kv, block->embd);
	image_opcode(image, BITNPU_OP_BARRIER);
	add_heads(image, block, 0, BITNPU_HEADS_ROTATE, block->heads * block->group, block->act);
	add_heads(image, block, 1, BITNPU_HEADS_ROTATE | BITNPU_HEADS_CACHE, block->heads, block->k);
	add_heads(image, block, 2, BITNPU_HEADS_CACHE, block->heads, block->v);
	add_attention(image, block);
	add_norm(image, block, block->act, q);
	add_matmul(b, image, block, 0, block->embd, q);
	add_residual(image, block);
	add_norm(image, block, block->h, block->embd);
	add_matmul(b, image, block, 0, block->ff, block->embd);
	add_matmul(b, image, block, 1, block->ff, block->embd);
	add_gate(image, block);
	add_norm(image, block, block->act, block->ff);
	add_matmul(b, image, block, 0, block->embd, block->ff);
	add_residual(image, block);
}

const char *group_block(struct bench *b, uint32_t unused)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < (b->quick ? 4 : 16) && !wrong; i++) {
		struct block block = {
			.m = 1 + test_random_below(&b->random, i % 2 ? 20 : 1),
			.heads = 1 + test_random_below(&b->random, 3),
			.group = 1 + test_random_below(&b->random, 4),
			.head_dim = 2 + 2 * test_random_below(&b->random, 20),
			.embd = 1 + test_random_below(&b->random, 200),
			.ff = 1 + test_random_below(&b->random, 300),
			.output_format = test_random_below(&b->random, 2),
		};
		struct image image;

		/* A row holds what is widest. */
		if (block.ff < block.heads * block.group * block.head_dim)
			block.ff += block.heads * block.group * block.head_dim;
		block.capacity = block.m + test_random_below(&b->random, 10);
		image_init(&image, "two blocks of a model, number %u", i);
		place(b, &image, &block);
		add_block(b, &image, &block);
		add_block(b, &image, &block);
		wrong = bench_image(b, &image);
	}
	return wrong;
}
