/* SPDX-License-Identifier: MIT */
/*
 * The cpu engine: the command set on the host's processors.
 *
 * A level is one instruction set's kernels.  All levels share the rest: a command's tiles are passes of
 * the pool's loop, a kernel computes the sums of codes * x of one tile of 16 rows, and matmul.c makes
 * weights of codes (w = code - 1, 2 * code - 1 or code), applies scales and stores.  A level lays x out
 * as its kernels like to read it, once for all tiles.
 */
#ifndef BITNPU_CPU_H
#define BITNPU_CPU_H

#include "libbitnpu/engine.h"
#include "libbitnpu/pool.h"

/* Rows of x that are computed at once: their sums of a tile are 16 KiB, or 32 with scales. */
#define BITNPU_CPU_ROWS 256
/* Columns are laid out by so many. */
#define BITNPU_CPU_BLOCK 64

/**
 * struct bitnpu_cpu_x - rows of x, laid out
 * @data: the level's own layout, aligned to 64 bytes; zeros past the last column
 * @rows: 1 to %BITNPU_CPU_ROWS
 * @columns: K rounded up to 64
 */
struct bitnpu_cpu_x {
	void *data;
	uint32_t rows, columns;
};

/**
 * typedef bitnpu_cpu_lay_out_fn - enter a part of a row into a layout
 * @x: where to
 * @row: its number
 * @column: first column, a multiple of 64
 * @values: of the columns from there on, aligned to 64 bytes
 * @count: how many, a multiple of 64
 */
typedef void bitnpu_cpu_lay_out_fn(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
				   const int8_t *values, uint32_t count);

/**
 * typedef bitnpu_cpu_sums_fn - sums of codes * x of one tile
 * @w: the first line of the columns; 64-byte aligned
 * @lines: how many
 * @x: laid out by the same kernel
 * @column: of the first line, a multiple of the segment that the kernel was chosen for, or 0
 * @sums: one row of 16 a row of x, overwritten; |sum| < 2^31 whatever the operands
 *
 * Codes are 0 to 3 (ternary), 0 and 1 (binary), -128 to 127 (int8).
 */
typedef void bitnpu_cpu_sums_fn(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
				uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS]);

/* Groups of so many columns and fewer are scaled by kernels; their scales are made ready by so many. */
#define BITNPU_CPU_SCALED_COLUMNS 1024
#define BITNPU_CPU_SCALED_GROUPS 256

/**
 * struct bitnpu_cpu_scaled - lines in groups, each of which has scales
 * @w: the first line; 64-byte aligned
 * @lines: how many
 * @group: lines in a group; the last may be shorter
 * @column: of the first line, the beginning of a group
 * @scales: times 2^24, by group
 * @x_sums: sums of x, by group and row
 */
struct bitnpu_cpu_scaled {
	const uint8_t *w;
	uint32_t lines, group, column;
	const int32_t (*scales)[BITNPU_TILE_ROWS];
	const int32_t *x_sums;
};

/**
 * typedef bitnpu_cpu_scaled_fn - sums of scales * weights * x of one tile
 * @in: lines and scales
 * @x: laid out by the same kernel
 * @totals: one row of 16 a row of x, in the level's order; added to, modulo 2^64
 */
typedef void bitnpu_cpu_scaled_fn(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
				  int64_t (*totals)[BITNPU_TILE_ROWS]);

/**
 * struct bitnpu_cpu_kernel - sums of one weight format and the layout of x that they read
 * @name: for people
 * @x_bytes: bytes of a value in the layout
 * @lay_out: writes it; kernels of a level that have the same one read the same x
 * @sums: reads it
 * @scaled: likewise; NULL where scales are left to portable C
 */
struct bitnpu_cpu_kernel {
	const char *name;
	uint32_t x_bytes;
	bitnpu_cpu_lay_out_fn *lay_out;
	bitnpu_cpu_sums_fn *sums;
	bitnpu_cpu_scaled_fn *scaled;
};

/* Halves that are no larger without their sign are less than 128, so times 2^24 they fit 32 bits. */
#define BITNPU_CPU_NARROW_HALF 0x57ff

/**
 * struct bitnpu_cpu_scales - how a level's kernels like to have scales and totals
 * @convert: to 16 integers from 16 halves for each of so many groups, none larger than
 *	%BITNPU_CPU_NARROW_HALF
 * @order: where in a row of totals each row of the tile is
 */
struct bitnpu_cpu_scales {
	void (*convert)(const uint8_t *halves, uint32_t groups, int32_t (*scales)[BITNPU_TILE_ROWS]);
	uint8_t order[BITNPU_TILE_ROWS];
};

extern const struct bitnpu_cpu_scales bitnpu_cpu_scales_avx2;
extern const struct bitnpu_cpu_scales bitnpu_cpu_scales_avx512;
extern const struct bitnpu_cpu_scales bitnpu_cpu_scales_neon;

/**
 * struct bitnpu_cpu_level - one instruction set's kernels
 * @name: such as "avx2"
 * @usable: whether this processor and the system it runs have what they need
 * @kernel: the best for @rows rows of x whose columns are asked for by @segment, a power of two that
 *	is 32 or more, or 0 for all at once
 * @scales: what kernels with scales work on; NULL when there are none
 */
struct bitnpu_cpu_level {
	const char *name;
	bool (*usable)(void);
	const struct bitnpu_cpu_kernel *(*kernel)(uint8_t weight_format, uint32_t rows,
						  uint32_t segment);
	const struct bitnpu_cpu_scales *scales;
};

extern const struct bitnpu_cpu_level bitnpu_cpu_scalar;
extern const struct bitnpu_cpu_level bitnpu_cpu_avx2;
extern const struct bitnpu_cpu_level bitnpu_cpu_avxvnni;
extern const struct bitnpu_cpu_level bitnpu_cpu_avx512vnni;
extern const struct bitnpu_cpu_level bitnpu_cpu_amx;
extern const struct bitnpu_cpu_level bitnpu_cpu_neon;
extern const struct bitnpu_cpu_level bitnpu_cpu_dotprod;
extern const struct bitnpu_cpu_level bitnpu_cpu_i8mm;

/** bitnpu_cpu_levels - those compiled in, best first, ended by NULL (level.c) */
extern const struct bitnpu_cpu_level *const bitnpu_cpu_levels[];

/**
 * bitnpu_cpu_level_choose() - the best usable level, or the one that BITNPU_CPU_LEVEL names
 * @level: the level
 * @err: optional
 *
 * Return: 0, or -ENOTSUP when the environment asks for one that is unknown or not usable here.
 */
int bitnpu_cpu_level_choose(const struct bitnpu_cpu_level **level, struct bitnpu_error *err);

/**
 * bitnpu_cpu_matmuls() - run commands that no barrier separates
 * @level: kernels
 * @pool: threads
 * @cmds: MATMULs
 * @count: at least one
 *
 * Return: 0 or -ENOMEM.
 */
int bitnpu_cpu_matmuls(const struct bitnpu_cpu_level *level, struct bitnpu_pool *pool,
		       const struct bitnpu_checked_cmd *cmds, size_t count);

#endif /* BITNPU_CPU_H */
