// SPDX-License-Identifier: MIT
/*
 * Many rows of x, for GPUs.  A group computes M_BLOCK rows of x times MAX_TILES tiles, some columns (a
 * stage) at a time: weights are expanded once to signed bytes in local memory, x is laid out beside them,
 * and each work-item keeps the sums of four rows of w times M_EACH rows of x in registers.  While a stage
 * is multiplied the next is loaded into the other half of local memory.
 *
 * Local memory holds quads (four columns a word): of the weights by rows, of x by rows of x.
 */
#define ROW_LANES (4 * MAX_TILES)	/* work-items along the rows of w */
#define M_LANES (GROUP / ROW_LANES)	/* along the rows of x; variant.c sees that they divide */
#define M_EACH (M_BLOCK / M_LANES)

#if WEIGHT_FORMAT == 2
#define STAGE_LINES 16
#else
#define STAGE_LINES 4
#endif
#define STAGE_K (STAGE_LINES * LINE_K)	/* 64, 128 or 64 columns */
#define QUADS (STAGE_K / 4)
#define PLANES (LINE_K / 4)

#if OUTPUT_FORMAT == 1
typedef ulong4 y_type4;
#else
typedef int4 y_type4;
#endif

/* Four codes of plane @plane as signed bytes, the weights themselves; no byte carries into the next. */
INLINE uint4 expand(uint4 words, uint plane)
{
#if WEIGHT_FORMAT == 0
	const uint4 codes = (words >> (uint4)(2 * plane)) & (uint4)(0x03030303);

	return (codes + (uint4)(0x7f7f7f7f)) ^ (uint4)(0x80808080);
#elif WEIGHT_FORMAT == 1
	const uint4 codes = (words >> (uint4)(plane)) & (uint4)(0x01010101);

	return (codes + codes + (uint4)(0x7f7f7f7f)) ^ (uint4)(0x80808080);
#else
	return words;
#endif
}

/* A stage's lines, @line the first of them, to local memory.  Past the end of a tile weights are zero. */
INLINE void load_weights(__global const uint4 *w, uint tile_first, uint tiles, uint line, uint lines,
			 __local uint4 *ws)
{
	for (uint at = get_local_id(0); at < MAX_TILES * STAGE_LINES * 4; at += GROUP) {
		const uint lane = at % 4, l = at / 4 % STAGE_LINES, t = at / 4 / STAGE_LINES;
		/* Past the last tile it is computed again, and not stored. */
		const ulong tile = min(tile_first + t, tiles - 1);
		const bool inside = line + l < lines;
		const uint4 words = inside ? w[(tile * lines + line + l) * 4 + lane] : (uint4)(0);

#pragma unroll
		for (uint plane = 0; plane < PLANES; plane++)
			ws[(l * PLANES + plane) * ROW_LANES + 4 * t + lane] =
				inside ? expand(words, plane) : (uint4)(0);
	}
}

/* A stage of x, whose rows have @left more columns; past the last row and column it is zero. */
INLINE void load_x(__global const uchar *x, ulong x_stride, uint m_count, uint left, __local uint *xs)
{
	for (uint at = get_local_id(0); at < M_BLOCK * (QUADS / 4); at += GROUP) {
		const uint v = at % (QUADS / 4), i = at / (QUADS / 4);
		uint4 words = 0;

		if (i < m_count && 16 * v < left)
			words = *(__global const uint4 *)(x + i * x_stride + 16 * v);
		xs[(4 * v + 0) * M_BLOCK + i] = keep(words.s0, 16 * v, left);
		xs[(4 * v + 1) * M_BLOCK + i] = keep(words.s1, 16 * v + 4, left);
		xs[(4 * v + 2) * M_BLOCK + i] = keep(words.s2, 16 * v + 8, left);
		xs[(4 * v + 3) * M_BLOCK + i] = keep(words.s3, 16 * v + 12, left);
	}
}

/* Quads @quad to @end of a stage, added to this work-item's sums. */
INLINE void multiply(__local const uint4 *ws, __local const uint *xs, uint quad, uint end, int4 *dot)
{
	for (; quad < end; quad++) {
		const uint4 w = ws[quad * ROW_LANES];

#pragma unroll
		for (uint i = 0; i < M_EACH; i++) {
			const uint x = xs[quad * M_BLOCK + i];

			dot[i].s0 = dot4(w.s0, x, dot[i].s0);
			dot[i].s1 = dot4(w.s1, x, dot[i].s1);
			dot[i].s2 = dot4(w.s2, x, dot[i].s2);
			dot[i].s3 = dot4(w.s3, x, dot[i].s3);
		}
	}
}

#if OUTPUT_FORMAT == 1
/* What was summed up in a group of scales, times them, to the sums; @dot begins anew. */
INLINE void fold(int4 *dot, __global const ushort *scale, ulong4 *sum)
{
	const ulong4 factor = (ulong4)(half_to_fixed(scale[0]), half_to_fixed(scale[1]),
				       half_to_fixed(scale[2]), half_to_fixed(scale[3]));

	for (uint i = 0; i < M_EACH; i++) {
		sum[i] += factor * convert_ulong4(convert_long4(dot[i]));
		dot[i] = 0;
	}
}
#endif

/* A stage from column @first on: groups of scales end within it, with it or later. */
INLINE void add_stage(__local const uint4 *ws, __local const uint *xs, uint first, uint k,
		      uint group_shift, __global const ushort *scale, int4 *dot, y_type4 *sum)
{
#if OUTPUT_FORMAT == 1
	const uint group = 1u << group_shift, step = min(group, (uint)STAGE_K);

	for (uint at = 0; at < STAGE_K && first + at < k; at += step) {
		const uint end = first + at + step;

		multiply(ws, xs, at / 4, (at + step) / 4, dot);
		if (!(end & (group - 1)) || end >= k)
			fold(dot, scale + ((first + at) >> group_shift) * TILE_ROWS, sum);
	}
#else
	multiply(ws, xs, 0, QUADS, sum);
#endif
}

/* Row @m of y, four elements from @column on. */
INLINE void store_row(__global y_type *y, y_type4 sum, uint column, uint n)
{
	if (column + 0 < n)
		y[column + 0] = sum.s0;
	if (column + 1 < n)
		y[column + 1] = sum.s1;
	if (column + 2 < n)
		y[column + 2] = sum.s2;
	if (column + 3 < n)
		y[column + 3] = sum.s3;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void matmul(PARAMETERS)
{
	__local uint4 ws[2][QUADS * ROW_LANES];
	__local uint xs[2][QUADS * M_BLOCK];
	const uint row_lane = get_local_id(0) % ROW_LANES, m_lane = get_local_id(0) / ROW_LANES;
	const uint lines = (k - 1) / LINE_K + 1, tiles = (n - 1) / TILE_ROWS + 1;
	const uint m_first = get_group_id(0) * M_BLOCK, m_count = min(m - m_first, (uint)M_BLOCK);
	const uint tile_first = get_group_id(1) * MAX_TILES;
	const uint column = tile_first * TILE_ROWS + 4 * row_lane;
	const ulong groups = ((k - 1) >> group_shift) + 1;
	const ulong scale_tile = min(tile_first + row_lane / 4, tiles - 1);
	__global const uint4 *lines_of_w = (__global const uint4 *)(w + w_offset);
	__global const ushort *scale = (__global const ushort *)(s + s_offset) +
				       scale_tile * groups * TILE_ROWS + 4 * (row_lane % 4);
	int4 dot[M_EACH];
	y_type4 sum[M_EACH];
	uint half_of = 0;

	x += x_offset + m_first * x_stride;
	for (uint i = 0; i < M_EACH; i++) {
		dot[i] = 0;
		sum[i] = 0;
	}
	load_weights(lines_of_w, tile_first, tiles, 0, lines, ws[0]);
	load_x(x, x_stride, m_count, k, xs[0]);
	for (uint first = 0; first < k; first += STAGE_K, half_of ^= 1) {
		const uint next = first + STAGE_K;

		barrier(CLK_LOCAL_MEM_FENCE);
		if (next < k) {
			load_weights(lines_of_w, tile_first, tiles, next / LINE_K, lines, ws[half_of ^ 1]);
			load_x(x + next, x_stride, m_count, k - next, xs[half_of ^ 1]);
		}
		add_stage(ws[half_of] + row_lane, xs[half_of] + m_lane * M_EACH, first, k, group_shift,
			  scale, dot, sum);
	}
	for (uint i = 0; i < M_EACH; i++) {
		const uint row = m_lane * M_EACH + i;

		if (row < m_count)
			store_row((__global y_type *)(y + y_offset + (m_first + row) * y_stride), sum[i],
				  column, n);
	}
}
