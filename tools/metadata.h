/* SPDX-License-Identifier: MIT */
/* Metadata values of a GGUF file as text and as JSON. */
#ifndef BITNPU_METADATA_H
#define BITNPU_METADATA_H

#include <jansson.h>

#include "libbitnpu/gguf.h"

/** bitnpu_metadata_type() - Return: "u32", "string", "array of i32", ... in @out */
const char *bitnpu_metadata_type(const struct bitnpu_gguf_kv *kv, char out[32]);

/**
 * bitnpu_metadata_text() - a value on one line, safe for a terminal
 * @kv: the entry
 * @limit: characters of a string, and a quarter as many elements of an array
 *
 * Return: a string to free().
 */
char *bitnpu_metadata_text(const struct bitnpu_gguf_kv *kv, size_t limit);

/**
 * bitnpu_metadata_json() - a value as JSON
 * @kv: the entry
 * @elements: of an array at most
 *
 * Return: null for arrays of arrays.
 */
json_t *bitnpu_metadata_json(const struct bitnpu_gguf_kv *kv, uint64_t elements);

#endif /* BITNPU_METADATA_H */
