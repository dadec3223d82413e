// SPDX-License-Identifier: MIT
/*
 * What every kernel shares: the formats of uapi/drm/bitnpu_isa.h and the parameters.
 *
 * Build options: WEIGHT_FORMAT and OUTPUT_FORMAT (numbers of the command set), M_BLOCK (rows of x
 * that a group computes), GROUP (its work-items), MAX_TILES (most tiles of 16 rows of w that it
 * computes) and a variant's own.
 *
 * A group computes rows M_BLOCK * get_group_id(0) of x times tiles group_tiles * get_group_id(1) of
 * w: neighbouring groups share weights.  group_shift is 31 where there are no scales.
 *
 * Weights are stored as codes: w = code - 1 (ternary), 2 * code - 1 (binary) or code itself.
 * Kernels sum code * x and take the row sum of x off at the end.
 */
#define TILE_ROWS 16

/* LLVM called the function that takes a line, and kept the sums in memory for it. */
#define INLINE __attribute__((always_inline))

#if WEIGHT_FORMAT == 0
#define LINE_K 16
#define WEIGHT_SUM(codes, xs) ((codes) - (xs))
#elif WEIGHT_FORMAT == 1
#define LINE_K 32
#define WEIGHT_SUM(codes, xs) (2 * (codes) - (xs))
#else
#define LINE_K 4
#define WEIGHT_SUM(codes, xs) (codes)
#endif

/* Rows of y: exact sums.  Those with scales are modulo 2^64, so they are unsigned here. */
#if OUTPUT_FORMAT == 0
typedef int y_type;
#else
typedef ulong y_type;
#endif

#define PARAMETERS						\
	__global const uchar *x, ulong x_offset, ulong x_stride,	\
	__global const uchar *w, ulong w_offset,		\
	__global const uchar *s, ulong s_offset,		\
	__global uchar *y, ulong y_offset, ulong y_stride,	\
	uint m, uint n, uint k, uint group_shift, uint group_tiles

/* An IEEE half in units of 2^-24; exponent 31 is an ordinary exponent. */
INLINE ulong half_to_fixed(uint half_bits)
{
	uint exponent = (half_bits >> 10) & 31;
	ulong magnitude = half_bits & 1023;

	if (exponent)
		magnitude = (magnitude + 1024) << (exponent - 1);
	return half_bits & 0x8000 ? 0 - magnitude : magnitude;
}

/* A word of four bytes of x, @at bytes into what has @left: those from @left on are zero. */
INLINE uint keep(uint word, uint at, uint left)
{
	if (left >= at + 4)
		return word;
	return left > at ? word & ((1u << 8 * (left - at)) - 1) : 0;
}
