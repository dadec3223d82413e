// SPDX-License-Identifier: MIT
/*
 * The BitNPU datapath: checks and executes commands.  What this file computes is by definition the
 * right answer, so it is written to be read: one loop nest, no cases for speed.
 *
 * Freestanding: fields are read and written byte by byte (any alignment, any host byte order),
 * nothing is zeroed or copied in a way that compilers would turn into calls of memset and memcpy,
 * and the largest object on the stack is one struct block.
 */
#include "datapath.h"

/* Rows of x that share one pass over a tile's weights. */
#define BLOCK_ROWS	4

/*
 * Columns per step: a whole number of lines of every format, and never more than one scale group.
 */
#define STEP_K		32
/* Lines of int8 weights, the widest format, in a step. */
#define STEP_LINES	8

/**
 * struct block - the state of up to BLOCK_ROWS rows of x against one tile of w
 * @x: the current STEP_K columns of each row, zero past column K
 * @line: the weights of these columns; past the last line of the tile, where x is zero, whatever
 *	was there before
 * @acc: sums of the current group (INT32: of all of K), |acc| <= 2^30
 * @total: scaled sums of the groups before, modulo 2^64
 *
 * 1.5 KiB, which leaves room for what the callers' frames hold.
 */
struct block {
	__s16 x[BLOCK_ROWS][STEP_K];
	__u32 line[STEP_LINES][BITNPU_TILE_ROWS];
	__s32 acc[BLOCK_ROWS][BITNPU_TILE_ROWS];
	__u64 total[BLOCK_ROWS][BITNPU_TILE_ROWS];
};

#define FIELD(name)	((__u32)__builtin_offsetof(struct bitnpu_cmd_matmul, name))

static __u32 get_le32(const __u8 *p)
{
	return p[0] | (__u32)p[1] << 8 | (__u32)p[2] << 16 | (__u32)p[3] << 24;
}

static __u64 get_le64(const __u8 *p)
{
	return get_le32(p) | (__u64)get_le32(p + 4) << 32;
}

static __u32 refuse(struct bitnpu_fault *fault, __u32 status, __u32 field, __u64 value)
{
	fault->status = status;
	fault->index = 0;
	fault->field = field;
	fault->reserved = 0;
	fault->addr = value;
	return status;
}

static __u32 check_zero(const __u8 *cmd, __u32 first, struct bitnpu_fault *fault)
{
	for (__u32 i = first; i < BITNPU_CMD_SIZE; i++)
		if (cmd[i])
			return refuse(fault, BITNPU_STATUS_RESERVED, i, cmd[i]);
	return BITNPU_STATUS_OK;
}

static void decode(const __u8 *cmd, struct bitnpu_matmul *mm)
{
	mm->weight_format = cmd[FIELD(weight_format)];
	mm->output_format = cmd[FIELD(output_format)];
	mm->group_shift = cmd[FIELD(group_shift)];
	mm->m = get_le32(cmd + FIELD(m));
	mm->n = get_le32(cmd + FIELD(n));
	mm->k = get_le32(cmd + FIELD(k));
	mm->x_stride = get_le32(cmd + FIELD(x_stride));
	mm->y_stride = get_le32(cmd + FIELD(y_stride));
	mm->x_addr = get_le64(cmd + FIELD(x_addr));
	mm->w_addr = get_le64(cmd + FIELD(w_addr));
	mm->s_addr = get_le64(cmd + FIELD(s_addr));
	mm->y_addr = get_le64(cmd + FIELD(y_addr));
}

static __u32 check_formats(const struct bitnpu_matmul *mm, __u64 features,
			   struct bitnpu_fault *fault)
{
	if (mm->weight_format > BITNPU_W_INT8)
		return refuse(fault, BITNPU_STATUS_FORMAT, FIELD(weight_format), mm->weight_format);
	if (mm->output_format > BITNPU_Y_INT64)
		return refuse(fault, BITNPU_STATUS_FORMAT, FIELD(output_format), mm->output_format);
	if (!(features & BITNPU_FEATURE_W_TERNARY << mm->weight_format))
		return refuse(fault, BITNPU_STATUS_UNSUPPORTED, FIELD(weight_format),
			      mm->weight_format);
	if (!(features & BITNPU_FEATURE_Y_INT32 << mm->output_format))
		return refuse(fault, BITNPU_STATUS_UNSUPPORTED, FIELD(output_format),
			      mm->output_format);
	return BITNPU_STATUS_OK;
}

static __u32 check_dimensions(const struct bitnpu_matmul *mm, struct bitnpu_fault *fault)
{
	if (mm->m == 0 || mm->m > BITNPU_MAX_M)
		return refuse(fault, BITNPU_STATUS_DIMENSION, FIELD(m), mm->m);
	if (mm->n == 0 || mm->n > BITNPU_MAX_N)
		return refuse(fault, BITNPU_STATUS_DIMENSION, FIELD(n), mm->n);
	if (mm->k == 0 || mm->k > BITNPU_MAX_K)
		return refuse(fault, BITNPU_STATUS_DIMENSION, FIELD(k), mm->k);
	return BITNPU_STATUS_OK;
}

static __u32 check_scales(const struct bitnpu_matmul *mm, struct bitnpu_fault *fault)
{
	const __u32 shift = mm->group_shift;

	if (mm->output_format == BITNPU_Y_INT32) {
		if (shift)
			return refuse(fault, BITNPU_STATUS_FORMAT, FIELD(group_shift), shift);
		if (mm->s_addr)
			return refuse(fault, BITNPU_STATUS_FORMAT, FIELD(s_addr), mm->s_addr);
	} else if (shift < BITNPU_GROUP_SHIFT_MIN || shift > BITNPU_GROUP_SHIFT_MAX) {
		return refuse(fault, BITNPU_STATUS_FORMAT, FIELD(group_shift), shift);
	}
	return BITNPU_STATUS_OK;
}

static __u32 check_alignment(const struct bitnpu_matmul *mm, struct bitnpu_fault *fault)
{
	const __u32 mask = BITNPU_ADDR_ALIGN - 1;

	if (mm->x_addr & mask)
		return refuse(fault, BITNPU_STATUS_ALIGNMENT, FIELD(x_addr), mm->x_addr);
	if (mm->w_addr & mask)
		return refuse(fault, BITNPU_STATUS_ALIGNMENT, FIELD(w_addr), mm->w_addr);
	if (mm->s_addr & mask)
		return refuse(fault, BITNPU_STATUS_ALIGNMENT, FIELD(s_addr), mm->s_addr);
	if (mm->y_addr & mask)
		return refuse(fault, BITNPU_STATUS_ALIGNMENT, FIELD(y_addr), mm->y_addr);
	if (mm->x_stride & mask)
		return refuse(fault, BITNPU_STATUS_ALIGNMENT, FIELD(x_stride), mm->x_stride);
	if (mm->y_stride & mask)
		return refuse(fault, BITNPU_STATUS_ALIGNMENT, FIELD(y_stride), mm->y_stride);
	return BITNPU_STATUS_OK;
}

static __u32 element_bytes(const struct bitnpu_matmul *mm)
{
	return mm->output_format == BITNPU_Y_INT64 ? 8 : 4;
}

static void derive(struct bitnpu_matmul *mm)
{
	static const __u8 line_k[] = {
		[BITNPU_W_TERNARY] = 16,
		[BITNPU_W_BINARY] = 32,
		[BITNPU_W_INT8] = 4,
	};
	const __u64 x_row = (mm->k + BITNPU_ADDR_ALIGN - 1) & ~(BITNPU_ADDR_ALIGN - 1);
	const __u64 y_row = (__u64)mm->n * element_bytes(mm);

	mm->line_k = line_k[mm->weight_format];
	mm->lines = (mm->k + mm->line_k - 1) / mm->line_k;
	mm->tiles = (mm->n + BITNPU_TILE_ROWS - 1) / BITNPU_TILE_ROWS;
	mm->groups = 0;
	if (mm->output_format == BITNPU_Y_INT64)
		mm->groups = ((mm->k - 1) >> mm->group_shift) + 1;
	mm->x_bytes = (__u64)(mm->m - 1) * mm->x_stride + x_row;
	mm->w_bytes = (__u64)mm->tiles * mm->lines * BITNPU_LINE_BYTES;
	mm->s_bytes = (__u64)mm->tiles * mm->groups * BITNPU_TILE_ROWS * 2;
	mm->y_bytes = (__u64)(mm->m - 1) * mm->y_stride + y_row;
}

static __u32 check_strides(const struct bitnpu_matmul *mm, struct bitnpu_fault *fault)
{
	if (mm->x_stride < mm->k)
		return refuse(fault, BITNPU_STATUS_STRIDE, FIELD(x_stride), mm->x_stride);
	if (mm->y_stride < mm->n * element_bytes(mm))
		return refuse(fault, BITNPU_STATUS_STRIDE, FIELD(y_stride), mm->y_stride);
	return BITNPU_STATUS_OK;
}

/* A range may end at 2^64 exactly. */
static int passes_end(__u64 addr, __u64 bytes)
{
	return bytes && bytes - 1 > ~addr;
}

static __u32 check_ranges(const struct bitnpu_matmul *mm, struct bitnpu_fault *fault)
{
	if (passes_end(mm->x_addr, mm->x_bytes))
		return refuse(fault, BITNPU_STATUS_OVERFLOW, FIELD(x_addr), mm->x_addr);
	if (passes_end(mm->w_addr, mm->w_bytes))
		return refuse(fault, BITNPU_STATUS_OVERFLOW, FIELD(w_addr), mm->w_addr);
	if (passes_end(mm->s_addr, mm->s_bytes))
		return refuse(fault, BITNPU_STATUS_OVERFLOW, FIELD(s_addr), mm->s_addr);
	if (passes_end(mm->y_addr, mm->y_bytes))
		return refuse(fault, BITNPU_STATUS_OVERFLOW, FIELD(y_addr), mm->y_addr);
	return BITNPU_STATUS_OK;
}

__u32 bitnpu_cmd_check(const void *cmd, __u64 features, struct bitnpu_matmul *mm,
		       struct bitnpu_fault *fault)
{
	const __u8 *bytes = cmd;
	__u32 status;

	switch (bytes[FIELD(opcode)]) {
	case BITNPU_OP_NOP:
	case BITNPU_OP_BARRIER:
		return check_zero(bytes, 1, fault);
	case BITNPU_OP_MATMUL:
		break;
	case BITNPU_OP_NORM_QUANTIZE:
	case BITNPU_OP_SCALE:
	case BITNPU_OP_HEADS:
	case BITNPU_OP_ATTENTION:
	case BITNPU_OP_GATE:
		return refuse(fault, BITNPU_STATUS_UNSUPPORTED, FIELD(opcode),
			      bytes[FIELD(opcode)]);
	default:
		return refuse(fault, BITNPU_STATUS_OPCODE, FIELD(opcode), bytes[FIELD(opcode)]);
	}

	if (bytes[FIELD(flags)])
		return refuse(fault, BITNPU_STATUS_RESERVED, FIELD(flags), bytes[FIELD(flags)]);
	status = check_zero(bytes, FIELD(reserved), fault);
	if (status)
		return status;
	decode(bytes, mm);
	status = check_formats(mm, features, fault);
	if (status)
		return status;
	status = check_dimensions(mm, fault);
	if (status)
		return status;
	status = check_scales(mm, fault);
	if (status)
		return status;
	status = check_alignment(mm, fault);
	if (status)
		return status;
	status = check_strides(mm, fault);
	if (status)
		return status;
	derive(mm);
	return check_ranges(mm, fault);
}

__s64 bitnpu_half_to_fixed(__u16 half)
{
	const __u32 exponent = half >> 10 & 31;
	const __s64 fraction = half & 0x3ff;
	const __s64 value = exponent ? (fraction | 0x400) << (exponent - 1) : fraction;

	return half & 0x8000 ? -value : value;
}

/*
 * The STEP_K weights of row @r.  A shift by less than eight bits, masked to the low bits of each
 * byte, moves nothing from byte to byte, so the words may be in the host's byte order.
 */
static inline void unpack_row(const struct block *b, __u32 r, __u32 format, __s16 *w)
{
	union {
		__u32 word[STEP_K / 4];
		__u8 byte[STEP_K];
	} code;

	for (__u32 i = 0; i < STEP_K / 4; i++) {
		if (format == BITNPU_W_TERNARY)
			code.word[i] = b->line[i / 4][r] >> 2 * (i % 4) & 0x03030303;
		else if (format == BITNPU_W_BINARY)
			code.word[i] = b->line[0][r] >> i & 0x01010101;
		else
			code.word[i] = b->line[i][r];
	}
	for (__u32 i = 0; i < STEP_K; i++) {
		if (format == BITNPU_W_TERNARY)
			w[i] = code.byte[i] - 1;
		else if (format == BITNPU_W_BINARY)
			w[i] = 2 * code.byte[i] - 1;
		else
			w[i] = (__s8)code.byte[i];
	}
}

/* acc += x * w^T over the step; @format is a constant in each caller. */
static inline void mac_step(struct block *b, __u32 rows, __u32 format)
{
	for (__u32 r = 0; r < BITNPU_TILE_ROWS; r++) {
		__s16 w[STEP_K];

		unpack_row(b, r, format, w);
		for (__u32 row = 0; row < rows; row++) {
			__s32 sum = 0;

			for (__u32 i = 0; i < STEP_K; i++)
				sum += b->x[row][i] * w[i];
			b->acc[row][r] += sum;
		}
	}
}

static void mac(struct block *b, __u32 rows, __u32 format)
{
	switch (format) {
	case BITNPU_W_TERNARY:
		mac_step(b, rows, BITNPU_W_TERNARY);
		break;
	case BITNPU_W_BINARY:
		mac_step(b, rows, BITNPU_W_BINARY);
		break;
	default:
		mac_step(b, rows, BITNPU_W_INT8);
		break;
	}
}

/* Load columns k to k + STEP_K - 1 of rows m to m + rows - 1 of x. */
static int load_x(const struct bitnpu_matmul *mm, struct bitnpu_dma *dma, struct block *b, __u32 m,
		  __u32 rows, __u32 k)
{
	for (__u32 row = 0; row < rows; row++) {
		const __u64 addr = mm->x_addr + (__u64)(m + row) * mm->x_stride + k;
		__s8 x[STEP_K];
		int ret = dma->load(dma, x, addr, sizeof(x));

		if (ret)
			return ret;
		for (__u32 i = 0; i < STEP_K; i++)
			b->x[row][i] = k + i < mm->k ? x[i] : 0;
	}
	return 0;
}

/* Load the lines of @tile that hold columns k to k + STEP_K - 1. */
static int load_w(const struct bitnpu_matmul *mm, struct bitnpu_dma *dma, struct block *b,
		  __u32 tile, __u32 k)
{
	const __u32 first = k / mm->line_k;
	const __u32 left = mm->lines - first;
	const __u32 step = STEP_K / mm->line_k;
	const __u64 addr = mm->w_addr + ((__u64)tile * mm->lines + first) * BITNPU_LINE_BYTES;

	for (__u32 i = 0; i < step && i < left; i++) {
		int ret = dma->load(dma, b->line[i], addr + i * BITNPU_LINE_BYTES,
				    BITNPU_LINE_BYTES);

		if (ret)
			return ret;
	}
	return 0;
}

/* total += s * acc for group @group of tile @tile; the next group starts from zero. */
static int end_group(const struct bitnpu_matmul *mm, struct bitnpu_dma *dma, struct block *b,
		     __u32 tile, __u32 group, __u32 rows)
{
	const __u64 index = (__u64)tile * mm->groups + group;
	__u8 s[2 * BITNPU_TILE_ROWS];
	int ret = dma->load(dma, s, mm->s_addr + index * sizeof(s), sizeof(s));

	if (ret)
		return ret;
	for (__u32 r = 0; r < BITNPU_TILE_ROWS; r++) {
		const __u64 scale = bitnpu_half_to_fixed(s[2 * r] | s[2 * r + 1] << 8);

		for (__u32 row = 0; row < rows; row++) {
			b->total[row][r] += scale * (__u64)(__s64)b->acc[row][r];
			b->acc[row][r] = 0;
		}
	}
	return 0;
}

/* Store row @row of the block as row @m of y, at most 64 bytes at a time. */
static int store_row(const struct bitnpu_matmul *mm, struct bitnpu_dma *dma, const struct block *b,
		     __u32 tile, __u32 m, __u32 row)
{
	const __u32 first = tile * BITNPU_TILE_ROWS;
	const __u32 left = mm->n - first;
	const __u32 count = left < BITNPU_TILE_ROWS ? left : BITNPU_TILE_ROWS;
	const __u32 size = element_bytes(mm);
	const __u32 bytes = count * size;
	const __u64 addr = mm->y_addr + (__u64)m * mm->y_stride + (__u64)first * size;
	__u8 y[64];

	for (__u32 done = 0; done < bytes; done += sizeof(y)) {
		const __u32 len = bytes - done < sizeof(y) ? bytes - done : sizeof(y);
		int ret;

		for (__u32 i = 0; i < len; i++) {
			const __u32 r = (done + i) / size;
			const __u64 v = size == 8 ? b->total[row][r] : (__u32)b->acc[row][r];

			y[i] = v >> 8 * ((done + i) % size);
		}
		ret = dma->store(dma, addr + done, y, len);
		if (ret)
			return ret;
	}
	return 0;
}

static void clear(struct block *b)
{
	for (__u32 r = 0; r < BITNPU_TILE_ROWS; r++) {
		for (__u32 i = 0; i < STEP_LINES; i++)
			b->line[i][r] = 0;
		for (__u32 row = 0; row < BLOCK_ROWS; row++) {
			b->acc[row][r] = 0;
			b->total[row][r] = 0;
		}
	}
}

/* y[m .. m + rows - 1][16 tile .. 16 tile + 15] */
static int run_block(const struct bitnpu_matmul *mm, struct bitnpu_dma *dma, __u32 tile, __u32 m,
		     __u32 rows)
{
	struct block b;
	int ret;

	clear(&b);
	for (__u32 k = 0; k < mm->k; k += STEP_K) {
		const __u32 next = k + STEP_K;

		ret = load_x(mm, dma, &b, m, rows, k);
		if (ret)
			return ret;
		ret = load_w(mm, dma, &b, tile, k);
		if (ret)
			return ret;
		mac(&b, rows, mm->weight_format);
		if (mm->groups && (next >= mm->k || next % (1U << mm->group_shift) == 0)) {
			ret = end_group(mm, dma, &b, tile, k >> mm->group_shift, rows);
			if (ret)
				return ret;
		}
	}
	for (__u32 row = 0; row < rows; row++) {
		ret = store_row(mm, dma, &b, tile, m + row, row);
		if (ret)
			return ret;
	}
	return 0;
}

int bitnpu_matmul_tiles(const struct bitnpu_matmul *mm, __u32 first, __u32 count,
			struct bitnpu_dma *dma)
{
	for (__u32 tile = first; tile < first + count; tile++) {
		for (__u32 m = 0; m < mm->m; m += BLOCK_ROWS) {
			const __u32 rows = mm->m - m < BLOCK_ROWS ? mm->m - m : BLOCK_ROWS;
			int ret = run_block(mm, dma, tile, m, rows);

			if (ret)
				return ret;
		}
	}
	return 0;
}

int bitnpu_matmul_run(const struct bitnpu_matmul *mm, struct bitnpu_dma *dma)
{
	return bitnpu_matmul_tiles(mm, 0, mm->tiles, dma);
}
