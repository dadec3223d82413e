/* SPDX-License-Identifier: MIT */
/*
 * GGUF v2/v3 reader: maps a file and checks every count, offset and size against it before use.
 *
 * Source: the GGUF specification, ggml/docs/gguf.md.  A reader is immutable after opening.  The file
 * must not shrink while it is open: reading a mapping past the file's new end raises SIGBUS.
 */
#ifndef BITNPU_GGUF_H
#define BITNPU_GGUF_H

#include "error.h"

enum bitnpu_gguf_value_type {
	BITNPU_GGUF_UINT8	= 0,
	BITNPU_GGUF_INT8	= 1,
	BITNPU_GGUF_UINT16	= 2,
	BITNPU_GGUF_INT16	= 3,
	BITNPU_GGUF_UINT32	= 4,
	BITNPU_GGUF_INT32	= 5,
	BITNPU_GGUF_FLOAT32	= 6,
	BITNPU_GGUF_BOOL	= 7,
	BITNPU_GGUF_STRING	= 8,
	BITNPU_GGUF_ARRAY	= 9,
	BITNPU_GGUF_UINT64	= 10,
	BITNPU_GGUF_INT64	= 11,
	BITNPU_GGUF_FLOAT64	= 12,
};

/* Tensor types that are read; numbers are ggml's.  I8 also stands for packed tiles. */
enum bitnpu_ggml_type {
	BITNPU_GGML_F32		= 0,
	BITNPU_GGML_F16		= 1,
	BITNPU_GGML_Q8_0	= 8,
	BITNPU_GGML_Q6_K	= 14,
	BITNPU_GGML_I8		= 24,
	BITNPU_GGML_BF16	= 30,
	BITNPU_GGML_TQ1_0	= 34,
	BITNPU_GGML_TQ2_0	= 35,
	BITNPU_GGML_I2_S	= 36,
	BITNPU_GGML_Q1_0	= 41,
};

/** struct bitnpu_gguf_string - bytes in the file, not NUL-terminated */
struct bitnpu_gguf_string {
	const char *data;
	uint64_t length;
};

/**
 * struct bitnpu_gguf_kv - one metadata entry
 * @key: name
 * @type: &enum bitnpu_gguf_value_type
 * @element_type: of an array's elements; arrays of arrays are skipped over but not readable
 * @count: elements of an array, else 1
 * @data: the value, or the first element, unaligned, in the file
 * @bytes: length of the value in the file
 */
struct bitnpu_gguf_kv {
	struct bitnpu_gguf_string key;
	uint32_t type, element_type;
	uint64_t count;
	const unsigned char *data;
	uint64_t bytes;
};

/**
 * struct bitnpu_gguf_tensor - one tensor
 * @name: name
 * @type: ggml type number, known or not
 * @n_dims: 1 to 4; a scalar, which the file stores without dimensions, has 1
 * @dims: dims[0] is contiguous (K of a matrix), unused ones are 1
 * @elements: product of @dims
 * @data: first byte, inside the file
 * @bytes: size; 0 when @type is not known
 */
struct bitnpu_gguf_tensor {
	struct bitnpu_gguf_string name;
	uint32_t type, n_dims;
	uint64_t dims[4];
	uint64_t elements;
	const unsigned char *data;
	uint64_t bytes;
};

struct bitnpu_gguf {
	char *path;			/* for messages: printable, only the end of a long one */
	const unsigned char *map;	/* the whole file, read-only, page-aligned */
	uint64_t size;
	uint32_t version, alignment;
	uint64_t data_offset;
	uint64_t n_kv, n_tensors;
	struct bitnpu_gguf_kv *kv;
	struct bitnpu_gguf_tensor *tensors;
	const struct bitnpu_gguf_kv **kv_sorted;		/* for look-up: by length, bytes */
	const struct bitnpu_gguf_tensor **tensors_sorted;	/* likewise */
	int fd;				/* -1 when opened from memory */
};

/** bitnpu_gguf_open() - map and check @path; bitnpu_gguf_close() */
int bitnpu_gguf_open(const char *path, struct bitnpu_gguf **gguf, struct bitnpu_error *err);
/** bitnpu_gguf_open_memory() - likewise @size bytes at @data, which outlive the reader */
int bitnpu_gguf_open_memory(const void *data, uint64_t size, const char *name,
			    struct bitnpu_gguf **gguf, struct bitnpu_error *err);
void bitnpu_gguf_close(struct bitnpu_gguf *gguf);

/** bitnpu_gguf_find() - Return: the entry of that key, or NULL */
const struct bitnpu_gguf_kv *bitnpu_gguf_find(const struct bitnpu_gguf *gguf, const char *key);
/** bitnpu_gguf_find_tensor() - Return: the tensor of that name, or NULL */
const struct bitnpu_gguf_tensor *bitnpu_gguf_find_tensor(const struct bitnpu_gguf *gguf,
							 const char *name);

/*
 * Typed access: 0, -ENOENT (silently, @err untouched) when the key is absent, -EINVAL when its type
 * does not fit.  Integers of any width are accepted when the value fits.
 */
int bitnpu_gguf_get_u32(const struct bitnpu_gguf *gguf, const char *key, uint32_t *value,
			struct bitnpu_error *err);
int bitnpu_gguf_get_f32(const struct bitnpu_gguf *gguf, const char *key, float *value,
			struct bitnpu_error *err);
int bitnpu_gguf_get_bool(const struct bitnpu_gguf *gguf, const char *key, bool *value,
			 struct bitnpu_error *err);
int bitnpu_gguf_get_string(const struct bitnpu_gguf *gguf, const char *key,
			   struct bitnpu_gguf_string *value, struct bitnpu_error *err);
/** bitnpu_gguf_get_array() - -EINVAL unless it is an array of @element_type */
int bitnpu_gguf_get_array(const struct bitnpu_gguf *gguf, const char *key, uint32_t element_type,
			  const struct bitnpu_gguf_kv **kv, struct bitnpu_error *err);

/** struct bitnpu_gguf_cursor - walks the strings of a string array; all were checked at opening */
struct bitnpu_gguf_cursor {
	const unsigned char *next;
	uint64_t left;
};
void bitnpu_gguf_strings(const struct bitnpu_gguf_kv *kv, struct bitnpu_gguf_cursor *cursor);
/** bitnpu_gguf_next_string() - Return: false at the end */
bool bitnpu_gguf_next_string(struct bitnpu_gguf_cursor *cursor, struct bitnpu_gguf_string *string);

/** bitnpu_ggml_type_name() - Return: "TQ2_0" and so on, or "type N" written to @buffer */
const char *bitnpu_ggml_type_name(uint32_t type, char buffer[16]);

#endif /* BITNPU_GGUF_H */
