// SPDX-License-Identifier: MIT
/*
 * Few rows of x, for GPUs.  A group takes tiles one after another and splits their lines among all of its
 * work-items: four neighbours read one line (64 bytes), each the words of four rows as one vector of 16
 * bytes, so that a group reads GROUP * 16 bytes in a row.  Codes of a plane are four bytes as they stand,
 * which dot4() multiplies with four x.
 *
 * x lies in local memory, CHUNK columns at a time, as do its sums by SUM_K columns: kernels sum codes * x.
 *
 * Build option SUBGROUPS: a subgroup's sums are added up through registers, the subgroups' through local
 * memory; without it all go through local memory.
 */
#define CHUNK (8192 / M_BLOCK)	/* columns; of every format whole lines */
#define CHUNK_LINES (CHUNK / LINE_K)
#define LANES 4			/* work-items that share a line */
#define SLICES (GROUP / LANES)	/* lines that a group takes at a time */
#define SUM_K 16

#if WEIGHT_FORMAT == 0
#define CODES 0x03030303u
#define CODE_BITS 2
#elif WEIGHT_FORMAT == 1
#define CODES 0x01010101u
#define CODE_BITS 1
#else
#define CODES 0xffffffffu
#define CODE_BITS 0
#endif

/* @columns of M_BLOCK rows of x, of which @left count, and their sums to local memory. */
INLINE void lay_out(__global const uchar *x, ulong x_stride, uint m_count, uint columns, uint left,
		    __local uint *xs, __local int *x_sums)
{
	const uint vectors = (columns - 1) / 16 + 1;

	for (uint at = get_local_id(0); at < M_BLOCK * vectors; at += GROUP) {
		const uint i = at / vectors, v = at - i * vectors;
		/* Past the last row the first is computed again, and not stored. */
		const uint row = i < m_count ? i : 0;
		uint4 words = *(__global const uint4 *)(x + row * x_stride + 16 * v);

		words.s0 = keep(words.s0, 16 * v, left);
		words.s1 = keep(words.s1, 16 * v + 4, left);
		words.s2 = keep(words.s2, 16 * v + 8, left);
		words.s3 = keep(words.s3, 16 * v + 12, left);
		vstore4(words, i * (CHUNK / 16) + v, xs);
		x_sums[i * (CHUNK / SUM_K) + v] =
			dot4(words.s0, 0x01010101, dot4(words.s1, 0x01010101,
			dot4(words.s2, 0x01010101, dot4(words.s3, 0x01010101, 0))));
	}
}

/* The products of one line's four rows with a row of x, added to @sum; @x begins at the line. */
INLINE int4 add_line(uint4 words, __local const uint *x, int4 sum)
{
#pragma unroll
	for (uint plane = 0; plane < LINE_K / 4; plane++) {
		const uint4 codes = (words >> (uint4)(CODE_BITS * plane)) & (uint4)(CODES);
		const uint xs = x[plane];

		sum.s0 = dot4(codes.s0, xs, sum.s0);
		sum.s1 = dot4(codes.s1, xs, sum.s1);
		sum.s2 = dot4(codes.s2, xs, sum.s2);
		sum.s3 = dot4(codes.s3, xs, sum.s3);
	}
	return sum;
}

/* The sum of a row of x over one line's columns, where codes need it. */
INLINE int line_x_sum(__local const int *x_sums, uint line)
{
#if WEIGHT_FORMAT == 0
	return x_sums[line];
#elif WEIGHT_FORMAT == 1
	return x_sums[2 * line] + x_sums[2 * line + 1];
#else
	return 0;
#endif
}

/* Four rows' sums of this work-item over the lines of a chunk. */
struct sums {
#if OUTPUT_FORMAT == 1
	ulong4 of[M_BLOCK];
#else
	int4 of[M_BLOCK];
#endif
};

INLINE void add_chunk(__global const uint4 *w, __global const ushort *scale, uint first, uint count,
		      uint group_shift, __local const uint *xs, __local const int *x_sums,
		      struct sums *sums)
{
	for (uint line = get_local_id(0) / LANES; line < count; line += SLICES) {
		const uint4 words = w[line * LANES];
#if OUTPUT_FORMAT == 1
		__global const ushort *halves = scale + ((first + line * LINE_K) >> group_shift) * TILE_ROWS;
		const ulong4 factor = (ulong4)(half_to_fixed(halves[0]), half_to_fixed(halves[1]),
					       half_to_fixed(halves[2]), half_to_fixed(halves[3]));
#endif

#pragma unroll
		for (uint i = 0; i < M_BLOCK; i++) {
			const int4 codes = add_line(words, xs + i * (CHUNK / 4) + line * (LINE_K / 4),
						    (int4)(0));
			const int x_sum = line_x_sum(x_sums + i * (CHUNK / SUM_K), line);
			const int4 dot = WEIGHT_SUM(codes, (int4)(x_sum));

#if OUTPUT_FORMAT == 1
			sums->of[i] += factor * convert_ulong4(convert_long4(dot));
#else
			sums->of[i] += dot;
#endif
		}
	}
}

#ifdef SUBGROUPS
/* Work-items that hold the same rows are LANES apart. */
INLINE y_type subgroup_sum(y_type sum, __local ulong *scratch)
{
	for (uint mask = LANES; mask < subgroup_size(); mask *= 2)
		sum += exchange(sum, mask, scratch);
	return sum;
}
#endif

/* The sums of all work-items: work-item r, r < TILE_ROWS, gets that of row r. */
INLINE y_type add_up(const y_type *sum, __local y_type *part, __local ulong *scratch)
{
	const uint item = get_local_id(0), shares = GROUP / TILE_ROWS;
	y_type total = 0;
#ifdef SUBGROUPS
	const uint parts = GROUP / subgroup_size();
	y_type all[4];

	for (uint r = 0; r < 4; r++)
		all[r] = subgroup_sum(sum[r], scratch);
	barrier(CLK_LOCAL_MEM_FENCE);
	if (subgroup_item() < LANES)
		for (uint r = 0; r < 4; r++)
			part[subgroup() * TILE_ROWS + item % LANES * 4 + r] = all[r];
#else
	const uint parts = SLICES;

	barrier(CLK_LOCAL_MEM_FENCE);
	for (uint r = 0; r < 4; r++)
		part[item / LANES * TILE_ROWS + item % LANES * 4 + r] = sum[r];
#endif
	barrier(CLK_LOCAL_MEM_FENCE);
	/* Sixteen work-items a share of the parts, then sixteen for all shares. */
	for (uint p = item / TILE_ROWS; p < parts; p += shares)
		total += part[p * TILE_ROWS + item % TILE_ROWS];
	barrier(CLK_LOCAL_MEM_FENCE);
	part[item] = total;
	barrier(CLK_LOCAL_MEM_FENCE);
	if (item < TILE_ROWS)
		for (uint s = 1; s < min(parts, shares); s++)
			total += part[s * TILE_ROWS + item];
	return total;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void matmul(PARAMETERS)
{
	__local uint xs[M_BLOCK * CHUNK / 4] __attribute__((aligned(16)));
	__local int x_sums[M_BLOCK * CHUNK / SUM_K];
	__local y_type part[SLICES * TILE_ROWS];
#if defined(SUBGROUPS) && defined(EMULATED_SUBGROUP)
	__local ulong scratch[GROUP];
#else
	__local ulong *scratch = 0;
#endif
	const uint item = get_local_id(0), lane = item % LANES;
	const uint lines = (k - 1) / LINE_K + 1, tiles = (n - 1) / TILE_ROWS + 1;
	const uint m_first = get_group_id(0) * M_BLOCK, m_count = min(m - m_first, (uint)M_BLOCK);
	const uint tile_first = get_group_id(1) * group_tiles;
	const uint tile_end = min(tile_first + group_tiles, tiles);
	const ulong groups = ((k - 1) >> group_shift) + 1;

	for (uint tile = tile_first; tile < tile_end; tile++) {
		__global const uint4 *tile_lines = (__global const uint4 *)(w + w_offset) +
						   (ulong)tile * lines * LANES + lane;
		__global const ushort *scale = (__global const ushort *)(s + s_offset) +
					       tile * groups * TILE_ROWS + 4 * lane;
		const uint column = tile * TILE_ROWS + item;
		struct sums sums;

		for (uint i = 0; i < M_BLOCK; i++)
			sums.of[i] = 0;
		for (uint line = 0; line < lines; line += CHUNK_LINES) {
			const uint count = min(lines - line, (uint)CHUNK_LINES), first = line * LINE_K;

			/* What fits at once stays for all tiles. */
			if (tile == tile_first || lines > CHUNK_LINES) {
				barrier(CLK_LOCAL_MEM_FENCE);
				lay_out(x + x_offset + m_first * x_stride + first, x_stride, m_count,
					count * LINE_K, k - first, xs, x_sums);
				barrier(CLK_LOCAL_MEM_FENCE);
			}
			add_chunk(tile_lines + (ulong)line * LANES, scale, first, count, group_shift, xs,
				  x_sums, &sums);
		}
		for (uint i = 0; i < M_BLOCK; i++) {
			__global y_type *to = (__global y_type *)(y + y_offset + (m_first + i) * y_stride);
			const y_type sum[4] = { sums.of[i].s0, sums.of[i].s1, sums.of[i].s2,
						sums.of[i].s3 };
			const y_type total = add_up(sum, part, scratch);

			if (item < TILE_ROWS && column < n && i < m_count)
				to[column] = total;
		}
	}
}
