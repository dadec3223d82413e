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
#define BITNPU_ISA_VERSION_MINOR	0

/** BITNPU_CMD_SIZE - bytes of one command; a list's length is a multiple of it. */
#define BITNPU_CMD_SIZE			64

/** BITNPU_ADDR_ALIGN - every address and every row stride in a command is a multiple of it. */
#define BITNPU_ADDR_ALIGN		64

/* Limits of one MATMUL.  K is bounded so that the exact sums fit (docs/numerics.md). */
#define BITNPU_MAX_M			65536
#define BITNPU_MAX_N			(1 << 24)
#define BITNPU_MAX_K			65536

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
 *
 * All other values are undefined in version 1 and are refused with %BITNPU_STATUS_OPCODE.
 */
enum bitnpu_opcode {
	BITNPU_OP_NOP		= 0x00,
	BITNPU_OP_BARRIER	= 0x01,
	BITNPU_OP_MATMUL	= 0x02,
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
 * Feature mask of an engine.  Bits 0 to 31 name what version 1 defines; bits 32 to 63 are reserved
 * for what fuses next (requantize, squared-ReLU and SiLU gate, RMS norm, rotary, attention) and
 * read as zero.
 */
#define BITNPU_FEATURE_W_TERNARY	(1ULL << 0)
#define BITNPU_FEATURE_W_BINARY		(1ULL << 1)
#define BITNPU_FEATURE_W_INT8		(1ULL << 2)
#define BITNPU_FEATURE_Y_INT32		(1ULL << 8)
#define BITNPU_FEATURE_Y_INT64		(1ULL << 9)

/**
 * enum bitnpu_status - how a command list ended
 * @BITNPU_STATUS_OK: Completed.
 * @BITNPU_STATUS_LENGTH: The list is empty or not a multiple of 64 bytes.
 * @BITNPU_STATUS_OPCODE: Undefined opcode.
 * @BITNPU_STATUS_RESERVED: A reserved bit or byte is set.
 * @BITNPU_STATUS_FORMAT: Undefined weight or output format, or group_shift or s_addr does not go
 *	with it.
 * @BITNPU_STATUS_UNSUPPORTED: Defined, but absent from this engine's feature mask.
 * @BITNPU_STATUS_DIMENSION: m, n or k is zero or over its limit.
 * @BITNPU_STATUS_ALIGNMENT: An address or stride is not a multiple of 64.
 * @BITNPU_STATUS_STRIDE: A stride is smaller than its row.
 * @BITNPU_STATUS_OVERFLOW: An address range passes 2^64 (it may end there).
 * @BITNPU_STATUS_UNMAPPED: An address range is not wholly inside one mapping of the context.
 * @BITNPU_STATUS_READ_ONLY: y lies in a read-only mapping.
 * @BITNPU_STATUS_OVERLAP: y overlaps x, w or s.
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
