/* SPDX-License-Identifier: MIT */
/*
 * BitNPU command set, version 1.
 *
 * A command list is an array of 64-byte little-endian commands.  Every engine (golden, cpu, opencl
 * and the accel driver's hardware) executes the same lists and writes the same bytes; the meaning
 * of each command is defined by the freestanding datapath, libbitnpu/datapath.c, and described for
 * hardware people in docs/command-set.md.
 */
#ifndef _UAPI_DRM_BITNPU_ISA_H_
#define _UAPI_DRM_BITNPU_ISA_H_

#include <linux/types.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define BITNPU_ISA_VERSION_MAJOR	1
#define BITNPU_ISA_VERSION_MINOR	1

/** BITNPU_CMD_SIZE - bytes of one command; a list's length is a multiple of it. */
#define BITNPU_CMD_SIZE			64

/** BITNPU_ADDR_ALIGN - every address and every row stride in a command is a multiple of it. */
#define BITNPU_ADDR_ALIGN		64

/* Limits of one MATMUL.  K is bounded so that the exact sums fit (docs/numerics.md). */
#define BITNPU_MAX_M			65536
#define BITNPU_MAX_N			(1 << 24)
#define BITNPU_MAX_K			65536

/* Limits of ATTENTION, HEADS and their caches. */
#define BITNPU_MAX_HEAD			1024
#define BITNPU_MAX_CAPACITY		(1 << 20)
/* Bytes between the slices of a sum, at most. */
#define BITNPU_MAX_SLICE_STRIDE		(1ULL << 48)

/* Weights are stored in tiles of 16 rows; a line is one 64-byte column of a tile. */
#define BITNPU_TILE_ROWS		16
#define BITNPU_LINE_BYTES		64

/**
 * enum bitnpu_opcode - first byte of a command
 * @BITNPU_OP_NOP: Does nothing.  Every other byte is zero.
 * @BITNPU_OP_BARRIER: Commands after it start when all commands before it have completed and what
 *	they wrote is visible.  Every other byte is zero.  Commands that no barrier separates may
 *	execute in any order or at once.
 * @BITNPU_OP_MATMUL: &struct bitnpu_cmd_matmul.
 * @BITNPU_OP_NORM_QUANTIZE: &struct bitnpu_cmd_norm_quantize.
 * @BITNPU_OP_SCALE: &struct bitnpu_cmd_scale.
 * @BITNPU_OP_HEADS: &struct bitnpu_cmd_heads.
 * @BITNPU_OP_ATTENTION: &struct bitnpu_cmd_attention.
 * @BITNPU_OP_GATE: &struct bitnpu_cmd_gate.
 *
 * All other values are undefined in version 1 and are refused with %BITNPU_STATUS_OPCODE.  An
 * engine need not have those from NORM_QUANTIZE on, the float commands: each has a bit in its
 * feature mask.
 */
enum bitnpu_opcode {
	BITNPU_OP_NOP			= 0x00,
	BITNPU_OP_BARRIER		= 0x01,
	BITNPU_OP_MATMUL		= 0x02,
	BITNPU_OP_NORM_QUANTIZE		= 0x03,
	BITNPU_OP_SCALE			= 0x04,
	BITNPU_OP_HEADS			= 0x05,
	BITNPU_OP_ATTENTION		= 0x06,
	BITNPU_OP_GATE			= 0x07,
};

/**
 * enum bitnpu_weight_format - how a 64-byte line holds the weights of 16 rows
 * @BITNPU_W_TERNARY: 16 k a line, two bits a weight.  The line is 16 little-endian 32-bit words,
 *	one a row; bits 2s and 2s+1 of byte b of a word hold w + 1 for k = 4s + b (s, b = 0..3).
 *	Code 3 computes as w = +2; no packer writes it.
 * @BITNPU_W_BINARY: 32 k a line, one bit a weight.  16 words, one a row; bit s of byte b holds
 *	(w + 1) / 2 for k = 4s + b (s = 0..7, b = 0..3).
 * @BITNPU_W_INT8: 4 k a line, one byte a weight.  16 words, one a row; byte b holds w, two's
 *	complement, for k = b.
 *
 * Lines are contiguous along k within a tile of 16 rows, tiles are contiguous along n:
 * line l of tile t lies at w_addr + 64 * (t * ceil(K / line_k) + l).  Weights past row N or column
 * K are ignored (packers write w = 0, or bit 0 for binary).
 */
enum bitnpu_weight_format {
	BITNPU_W_TERNARY	= 0,
	BITNPU_W_BINARY		= 1,
	BITNPU_W_INT8		= 2,
};

/**
 * enum bitnpu_output_format - element type of y
 * @BITNPU_Y_INT32: y[m][n] = sum over k of x[m][k] * w[n][k].  No scales (group_shift and s_addr
 *	are zero).  Never overflows for K <= %BITNPU_MAX_K.
 * @BITNPU_Y_INT64: y[m][n] = sum over groups g of s[n][g] * (sum over k in g of x[m][k] * w[n][k])
 *	where s is the IEEE half times 2^24, an integer; modulo 2^64.  The result is in units of
 *	2^-24.  Ternary and binary weights with finite scales never wrap.  Exponent 31 is computed
 *	as an ordinary exponent, so no half is a special case.
 */
enum bitnpu_output_format {
	BITNPU_Y_INT32		= 0,
	BITNPU_Y_INT64		= 1,
};

/* group_shift of an INT64 matmul: groups of 32 to 65536 weights along K. */
#define BITNPU_GROUP_SHIFT_MIN		5
#define BITNPU_GROUP_SHIFT_MAX		16

/**
 * struct bitnpu_cmd - what all commands share
 * @opcode: One of &enum bitnpu_opcode.
 * @body: Depends on @opcode; undefined bytes must be zero.
 */
struct bitnpu_cmd {
	__u8 opcode;
	__u8 body[63];
};

/**
 * struct bitnpu_cmd_matmul - y[M][N] = x[M][K] * w[N][K]^T
 * @opcode: %BITNPU_OP_MATMUL.
 * @flags: Must be zero.
 * @weight_format: One of &enum bitnpu_weight_format.
 * @output_format: One of &enum bitnpu_output_format.
 * @m: Rows of x and y, 1 to %BITNPU_MAX_M.
 * @n: Rows of w, columns of y, 1 to %BITNPU_MAX_N.
 * @k: Columns of x and w, 1 to %BITNPU_MAX_K.
 * @x_addr: int8 activations, @m rows of @k bytes, @x_stride bytes apart.  The row's bytes from @k
 *	up to the next multiple of 64 must be mapped; their values do not matter.
 * @w_addr: Weights, ceil(n / 16) * ceil(k / line_k) lines.
 * @s_addr: Scales of an INT64 matmul: for each tile of 16 rows, for each group, 16 IEEE halves (one
 *	a row), 32 bytes, contiguous in that order.  Zero for INT32.
 * @y_addr: Result, @m rows of @n elements, @y_stride bytes apart.  Nothing past element @n of a row
 *	is written.
 * @x_stride: Multiple of 64, at least @k.
 * @y_stride: Multiple of 64, at least @n elements.
 * @group_shift: log2 of the weights along K that share one scale; zero for INT32.
 * @reserved: Must be zero.
 *
 * x, w, s and y are device virtual addresses in the context's own address space.  y must not
 * overlap x, w or s.
 */
struct bitnpu_cmd_matmul {
	__u8 opcode;
	__u8 flags;
	__u8 weight_format;
	__u8 output_format;
	__le32 m;
	__le32 n;
	__le32 k;
	__le64 x_addr;
	__le64 w_addr;
	__le64 s_addr;
	__le64 y_addr;
	__le32 x_stride;
	__le32 y_stride;
	__u8 group_shift;
	__u8 reserved[7];
};

/*
 * The float commands: what lies between the matmuls of a transformer, with every rounding pinned
 * (docs/numerics.md).  "float" and "half" are IEEE binary32 and binary16, little-endian.  A NaN is
 * always written as %BITNPU_NAN (%BITNPU_HALF_NAN), whatever made it, so results are compared as
 * bytes. Rows are apart by a stride; nothing past the last element of a row is read or written.
 */
#define BITNPU_NAN			0x7fc00000
#define BITNPU_HALF_NAN			0x7e00

/**
 * struct bitnpu_factor - what NORM_QUANTIZE says of a row of x, and what turns sums into floats
 * reads
 * @scale: float: what turns the row's integers into values.
 * @sum: int32: sum of the row's integers.
 */
struct bitnpu_factor {
	__le32 scale;
	__le32 sum;
};

/* Bytes of a token's entry before the table (&struct bitnpu_cmd_heads). */
#define BITNPU_TOKEN_TABLE		64

/**
 * enum bitnpu_input_format - exact sums that a float command reads
 * @BITNPU_IN_INT32: One int32 an element, as %BITNPU_Y_INT32 gives them.
 * @BITNPU_IN_INT64: One int64 an element, in units of 2^-24, as %BITNPU_Y_INT64 gives them.
 * @BITNPU_IN_INT7: Four int32 an element, one in each of four slices: the sum with seven-bit
 *	weights is (64 * y0 + 16 * y1 + 4 * y2 + y3 - 43 * sum of x) / 2, modulo 2^32, the shift
 *	arithmetic.
 */
enum bitnpu_input_format {
	BITNPU_IN_INT32		= 0,
	BITNPU_IN_INT64		= 1,
	BITNPU_IN_INT7		= 2,
};

/**
 * enum bitnpu_row_scales - scales of the weights' rows, floats, besides the factor of a row of x
 * @BITNPU_SCALES_NONE: None, r_addr is zero.
 * @BITNPU_SCALES_ONE: One for all.
 * @BITNPU_SCALES_EACH: One for each element of a row of sums.
 *
 * An element becomes, in this order of roundings, (float)y * (scale of x * scale of the row), or
 * ((float)y * 2^-24) * (scale of x * scale of the row) for %BITNPU_IN_INT64.
 */
enum bitnpu_row_scales {
	BITNPU_SCALES_NONE	= 0,
	BITNPU_SCALES_ONE	= 1,
	BITNPU_SCALES_EACH	= 2,
};

/**
 * struct bitnpu_cmd_norm_quantize - normalize rows of floats and quantize them to int8
 * @opcode: %BITNPU_OP_NORM_QUANTIZE.
 * @flags: Must be zero.
 * @reserved0: Must be zero.
 * @m: Rows, 1 to %BITNPU_MAX_M.
 * @n: Elements of a row, 1 to %BITNPU_MAX_K.
 * @eps: float: added to the mean of squares.
 * @in_addr: @m rows of @n floats, @in_stride bytes apart.
 * @w_addr: The norm's weights, @n floats.
 * @out_addr: int8: @m rows of @n, @out_stride bytes apart, ready to be a MATMUL's x.
 * @f_addr: @m of &struct bitnpu_factor, written.
 * @in_stride: Multiple of 64, at least @n floats.
 * @out_stride: Multiple of 64, at least @n.
 * @reserved1: Must be zero.
 */
struct bitnpu_cmd_norm_quantize {
	__u8 opcode;
	__u8 flags;
	__u8 reserved0[2];
	__le32 m;
	__le32 n;
	__le32 eps;
	__le64 in_addr;
	__le64 w_addr;
	__le64 out_addr;
	__le64 f_addr;
	__le32 in_stride;
	__le32 out_stride;
	__u8 reserved1[8];
};

/* Flags of SCALE: out = out + value in place of out = value. */
#define BITNPU_SCALE_ADD		(1 << 0)

/**
 * struct bitnpu_cmd_scale - exact sums to floats
 * @opcode: %BITNPU_OP_SCALE.
 * @flags: %BITNPU_SCALE_ADD or zero.
 * @input_format: One of &enum bitnpu_input_format.
 * @scales: One of &enum bitnpu_row_scales.
 * @m: Rows, 1 to %BITNPU_MAX_M.
 * @n: Elements of a row, 1 to %BITNPU_MAX_N.
 * @in_stride: Multiple of 64, at least @n sums.
 * @in_addr: Sums, @m rows of @n, @in_stride bytes apart; %BITNPU_IN_INT7: of the first slice.
 * @f_addr: @m of &struct bitnpu_factor.
 * @r_addr: Row scales: @n floats, one, or zero without.
 * @out_addr: @m rows of @n floats, @out_stride bytes apart.
 * @slice_stride: %BITNPU_IN_INT7: bytes between the four slices, a multiple of 64 up to
 *	%BITNPU_MAX_SLICE_STRIDE; otherwise zero.
 * @out_stride: Multiple of 64, at least @n floats.
 * @reserved: Must be zero.
 */
struct bitnpu_cmd_scale {
	__u8 opcode;
	__u8 flags;
	__u8 input_format;
	__u8 scales;
	__le32 m;
	__le32 n;
	__le32 in_stride;
	__le64 in_addr;
	__le64 f_addr;
	__le64 r_addr;
	__le64 out_addr;
	__le64 slice_stride;
	__le32 out_stride;
	__u8 reserved[4];
};

/* Flags of HEADS: rotate by the token's table; store halves in a cache. */
#define BITNPU_HEADS_ROTATE		(1 << 0)
#define BITNPU_HEADS_CACHE		(1 << 1)

/**
 * struct bitnpu_cmd_heads - exact sums to the queries, keys or values of heads
 * @opcode: %BITNPU_OP_HEADS.
 * @flags: %BITNPU_HEADS_ROTATE, %BITNPU_HEADS_CACHE.
 * @input_format: %BITNPU_IN_INT32 or %BITNPU_IN_INT64.
 * @scales: One of &enum bitnpu_row_scales.
 * @m: Rows (tokens), 1 to %BITNPU_MAX_M.
 * @heads: Heads, 1 to @heads * @head_dim = %BITNPU_MAX_K.
 * @head_dim: Elements of a head, even, 2 to %BITNPU_MAX_HEAD.
 * @in_stride: Multiple of 64, at least @heads * @head_dim sums.
 * @in_addr: Sums, @m rows of @heads * @head_dim, @in_stride bytes apart.
 * @f_addr: @m of &struct bitnpu_factor.
 * @r_addr: Row scales: @heads * @head_dim floats, one, or zero without.
 * @t_addr: @m token entries, zero without either flag.  An entry is the token's position (uint32),
 *	zero or anything up to byte %BITNPU_TOKEN_TABLE, then the table: @head_dim / 2 cosines and
 *	as many sines, floats.  Entries are %BITNPU_TOKEN_TABLE + 4 * @head_dim bytes, rounded up to
 *	a multiple of 64, apart, so one array serves HEADS and ATTENTION.  Without ROTATE the tables
 *	are not read, without CACHE the positions are not.
 * @out_addr: Without CACHE @m rows of @heads * @head_dim floats, @out_stride bytes apart.  With
 *	CACHE halves [head][position][element] of @heads * @capacity * @head_dim: a row goes to its
 *	token's position, a position that is not below @capacity nowhere.  Of rows with the same
 *	position it is undefined which one each element is taken from.
 * @out_stride: Multiple of 64, at least @heads * @head_dim floats; with CACHE zero.
 * @capacity: With CACHE its positions, 1 to %BITNPU_MAX_CAPACITY; otherwise zero.
 *
 * Values are scaled as by SCALE; with ROTATE elements i and i + @head_dim / 2 of each head, a and
 * b, become a * cos[i] - b * sin[i] and a * sin[i] + b * cos[i]; with CACHE they are rounded to
 * halves.
 */
struct bitnpu_cmd_heads {
	__u8 opcode;
	__u8 flags;
	__u8 input_format;
	__u8 scales;
	__le32 m;
	__le16 heads;
	__le16 head_dim;
	__le32 in_stride;
	__le64 in_addr;
	__le64 f_addr;
	__le64 r_addr;
	__le64 t_addr;
	__le64 out_addr;
	__le32 out_stride;
	__le32 capacity;
};

/**
 * struct bitnpu_cmd_attention - what each query head sees in a cache of keys and values
 * @opcode: %BITNPU_OP_ATTENTION.
 * @flags: Must be zero.
 * @group: Query heads that share a key/value head, at least 1, up to @heads * @group * @head_dim =
 *	%BITNPU_MAX_K.
 * @m: Rows (tokens), 1 to %BITNPU_MAX_M.
 * @heads: Key/value heads, at least 1.
 * @head_dim: Elements of a head, even, 2 to %BITNPU_MAX_HEAD.
 * @capacity: Positions of the caches, 1 to %BITNPU_MAX_CAPACITY.
 * @in_addr: Queries, @m rows of @heads * @group * @head_dim floats, @in_stride bytes apart; query
 *	head j uses key/value head j / @group.
 * @k_addr: Keys, halves [head][position][element] of @heads * @capacity * @head_dim, as HEADS
 *	stores them.
 * @v_addr: Values, likewise.
 * @t_addr: @m token entries as in HEADS, of which only the positions are read: a row sees positions
 *	0 to its own, or all when that is not below @capacity.
 * @out_addr: @m rows like the queries', @out_stride bytes apart; may be @in_addr with the same
 *	stride.
 * @in_stride: Multiple of 64, at least a row.
 * @out_stride: Likewise.
 */
struct bitnpu_cmd_attention {
	__u8 opcode;
	__u8 flags;
	__le16 group;
	__le32 m;
	__le16 heads;
	__le16 head_dim;
	__le32 capacity;
	__le64 in_addr;
	__le64 k_addr;
	__le64 v_addr;
	__le64 t_addr;
	__le64 out_addr;
	__le32 in_stride;
	__le32 out_stride;
};

/**
 * enum bitnpu_activation - of a gate
 * @BITNPU_ACT_RELU2: Squared ReLU: the square of max(x, 0), 0 for a NaN.
 */
enum bitnpu_activation {
	BITNPU_ACT_RELU2	= 0,
};

/**
 * struct bitnpu_cmd_gate - out = activation(gate) * up, both from exact sums
 * @opcode: %BITNPU_OP_GATE.
 * @flags: Must be zero.
 * @gate_format: %BITNPU_IN_INT32 or %BITNPU_IN_INT64.
 * @up_format: Likewise.
 * @m: Rows, 1 to %BITNPU_MAX_M.
 * @n: Elements of a row, 1 to %BITNPU_MAX_K.
 * @in_stride: Of both inputs; multiple of 64, at least @n sums of the wider.
 * @in_addr: Sums of the gate, @m rows of @n, @in_stride bytes apart.
 * @up_addr: Sums of what it lets through, likewise.
 * @f_addr: @m of &struct bitnpu_factor, for both.
 * @r_addr: Row scales: the gate's, then from the next multiple of 64 bytes on the other's; each @n
 *	floats or one; zero without.
 * @out_addr: @m rows of @n floats, @out_stride bytes apart.
 * @out_stride: Multiple of 64, at least @n floats.
 * @activation: One of &enum bitnpu_activation.
 * @scales: One of &enum bitnpu_row_scales, for both.
 * @reserved: Must be zero.
 *
 * Values are scaled as by SCALE.
 */
struct bitnpu_cmd_gate {
	__u8 opcode;
	__u8 flags;
	__u8 gate_format;
	__u8 up_format;
	__le32 m;
	__le32 n;
	__le32 in_stride;
	__le64 in_addr;
	__le64 up_addr;
	__le64 f_addr;
	__le64 r_addr;
	__le64 out_addr;
	__le32 out_stride;
	__u8 activation;
	__u8 scales;
	__u8 reserved[2];
};

/*
 * Feature mask of an engine.  Bits 0 to 31 name formats of MATMUL, bit 32 and those above it the
 * float commands, in the order of their opcodes; others read as zero.
 */
#define BITNPU_FEATURE_W_TERNARY	(1ULL << 0)
#define BITNPU_FEATURE_W_BINARY		(1ULL << 1)
#define BITNPU_FEATURE_W_INT8		(1ULL << 2)
#define BITNPU_FEATURE_Y_INT32		(1ULL << 8)
#define BITNPU_FEATURE_Y_INT64		(1ULL << 9)
#define BITNPU_FEATURE_NORM_QUANTIZE	(1ULL << 32)
#define BITNPU_FEATURE_SCALE		(1ULL << 33)
#define BITNPU_FEATURE_HEADS		(1ULL << 34)
#define BITNPU_FEATURE_ATTENTION	(1ULL << 35)
#define BITNPU_FEATURE_GATE		(1ULL << 36)
/* All of them: what it takes to leave a whole step to the engine. */
#define BITNPU_FEATURES_FLOAT		(0x1fULL << 32)

/**
 * enum bitnpu_status - how a command list ended
 * @BITNPU_STATUS_OK: Completed.
 * @BITNPU_STATUS_LENGTH: The list is empty or not a multiple of 64 bytes.
 * @BITNPU_STATUS_OPCODE: Undefined opcode.
 * @BITNPU_STATUS_RESERVED: A reserved bit or byte is set.
 * @BITNPU_STATUS_FORMAT: Undefined value of a format or the like, or a field that does not go with
 *	it.
 * @BITNPU_STATUS_UNSUPPORTED: Defined, but absent from this engine's feature mask.
 * @BITNPU_STATUS_DIMENSION: m, n, k or another size is zero or over its limit.
 * @BITNPU_STATUS_ALIGNMENT: An address or stride is not a multiple of 64.
 * @BITNPU_STATUS_STRIDE: A stride is smaller than its row.
 * @BITNPU_STATUS_OVERFLOW: An address range passes 2^64 (it may end there).
 * @BITNPU_STATUS_UNMAPPED: An address range is not wholly inside one mapping of the context.
 * @BITNPU_STATUS_READ_ONLY: A result lies in a read-only mapping.
 * @BITNPU_STATUS_OVERLAP: A result overlaps another operand.
 * @BITNPU_STATUS_DEVICE: The device failed while executing; the list's results are undefined.
 */
enum bitnpu_status {
	BITNPU_STATUS_OK		= 0,
	BITNPU_STATUS_LENGTH		= 1,
	BITNPU_STATUS_OPCODE		= 2,
	BITNPU_STATUS_RESERVED		= 3,
	BITNPU_STATUS_FORMAT		= 4,
	BITNPU_STATUS_UNSUPPORTED	= 5,
	BITNPU_STATUS_DIMENSION		= 6,
	BITNPU_STATUS_ALIGNMENT		= 7,
	BITNPU_STATUS_STRIDE		= 8,
	BITNPU_STATUS_OVERFLOW		= 9,
	BITNPU_STATUS_UNMAPPED		= 10,
	BITNPU_STATUS_READ_ONLY		= 11,
	BITNPU_STATUS_OVERLAP		= 12,
	BITNPU_STATUS_DEVICE		= 13,
};

/**
 * struct bitnpu_fault - first error of a command list
 * @status: One of &enum bitnpu_status.
 * @index: Index of the command in the list.
 * @field: Byte offset of the offending field in the command.
 * @reserved: Zero.
 * @addr: For %BITNPU_STATUS_UNMAPPED the first address of the range that lies outside the mapping
 *	of its first byte, or its first address when that is not mapped.  Otherwise the offending
 *	value: of a byte, of a field, or the length of the list in bytes.
 */
struct bitnpu_fault {
	__u32 status;
	__u32 index;
	__u32 field;
	__u32 reserved;
	__u64 addr;
};

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_DRM_BITNPU_ISA_H_ */
