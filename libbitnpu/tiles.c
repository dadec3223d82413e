// SPDX-License-Identifier: MIT
/*
 * The physical layout of weights: 64-byte lines of 16 little-endian 32-bit words, one word a row
 * (uapi/drm/bitnpu_isa.h, docs/packed-format.md).  Words are made four bytes at a time: the codes of
 * k = 4s .. 4s + 3 are one load, and field s of every byte of the word comes from load s.
 */
#include "weights.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are stored as the host has them");

#define MAX_LINE_K 32

uint32_t bitnpu_line_k(uint8_t format)
{
	switch (format) {
	case BITNPU_W_TERNARY:
		return 16;
	case BITNPU_W_BINARY:
		return 32;
	case BITNPU_W_INT8:
		return 4;
	default:
		return 0;
	}
}

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): callers have checked the format */
	return (a + b - 1) / b;
}

/* The slices of BITNPU_PACK_INT7: where their bits are in v + 64. */
static const struct {
	uint8_t format, shift;
} int7[BITNPU_MAX_SLICES] = {
	{ BITNPU_W_TERNARY, 5 }, { BITNPU_W_TERNARY, 3 }, { BITNPU_W_TERNARY, 1 },
	{ BITNPU_W_BINARY, 0 },
};

uint64_t bitnpu_tiles_bytes(uint8_t format, uint32_t n, uint32_t k)
{
	uint32_t line_k = bitnpu_line_k(format);
	uint64_t bytes = 0;

	if (format == BITNPU_PACK_INT7)
		for (uint32_t i = 0; i < BITNPU_MAX_SLICES; i++)
			bytes += bitnpu_tiles_bytes(int7[i].format, n, k);
	if (!line_k)
		return bytes;
	return divide_up(n, BITNPU_TILE_ROWS) * divide_up(k, line_k) * BITNPU_LINE_BYTES;
}

uint32_t bitnpu_weights_slices(const struct bitnpu_weights *w)
{
	return w->format == BITNPU_PACK_INT7 ? BITNPU_MAX_SLICES : 1;
}

void bitnpu_weights_slice(const struct bitnpu_weights *w, uint32_t index,
			  struct bitnpu_weights *slice)
{
	*slice = *w;
	slice->row_scale = NULL;
	slice->row_scale_count = 0;
	if (w->format != BITNPU_PACK_INT7)
		return;
	for (uint32_t i = 0; i <= index; i++) {
		slice->tiles = (const char *)slice->tiles + (i ? slice->tiles_bytes : 0);
		slice->format = int7[i].format;
		slice->tiles_bytes = bitnpu_tiles_bytes(int7[i].format, w->n, w->k);
	}
}

uint64_t bitnpu_scales_bytes(uint32_t n, uint32_t k, uint8_t group_shift)
{
	if (!group_shift)
		return 0;
	return divide_up(n, BITNPU_TILE_ROWS) * divide_up(k, 1ull << group_shift) *
	       BITNPU_TILE_ROWS * sizeof(uint16_t);
}

static uint32_t load32(const int8_t *codes)
{
	uint32_t x;

	memcpy(&x, codes, sizeof(x));
	return x;
}

/* w + 1 in two bits: -1 is 3 modulo 4, and adding one within two bits never leaves the byte. */
static uint32_t ternary_field(const int8_t *codes)
{
	return ((load32(codes) & 0x03030303) + 0x01010101) & 0x03030303;
}

static uint32_t ternary_word(const int8_t *codes)
{
	return ternary_field(codes) | ternary_field(codes + 4) << 2 |
	       ternary_field(codes + 8) << 4 | ternary_field(codes + 12) << 6;
}

static uint32_t binary_word(const int8_t *codes)
{
	uint32_t word = 0;
	unsigned int s;

	for (s = 0; s < 8; s++)
		word |= (~load32(codes + 4 * s) >> 7 & 0x01010101) << s;
	return word;
}

static uint32_t encode_word(uint8_t format, const int8_t *codes)
{
	switch (format) {
	case BITNPU_W_TERNARY:
		return ternary_word(codes);
	case BITNPU_W_BINARY:
		return binary_word(codes);
	default:
		return load32(codes);
	}
}

/* The code that pads: w = 0, or a clear bit where 0 does not exist. */
static int8_t padding(uint8_t format)
{
	return format == BITNPU_W_BINARY ? -1 : 0;
}

static void store_word(unsigned char *line, uint32_t row, uint32_t word)
{
	memcpy(line + 4 * row, &word, sizeof(word));
}

/* @tile: its first line; @row: within the tile */
static void encode_row(uint8_t format, uint32_t k, const int8_t *codes, unsigned char *tile,
		       uint32_t row)
{
	uint32_t line_k = bitnpu_line_k(format);
	uint32_t lines = k / line_k;
	int8_t last[MAX_LINE_K];
	uint32_t i;

	switch (format) {
	case BITNPU_W_TERNARY:
		for (i = 0; i < lines; i++)
			store_word(tile + BITNPU_LINE_BYTES * i, row, ternary_word(codes + 16 * i));
		break;
	case BITNPU_W_BINARY:
		for (i = 0; i < lines; i++)
			store_word(tile + BITNPU_LINE_BYTES * i, row, binary_word(codes + 32 * i));
		break;
	default:
		for (i = 0; i < lines; i++)
			store_word(tile + BITNPU_LINE_BYTES * i, row, load32(codes + 4 * i));
		break;
	}
	if (k % line_k) {
		memset(last, padding(format), sizeof(last));
		memcpy(last, codes + lines * line_k, k % line_k);
		store_word(tile + BITNPU_LINE_BYTES * lines, row, encode_word(format, last));
	}
}

static void encode_padding_row(uint8_t format, uint32_t lines, unsigned char *tile, uint32_t row)
{
	int8_t codes[MAX_LINE_K];
	uint32_t word, i;

	memset(codes, padding(format), sizeof(codes));
	word = encode_word(format, codes);
	for (i = 0; i < lines; i++)
		store_word(tile + BITNPU_LINE_BYTES * i, row, word);
}

static void encode(uint8_t format, uint32_t n, uint32_t k, uint32_t first_row, uint32_t rows,
		   const int8_t *codes, unsigned char *tile)
{
	uint32_t lines = divide_up(k, bitnpu_line_k(format)), i;

	tile += (uint64_t)first_row / BITNPU_TILE_ROWS * lines * BITNPU_LINE_BYTES;
	for (i = 0; i < rows; i++) {
		if (i && i % BITNPU_TILE_ROWS == 0)
			tile += (uint64_t)lines * BITNPU_LINE_BYTES;
		encode_row(format, k, codes + (uint64_t)i * k, tile, i % BITNPU_TILE_ROWS);
	}
	if (first_row + rows < n)
		return;
	for (i %= BITNPU_TILE_ROWS; i && i < BITNPU_TILE_ROWS; i++)
		encode_padding_row(format, lines, tile, i);
}

/* The code of a slice. */
static int8_t slice_code(uint32_t slice, int8_t v)
{
	uint32_t bits = (uint32_t)(v + 64) >> int7[slice].shift;

	return int7[slice].format == BITNPU_W_TERNARY ? (int8_t)(bits & 3) - 1 :
							(int8_t)(2 * (bits & 1)) - 1;
}

#define PIECE 512	/* columns, a multiple of every line_k */

/* As encode(), some columns of a row at a time. */
static void encode_slice(uint32_t slice, uint32_t n, uint32_t k, uint32_t first_row, uint32_t rows,
			 const int8_t *codes, unsigned char *tile)
{
	uint8_t format = int7[slice].format;
	uint32_t line_k = bitnpu_line_k(format), i;
	uint64_t tile_bytes = divide_up(k, line_k) * BITNPU_LINE_BYTES;
	int8_t piece[PIECE];

	tile += first_row / BITNPU_TILE_ROWS * tile_bytes;
	for (i = 0; i < rows; i++, codes += k) {
		if (i && i % BITNPU_TILE_ROWS == 0)
			tile += tile_bytes;
		for (uint32_t at = 0; at < k; at += PIECE) {
			uint32_t count = k - at < PIECE ? k - at : PIECE;

			for (uint32_t j = 0; j < count; j++)
				piece[j] = slice_code(slice, codes[at + j]);
			encode_row(format, count, piece, tile + at / line_k * BITNPU_LINE_BYTES,
				   i % BITNPU_TILE_ROWS);
		}
	}
	if (first_row + rows < n)
		return;
	for (i %= BITNPU_TILE_ROWS; i && i < BITNPU_TILE_ROWS; i++)
		encode_padding_row(format, tile_bytes / BITNPU_LINE_BYTES, tile, i);
}

void bitnpu_tiles_encode(uint8_t format, uint32_t n, uint32_t k, uint32_t first_row, uint32_t rows,
			 const int8_t *codes, void *tiles)
{
	unsigned char *tile = tiles;

	if (bitnpu_line_k(format))
		encode(format, n, k, first_row, rows, codes, tile);
	if (format != BITNPU_PACK_INT7)
		return;
	for (uint32_t i = 0; i < BITNPU_MAX_SLICES; i++) {
		encode_slice(i, n, k, first_row, rows, codes, tile);
		tile += bitnpu_tiles_bytes(int7[i].format, n, k);
	}
}

static int8_t decode_code(uint8_t format, uint32_t word, uint32_t k)
{
	uint32_t byte = word >> 8 * (k % 4) & 0xff;

	switch (format) {
	case BITNPU_W_TERNARY:
		return (int8_t)(byte >> k / 4 * 2 & 3) - 1;
	case BITNPU_W_BINARY:
		return byte >> k / 4 & 1 ? 1 : -1;
	default:
		return (int8_t)byte;
	}
}

void bitnpu_tiles_decode_row(uint8_t format, uint32_t k, const void *tiles, uint32_t row,
			     int8_t *codes)
{
	uint32_t line_k = bitnpu_line_k(format);
	const unsigned char *line = tiles;
	uint32_t word, i, j;
	uint64_t lines;

	if (!line_k)
		return;
	lines = divide_up(k, line_k);
	line += row / BITNPU_TILE_ROWS * lines * BITNPU_LINE_BYTES + row % BITNPU_TILE_ROWS * 4;
	for (i = 0; i < k; i += line_k, line += BITNPU_LINE_BYTES) {
		memcpy(&word, line, sizeof(word));
		for (j = 0; j < line_k && i + j < k; j++)
			codes[i + j] = decode_code(format, word, j);
	}
}
