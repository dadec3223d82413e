// SPDX-License-Identifier: MIT
/*
 * Matmuls through the queue, as a model's step submits them: one command list, a barrier between
 * two matmuls, weights of its own for each, so that none comes out of a cache.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "libbitnpu/error.h"
#include "libbitnpu/weights.h"
#include "options.h"
#include "output.h"

/* Weights of one submission: beyond the caches, within reason; and how long it may take. */
#define CACHES_OF_WEIGHTS 2
#define FEWEST_WEIGHT_BYTES ((uint64_t)64 << 20)
#define MOST_WEIGHT_BYTES ((uint64_t)512 << 20)
#define LONGEST_SAMPLE_S 0.25
#define MOST_COPIES 512

struct matmul_bench {
	const struct bitnpu_bench_matmul *what;
	struct bitnpu_context *ctx;
	struct bitnpu_queue *queue;
	struct bitnpu_cmdlist *list;
	struct bitnpu_bo *x, *s;
	struct bitnpu_bo *w[MOST_COPIES], *y[MOST_COPIES];
	uint32_t copies;		/* in @list */
	uint64_t w_bytes, s_bytes;
	uint32_t x_stride, y_stride;
	uint64_t random;
};

bool bitnpu_bench_parse_shape(const char *text, struct bitnpu_bench_matmul *matmul)
{
	uint64_t value[3], limit[3] = { BITNPU_MAX_M, BITNPU_MAX_N, BITNPU_MAX_K };
	char part[16];

	for (unsigned int i = 0; i < 3; i++) {
		size_t length = strcspn(text, "x");

		if (!length || length >= sizeof(part) || (i < 2) != (text[length] == 'x'))
			return false;
		snprintf(part, sizeof(part), "%.*s", (int)length, text);
		if (!bitnpu_parse_u64(part, &value[i]) || !value[i] || value[i] > limit[i])
			return false;
		text += length + (i < 2);
	}
	matmul->m = value[0];
	matmul->n = value[1];
	matmul->k = value[2];
	return true;
}

bool bitnpu_bench_parse_format(const char *text, struct bitnpu_bench_matmul *matmul)
{
	static const char *const names[] = { "ternary", "binary", "int8" };
	size_t length = strcspn(text, "-");
	uint64_t group;

	matmul->group_shift = 0;
	if (text[length]) {
		if (text[length + 1] != 'g' || !bitnpu_parse_u64(text + length + 2, &group))
			return false;
		for (unsigned int shift = BITNPU_GROUP_SHIFT_MIN; shift <= BITNPU_GROUP_SHIFT_MAX;
		     shift++)
			if (group == 1u << shift)
				matmul->group_shift = shift;
		if (!matmul->group_shift)
			return false;
	}
	for (unsigned int i = 0; i < 3; i++) {
		if (strlen(names[i]) == length && !strncmp(text, names[i], length)) {
			matmul->weight_format = i;
			return true;
		}
	}
	return false;
}

/* xorshift64*: weights need no better randomness */
static uint64_t next_random(struct matmul_bench *b)
{
	b->random ^= b->random >> 12;
	b->random ^= b->random << 25;
	b->random ^= b->random >> 27;
	return b->random * 0x2545f4914f6cdd1dull;
}

static void fill_weights(struct matmul_bench *b, uint64_t *words, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t word = next_random(b);

		/* of a pair of bits that are both set, code 3, the lower one is cleared */
		if (b->what->weight_format == BITNPU_W_TERNARY)
			word &= ~(word >> 1 & 0x5555555555555555ull);
		words[i] = word;
	}
}

/* Halves around 2^-5, like those of real files. */
static void fill_scales(struct matmul_bench *b, uint64_t *words, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		words[i] = (next_random(b) & 0x03ff03ff03ff03ffull) | 0x2800280028002800ull;
}

static void fill_activations(struct matmul_bench *b, uint64_t *words, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		words[i] = next_random(b);
}

/* A buffer of @bytes (a multiple of 8) filled by @fill, or zero without one. */
static int make_buffer(struct matmul_bench *b, uint64_t bytes, uint32_t flags,
		       void (*fill)(struct matmul_bench *b, uint64_t *words, uint64_t count),
		       struct bitnpu_bo **bo, struct bitnpu_error *err)
{
	struct bitnpu_bo *new;
	void *map;
	int failed;

	failed = bitnpu_bo_create(b->ctx, bytes, flags, &new, err);
	if (failed)
		return failed;
	if (fill) {
		failed = bitnpu_bo_map(new, BITNPU_MAP_WRITE, &map, err);
		if (failed)
			goto destroy;
		fill(b, map, bytes / 8);
		failed = bitnpu_bo_unmap(new, err);
		if (failed)
			goto destroy;
	}
	*bo = new;
	return 0;
destroy:
	bitnpu_bo_destroy(new);
	return failed;
}

/* Weights and results for matmuls up to @copies. */
static int make_copies(struct matmul_bench *b, uint32_t copies, struct bitnpu_error *err)
{
	uint64_t y_bytes = (uint64_t)b->what->m * b->y_stride;
	int failed = 0;

	for (uint32_t i = 0; i < copies && !failed; i++) {
		if (!b->w[i])
			failed = make_buffer(b, b->w_bytes, BITNPU_BO_READ_ONLY, fill_weights,
					     &b->w[i], err);
		if (!failed && !b->y[i])
			failed = make_buffer(b, y_bytes, 0, NULL, &b->y[i], err);
	}
	return failed;
}

static struct bitnpu_cmd_matmul make_command(const struct matmul_bench *b, uint32_t i)
{
	const struct bitnpu_bench_matmul *what = b->what;

	return (struct bitnpu_cmd_matmul){
		.opcode = BITNPU_OP_MATMUL,
		.weight_format = what->weight_format,
		.output_format = what->group_shift ? BITNPU_Y_INT64 : BITNPU_Y_INT32,
		.m = htole32(what->m),
		.n = htole32(what->n),
		.k = htole32(what->k),
		.x_addr = htole64(bitnpu_bo_address(b->x)),
		.w_addr = htole64(bitnpu_bo_address(b->w[i])),
		.s_addr = htole64(b->s ? bitnpu_bo_address(b->s) : 0),
		.y_addr = htole64(bitnpu_bo_address(b->y[i])),
		.x_stride = htole32(b->x_stride),
		.y_stride = htole32(b->y_stride),
		.group_shift = what->group_shift,
	};
}

static int make_list(struct matmul_bench *b, uint32_t copies, struct bitnpu_error *err)
{
	struct bitnpu_cmd *cmds = bitnpu_tool_realloc(NULL, 2 * copies, sizeof(*cmds));
	size_t count = 0;
	int failed;

	for (uint32_t i = 0; i < copies; i++) {
		struct bitnpu_cmd_matmul matmul = make_command(b, i);

		if (i)
			cmds[count++] = (struct bitnpu_cmd){ .opcode = BITNPU_OP_BARRIER };
		memcpy(&cmds[count++], &matmul, sizeof(matmul));
	}
	bitnpu_cmdlist_destroy(b->list);
	b->list = NULL;
	failed = bitnpu_cmdlist_create(b->ctx, cmds, count * sizeof(*cmds), &b->list, err);
	b->copies = copies;
	free(cmds);
	return failed;
}

static int run_list(void *user, struct bitnpu_error *err)
{
	struct matmul_bench *b = user;

	return bitnpu_queue_run(b->queue, b->list, err);
}

/* How many matmuls to submit at once: beyond the caches, within the time of a sample. */
static uint32_t choose_copies(const struct matmul_bench *b, double seconds)
{
	uint64_t bytes = CACHES_OF_WEIGHTS * bitnpu_cache_bytes();
	double copies;

	if (bytes < FEWEST_WEIGHT_BYTES)
		bytes = FEWEST_WEIGHT_BYTES;
	if (bytes > MOST_WEIGHT_BYTES)
		bytes = MOST_WEIGHT_BYTES;
	copies = 1 + (double)bytes / b->w_bytes;
	if (copies * seconds > LONGEST_SAMPLE_S)
		copies = LONGEST_SAMPLE_S / seconds;
	return copies < 1 ? 1 : copies > MOST_COPIES ? MOST_COPIES : copies;
}

static int set_up(struct matmul_bench *b, struct bitnpu_device *device, struct bitnpu_error *err)
{
	const struct bitnpu_bench_matmul *what = b->what;
	int failed;

	b->w_bytes = bitnpu_tiles_bytes(what->weight_format, what->n, what->k);
	b->x_stride = (what->k + 63) & ~63u;
	b->y_stride = (what->n * (what->group_shift ? 8 : 4) + 63) & ~63u;
	failed = bitnpu_context_create(device, &b->ctx, err);
	if (failed)
		return failed;
	failed = bitnpu_queue_create(b->ctx, &b->queue, err);
	if (failed)
		return failed;
	failed = make_buffer(b, (uint64_t)what->m * b->x_stride, BITNPU_BO_READ_ONLY,
			     fill_activations, &b->x, err);
	if (failed || !what->group_shift)
		return failed;
	b->s_bytes = bitnpu_scales_bytes(what->n, what->k, what->group_shift);
	return make_buffer(b, b->s_bytes, BITNPU_BO_READ_ONLY, fill_scales, &b->s, err);
}

static void tear_down(struct matmul_bench *b)
{
	bitnpu_cmdlist_destroy(b->list);
	for (uint32_t i = 0; i < MOST_COPIES; i++) {
		bitnpu_bo_destroy(b->w[i]);
		bitnpu_bo_destroy(b->y[i]);
	}
	bitnpu_bo_destroy(b->s);
	bitnpu_bo_destroy(b->x);
	bitnpu_queue_destroy(b->queue);
	bitnpu_context_destroy(b->ctx);
}

/* A list of @copies matmuls, run once: the first run compiles kernels and touches pages. */
static int warm_up(struct matmul_bench *b, uint32_t copies, double *seconds,
		   struct bitnpu_error *err)
{
	double begin;
	int failed;

	failed = make_copies(b, copies, err);
	if (!failed)
		failed = make_list(b, copies, err);
	begin = bitnpu_bench_seconds();
	if (!failed)
		failed = run_list(b, err);
	*seconds = bitnpu_bench_seconds() - begin;
	return failed;
}

/* The list to measure: of the copies asked for, or of as many as fit what one takes. */
static int prepare(struct matmul_bench *b, struct bitnpu_error *err)
{
	double begin, seconds;
	uint32_t copies;
	int failed;

	if (b->what->copies)
		return warm_up(b, b->what->copies, &seconds, err);
	failed = warm_up(b, 1, &seconds, err);
	if (failed)
		return failed;
	begin = bitnpu_bench_seconds();
	failed = run_list(b, err);
	if (failed)
		return failed;
	copies = choose_copies(b, bitnpu_bench_seconds() - begin);
	return copies > 1 ? warm_up(b, copies, &seconds, err) : 0;
}

static void fill_row(const struct matmul_bench *b, struct bitnpu_bench_row *row)
{
	static const char *const names[] = { "ternary", "binary", "int8" };
	const struct bitnpu_bench_matmul *what = b->what;

	row->kind = what->m == 1 ? "gemv" : "gemm";
	row->m = what->m;
	row->n = what->n;
	row->k = what->k;
	row->copies = b->copies;
	if (what->group_shift)
		snprintf(row->format, sizeof(row->format), "%s-g%u", names[what->weight_format],
			 1u << what->group_shift);
	else
		snprintf(row->format, sizeof(row->format), "%s", names[what->weight_format]);
	bitnpu_bench_rates(row, (double)(b->w_bytes + b->s_bytes) * b->copies,
			   2.0 * what->m * what->n * what->k * b->copies);
}

static bool supported(const struct bitnpu_device_info *info,
		      const struct bitnpu_bench_matmul *what)
{
	uint64_t needed = BITNPU_FEATURE_W_TERNARY << what->weight_format |
			  (what->group_shift ? BITNPU_FEATURE_Y_INT64 : BITNPU_FEATURE_Y_INT32);

	return !(needed & ~info->features);
}

int bitnpu_bench_matmul(struct bitnpu_bench *bench, struct bitnpu_device *device,
			const struct bitnpu_bench_matmul *matmul, struct bitnpu_error *err)
{
	const struct bitnpu_device_info *info = bitnpu_device_get_info(device);
	struct bitnpu_bench_row row = { 0 };
	struct matmul_bench *b;
	int failed;

	if (!supported(info, matmul))
		return bitnpu_fail(err, -ENOTSUP, "%s: no such weight or output format",
				   info->name);
	if (matmul->copies > MOST_COPIES)
		return bitnpu_fail(err, -EINVAL, "--copies: %u is over %u", matmul->copies,
				   MOST_COPIES);
	b = bitnpu_tool_realloc(NULL, 1, sizeof(*b));
	*b = (struct matmul_bench){ .what = matmul, .random = 0x9e3779b97f4a7c15ull };
	failed = set_up(b, device, err);
	if (!failed)
		failed = prepare(b, err);
	if (!failed)
		failed = bitnpu_bench_sample(bench, info, &row, run_list, b, err);
	if (!failed) {
		fill_row(b, &row);
		bitnpu_bench_add_row(bench, &row);
	}
	tear_down(b);
	free(b);
	return failed;
}
