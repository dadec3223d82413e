// SPDX-License-Identifier: MIT
/* Float commands that must be refused, each in one way, on every device. */
#include <endian.h>
#include <string.h>

#include "float_image.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))
#define NORM(name)	offsetof(struct bitnpu_cmd_norm_quantize, name)
#define SCALE(name)	offsetof(struct bitnpu_cmd_scale, name)
#define HEADS(name)	offsetof(struct bitnpu_cmd_heads, name)
#define ATTENTION(name)	offsetof(struct bitnpu_cmd_attention, name)
#define GATE(name)	offsetof(struct bitnpu_cmd_gate, name)

/* Every operand lies at the beginning of a region of its own of so many bytes; the last is
 * read-only. */
#define REGION_BYTES	16384
#define REGIONS		6
#define READ_ONLY	(REGIONS - 1)

/* What a value is relative to: nothing, or a region. */
enum { VALUE, AT };

static const struct bitnpu_cmd_norm_quantize good_norm_quantize = {
	.opcode = BITNPU_OP_NORM_QUANTIZE, .m = 9, .n = 40, .eps = 0x3727c5ac,
	.in_stride = 192, .out_stride = 64,
};

static const struct bitnpu_cmd_scale good_scale = {
	.opcode = BITNPU_OP_SCALE, .input_format = BITNPU_IN_INT7, .scales = BITNPU_SCALES_EACH,
	.m = 9, .n = 40, .in_stride = 192, .slice_stride = 640, .out_stride = 192,
};

static const struct bitnpu_cmd_heads good_heads = {
	.opcode = BITNPU_OP_HEADS, .flags = BITNPU_HEADS_ROTATE, .input_format = BITNPU_IN_INT64,
	.scales = BITNPU_SCALES_EACH, .m = 9, .heads = 2, .head_dim = 20, .in_stride = 320,
	.out_stride = 192,
};

static const struct bitnpu_cmd_heads good_cache = {
	.opcode = BITNPU_OP_HEADS, .flags = BITNPU_HEADS_CACHE, .input_format = BITNPU_IN_INT32,
	.scales = BITNPU_SCALES_ONE, .m = 9, .heads = 2, .head_dim = 20, .in_stride = 192,
	.capacity = 10,
};

static const struct bitnpu_cmd_attention good_attention = {
	.opcode = BITNPU_OP_ATTENTION, .group = 2, .m = 9, .heads = 2, .head_dim = 20,
	.capacity = 10, .in_stride = 320, .out_stride = 384,
};

static const struct bitnpu_cmd_gate good_gate = {
	.opcode = BITNPU_OP_GATE, .gate_format = BITNPU_IN_INT64, .up_format = BITNPU_IN_INT32,
	.m = 9, .n = 40, .in_stride = 320, .out_stride = 192, .scales = BITNPU_SCALES_EACH,
};

/* Little-endian hosts are what the library runs on: the commands above are written as they are
 * read. */
static const void *const goods[] = { &good_norm_quantize, &good_scale, &good_heads,
				     &good_cache, &good_attention, &good_gate };

enum good { NORM_QUANTIZE, SUMS, ROWS, CACHE, ATTENDS, GATES };

/**
 * struct spoil - one field made wrong
 * @good: the command
 * @status: what it must be refused with
 * @field: offset of the field
 * @size: its bytes
 * @where: VALUE, or AT + the index of a region
 * @value: put there, or added to the region's address
 */
struct spoil {
	enum good good;
	uint32_t status;
	size_t field;
	uint32_t size, where;
	uint64_t value;
};

#define RESERVED(good, field, value)	{ good, BITNPU_STATUS_RESERVED, field, 1, VALUE, value }
#define FORMAT(good, field, size, value) { good, BITNPU_STATUS_FORMAT, field, size, VALUE, value }
#define SIZE(good, field, size, value)	{ good, BITNPU_STATUS_DIMENSION, field, size, VALUE, value }
#define STRIDE(good, field, value)	{ good, BITNPU_STATUS_STRIDE, field, 4, VALUE, value }
#define UNALIGNED(good, field, at)	{ good, BITNPU_STATUS_ALIGNMENT, field, 8, AT + (at), 32 }
/* An address that is not aligned, past the end of memory, or nowhere. */
#define ADDRESS(good, field, at) \
	UNALIGNED(good, field, at), \
	{ good, BITNPU_STATUS_OVERFLOW, field, 8, VALUE, ~63ULL }, \
	{ good, BITNPU_STATUS_UNMAPPED, field, 8, VALUE, 1ULL << 62 }
/* A result: that, and read-only, or on another operand. */
#define RESULT(good, field, at, other) \
	ADDRESS(good, field, at), \
	{ good, BITNPU_STATUS_READ_ONLY, field, 8, AT + READ_ONLY, 64 }, \
	{ good, BITNPU_STATUS_OVERLAP, field, 8, AT + (other), 0 }

static const struct spoil spoils[] = {
	RESERVED(NORM_QUANTIZE, NORM(flags), 1),
	RESERVED(NORM_QUANTIZE, NORM(reserved0), 1),
	RESERVED(NORM_QUANTIZE, NORM(reserved0) + 1, 0x80),
	RESERVED(NORM_QUANTIZE, NORM(reserved1), 1),
	RESERVED(NORM_QUANTIZE, NORM(reserved1) + 7, 2),
	SIZE(NORM_QUANTIZE, NORM(m), 4, 0),
	SIZE(NORM_QUANTIZE, NORM(m), 4, BITNPU_MAX_M + 1),
	SIZE(NORM_QUANTIZE, NORM(n), 4, 0),
	SIZE(NORM_QUANTIZE, NORM(n), 4, BITNPU_MAX_K + 1),
	{ NORM_QUANTIZE, BITNPU_STATUS_ALIGNMENT, NORM(in_stride), 4, VALUE, 200 },
	{ NORM_QUANTIZE, BITNPU_STATUS_ALIGNMENT, NORM(out_stride), 4, VALUE, 100 },
	STRIDE(NORM_QUANTIZE, NORM(in_stride), 128),
	STRIDE(NORM_QUANTIZE, NORM(out_stride), 0),
	ADDRESS(NORM_QUANTIZE, NORM(in_addr), 0),
	UNALIGNED(NORM_QUANTIZE, NORM(w_addr), 1),
	RESULT(NORM_QUANTIZE, NORM(out_addr), 2, 0),
	RESULT(NORM_QUANTIZE, NORM(f_addr), 3, 1),
	/* The first result of the two is named. */
	{ NORM_QUANTIZE, BITNPU_STATUS_OVERLAP, NORM(out_addr), 8, AT + 3, 0 },

	RESERVED(SUMS, SCALE(flags), 2),
	RESERVED(SUMS, SCALE(reserved), 1),
	RESERVED(SUMS, SCALE(reserved) + 3, 0x40),
	FORMAT(SUMS, SCALE(input_format), 1, 3),
	FORMAT(SUMS, SCALE(scales), 1, 3),
	FORMAT(SUMS, SCALE(scales), 1, 0xff),
	SIZE(SUMS, SCALE(m), 4, 0),
	SIZE(SUMS, SCALE(n), 4, 0),
	SIZE(SUMS, SCALE(n), 4, BITNPU_MAX_N + 1),
	SIZE(SUMS, SCALE(slice_stride), 8, BITNPU_MAX_SLICE_STRIDE + 64),
	{ SUMS, BITNPU_STATUS_ALIGNMENT, SCALE(slice_stride), 8, VALUE, 100 },
	{ SUMS, BITNPU_STATUS_ALIGNMENT, SCALE(in_stride), 4, VALUE, 200 },
	STRIDE(SUMS, SCALE(in_stride), 128),
	STRIDE(SUMS, SCALE(out_stride), 128),
	ADDRESS(SUMS, SCALE(in_addr), 0),
	ADDRESS(SUMS, SCALE(f_addr), 1),
	ADDRESS(SUMS, SCALE(r_addr), 2),
	RESULT(SUMS, SCALE(out_addr), 3, 1),
	/* The last slice counts. */
	{ SUMS, BITNPU_STATUS_OVERLAP, SCALE(out_addr), 8, AT + 0, 2432 },

	RESERVED(ROWS, HEADS(flags), 4),
	FORMAT(ROWS, HEADS(input_format), 1, BITNPU_IN_INT7),
	FORMAT(ROWS, HEADS(scales), 1, 3),
	FORMAT(ROWS, HEADS(capacity), 4, 10),
	SIZE(ROWS, HEADS(m), 4, 0),
	SIZE(ROWS, HEADS(heads), 2, 0),
	SIZE(ROWS, HEADS(heads), 2, 3277),
	SIZE(ROWS, HEADS(head_dim), 2, 0),
	SIZE(ROWS, HEADS(head_dim), 2, 21),
	SIZE(ROWS, HEADS(head_dim), 2, BITNPU_MAX_HEAD + 2),
	STRIDE(ROWS, HEADS(in_stride), 256),
	STRIDE(ROWS, HEADS(out_stride), 128),
	ADDRESS(ROWS, HEADS(t_addr), 3),
	RESULT(ROWS, HEADS(out_addr), 4, 3),

	FORMAT(CACHE, HEADS(out_stride), 4, 192),
	SIZE(CACHE, HEADS(capacity), 4, 0),
	SIZE(CACHE, HEADS(capacity), 4, BITNPU_MAX_CAPACITY + 1),
	RESULT(CACHE, HEADS(out_addr), 4, 0),

	RESERVED(ATTENDS, ATTENTION(flags), 1),
	SIZE(ATTENDS, ATTENTION(group), 2, 0),
	SIZE(ATTENDS, ATTENTION(m), 4, 0),
	SIZE(ATTENDS, ATTENTION(heads), 2, 0),
	SIZE(ATTENDS, ATTENTION(heads), 2, 1639),
	SIZE(ATTENDS, ATTENTION(head_dim), 2, 1),
	SIZE(ATTENDS, ATTENTION(capacity), 4, 0),
	SIZE(ATTENDS, ATTENTION(capacity), 4, BITNPU_MAX_CAPACITY + 1),
	STRIDE(ATTENDS, ATTENTION(in_stride), 256),
	STRIDE(ATTENDS, ATTENTION(out_stride), 256),
	ADDRESS(ATTENDS, ATTENTION(k_addr), 1),
	ADDRESS(ATTENDS, ATTENTION(v_addr), 2),
	ADDRESS(ATTENDS, ATTENTION(t_addr), 3),
	/* In place takes the same stride as well. */
	RESULT(ATTENDS, ATTENTION(out_addr), 4, 0),

	RESERVED(GATES, GATE(flags), 1),
	RESERVED(GATES, GATE(reserved), 1),
	RESERVED(GATES, GATE(reserved) + 1, 1),
	FORMAT(GATES, GATE(gate_format), 1, BITNPU_IN_INT7),
	FORMAT(GATES, GATE(up_format), 1, BITNPU_IN_INT7),
	FORMAT(GATES, GATE(activation), 1, 1),
	FORMAT(GATES, GATE(scales), 1, 3),
	SIZE(GATES, GATE(n), 4, BITNPU_MAX_K + 1),
	STRIDE(GATES, GATE(in_stride), 256),
	ADDRESS(GATES, GATE(up_addr), 1),
	ADDRESS(GATES, GATE(r_addr), 3),
	RESULT(GATES, GATE(out_addr), 4, 1),
	/* The other's scales begin 192 bytes after the gate's. */
	{ GATES, BITNPU_STATUS_OVERLAP, GATE(out_addr), 8, AT + 3, 320 },
};

/* The command with an operand in each region, in the order of its addresses. */
static void place(const uint64_t *regions, const void *good, uint8_t *cmd)
{
	uint32_t operand = 0;

	memcpy(cmd, good, BITNPU_CMD_SIZE);
	for (uint32_t field = 0; field < BITNPU_CMD_SIZE; field += 8) {
		const uint64_t addr = htole64(regions[operand]);

		if (!plain_has_address(cmd[0], field))
			continue;
		memcpy(cmd + field, &addr, sizeof(addr));
		operand++;
	}
}

static void add_regions(struct bench *b, struct image *image, uint64_t *regions)
{
	for (int i = 0; i < REGIONS; i++)
		regions[i] = image_region_add(image, REGION_BYTES,
					      i == READ_ONLY ? BITNPU_BO_READ_ONLY : 0, &b->random);
}

static const char *check(struct bench *b, const struct spoil *spoil)
{
	uint64_t regions[REGIONS], value;
	uint8_t cmd[BITNPU_CMD_SIZE];
	struct image image;

	image_init(&image, "opcode %u, field %zu refused with %s",
		   *(const uint8_t *)goods[spoil->good], spoil->field,
		   bitnpu_status_name(spoil->status));
	add_regions(b, &image, regions);
	place(regions, goods[spoil->good], cmd);
	image_command(&image, cmd);
	image_opcode(&image, BITNPU_OP_BARRIER);
	value = spoil->value + (spoil->where == VALUE ? 0 : regions[spoil->where - AT]);
	memcpy(cmd + spoil->field, &value, spoil->size);
	image_command(&image, cmd);
	image.fault = (struct bitnpu_fault){
		.status = spoil->status,
		.index = 2,
		.field = spoil->field,
		.addr = value,
	};
	/* cppcheck-suppress returnDanglingLifetime ; a message is returned, not the image */
	return bench_image(b, &image);
}

/* Fields that another one forbids. */
static const char *check_absent(struct bench *b)
{
	uint64_t regions[REGIONS];
	struct bitnpu_cmd_scale scale;
	struct bitnpu_cmd_heads heads;
	struct image image;
	const char *wrong;

	image_init(&image, "row scales that are not to be");
	add_regions(b, &image, regions);
	place(regions, &good_scale, (uint8_t *)&scale);
	scale.scales = BITNPU_SCALES_NONE;
	image_command(&image, &scale);
	image.fault = (struct bitnpu_fault){ BITNPU_STATUS_FORMAT, 0, SCALE(r_addr), 0, regions[2] };
	wrong = bench_image(b, &image);
	if (wrong)
		return wrong;
	image_init(&image, "slices of int32");
	add_regions(b, &image, regions);
	place(regions, &good_scale, (uint8_t *)&scale);
	scale.input_format = BITNPU_IN_INT32;
	image_command(&image, &scale);
	image.fault = (struct bitnpu_fault){ BITNPU_STATUS_FORMAT, 0, SCALE(slice_stride), 0, 640 };
	wrong = bench_image(b, &image);
	if (wrong)
		return wrong;
	image_init(&image, "token entries that nothing reads");
	add_regions(b, &image, regions);
	place(regions, &good_heads, (uint8_t *)&heads);
	heads.flags = 0;
	image_command(&image, &heads);
	image.fault = (struct bitnpu_fault){ BITNPU_STATUS_FORMAT, 0, HEADS(t_addr), 0, regions[3] };
	/* cppcheck-suppress returnDanglingLifetime ; a message is returned, not the image */
	return bench_image(b, &image);
}

const char *group_float_refusals(struct bench *b, uint32_t unused)
{
	const char *wrong = check_absent(b);

	for (size_t i = 0; i < COUNT(spoils) && !wrong; i++)
		wrong = check(b, &spoils[i]);
	return wrong;
}

void add_float_commands(struct bench *b, struct image *image)
{
	uint8_t cmd[BITNPU_CMD_SIZE];

	for (size_t i = 0; i < COUNT(goods); i++) {
		uint64_t regions[REGIONS];

		add_regions(b, image, regions);
		place(regions, goods[i], cmd);
		image_command(image, cmd);
	}
}
