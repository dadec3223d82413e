/* SPDX-License-Identifier: MIT */
/*
 * Tiles, as Intel 64 and IA-32 Architectures Software Developer's Manual describes them: volume 1,
 * chapter 18, and the instructions in volume 2.  What raises an exception there aborts here.
 */
#ifndef TEST_EMULATED_AMX_H
#define TEST_EMULATED_AMX_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AMX_TILES 8
#define AMX_ROWS 16
#define AMX_ROW_BYTES 64

/* A thread's tiles; without a configuration none has rows. */
struct amx_tile {
	unsigned int rows, row_bytes;
	uint8_t data[AMX_ROWS][AMX_ROW_BYTES];
};

static __thread struct amx_tile amx_tiles[AMX_TILES];

static inline void amx_need(int right, const char *what)
{
	if (right)
		return;
	printf("Bail out! tiles: %s\n", what);
	fflush(stdout);
	abort();
}

static inline struct amx_tile *amx_tile(int number)
{
	amx_need(number >= 0 && number < AMX_TILES, "no such tile");
	amx_need(amx_tiles[number].rows > 0, "a tile that is not configured");
	return &amx_tiles[number];
}

static inline void _tile_release(void)
{
	memset(amx_tiles, 0, sizeof(amx_tiles));
}

/* Palette 1.  Byte 1 is the row at which an interrupted load goes on, bytes 2 to 15 are reserved. */
static inline void _tile_loadconfig(const void *config)
{
	const uint8_t *bytes = config;

	amx_need(bytes[0] == 1, "palette");
	for (int i = 1; i < 16; i++)
		amx_need(bytes[i] == 0, "reserved bytes");
	_tile_release();
	for (int i = 0; i < 16; i++) {
		const unsigned int row_bytes = bytes[16 + 2 * i] | bytes[17 + 2 * i] << 8;
		const unsigned int rows = bytes[48 + i];

		amx_need(rows <= AMX_ROWS && row_bytes <= AMX_ROW_BYTES, "a tile is too large");
		amx_need((rows == 0) == (row_bytes == 0), "rows without bytes, or bytes without rows");
		amx_need(i < AMX_TILES || rows == 0, "more than eight tiles");
		if (i < AMX_TILES) {
			amx_tiles[i].rows = rows;
			amx_tiles[i].row_bytes = row_bytes;
		}
	}
}

static inline void _tile_zero(int number)
{
	struct amx_tile *tile = amx_tile(number);

	memset(tile->data, 0, sizeof(tile->data));
}

/* Bytes past a tile's rows and columns are zero after a load. */
static inline void _tile_loadd(int number, const void *base, long stride)
{
	struct amx_tile *tile = amx_tile(number);

	memset(tile->data, 0, sizeof(tile->data));
	for (unsigned int row = 0; row < tile->rows; row++)
		memcpy(tile->data[row], (const uint8_t *)base + row * stride, tile->row_bytes);
}

static inline void _tile_stored(int number, void *base, long stride)
{
	const struct amx_tile *tile = amx_tile(number);

	for (unsigned int row = 0; row < tile->rows; row++)
		memcpy((uint8_t *)base + row * stride, tile->data[row], tile->row_bytes);
}

/* sums[m][n] += a[m][k] * b[k][n], where b's rows hold groups of four k for each n */
static inline void amx_multiply(int sums_number, int a_number, int b_number, int b_signed)
{
	struct amx_tile *sums = amx_tile(sums_number);
	const struct amx_tile *a = amx_tile(a_number), *b = amx_tile(b_number);

	amx_need(sums != a && sums != b && a != b, "the same tile twice");
	amx_need(sums->rows == a->rows, "rows of sums and of the first factor");
	amx_need(sums->row_bytes == b->row_bytes, "columns of sums and of the second factor");
	amx_need(a->row_bytes == 4 * b->rows, "columns of the first and rows of the second factor");
	amx_need(sums->row_bytes % 4 == 0, "columns of sums");
	for (unsigned int m = 0; m < sums->rows; m++) {
		for (unsigned int n = 0; n < sums->row_bytes / 4; n++) {
			int32_t sum;

			memcpy(&sum, sums->data[m] + 4 * n, sizeof(sum));
			for (unsigned int k = 0; k < a->row_bytes; k++) {
				const uint8_t code = b->data[k / 4][4 * n + k % 4];

				sum += (int8_t)a->data[m][k] * (b_signed ? (int8_t)code : code);
			}
			memcpy(sums->data[m] + 4 * n, &sum, sizeof(sum));
		}
	}
}

static inline void _tile_dpbssd(int sums, int a, int b)
{
	amx_multiply(sums, a, b, 1);
}

static inline void _tile_dpbsud(int sums, int a, int b)
{
	amx_multiply(sums, a, b, 0);
}

#endif /* TEST_EMULATED_AMX_H */
