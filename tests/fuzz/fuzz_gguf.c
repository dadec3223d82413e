// SPDX-License-Identifier: MIT
/*
 * Any bytes as a GGUF file, ordinary or packed: read every byte of metadata and tensors that the reader
 * says is there, pack what is a matrix and read it back.
 */
#include <stdlib.h>
#include <string.h>

#include "libbitnpu/weights.h"

/* A matrix larger than this says nothing new and takes long. */
#define MAX_ELEMENTS	(1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The barrier keeps the compiler from leaving the reads out. */
static void touch(const void *data, uint64_t bytes)
{
	unsigned char sum = 0;

	for (uint64_t i = 0; i < bytes; i++)
		sum ^= ((const unsigned char *)data)[i];
	__asm__ volatile("" : : "r"(sum));
}

static void read_metadata(const struct bitnpu_gguf *gguf)
{
	for (uint64_t i = 0; i < gguf->n_kv; i++) {
		const struct bitnpu_gguf_kv *kv = &gguf->kv[i];
		struct bitnpu_gguf_cursor cursor;
		struct bitnpu_gguf_string string;

		touch(kv->key.data, kv->key.length);
		touch(kv->data, kv->bytes);
		if (kv->type != BITNPU_GGUF_ARRAY || kv->element_type != BITNPU_GGUF_STRING)
			continue;
		bitnpu_gguf_strings(kv, &cursor);
		while (bitnpu_gguf_next_string(&cursor, &string))
			touch(string.data, string.length);
	}
}

static void dequantize(const struct bitnpu_weights *w)
{
	float *row = malloc((size_t)w->k * sizeof(*row));

	if (!row)
		return;
	for (uint32_t n = 0; n < w->n && n < 64; n++)
		bitnpu_weights_dequantize_row(w, n, row);
	free(row);
}

static void read_tensor(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor)
{
	struct bitnpu_packed_tensor packed;
	float *values;

	if (!tensor->elements || tensor->elements > MAX_ELEMENTS)
		return;
	values = malloc(tensor->elements * sizeof(*values));
	if (values && tensor->bytes)
		bitnpu_tensor_floats(tensor, 0, tensor->elements, values);
	free(values);
	if (tensor->n_dims != 2 || bitnpu_pack_tensor(gguf, tensor, &packed, NULL))
		return;
	dequantize(&packed.w);
	bitnpu_packed_tensor_free(&packed);
}

static void read_packed(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor)
{
	struct bitnpu_weights w;
	char name[128];

	if (tensor->name.length >= sizeof(name) ||
	    memchr(tensor->name.data, 0, tensor->name.length))
		return;
	memcpy(name, tensor->name.data, tensor->name.length);
	name[tensor->name.length] = '\0';
	if (!bitnpu_weights_find(gguf, name, &w, NULL) && (uint64_t)w.n * w.k <= MAX_ELEMENTS)
		dequantize(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bitnpu_gguf *gguf;
	int is_packed;

	if (bitnpu_gguf_open_memory(data, size, "fuzz", &gguf, NULL))
		return 0;
	read_metadata(gguf);
	is_packed = bitnpu_gguf_is_packed(gguf, NULL);
	if (is_packed == 1)
		bitnpu_packed_verify(gguf, NULL, NULL, NULL);
	for (uint64_t i = 0; i < gguf->n_tensors && i < 64; i++) {
		touch(gguf->tensors[i].data, gguf->tensors[i].bytes);
		if (is_packed == 1)
			read_packed(gguf, &gguf->tensors[i]);
		else
			read_tensor(gguf, &gguf->tensors[i]);
	}
	bitnpu_gguf_close(gguf);
	return 0;
}
