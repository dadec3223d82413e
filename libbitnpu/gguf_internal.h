/* SPDX-License-Identifier: MIT */
/* What the parts of the GGUF reader share: sizes of tensor types, order and display of names. */
#ifndef BITNPU_GGUF_INTERNAL_H
#define BITNPU_GGUF_INTERNAL_H

#include "gguf.h"

/**
 * struct bitnpu_ggml_layout - how a tensor type is stored
 * @name: ggml's name of the type
 * @block: elements of a block; a row is a whole number of blocks
 * @bytes: of a block
 * @tail: bytes after the last block of the tensor
 */
struct bitnpu_ggml_layout {
	const char *name;
	uint32_t block, bytes, tail;
};

/** bitnpu_ggml_layout() - Return: the layout of @type, NULL when it is not known */
const struct bitnpu_ggml_layout *bitnpu_ggml_layout(uint32_t type);

/** bitnpu_gguf_scalar_bytes() - Return: size of a number or boolean in the metadata, 0 of others */
uint32_t bitnpu_gguf_scalar_bytes(uint32_t type);

/** bitnpu_gguf_compare_strings() - the order of the look-up tables: by length, then by bytes */
int bitnpu_gguf_compare_strings(const struct bitnpu_gguf_string *a,
				const struct bitnpu_gguf_string *b);

/* Lengths of names in messages: a hostile one must not push the reason out of the line. */
#define BITNPU_NAME_SHOWN	64
#define BITNPU_NAME_ARGS(s)	(int)((s).length < BITNPU_NAME_SHOWN ? (s).length \
								      : BITNPU_NAME_SHOWN), (s).data

#endif /* BITNPU_GGUF_INTERNAL_H */
