// SPDX-License-Identifier: MIT
/*
 * Kernels for AMX (tiles of 16 rows of 64 bytes): TDPBSUD multiplies 16 rows of 64 x by 64 columns of 16
 * rows of w in 16 cycles, where vpdpbusd takes 128.  Few rows of x and short groups are left to that.
 *
 * The tile of w wants groups of four k, a row of 16 of them for each: that is a line's plane as a byte
 * a code.  So 4 lines of ternary weights, 2 of binary ones or 16 of int8, expanded by AVX-512, are one
 * tile of 64 columns.  x is laid out by tiles too: 64 columns of 16 rows are 1 KiB, or less for the rest.
 *
 * Registers: two tiles of rows of x by even and odd tiles of columns are four chains of sums, as many as
 * 52 cycles of latency need; two of w, two of x.  Each product loads one tile and a half, 12 cycles.
 *
 * Tiles: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
 */
#if defined(__x86_64__)
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "avx512.h"
#include "x86.h"

#define TILE_ROWS 16
#define TILE_BYTES 64
#define TILE (TILE_ROWS * TILE_BYTES)
#define QUADS_PER_TILE 16
/* Fewer rows of x fill too little of a tile. */
#define LEAST_ROWS 8
/* Codes are expanded for so many bytes of the first-level cache, which is 48 KiB where there is AMX. */
#define CODE_BYTES 32768

/* Numbers of tiles.  Sums of two tiles of rows by even and odd columns; w and x. */
#define SUMS_0_EVEN 0
#define SUMS_0_ODD 1
#define SUMS_1_EVEN 2
#define SUMS_1_ODD 3
#define W_EVEN 4
#define W_ODD 5
#define X_0 6
#define X_1 7
#define TILES 8

#define INLINE static inline __attribute__((always_inline))

/**
 * struct tile_config - what LDTILECFG reads
 * @palette: 1: eight tiles of at most 16 rows of 64 bytes
 * @start_row: of an interrupted load
 * @reserved: zero
 * @row_bytes: bytes of a row of each tile
 * @rows: of each tile
 */
struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
} __attribute__((aligned(64)));

/**
 * struct pair - two tiles of rows of x
 * @x: laid out; tiles of columns are 64 * @rows bytes apart
 * @rows: of each, 0 for the second when there is none
 */
struct pair {
	const int8_t *x[2];
	uint32_t rows[2];
};

/* Not all compilers know that the instructions on tiles read memory. */
INLINE void written(void)
{
	__asm__ volatile("" ::: "memory");
}

static void lay_out(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
		    const int8_t *values, uint32_t count)
{
	const uint32_t first = row / TILE_ROWS * TILE_ROWS, left = x->rows - first;
	const uint32_t rows = left < TILE_ROWS ? left : TILE_ROWS;
	int8_t *out = (int8_t *)x->data + (size_t)first * x->columns + (size_t)column * rows +
		      (size_t)(row - first) * TILE_BYTES;

	for (; count > 0; count -= TILE_BYTES, values += TILE_BYTES, out += rows * TILE_BYTES)
		memcpy(out, values, TILE_BYTES);
}

/* The pair that begins with row @row. */
static struct pair pair_of(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column)
{
	struct pair pair;

	for (uint32_t i = 0; i < 2; i++) {
		const uint32_t first = row + i * TILE_ROWS;
		const uint32_t left = first < x->rows ? x->rows - first : 0;

		pair.rows[i] = left < TILE_ROWS ? left : TILE_ROWS;
		pair.x[i] = (const int8_t *)x->data + (size_t)first * x->columns +
			    (size_t)column * pair.rows[i];
	}
	return pair;
}

/* Tiles for a pair, all zero. */
static void configure(const struct pair *pair)
{
	struct tile_config config = { .palette = 1 };
	const uint32_t rows[TILES] = {
		[SUMS_0_EVEN] = pair->rows[0], [SUMS_0_ODD] = pair->rows[0],
		[SUMS_1_EVEN] = pair->rows[1], [SUMS_1_ODD] = pair->rows[1],
		[W_EVEN] = TILE_ROWS,	       [W_ODD] = TILE_ROWS,
		[X_0] = pair->rows[0],	       [X_1] = pair->rows[1],
	};

	for (uint32_t i = 0; i < TILES; i++) {
		config.rows[i] = rows[i];
		config.row_bytes[i] = rows[i] ? TILE_BYTES : 0;
	}
	written();
	_tile_loadconfig(&config);
}

/* Zero sums for a pair; @shape is that of the pair before, 0 if there was none. */
static void begin_pair(const struct pair *pair, uint32_t *shape)
{
	const uint32_t wanted = pair->rows[0] | pair->rows[1] << 8;

	if (*shape != wanted) {
		configure(pair);
		*shape = wanted;
		return;
	}
	_tile_zero(SUMS_0_EVEN);
	_tile_zero(SUMS_0_ODD);
	if (!pair->rows[1])
		return;
	_tile_zero(SUMS_1_EVEN);
	_tile_zero(SUMS_1_ODD);
}

/* sums += x * w */
#define MULTIPLY(is_signed, sums, x, w) \
	do { \
		if (is_signed) \
			_tile_dpbssd(sums, x, w); \
		else \
			_tile_dpbsud(sums, x, w); \
	} while (0)

/* The first tile of columns at @codes and @x times both tiles of rows, or only the first. */
#define MULTIPLY_PAIR(is_signed, two, sums_0, sums_1, w, codes, x0, x1) \
	do { \
		_tile_loadd(w, codes, TILE_BYTES); \
		_tile_loadd(X_0, x0, TILE_BYTES); \
		MULTIPLY(is_signed, sums_0, X_0, w); \
		if (two) { \
			_tile_loadd(X_1, x1, TILE_BYTES); \
			MULTIPLY(is_signed, sums_1, X_1, w); \
		} \
	} while (0)

/* Sums of @steps tiles of columns, in the four tiles of sums, which are zero. */
INLINE void multiply(const uint8_t *codes, uint32_t steps, const struct pair *pair,
		     const bool is_signed, const bool two)
{
	const size_t next_0 = pair->rows[0] * TILE_BYTES, next_1 = pair->rows[1] * TILE_BYTES;
	const int8_t *x0 = pair->x[0], *x1 = pair->x[1];

	for (; steps >= 2; steps -= 2, codes += 2 * TILE, x0 += 2 * next_0, x1 += 2 * next_1) {
		MULTIPLY_PAIR(is_signed, two, SUMS_0_EVEN, SUMS_1_EVEN, W_EVEN, codes, x0, x1);
		MULTIPLY_PAIR(is_signed, two, SUMS_0_ODD, SUMS_1_ODD, W_ODD, codes + TILE, x0 + next_0,
			      x1 + next_1);
	}
	if (steps)
		MULTIPLY_PAIR(is_signed, two, SUMS_0_EVEN, SUMS_1_EVEN, W_EVEN, codes, x0, x1);
}

static void add_rows(const int32_t (*even)[TILE_ROWS], const int32_t (*odd)[TILE_ROWS],
		     uint32_t rows, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	for (uint32_t row = 0; row < rows; row++) {
		const __m512i both = _mm512_add_epi32(_mm512_load_si512(even[row]),
						      _mm512_load_si512(odd[row]));

		_mm512_storeu_si512(sums[row],
				    _mm512_add_epi32(_mm512_loadu_si512(sums[row]), both));
	}
}

/* totals += scales * what the tiles of sums make of weights, @x_sums being of the rows */
static void scale_rows(const int32_t (*even)[TILE_ROWS], const int32_t (*odd)[TILE_ROWS],
		       uint32_t rows, const int32_t *scales, const int32_t *x_sums, const bool binary,
		       int64_t (*totals)[BITNPU_TILE_ROWS])
{
	for (uint32_t row = 0; row < rows; row++)
		bitnpu_avx512_add_scaled(totals[row], scales,
					 _mm512_add_epi32(_mm512_load_si512(even[row]),
							  _mm512_load_si512(odd[row])),
					 x_sums[row], binary);
}

/* sums += the tiles of sums */
INLINE void take_sums(const struct pair *pair, const bool two, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	int32_t even[TILE_ROWS][TILE_ROWS] __attribute__((aligned(64)));
	int32_t odd[TILE_ROWS][TILE_ROWS] __attribute__((aligned(64)));

	_tile_stored(SUMS_0_EVEN, even, TILE_BYTES);
	_tile_stored(SUMS_0_ODD, odd, TILE_BYTES);
	add_rows(even, odd, pair->rows[0], sums);
	if (!two)
		return;
	_tile_stored(SUMS_1_EVEN, even, TILE_BYTES);
	_tile_stored(SUMS_1_ODD, odd, TILE_BYTES);
	add_rows(even, odd, pair->rows[1], sums + TILE_ROWS);
}

/* totals += scales * the tiles of sums */
INLINE void take_scaled(const struct pair *pair, const bool two, const int32_t *scales,
			const int32_t *x_sums, const bool binary,
			int64_t (*totals)[BITNPU_TILE_ROWS])
{
	int32_t even[TILE_ROWS][TILE_ROWS] __attribute__((aligned(64)));
	int32_t odd[TILE_ROWS][TILE_ROWS] __attribute__((aligned(64)));

	_tile_stored(SUMS_0_EVEN, even, TILE_BYTES);
	_tile_stored(SUMS_0_ODD, odd, TILE_BYTES);
	scale_rows(even, odd, pair->rows[0], scales, x_sums, binary, totals);
	if (!two)
		return;
	_tile_stored(SUMS_1_EVEN, even, TILE_BYTES);
	_tile_stored(SUMS_1_ODD, odd, TILE_BYTES);
	scale_rows(even, odd, pair->rows[1], scales, x_sums + TILE_ROWS, binary, totals + TILE_ROWS);
}

/* sums += codes * x for all rows, one pair after the other */
INLINE void add_pairs(const uint8_t *codes, uint32_t steps, const bool is_signed,
		      const struct bitnpu_cpu_x *x, uint32_t column, uint32_t *shape,
		      int32_t (*sums)[BITNPU_TILE_ROWS])
{
	for (uint32_t row = 0; row < x->rows; row += 2 * TILE_ROWS) {
		const struct pair pair = pair_of(x, row, column);

		begin_pair(&pair, shape);
		if (pair.rows[1]) {
			multiply(codes, steps, &pair, is_signed, true);
			take_sums(&pair, true, sums + row);
		} else {
			multiply(codes, steps, &pair, is_signed, false);
			take_sums(&pair, false, sums + row);
		}
	}
}

/* One pair, the groups in @steps of codes; x_sums and totals begin with its first row. */
INLINE void scaled_pair(const uint8_t *codes, uint32_t steps, uint32_t group, struct pair *pair,
			const bool binary, const int32_t (*scales)[BITNPU_TILE_ROWS],
			const int32_t *x_sums, uint32_t rows, uint32_t *shape,
			int64_t (*totals)[BITNPU_TILE_ROWS])
{
	for (; steps > 0; scales++, x_sums += rows) {
		const uint32_t count = steps < group ? steps : group;

		begin_pair(pair, shape);
		if (pair->rows[1]) {
			multiply(codes, count, pair, false, true);
			take_scaled(pair, true, *scales, x_sums, binary, totals);
		} else {
			multiply(codes, count, pair, false, false);
			take_scaled(pair, false, *scales, x_sums, binary, totals);
		}
		for (uint32_t i = 0; i < 2; i++)
			pair->x[i] += (size_t)count * pair->rows[i] * TILE_BYTES;
		codes += (size_t)count * TILE;
		steps -= count;
	}
}

/* Codes of @count lines, and zeros to the end of a tile, where x is 0; Return: tiles. */
INLINE uint32_t expand(const uint8_t *w, uint32_t count, const uint32_t planes, uint8_t *codes)
{
	uint32_t quads = count * planes;

	bitnpu_avx512_expand(w, count, planes, codes);
	for (; quads % QUADS_PER_TILE; quads++)
		memset(codes + quads * BITNPU_LINE_BYTES, 0, BITNPU_LINE_BYTES);
	written();
	return quads / QUADS_PER_TILE;
}

INLINE void tile_sums(const uint8_t *w, uint32_t lines, const uint32_t planes,
		      const struct bitnpu_cpu_x *x, uint32_t column,
		      int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const uint32_t most = CODE_BYTES / (planes * BITNPU_LINE_BYTES);
	uint8_t codes[CODE_BYTES] __attribute__((aligned(64)));
	uint32_t shape = 0;

	bitnpu_avx512_clear(sums, x->rows);
	for (uint32_t line = 0; line < lines; line += most) {
		const uint32_t count = lines - line < most ? lines - line : most;
		const uint32_t steps =
			expand(w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);

		add_pairs(codes, steps, planes == 1, x, column + line * planes * 4, &shape, sums);
	}
	_tile_release();
}

INLINE void tile_scaled(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			const uint32_t planes, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const uint32_t most = CODE_BYTES / (planes * BITNPU_LINE_BYTES);
	uint8_t codes[CODE_BYTES] __attribute__((aligned(64)));
	uint32_t shape = 0;

	for (uint32_t line = 0; line < in->lines; line += most) {
		const uint32_t count = in->lines - line < most ? in->lines - line : most;
		const uint32_t steps =
			expand(in->w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);
		const uint32_t group = line / in->group;

		for (uint32_t row = 0; row < x->rows; row += 2 * TILE_ROWS) {
			struct pair pair = pair_of(x, row, in->column + line * planes * 4);

			scaled_pair(codes, steps, in->group * planes / QUADS_PER_TILE, &pair,
				    planes == 8, in->scales + group,
				    in->x_sums + (size_t)group * x->rows + row, x->rows, &shape,
				    totals + row);
		}
	}
	_tile_release();
}

static void scaled_ternary(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			   int64_t (*totals)[BITNPU_TILE_ROWS])
{
	tile_scaled(in, x, 4, totals);
}

static void scaled_binary(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			  int64_t (*totals)[BITNPU_TILE_ROWS])
{
	tile_scaled(in, x, 8, totals);
}

static void sums_ternary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			 uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	tile_sums(w, lines, 4, x, column, sums);
}

static void sums_binary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	tile_sums(w, lines, 8, x, column, sums);
}

static void sums_int8(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
		      uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	tile_sums(w, lines, 1, x, column, sums);
}

static void scaled_int8(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_avx512_scaled_int8(in, x, sums_int8, totals);
}

/* ---- the level ------------------------------------------------------------------------------- */

static const struct bitnpu_cpu_kernel kernels[] = {
	[BITNPU_W_TERNARY] = { "tdpbsud 32 rows", 1, lay_out, sums_ternary, scaled_ternary },
	[BITNPU_W_BINARY] = { "tdpbsud 32 rows", 1, lay_out, sums_binary, scaled_binary },
	[BITNPU_W_INT8] = { "tdpbssd 32 rows", 1, lay_out, sums_int8, scaled_int8 },
};

static const struct bitnpu_cpu_kernel *kernel(uint8_t weight_format, uint32_t rows,
					      uint32_t segment)
{
	/* A group of 32 columns is half a tile. */
	if (rows < LEAST_ROWS || (segment && segment < BITNPU_CPU_BLOCK))
		return bitnpu_cpu_avx512vnni.kernel(weight_format, rows, segment);
	return &kernels[weight_format];
}

/*
 * Linux lets the threads of a process use tiles once it has asked (Documentation/arch/x86/xstate.rst):
 * their state is large.
 */
static bool usable(void)
{
	const long request = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */

	return bitnpu_cpu_avx512vnni.usable() && bitnpu_x86_amx_int8() && bitnpu_x86_saves_tiles() &&
	       !syscall(SYS_arch_prctl, request, tile_data);
}

const struct bitnpu_cpu_level bitnpu_cpu_amx = {
	.name = "amx",
	.usable = usable,
	.kernel = kernel,
	.scales = &bitnpu_cpu_scales_avx512,
};

#endif
