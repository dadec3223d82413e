/* SPDX-License-Identifier: MIT */
/*
 * Builds GGUF images in memory, right or deliberately wrong.  It shares no code with the reader.
 * Running out of memory aborts: this is for tests.
 */
#ifndef GGUF_BUILDER_H
#define GGUF_BUILDER_H

#include <stddef.h>
#include <stdint.h>

struct gguf_builder;

struct gguf_builder *gguf_builder_new(void);
void gguf_builder_free(struct gguf_builder *builder);

/* Metadata; type numbers are GGUF's.  gguf_builder_remove() drops an entry written before. */
void gguf_builder_value(struct gguf_builder *builder, const char *key, uint32_t type,
			const void *value, size_t bytes);
void gguf_builder_u32(struct gguf_builder *builder, const char *key, uint32_t value);
void gguf_builder_f32(struct gguf_builder *builder, const char *key, float value);
void gguf_builder_bool(struct gguf_builder *builder, const char *key, int value);
void gguf_builder_string(struct gguf_builder *builder, const char *key, const char *value);
/** gguf_builder_array() - @count elements of GGUF type @type, @bytes in all, as in the file */
void gguf_builder_array(struct gguf_builder *builder, const char *key, uint32_t type,
			uint64_t count, const void *data, size_t bytes);

/** struct gguf_builder_text - one string of an array */
struct gguf_builder_text {
	const char *data;
	size_t length;
};
void gguf_builder_strings(struct gguf_builder *builder, const char *key,
			  const struct gguf_builder_text *texts, uint64_t count);
void gguf_builder_remove(struct gguf_builder *builder, const char *key);

/** gguf_builder_tensor() - a tensor of ggml type @type; @data is copied */
void gguf_builder_tensor(struct gguf_builder *builder, const char *name, uint32_t type,
			 uint32_t n_dims, const uint64_t *dims, const void *data, size_t bytes);

/**
 * gguf_builder_finish() - the image, version 3, alignment 32
 * @builder: may be added to and finished again
 * @bytes: size of the image
 *
 * Return: memory for free().
 */
void *gguf_builder_finish(const struct gguf_builder *builder, size_t *bytes);

#endif /* GGUF_BUILDER_H */
