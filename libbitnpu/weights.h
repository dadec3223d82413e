/* SPDX-License-Identifier: MIT */
/*
 * Weight tensors of a GGUF file, whatever their type, as tiles in the one physical layout
 * (docs/packed-format.md), and the description by which a session builds MATMUL commands from them.
 */
#ifndef BITNPU_WEIGHTS_H
#define BITNPU_WEIGHTS_H

#include "gguf.h"

/**
 * struct bitnpu_weights - one packed weight matrix
 * @format: &enum bitnpu_weight_format, or %BITNPU_PACK_INT7
 * @output: &enum bitnpu_output_format that goes with it: INT64 when there are group scales
 * @group_shift: log2 of the group length along K, 0 without group scales
 * @n: rows
 * @k: columns
 * @tiles: lines of 64 bytes, page-aligned when the file was packed
 * @tiles_bytes: their size
 * @scales: group scales (IEEE halves, 16 rows a tile and group), NULL without
 * @scales_bytes: their size
 * @row_scale: float scale of the tensor (1) or of each row (@n); NULL when it is 1
 * @row_scale_count: 1 or @n; 0 when NULL
 *
 * w[n][k] as a float is code * group scale * row scale.
 */
struct bitnpu_weights {
	uint8_t format, output, group_shift;
	uint32_t n, k;
	const void *tiles;
	uint64_t tiles_bytes;
	const void *scales;
	uint64_t scales_bytes;
	const float *row_scale;
	uint32_t row_scale_count;
};

/**
 * BITNPU_PACK_INT7 - a format of files beside those of commands: weights v in [-64, 63], by bits of v + 64
 *
 * The tiles of four matrices one after the other: bits 5 and 6, 3 and 4, 1 and 2 as ternary codes, bit 0
 * as a binary one.  A file's value of &struct bitnpu_weights.format.
 */
#define BITNPU_PACK_INT7	3
/* Most slices of a matrix: what a format of files is made of. */
#define BITNPU_MAX_SLICES	4

/** bitnpu_weights_slices() - Return: matrices that a command can name of which @w is made: 1 or 4 */
uint32_t bitnpu_weights_slices(const struct bitnpu_weights *w);
/** bitnpu_weights_slice() - the @index-th, without the row scales of the whole */
void bitnpu_weights_slice(const struct bitnpu_weights *w, uint32_t index,
			  struct bitnpu_weights *slice);

/** bitnpu_line_k() - Return: weights of a row in a line: 16, 32 or 4; 0 for a format not of commands */
uint32_t bitnpu_line_k(uint8_t format);
/** bitnpu_tiles_bytes() - Return: size of the tiles of an n x k matrix */
uint64_t bitnpu_tiles_bytes(uint8_t format, uint32_t n, uint32_t k);
/** bitnpu_scales_bytes() - Return: size of its group scales */
uint64_t bitnpu_scales_bytes(uint32_t n, uint32_t k, uint8_t group_shift);

/**
 * bitnpu_tiles_encode() - lay codes out as tiles
 * @format: &enum bitnpu_weight_format, or %BITNPU_PACK_INT7
 * @n: rows
 * @k: columns
 * @first_row: where @codes goes, a multiple of 16
 * @rows: rows in @codes; a multiple of 16 unless they are the last
 * @codes: int8 weights, @rows x @k, in the range of the format
 * @tiles: the whole matrix's tiles, zeroed or not; the tiles of these rows are written, padding too
 */
void bitnpu_tiles_encode(uint8_t format, uint32_t n, uint32_t k, uint32_t first_row, uint32_t rows,
			 const int8_t *codes, void *tiles);
/** bitnpu_tiles_decode_row() - the reverse for one row: @k int8 weights */
void bitnpu_tiles_decode_row(uint8_t format, uint32_t k, const void *tiles, uint32_t row,
			     int8_t *codes);

/**
 * bitnpu_weights_dequantize_row() - one row as floats
 * @w: the matrix
 * @row: which
 * @out: @w->k floats: (float)(code * group scale) * row scale; the embedding lookup
 */
void bitnpu_weights_dequantize_row(const struct bitnpu_weights *w, uint32_t row, float *out);

/**
 * bitnpu_tensor_floats() - elements of a float or quantized tensor as floats
 * @tensor: of type F32, F16, BF16, Q8_0, Q6_K, TQ1_0, TQ2_0, I2_S, Q1_0
 * @first: first element, a multiple of the type's block
 * @count: elements, likewise
 * @out: @count floats
 *
 * Return: 0, -ENOTSUP for another type.
 */
int bitnpu_tensor_floats(const struct bitnpu_gguf_tensor *tensor, uint64_t first, uint64_t count,
			 float *out);

/**
 * struct bitnpu_packed_tensor - what packing a tensor gives; bitnpu_packed_tensor_free()
 * @w: the matrix; its pointers lead into @memory
 * @memory: one page-aligned allocation
 */
struct bitnpu_packed_tensor {
	struct bitnpu_weights w;
	void *memory;
};

/**
 * bitnpu_pack_tensor() - pack a matrix
 * @gguf: its file, for messages
 * @tensor: the matrix: dims[0] = K, dims[1] = N
 * @packed: result
 * @err: optional
 *
 * TQ1_0/TQ2_0/I2_S and floats whose values are {-s,0,+s} become TERNARY with one row scale when one
 * scale serves the whole tensor (or each row), else with group scales; Q1_0 becomes BINARY with
 * groups of 128; Q8_0 INT8 with groups of 32, exactly; other floats and Q6_K INT7 (embedding and
 * head) or INT8 with a scale a row, rounded to nearest.
 */
int bitnpu_pack_tensor(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor,
		       struct bitnpu_packed_tensor *packed, struct bitnpu_error *err);
void bitnpu_packed_tensor_free(struct bitnpu_packed_tensor *packed);

/**
 * bitnpu_weights_find() - a matrix of a packed file, in place
 * @gguf: a file written by bitnpu_pack()
 * @name: tensor name as in the source file, such as "blk.0.attn_q.weight"
 * @w: result, leading into the file's mapping; every size was checked
 * @err: optional
 *
 * Return: 0, -ENOENT (silently) when there is none, -EINVAL when its parts do not fit together.
 */
int bitnpu_weights_find(const struct bitnpu_gguf *gguf, const char *name,
			struct bitnpu_weights *w, struct bitnpu_error *err);
/** bitnpu_gguf_is_packed() - Return: 1 packed, 0 not, -ENOTSUP a version this library does not know */
int bitnpu_gguf_is_packed(const struct bitnpu_gguf *gguf, struct bitnpu_error *err);
/** bitnpu_packed_verify() - check every tensor's checksum; -EBADMSG names the tensor */
int bitnpu_packed_verify(const struct bitnpu_gguf *gguf, bitnpu_progress_fn *progress, void *user,
			 struct bitnpu_error *err);

#endif /* BITNPU_WEIGHTS_H */
