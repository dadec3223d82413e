// SPDX-License-Identifier: MIT
/* Operands in guarded memory, and what becomes of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "tests/support/plain_matmul.h"

#define MOST_SHAPES 32

/**
 * struct guarded - memory that ends at a page which may not be touched
 * @bo: what a command sees: begins at a multiple of 64, ends less than 64 bytes before that page
 * @pages: the mapping
 * @mapped: its length
 */
struct guarded {
	struct bitnpu_engine_bo bo;
	uint8_t *pages;
	size_t mapped;
};

struct command {
	struct plain_matmul plain;
	struct guarded x, w, s, y;
	uint8_t *expected;
	size_t y_stride;
};

static void *need(void *memory)
{
	if (memory && memory != MAP_FAILED)
		return memory;
	printf("Bail out! out of memory\n");
	exit(1);
}

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static void guarded_new(struct guarded *g, size_t bytes, struct test_random *random)
{
	size_t page = sysconf(_SC_PAGESIZE), used = round_up(bytes, page);

	g->mapped = used + page;
	g->pages = need(mmap(NULL, g->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0));
	mprotect(g->pages + used, page, PROT_NONE);
	g->bo.host = g->pages + used - round_up(bytes, 64);
	g->bo.size = bytes;
	test_random_bytes(random, g->bo.host, bytes);
}

static void guarded_free(struct guarded *g)
{
	if (g->pages)
		munmap(g->pages, g->mapped);
}

static void fill(struct plain_matmul *mm, enum fill how)
{
	static const int8_t largest[] = { 2, 1, -128 }, zero[] = { -1, -1, 0 };

	if (how == FILL_RANDOM)
		return;
	memset(mm->x, how == FILL_MOST ? 127 : -128, (size_t)mm->m * mm->k);
	memset(mm->w, how == FILL_ZERO_CODES ? zero[mm->weight_format] : largest[mm->weight_format],
	       (size_t)mm->n * mm->k);
}

/* Halves below 128 have an exponent of at most 21, in bits 10 to 14. */
static void fill_scales(struct plain_matmul *mm, enum scales how, struct test_random *random)
{
	const uint64_t count = (uint64_t)mm->n * mm->groups;

	for (uint64_t i = 0; i < count; i++) {
		const uint16_t half = test_random_u64(random);

		if (how == SCALES_LARGEST)
			mm->s[i] = (half & 0x8000) | 0x57ff;
		else if (how == SCALES_ANY)
			mm->s[i] = half;
		else
			mm->s[i] = (half & 0x83ff) | test_random_below(random, 22) << 10;
	}
	if (how == SCALES_ONE_WIDE && count)
		mm->s[test_random_below(random, count)] = test_random_below(random, 2) ? 0x5800 : 0xd800;
}

static void command_new(struct command *cmd, const struct shape *shape, const struct command *x_of,
			struct test_random *random)
{
	struct plain_matmul *mm = &cmd->plain;
	uint8_t output = shape->group_shift ? BITNPU_Y_INT64 : BITNPU_Y_INT32;
	size_t x_stride = round_up(shape->k, 64);

	if (!plain_matmul_alloc(mm, shape->weight_format, output, shape->group_shift, shape->m,
				shape->n, shape->k))
		need(NULL);
	plain_matmul_random(mm, random);
	fill(mm, shape->fill);
	fill_scales(mm, shape->scales, random);
	if (x_of)
		memcpy(mm->x, x_of->plain.x, (size_t)mm->m * mm->k);
	guarded_new(&cmd->x, plain_x_bytes(mm, x_stride), random);
	guarded_new(&cmd->w, plain_w_bytes(mm), random);
	if (mm->groups)
		guarded_new(&cmd->s, plain_s_bytes(mm), random);
	cmd->y_stride = round_up((size_t)mm->n * plain_y_size(mm), 64);
	guarded_new(&cmd->y, plain_y_bytes(mm, cmd->y_stride), random);
	plain_pack_x(mm, cmd->x.bo.host, x_stride);
	plain_pack_w(mm, cmd->w.bo.host);
	if (mm->groups)
		plain_pack_s(mm, cmd->s.bo.host);
	cmd->expected = need(malloc(cmd->y.bo.size));
	memcpy(cmd->expected, cmd->y.bo.host, cmd->y.bo.size);
	plain_pack_y(mm, cmd->expected, cmd->y_stride);
}

static void command_free(struct command *cmd)
{
	plain_matmul_free(&cmd->plain);
	guarded_free(&cmd->x);
	guarded_free(&cmd->w);
	guarded_free(&cmd->s);
	guarded_free(&cmd->y);
	free(cmd->expected);
}

static void check_command(struct command *cmd, struct command *x_of, uint32_t index,
			  struct bitnpu_checked_cmd *checked)
{
	struct bitnpu_cmd_matmul encoded;
	struct bitnpu_fault fault;

	*checked = (struct bitnpu_checked_cmd){
		.opcode = BITNPU_OP_MATMUL,
		.index = index,
		.x.bo = &x_of->x.bo,
		.w.bo = &cmd->w.bo,
		.s.bo = cmd->plain.groups ? &cmd->s.bo : NULL,
		.y.bo = &cmd->y.bo,
	};
	plain_command(&cmd->plain, round_up(cmd->plain.k, 64), cmd->y_stride, &encoded);
	if (bitnpu_cmd_check(&encoded, ~0ULL, &checked->mm, &fault) == BITNPU_STATUS_OK)
		return;
	printf("Bail out! a command that is none: status %u, field %u\n", fault.status, fault.field);
	exit(1);
}

static bool compare(const struct command *cmd, const struct shape *shape)
{
	const uint8_t *y = cmd->y.bo.host;
	size_t at = 0;

	while (at < cmd->y.bo.size && y[at] == cmd->expected[at])
		at++;
	if (at == cmd->y.bo.size)
		return true;
	printf("# format %u, group shift %u, %u x %u x %u, fill %d, scales %d: ", shape->weight_format,
	       shape->group_shift, shape->m, shape->n, shape->k, shape->fill, shape->scales);
	printf("byte %zu, row %zu, element %zu\n", at, at / cmd->y_stride,
	       at % cmd->y_stride / plain_y_size(&cmd->plain));
	return false;
}

bool check_shapes(const struct bitnpu_cpu_level *level, struct bitnpu_pool *pool,
		  const struct shape *shapes, unsigned int count, bool same_x,
		  struct test_random *random)
{
	struct command cmds[MOST_SHAPES] = { 0 };
	struct bitnpu_checked_cmd checked[MOST_SHAPES] = { 0 };
	bool right = true;
	int ret;

	for (unsigned int i = 0; i < count; i++) {
		struct command *x_of = same_x ? &cmds[0] : &cmds[i];

		command_new(&cmds[i], &shapes[i], i ? x_of : NULL, random);
		check_command(&cmds[i], x_of, i, &checked[i]);
	}
	ret = bitnpu_cpu_matmuls(level, pool, checked, count);
	if (ret)
		printf("# bitnpu_cpu_matmuls: %s\n", strerror(-ret));
	for (unsigned int i = 0; i < count; i++) {
		right = compare(&cmds[i], &shapes[i]) && right;
		command_free(&cmds[i]);
	}
	return !ret && right;
}
