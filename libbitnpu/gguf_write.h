/* SPDX-License-Identifier: MIT */
/*
 * Streaming GGUF v3 writer.  Metadata first, then every tensor's name, type and shape, then the data
 * in the same order.  The header is kept in memory, so that values which are known only after the
 * data, such as checksums, can be filled in before the file is finished.
 */
#ifndef BITNPU_GGUF_WRITE_H
#define BITNPU_GGUF_WRITE_H

#include "gguf.h"
#include "output_file.h"

/**
 * struct bitnpu_gguf_writer - a file being written; bitnpu_gguf_write_finish() or _abort()
 * @file: where it goes
 * @header: what comes before the data
 * @header_bytes: used of it
 * @header_capacity: allocated of it
 * @n_kv: metadata entries so far
 * @n_tensors: tensors so far
 * @alignment: of tensors, a power of two of at least 8
 * @data_offset: where the data begins; known once the first tensor's data has begun
 * @data_bytes: of all tensors, padding included
 * @next: file offset where the next data goes
 * @failed: an allocation failed; reported by the next call that can
 */
struct bitnpu_gguf_writer {
	struct bitnpu_output_file file;
	unsigned char *header;
	uint64_t header_bytes, header_capacity;
	uint64_t n_kv, n_tensors;
	uint32_t alignment;
	uint64_t data_offset, data_bytes, next;
	bool failed;
};

/** bitnpu_gguf_write_open() - begin a file; it appears under @path when it is finished */
int bitnpu_gguf_write_open(const char *path, uint32_t alignment, struct bitnpu_gguf_writer *w,
			   struct bitnpu_error *err);
/** bitnpu_gguf_write_copy() - a metadata entry of another file, byte by byte */
void bitnpu_gguf_write_copy(struct bitnpu_gguf_writer *w, const struct bitnpu_gguf_kv *kv);
void bitnpu_gguf_write_u32(struct bitnpu_gguf_writer *w, const char *key, uint32_t value);
void bitnpu_gguf_write_f32(struct bitnpu_gguf_writer *w, const char *key, float value);
void bitnpu_gguf_write_string(struct bitnpu_gguf_writer *w, const char *key, const char *value);
/**
 * bitnpu_gguf_write_array() - an array of numbers
 * @w: the writer
 * @key: its key
 * @element_type: &enum bitnpu_gguf_value_type, not STRING and not ARRAY
 * @count: elements
 * @data: the elements; NULL for zeros
 *
 * Return: offset of the first element in @w->header, for values filled in later
 */
uint64_t bitnpu_gguf_write_array(struct bitnpu_gguf_writer *w, const char *key,
				 uint32_t element_type, uint64_t count, const void *data);
/** bitnpu_gguf_write_string_array() - an array of @count strings */
void bitnpu_gguf_write_string_array(struct bitnpu_gguf_writer *w, const char *key, uint64_t count,
				    const char *const *strings);

/** bitnpu_gguf_write_tensor() - announce a tensor, after all metadata; @bytes is its size */
void bitnpu_gguf_write_tensor(struct bitnpu_gguf_writer *w, const struct bitnpu_gguf_string *name,
			      uint32_t type, uint32_t n_dims, const uint64_t *dims,
			      uint64_t bytes);
/** bitnpu_gguf_write_data() - the next bytes of the data, in the order of the tensors */
int bitnpu_gguf_write_data(struct bitnpu_gguf_writer *w, const void *data, uint64_t bytes,
			   struct bitnpu_error *err);
/** bitnpu_gguf_write_pad() - end a tensor's data: zeros up to the alignment */
int bitnpu_gguf_write_pad(struct bitnpu_gguf_writer *w, struct bitnpu_error *err);
/** bitnpu_gguf_write_finish() - write the header, sync, name the file; -EIO if data is missing */
int bitnpu_gguf_write_finish(struct bitnpu_gguf_writer *w, struct bitnpu_error *err);
/** bitnpu_gguf_write_abort() - nothing is left of the file; also after an error of the others */
void bitnpu_gguf_write_abort(struct bitnpu_gguf_writer *w);

#endif /* BITNPU_GGUF_WRITE_H */
