// SPDX-License-Identifier: MIT
/* Streaming GGUF v3 writer.  Source: the GGUF specification, ggml/docs/gguf.md. */
#include "gguf_write.h"
#include "gguf_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as the host has them");

/* magic, version, number of tensors, number of metadata entries */
#define COUNTS_OFFSET	8
#define FIXED_BYTES	24

static const unsigned char zeros[4096];

/* Room for @bytes more; NULL and @w->failed when there is none. */
static unsigned char *extend(struct bitnpu_gguf_writer *w, uint64_t bytes)
{
	uint64_t capacity = w->header_capacity;
	unsigned char *header;

	if (w->failed)
		return NULL;
	if (bytes > w->header_capacity - w->header_bytes) {
		while (capacity - w->header_bytes < bytes)
			capacity = capacity ? 2 * capacity : 4096;
		header = realloc(w->header, capacity);
		if (!header) {
			w->failed = true;
			return NULL;
		}
		w->header = header;
		w->header_capacity = capacity;
	}
	w->header_bytes += bytes;
	return w->header + w->header_bytes - bytes;
}

static void put(struct bitnpu_gguf_writer *w, const void *data, uint64_t bytes)
{
	unsigned char *at = extend(w, bytes);

	if (at)
		memcpy(at, data, bytes);
}

static void put_u32(struct bitnpu_gguf_writer *w, uint32_t value)
{
	put(w, &value, sizeof(value));
}

static void put_u64(struct bitnpu_gguf_writer *w, uint64_t value)
{
	put(w, &value, sizeof(value));
}

static void put_string(struct bitnpu_gguf_writer *w, const char *data, uint64_t length)
{
	put_u64(w, length);
	put(w, data, length);
}

static void put_key(struct bitnpu_gguf_writer *w, const char *key, uint32_t type)
{
	put_string(w, key, strlen(key));
	put_u32(w, type);
	w->n_kv++;
}

int bitnpu_gguf_write_open(const char *path, uint32_t alignment, struct bitnpu_gguf_writer *w,
			   struct bitnpu_error *err)
{
	int ret;

	memset(w, 0, sizeof(*w));
	w->alignment = alignment;
	ret = bitnpu_output_open(path, true, &w->file, err);
	if (ret)
		return ret;
	put(w, "GGUF", 4);
	put_u32(w, 3);
	put(w, zeros, FIXED_BYTES - COUNTS_OFFSET);
	bitnpu_gguf_write_u32(w, "general.alignment", alignment);
	return 0;
}

void bitnpu_gguf_write_copy(struct bitnpu_gguf_writer *w, const struct bitnpu_gguf_kv *kv)
{
	put_string(w, kv->key.data, kv->key.length);
	put_u32(w, kv->type);
	if (kv->type == BITNPU_GGUF_ARRAY) {
		put_u32(w, kv->element_type);
		put_u64(w, kv->count);
	}
	put(w, kv->data, kv->bytes);
	w->n_kv++;
}

void bitnpu_gguf_write_u32(struct bitnpu_gguf_writer *w, const char *key, uint32_t value)
{
	put_key(w, key, BITNPU_GGUF_UINT32);
	put_u32(w, value);
}

void bitnpu_gguf_write_f32(struct bitnpu_gguf_writer *w, const char *key, float value)
{
	put_key(w, key, BITNPU_GGUF_FLOAT32);
	put(w, &value, sizeof(value));
}

void bitnpu_gguf_write_string(struct bitnpu_gguf_writer *w, const char *key, const char *value)
{
	put_key(w, key, BITNPU_GGUF_STRING);
	put_string(w, value, strlen(value));
}

uint64_t bitnpu_gguf_write_array(struct bitnpu_gguf_writer *w, const char *key,
				 uint32_t element_type, uint64_t count, const void *data)
{
	uint64_t bytes = count * bitnpu_gguf_scalar_bytes(element_type);
	unsigned char *at;

	put_key(w, key, BITNPU_GGUF_ARRAY);
	put_u32(w, element_type);
	put_u64(w, count);
	at = extend(w, bytes);
	if (!at)
		return 0;
	if (data)
		memcpy(at, data, bytes);
	else
		memset(at, 0, bytes);
	return at - w->header;
}

void bitnpu_gguf_write_string_array(struct bitnpu_gguf_writer *w, const char *key, uint64_t count,
				    const char *const *strings)
{
	uint64_t i;

	put_key(w, key, BITNPU_GGUF_ARRAY);
	put_u32(w, BITNPU_GGUF_STRING);
	put_u64(w, count);
	for (i = 0; i < count; i++)
		put_string(w, strings[i], strlen(strings[i]));
}

static uint64_t align(const struct bitnpu_gguf_writer *w, uint64_t bytes)
{
	return (bytes + w->alignment - 1) & ~(uint64_t)(w->alignment - 1);
}

void bitnpu_gguf_write_tensor(struct bitnpu_gguf_writer *w, const struct bitnpu_gguf_string *name,
			      uint32_t type, uint32_t n_dims, const uint64_t *dims, uint64_t bytes)
{
	put_string(w, name->data, name->length);
	put_u32(w, n_dims);
	put(w, dims, n_dims * sizeof(*dims));
	put_u32(w, type);
	put_u64(w, w->data_bytes);
	w->data_bytes += align(w, bytes);
	w->n_tensors++;
}

/* The header's size is final: find where the data goes, and whether it fits. */
static int begin_data(struct bitnpu_gguf_writer *w, struct bitnpu_error *err)
{
	if (w->failed)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", w->file.shown);
	w->data_offset = align(w, w->header_bytes);
	w->next = w->data_offset;
	return bitnpu_output_reserve(&w->file, w->data_offset + w->data_bytes, err);
}

int bitnpu_gguf_write_data(struct bitnpu_gguf_writer *w, const void *data, uint64_t bytes,
			   struct bitnpu_error *err)
{
	int ret = w->data_offset ? 0 : begin_data(w, err);

	if (!ret)
		ret = bitnpu_output_write(&w->file, data, bytes, w->next, err);
	if (!ret)
		w->next += bytes;
	return ret;
}

int bitnpu_gguf_write_pad(struct bitnpu_gguf_writer *w, struct bitnpu_error *err)
{
	uint64_t missing = align(w, w->next) - w->next;
	uint64_t bytes;
	int ret;

	for (; missing; missing -= bytes) {
		bytes = missing < sizeof(zeros) ? missing : sizeof(zeros);
		ret = bitnpu_gguf_write_data(w, zeros, bytes, err);
		if (ret)
			return ret;
	}
	return 0;
}

int bitnpu_gguf_write_finish(struct bitnpu_gguf_writer *w, struct bitnpu_error *err)
{
	int ret = w->data_offset ? 0 : begin_data(w, err);

	if (ret)
		return ret;
	if (w->next != w->data_offset + w->data_bytes)
		return bitnpu_fail(err, -EIO, "%s: %llu bytes of tensor data written, %llu announced",
				   w->file.shown, (unsigned long long)(w->next - w->data_offset),
				   (unsigned long long)w->data_bytes);
	memcpy(w->header + COUNTS_OFFSET, &w->n_tensors, sizeof(w->n_tensors));
	memcpy(w->header + COUNTS_OFFSET + 8, &w->n_kv, sizeof(w->n_kv));
	/* Between the header and the data is a hole, which reads as zeros. */
	ret = bitnpu_output_write(&w->file, w->header, w->header_bytes, 0, err);
	if (!ret)
		ret = bitnpu_output_commit(&w->file, err);
	if (!ret)
		bitnpu_gguf_write_abort(w);
	return ret;
}

void bitnpu_gguf_write_abort(struct bitnpu_gguf_writer *w)
{
	bitnpu_output_abort(&w->file);
	free(w->header);
	memset(w, 0, sizeof(*w));
	w->file.fd = -1;
}
