// SPDX-License-Identifier: MIT
#include "matmul_case.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define Y_PATTERN 0xa5

uint64_t matmul_case_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t matmul_case_seed(void)
{
	const char *text = getenv("BITNPU_TEST_SEED");
	uint64_t seed = 1;

	if (text)
		seed = strtoull(text, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = 1;
	printf("# BITNPU_TEST_SEED=0x%" PRIx64 "\n", seed);
	return seed;
}

static uint32_t line_k(uint8_t weight_format)
{
	static const uint32_t k[] = { 16, 32, 4 };

	return k[weight_format];
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

static uint64_t x_stride(const struct matmul_case *c)
{
	return round_up(c->k, 64) + c->x_pad;
}

static uint64_t y_stride(const struct matmul_case *c)
{
	const uint32_t element = c->output_format == BITNPU_Y_INT64 ? 8 : 4;

	return round_up((uint64_t)c->n * element, 64) + c->y_pad;
}

struct operands {
	struct bitnpu_bo *x, *w, *s, *y;
};

static int make_bo(struct bitnpu_context *ctx, uint64_t bytes, uint64_t *state, int pattern,
		   struct bitnpu_bo **bo, struct bitnpu_error *err)
{
	uint8_t *at;
	void *ptr;
	int ret;

	ret = bitnpu_bo_create(ctx, bytes, 0, bo, err);
	if (ret)
		return ret;
	ret = bitnpu_bo_map(*bo, BITNPU_MAP_WRITE, &ptr, err);
	if (ret)
		return ret;
	at = ptr;
	for (uint64_t i = 0; i < bytes; i += 8) {
		const uint64_t value = matmul_case_next(state);

		/* Extremes are frequent, not one in 256. */
		if (pattern >= 0)
			memset(at + i, pattern, bytes - i < 8 ? bytes - i : 8);
		else if (value % 7 == 0)
			memset(at + i, value % 2 ? 0x80 : 0x7f, bytes - i < 8 ? bytes - i : 8);
		else
			memcpy(at + i, &value, bytes - i < 8 ? bytes - i : 8);
	}
	return bitnpu_bo_unmap(*bo, err);
}

static int make_operands(struct bitnpu_context *ctx, const struct matmul_case *c, uint64_t seed,
			 struct operands *o, struct bitnpu_error *err)
{
	const uint64_t tiles = (c->n + 15) / 16;
	const uint32_t lines = (c->k + line_k(c->weight_format) - 1) / line_k(c->weight_format);
	/* The least int8 has another pattern than the largest code. */
	const int w_most = c->weight_format == BITNPU_W_INT8 ? 0x80 : 0xff;
	const int x_fill[] = { -1, 0x80, 0x7f, 0x80 }, w_fill[] = { -1, w_most, w_most, 0 };
	uint64_t groups = 0;
	int ret;

	ret = make_bo(ctx, c->m * x_stride(c), &seed, x_fill[c->fill], &o->x, err);
	if (!ret)
		ret = make_bo(ctx, tiles * lines * 64, &seed, w_fill[c->fill], &o->w, err);
	if (!ret)
		ret = make_bo(ctx, c->m * y_stride(c), &seed, Y_PATTERN, &o->y, err);
	if (c->output_format == BITNPU_Y_INT64)
		groups = ((c->k - 1) >> c->group_shift) + 1;
	if (!ret && groups)
		ret = make_bo(ctx, tiles * groups * 32, &seed, -1, &o->s, err);
	return ret;
}

/*
 * On the calling thread, that of clCreateContext(): Oclgrind 21.10 with --uninitialized gives no other
 * thread of the host a pool of shadow values, and one that runs a kernel crashes (its Uninitialized.cpp).
 */
static int run(struct bitnpu_context *ctx, const struct matmul_case *c, struct operands *o,
	       struct bitnpu_error *err)
{
	const struct bitnpu_cmd_matmul cmd = {
		.opcode = BITNPU_OP_MATMUL,
		.weight_format = c->weight_format,
		.output_format = c->output_format,
		.m = htole32(c->m), .n = htole32(c->n), .k = htole32(c->k),
		.x_addr = htole64(bitnpu_bo_address(o->x)),
		.w_addr = htole64(bitnpu_bo_address(o->w)),
		.s_addr = htole64(o->s ? bitnpu_bo_address(o->s) : 0),
		.y_addr = htole64(bitnpu_bo_address(o->y)),
		.x_stride = htole32(x_stride(c)), .y_stride = htole32(y_stride(c)),
		.group_shift = c->group_shift,
	};
	struct bitnpu_cmdlist *list = NULL;
	struct bitnpu_queue *queue = NULL;
	int ret;

	ret = bitnpu_cmdlist_create(ctx, &cmd, sizeof(cmd), &list, err);
	if (!ret)
		ret = bitnpu_queue_create(ctx, &queue, err);
	if (!ret)
		ret = bitnpu_queue_run(queue, list, err);
	bitnpu_queue_destroy(queue);
	bitnpu_cmdlist_destroy(list);
	return ret;
}

int matmul_case_run(struct bitnpu_device *dev, const struct matmul_case *c, uint64_t seed,
		    void **y, size_t *bytes, struct bitnpu_error *err)
{
	const size_t size = c->m * y_stride(c);
	struct operands o = { NULL, NULL, NULL, NULL };
	struct bitnpu_context *ctx;
	void *from, *copy = NULL;
	int ret;

	ret = bitnpu_context_create(dev, &ctx, err);
	if (ret)
		return ret;
	ret = make_operands(ctx, c, seed, &o, err);
	if (!ret)
		ret = run(ctx, c, &o, err);
	if (!ret)
		ret = bitnpu_bo_map(o.y, BITNPU_MAP_READ, &from, err);
	if (ret)
		goto out;
	copy = malloc(size);
	if (copy)
		memcpy(copy, from, size);
	ret = copy ? bitnpu_bo_unmap(o.y, err) : -ENOMEM;
	if (ret) {
		free(copy);
		goto out;
	}
	*y = copy;
	*bytes = size;
out:
	bitnpu_bo_destroy(o.y);
	bitnpu_bo_destroy(o.s);
	bitnpu_bo_destroy(o.w);
	bitnpu_bo_destroy(o.x);
	bitnpu_context_destroy(ctx);
	return ret;
}

void matmul_case_print(const struct matmul_case *c, char *out, size_t size)
{
	static const char *const weights[] = { "ternary", "binary", "int8" };

	snprintf(out, size, "%s %s m %u n %u k %u group %u pads %u %u fill %u", weights[c->weight_format],
		 c->output_format == BITNPU_Y_INT64 ? "int64" : "int32", c->m, c->n, c->k,
		 c->group_shift ? 1u << c->group_shift : 0, c->x_pad, c->y_pad, (unsigned int)c->fill);
}

/* Small sizes and the neighbours of multiples of a tile or line are where mistakes are. */
static uint32_t odd_size(uint64_t *state, uint32_t max)
{
	const uint64_t value = matmul_case_next(state);
	uint32_t size;

	switch (value % 4) {
	case 0:
		size = 1 + (value >> 8) % 8;
		break;
	case 1:
		size = 16 * (1 + (value >> 8) % (1 + max / 16)) - 1 + (value >> 40) % 3;
		break;
	default:
		size = 1 + (value >> 8) % max;
		break;
	}
	return size > max ? max : size;
}

void matmul_case_random(struct matmul_case *c, uint64_t *state, uint32_t max_m, uint32_t max_n,
			uint32_t max_k)
{
	const uint64_t value = matmul_case_next(state);

	c->weight_format = value % 3;
	c->output_format = (value >> 8) % 2;
	c->group_shift = 0;
	if (c->output_format == BITNPU_Y_INT64)
		c->group_shift = BITNPU_GROUP_SHIFT_MIN + (value >> 16) % 6;
	c->m = odd_size(state, max_m);
	c->n = odd_size(state, max_n);
	c->k = odd_size(state, max_k);
	c->fill = value >> 56 < 64 ? (value >> 56) % 4 : MATMUL_CASE_RANDOM;
	c->x_pad = 64 * ((value >> 24) % 3);
	c->y_pad = 64 * ((value >> 32) % 3);
}

bool matmul_case_compare(struct bitnpu_device *dev, struct bitnpu_device *golden,
			 const struct matmul_case *c, uint64_t seed, char *why, size_t size)
{
	struct bitnpu_error err = { 0 };
	size_t want_bytes = 0, got_bytes = 0;
	void *want = NULL, *got = NULL;
	char text[128];
	bool wrong = true;

	matmul_case_print(c, text, sizeof(text));
	if (matmul_case_run(golden, c, seed, &want, &want_bytes, &err) ||
	    matmul_case_run(dev, c, seed, &got, &got_bytes, &err))
		snprintf(why, size, "%s: %s", text, err.message);
	else if (want_bytes != got_bytes || memcmp(want, got, want_bytes))
		snprintf(why, size, "%s: %s: differs from %s, seed 0x%" PRIx64,
			 bitnpu_device_get_info(dev)->name, text,
			 bitnpu_device_get_info(golden)->name, seed);
	else
		wrong = false;
	free(want);
	free(got);
	return wrong;
}
