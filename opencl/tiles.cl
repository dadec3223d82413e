// SPDX-License-Identifier: MIT
/*
 * One work-item a group and a line as two vectors of eight rows: for CPUs, whose compilers turn
 * these vectors into their own.
 *
 * A group first lays out its rows of x in local memory, for all of its tiles, by quads of four k:
 * - BYTES: the four x in one 32-bit word, for an instruction that multiplies unsigned by signed
 *   bytes and adds neighbours;
 * - otherwise two words, the x of even b and those of odd b, 16 bits each.  Codes are multiplied
 *   where they lie: with a code at bits p and up of a 16-bit lane, the rest masked, and x scaled by
 *   2^(16 - p), the upper half of the product is code * x exactly.  p >= 8 keeps the scaled x
 *   within 16 bits, so even bytes are shifted up once a line.  No lane is ever widened, which is
 *   what compilers do badly.
 *
 * Both need the weights' bits for nothing but a mask or a shift (docs/performance.md compares).
 */
#define CHUNK (8192 / M_BLOCK)	/* columns of x laid out at once: 16 KiB at most */
#define CHUNK_LINES (CHUNK / LINE_K)
#define BLOCK_K 16		/* x is laid out by so many columns */
#define MIN_SEGMENT 32		/* the shortest group of scales */
#define AHEAD_LINES 48		/* how far ahead weights are asked for */

#if !defined(PLAIN) && defined(__AVX2__) && defined(__has_builtin)
#if __has_builtin(__builtin_ia32_pmaddubsw256) && __has_builtin(__builtin_ia32_pmaddwd256)
#define X86_VECTORS
#endif
#endif

#if !defined(PLAIN) && defined(__has_builtin)
#if __has_builtin(__builtin_prefetch)
#define PREFETCH
#endif
#endif

#if defined(X86_VECTORS) && WEIGHT_FORMAT != 2
#define BYTES
#define QUAD_WORDS 1
#else
#define QUAD_WORDS 2
#endif
#define BLOCK_WORDS (BLOCK_K / 4 * QUAD_WORDS)
#define CHUNK_WORDS (CHUNK / 4 * QUAD_WORDS)

/* Sums of code * x (128 * the largest code) stay within 16 bits for so many lines. */
#if WEIGHT_FORMAT == 0
#define PLANES 4
#define CODE 3u
#define NARROW_LINES 10
#elif WEIGHT_FORMAT == 1
#define PLANES 8
#define CODE 1u
#define NARROW_LINES 15
#endif
#define CODE_BITS (8 / PLANES)

#ifdef X86_VECTORS
typedef char bytes __attribute__((__vector_size__(32)));
typedef short shorts __attribute__((__vector_size__(32)));

INLINE int8 multiply_shorts(uint8 a, uint8 b)
{
	return __builtin_astype(__builtin_ia32_pmaddwd256(__builtin_astype(a, shorts),
							  __builtin_astype(b, shorts)), int8);
}

INLINE short16 multiply_bytes(uint8 codes, uint8 xs)
{
	return __builtin_astype(__builtin_ia32_pmaddubsw256(__builtin_astype(codes, bytes),
							    __builtin_astype(xs, bytes)), short16);
}

INLINE int8 add_halves(short16 a)
{
	return multiply_shorts(as_uint8(a), (uint8)0x00010001);
}
#else
INLINE int8 add_halves(short16 a)
{
	return (as_int8(a) >> 16) + ((as_int8(a) << 16) >> 16);
}

/* Of 16-bit factors, for each 32-bit lane the sum of both products; no product passes 16 bits. */
INLINE int8 multiply_shorts(uint8 a, uint8 b)
{
	return add_halves(as_short16(a) * as_short16(b));
}
#endif

INLINE short16 multiply_low(ushort16 a, uint8 b)
{
	return as_short16(a) * as_short16(b);
}

INLINE short16 multiply_high(ushort16 a, uint8 b)
{
	return convert_short16((convert_int16(as_short16(a)) * convert_int16(as_short16(b))) >> 16);
}

INLINE int sum_of(int16 a)
{
	const int8 b = a.lo + a.hi;
	const int4 c = b.lo + b.hi;

	return c.x + c.y + c.z + c.w;
}

/* Block @b of a row, columns from @column on; zeros from column @k on. */
INLINE short16 load_block(__global const char16 *x, uint b, uint column, uint k)
{
	const short16 iota = (short16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	const short16 block = convert_short16(x[b]);

	if (column + BLOCK_K <= k)
		return block;
	return iota < (short16)(short)(k > column ? k - column : 0) ? block : (short16)0;
}

INLINE void store_block(short16 block, uint b, __local uint *xs)
{
#ifdef BYTES
	vstore16(convert_char16(block), b, (__local char *)xs);
#else
#if WEIGHT_FORMAT == 0
	const short8 scale = (short8)(256, 256, 64, 64, 16, 16, 1, 1);
#elif WEIGHT_FORMAT == 1
	const short8 scale = b % 2 ? (short8)(16, 16, 8, 8, 4, 4, 1, 1) :
				     (short8)(256, 256, 128, 128, 64, 64, 32, 32);
#else
	const short8 scale = (short8)1;
#endif

	vstore8(block.even * scale, 2 * b, (__local short *)xs);
	vstore8(block.odd * scale, 2 * b + 1, (__local short *)xs);
#endif
}

/* Lay out @blocks of one row of x from column @first on, and sum it up by segments. */
INLINE void lay_out(__global const char16 *x, uint first, uint k, uint blocks, uint segment,
		    __local uint *xs, __local int *x_sums)
{
	for (uint begin = 0; begin < blocks; begin += segment / BLOCK_K) {
		const uint end = min(begin + segment / BLOCK_K, blocks);
		int16 sum = 0;

		for (uint b = begin; b < end; b++) {
			const short16 block = load_block(x, b, first + b * BLOCK_K, k);

			sum += convert_int16(block);
			store_block(block, b, xs);
		}
		*x_sums++ = sum_of(sum);
	}
}

/* A processor's own prefetcher stops at the end of a page.  Its addresses are of one space. */
INLINE void ask_for(__global const uint8 *line)
{
#ifdef PREFETCH
	__builtin_prefetch((const void *)(ulong)(line + 2 * AHEAD_LINES));
#endif
}

/*
 * add_line(): to sum[2 * i] and sum[2 * i + 1] add the products of rows 0 to 7 and 8 to 15 of one
 * line (@w, two vectors) with the i-th row of x, laid out at @xs for the line.
 */
#if WEIGHT_FORMAT == 2
INLINE void add_line(__global const uint8 *w, __local const uint *xs, int8 *sum)
{
#pragma unroll
	for (uint h = 0; h < 2; h++) {
		const uint8 even = as_uint8(as_short16(w[h] << 8) >> (short16)8);
		const uint8 odd = as_uint8(as_short16(w[h]) >> (short16)8);

#pragma unroll
		for (uint i = 0; i < M_BLOCK; i++) {
			__local const uint *xw = xs + i * CHUNK_WORDS;

			sum[2 * i + h] += multiply_shorts(even, (uint8)(xw[0])) +
					  multiply_shorts(odd, (uint8)(xw[4]));
		}
	}
}
#elif defined(BYTES)
INLINE void add_line(__global const uint8 *w, __local const uint *xs, short16 *sum)
{
	const uint8 w0 = w[0], w1 = w[1];

#pragma unroll
	for (uint s = 0; s < PLANES; s++) {
		const uint8 codes0 = (w0 >> (uint8)(CODE_BITS * s)) & (uint8)(CODE * 0x01010101);
		const uint8 codes1 = (w1 >> (uint8)(CODE_BITS * s)) & (uint8)(CODE * 0x01010101);

#pragma unroll
		for (uint i = 0; i < M_BLOCK; i++) {
			const uint8 xw = (uint8)(xs[i * CHUNK_WORDS + s]);

			sum[2 * i] += multiply_bytes(codes0, xw);
			sum[2 * i + 1] += multiply_bytes(codes1, xw);
		}
	}
}
#else
INLINE void add_line(__global const uint8 *w, __local const uint *xs, short16 *sum)
{
	const ushort16 odd0 = as_ushort16(w[0]), odd1 = as_ushort16(w[1]);
	const ushort16 even0 = odd0 << (ushort16)8, even1 = odd1 << (ushort16)8;
	const ushort16 top = (ushort16)(16 - CODE_BITS);

#pragma unroll
	for (uint s = 0; s < PLANES; s++) {
		const ushort16 mask = (ushort16)(ushort)(CODE << (8 + CODE_BITS * s));

#pragma unroll
		for (uint i = 0; i < M_BLOCK; i++) {
			__local const uint *xw = xs + i * CHUNK_WORDS + s / 4 * BLOCK_WORDS + s % 4;
			const uint8 x_even = (uint8)(xw[0]), x_odd = (uint8)(xw[4]);

			/* The topmost code has the sign bit: its shift needs no mask instead. */
			if (s == PLANES - 1) {
				sum[2 * i] += multiply_low(even0 >> top, x_even) +
					      multiply_low(odd0 >> top, x_odd);
				sum[2 * i + 1] += multiply_low(even1 >> top, x_even) +
						  multiply_low(odd1 >> top, x_odd);
			} else {
				sum[2 * i] += multiply_high(even0 & mask, x_even) +
					      multiply_high(odd0 & mask, x_odd);
				sum[2 * i + 1] += multiply_high(even1 & mask, x_even) +
						  multiply_high(odd1 & mask, x_odd);
			}
		}
	}
}
#endif

/* Lines @line to @end of a tile times M_BLOCK rows of x, sums of codes * x as in add_line(). */
INLINE void add_lines(__global const uint8 *w, __local const uint *xs, uint line, uint end,
		      int8 *total)
{
#if WEIGHT_FORMAT == 2
	for (; line < end; line++) {
		ask_for(w + 2 * line);
		add_line(w + 2 * line, xs + line / 4 * BLOCK_WORDS + line % 4, total);
	}
#else
	while (line < end) {
		const uint stop = min(line + NARROW_LINES, end);
		short16 sum[2 * M_BLOCK];

		for (uint i = 0; i < 2 * M_BLOCK; i++)
			sum[i] = 0;
		for (; line < stop; line++) {
			ask_for(w + 2 * line);
			add_line(w + 2 * line, xs + line * (LINE_K / BLOCK_K) * BLOCK_WORDS, sum);
		}
		for (uint i = 0; i < 2 * M_BLOCK; i++)
			total[i] += add_halves(sum[i]);
	}
#endif
}

/* One segment's sums of codes * x into those of the tile. */
INLINE void add_segment(const int8 *total, __local const int *x_sums,
			__global const ushort *scale, __local y_type *sums)
{
	for (uint i = 0; i < M_BLOCK; i++) {
		const int x_sum = x_sums[i * (CHUNK / MIN_SEGMENT)];
		int dot[TILE_ROWS];

		vstore8(WEIGHT_SUM(total[2 * i], x_sum), 0, dot);
		vstore8(WEIGHT_SUM(total[2 * i + 1], x_sum), 1, dot);
		for (uint r = 0; r < TILE_ROWS; r++)
#if OUTPUT_FORMAT == 1
			sums[i * TILE_ROWS + r] += half_to_fixed(scale[r]) * (ulong)(long)dot[r];
#else
			sums[i * TILE_ROWS + r] += dot[r];
#endif
	}
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void matmul(PARAMETERS)
{
	__local uint xs[M_BLOCK * CHUNK_WORDS];
	__local int x_sums[M_BLOCK * (CHUNK / MIN_SEGMENT)];
	__local y_type sums[MAX_TILES][M_BLOCK * TILE_ROWS];
	const uint lines = (k - 1) / LINE_K + 1, tiles = (n - 1) / TILE_ROWS + 1;
	const uint m_first = get_group_id(0) * M_BLOCK, m_count = min(m - m_first, (uint)M_BLOCK);
	const uint tile_first = get_group_id(1) * group_tiles;
	const uint tile_count = min(group_tiles, tiles - tile_first);
	/* Groups along k that share a scale; a longer one is summed up in parts. */
	const uint segment = min(1u << group_shift, (uint)CHUNK);
	const ulong groups = ((k - 1) >> group_shift) + 1;

	for (uint t = 0; t < tile_count; t++)
		for (uint i = 0; i < M_BLOCK * TILE_ROWS; i++)
			sums[t][i] = 0;

	for (uint line = 0; line < lines; line += CHUNK_LINES) {
		const uint count = min(lines - line, (uint)CHUNK_LINES), first = line * LINE_K;

		/* Past the last row the first is computed again, and not stored. */
		for (uint i = 0; i < M_BLOCK; i++)
			lay_out((__global const char16 *)(x + x_offset + first +
							  (m_first + (i < m_count ? i : 0)) * x_stride),
				first, k, (count * LINE_K - 1) / BLOCK_K + 1, segment,
				xs + i * CHUNK_WORDS, x_sums + i * (CHUNK / MIN_SEGMENT));

		for (uint t = 0; t < tile_count; t++) {
			const ulong tile = tile_first + t;
			__global const uint8 *lines_of_tile = (__global const uint8 *)(w + w_offset) +
							      2 * (tile * lines + line);
			__global const ushort *scale = (__global const ushort *)(s + s_offset) +
						       tile * groups * TILE_ROWS;

			for (uint at = 0; at < count; at += segment / LINE_K) {
				const uint column = at * LINE_K;
				int8 total[2 * M_BLOCK];

				for (uint i = 0; i < 2 * M_BLOCK; i++)
					total[i] = 0;
				add_lines(lines_of_tile, xs, at, min(at + segment / LINE_K, count), total);
				add_segment(total, x_sums + column / segment,
					    scale + ((first + column) >> group_shift) * TILE_ROWS, sums[t]);
			}
		}
	}

	for (uint t = 0; t < tile_count; t++) {
		const uint column = (tile_first + t) * TILE_ROWS;

		for (uint i = 0; i < m_count; i++)
			for (uint r = 0; r < min(n - column, (uint)TILE_ROWS); r++)
				((__global y_type *)(y + y_offset + (m_first + i) * y_stride))[column + r] =
					sums[t][i * TILE_ROWS + r];
	}
}
