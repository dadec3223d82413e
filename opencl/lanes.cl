// SPDX-License-Identifier: MIT
/*
 * One work-item a row: 16 neighbours read one line (64 bytes) at once.  A group computes one tile;
 * its GROUP / 16 slices take lines in turn and add up their sums in local memory.
 *
 * Only scalars, so that it suits GPUs (whose lanes are the vector) and simulators.
 */
#define SLICES (GROUP / TILE_ROWS)

INLINE int byte_of(uint word, uint b)
{
	return (int)(word << (24 - 8 * b)) >> 24;
}

/* Sum of four codes (bytes, non-negative) times four x. */
INLINE int dot4(uint codes, uint xs)
{
	return (int)(codes & 255) * byte_of(xs, 0) + (int)((codes >> 8) & 255) * byte_of(xs, 1) +
	       (int)((codes >> 16) & 255) * byte_of(xs, 2) + (int)(codes >> 24) * byte_of(xs, 3);
}

/* Sum of w * x over one line of a row; @left values of x count. */
INLINE int line_sum(uint word, __global const uint *x, uint left)
{
#if WEIGHT_FORMAT == 2
	uint xs = keep(x[0], 0, left);

	return byte_of(word, 0) * byte_of(xs, 0) + byte_of(word, 1) * byte_of(xs, 1) +
	       byte_of(word, 2) * byte_of(xs, 2) + byte_of(word, 3) * byte_of(xs, 3);
#else
	int codes = 0, sum = 0;

	for (uint j = 0; j < LINE_K / 4; j++) {
		uint xs = keep(x[j], 4 * j, left);

#if WEIGHT_FORMAT == 0
		codes += dot4((word >> (2 * j)) & 0x03030303, xs);
#else
		codes += dot4((word >> j) & 0x01010101, xs);
#endif
		sum += dot4(0x01010101, xs);
	}
	return WEIGHT_SUM(codes, sum);
#endif
}

/* Sums of w * x over the lines that this work-item takes, times their scales. */
INLINE void add_lines(__global const uint *line, __global const ushort *scale, uint slice,
		      uint lines, uint k, uint group_shift, __global const uchar *x,
		      ulong x_stride, uint m_count, y_type *sum)
{
	for (uint l = slice; l < lines; l += SLICES) {
		const uint word = line[(ulong)l * TILE_ROWS], first = l * LINE_K;
#if OUTPUT_FORMAT == 1
		const ulong factor = half_to_fixed(scale[(first >> group_shift) * TILE_ROWS]);
#endif

		for (uint i = 0; i < M_BLOCK; i++) {
			/* Past the last row the first is computed again, and not stored. */
			const uint row = i < m_count ? i : 0;
			const int dot = line_sum(word, (__global const uint *)(x + row * x_stride + first),
						 k - first);

#if OUTPUT_FORMAT == 1
			sum[i] += factor * (ulong)(long)dot;
#else
			sum[i] += dot;
#endif
		}
	}
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void matmul(PARAMETERS)
{
	__local y_type part[M_BLOCK][GROUP];
	const uint item = get_local_id(0), row = item % TILE_ROWS, slice = item / TILE_ROWS;
	const uint m_first = get_group_id(0) * M_BLOCK, m_count = min(m - m_first, (uint)M_BLOCK);
	const uint tile = get_group_id(1), column = tile * TILE_ROWS + row;
	const uint lines = (k - 1) / LINE_K + 1;
	const ulong groups = ((k - 1) >> group_shift) + 1;
	y_type sum[M_BLOCK];

	for (uint i = 0; i < M_BLOCK; i++)
		sum[i] = 0;
	add_lines((__global const uint *)(w + w_offset) + (ulong)tile * lines * TILE_ROWS + row,
		  (__global const ushort *)(s + s_offset) + tile * groups * TILE_ROWS + row,
		  slice, lines, k, group_shift, x + x_offset + m_first * x_stride, x_stride, m_count,
		  sum);
	for (uint i = 0; i < M_BLOCK; i++)
		part[i][item] = sum[i];
	barrier(CLK_LOCAL_MEM_FENCE);

	if (slice || column >= n)
		return;
	for (uint i = 0; i < m_count; i++) {
		__global y_type *to = (__global y_type *)(y + y_offset + (m_first + i) * y_stride);
		y_type total = 0;

		for (uint t = 0; t < SLICES; t++)
			total += part[i][t * TILE_ROWS + row];
		to[column] = total;
	}
}
