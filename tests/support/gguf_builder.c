// SPDX-License-Identifier: MIT
/* Layout: the GGUF specification, version 3, little-endian. */
#include <stdlib.h>
#include <string.h>

#include "gguf_builder.h"

#define ALIGNMENT 32

struct buffer {
	unsigned char *data;
	size_t length, capacity;
};

struct entry {
	char *key;
	struct buffer bytes;	/* the whole entry as it is in the file */
};

struct gguf_builder {
	struct entry *entries;
	size_t n_entries;
	struct buffer tensors, data;
	uint64_t n_tensors;
};

static void *checked(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void put(struct buffer *buffer, const void *bytes, size_t length)
{
	if (buffer->length + length > buffer->capacity) {
		buffer->capacity = 2 * (buffer->length + length) + 64;
		buffer->data = checked(realloc(buffer->data, buffer->capacity));
	}
	if (length)
		memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
}

static void put_int(struct buffer *buffer, uint64_t value, unsigned int bytes)
{
	unsigned char out[8];
	unsigned int i;

	for (i = 0; i < bytes; i++)
		out[i] = value >> 8 * i;
	put(buffer, out, bytes);
}

static void put_text(struct buffer *buffer, const char *text, size_t length)
{
	put_int(buffer, length, 8);
	put(buffer, text, length);
}

static void pad(struct buffer *buffer)
{
	while (buffer->length % ALIGNMENT)
		put(buffer, "", 1);
}

struct gguf_builder *gguf_builder_new(void)
{
	return checked(calloc(1, sizeof(struct gguf_builder)));
}

void gguf_builder_free(struct gguf_builder *builder)
{
	size_t i;

	for (i = 0; i < builder->n_entries; i++) {
		free(builder->entries[i].key);
		free(builder->entries[i].bytes.data);
	}
	free(builder->entries);
	free(builder->tensors.data);
	free(builder->data.data);
	free(builder);
}

/* A new entry whose key and type are written. */
static struct buffer *add(struct gguf_builder *builder, const char *key, uint32_t type)
{
	struct entry *entry;

	builder->entries = checked(realloc(builder->entries,
					   (builder->n_entries + 1) * sizeof(*builder->entries)));
	entry = &builder->entries[builder->n_entries++];
	*entry = (struct entry){ .key = checked(strdup(key)) };
	put_text(&entry->bytes, key, strlen(key));
	put_int(&entry->bytes, type, 4);
	return &entry->bytes;
}

void gguf_builder_value(struct gguf_builder *builder, const char *key, uint32_t type,
			const void *value, size_t bytes)
{
	put(add(builder, key, type), value, bytes);
}

void gguf_builder_u32(struct gguf_builder *builder, const char *key, uint32_t value)
{
	put_int(add(builder, key, 4), value, 4);
}

void gguf_builder_f32(struct gguf_builder *builder, const char *key, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, 4);
	put_int(add(builder, key, 6), bits, 4);
}

void gguf_builder_bool(struct gguf_builder *builder, const char *key, int value)
{
	put_int(add(builder, key, 7), value, 1);
}

void gguf_builder_string(struct gguf_builder *builder, const char *key, const char *value)
{
	put_text(add(builder, key, 8), value, strlen(value));
}

void gguf_builder_array(struct gguf_builder *builder, const char *key, uint32_t type,
			uint64_t count, const void *data, size_t bytes)
{
	struct buffer *out = add(builder, key, 9);

	put_int(out, type, 4);
	put_int(out, count, 8);
	put(out, data, bytes);
}

void gguf_builder_strings(struct gguf_builder *builder, const char *key,
			  const struct gguf_builder_text *texts, uint64_t count)
{
	struct buffer *out = add(builder, key, 9);
	uint64_t i;

	put_int(out, 8, 4);
	put_int(out, count, 8);
	for (i = 0; i < count; i++)
		put_text(out, texts[i].data, texts[i].length);
}

void gguf_builder_remove(struct gguf_builder *builder, const char *key)
{
	size_t i;

	for (i = 0; i < builder->n_entries; i++) {
		if (strcmp(builder->entries[i].key, key))
			continue;
		free(builder->entries[i].key);
		free(builder->entries[i].bytes.data);
		memmove(&builder->entries[i], &builder->entries[i + 1],
			(--builder->n_entries - i) * sizeof(*builder->entries));
		return;
	}
}

void gguf_builder_tensor(struct gguf_builder *builder, const char *name, uint32_t type,
			 uint32_t n_dims, const uint64_t *dims, const void *data, size_t bytes)
{
	uint32_t i;

	pad(&builder->data);
	put_text(&builder->tensors, name, strlen(name));
	put_int(&builder->tensors, n_dims, 4);
	for (i = 0; i < n_dims; i++)
		put_int(&builder->tensors, dims[i], 8);
	put_int(&builder->tensors, type, 4);
	put_int(&builder->tensors, builder->data.length, 8);
	put(&builder->data, data, bytes);
	builder->n_tensors++;
}

void *gguf_builder_finish(const struct gguf_builder *builder, size_t *bytes)
{
	struct buffer image = { 0 };
	size_t i;

	put(&image, "GGUF", 4);
	put_int(&image, 3, 4);
	put_int(&image, builder->n_tensors, 8);
	put_int(&image, builder->n_entries, 8);
	for (i = 0; i < builder->n_entries; i++)
		put(&image, builder->entries[i].bytes.data, builder->entries[i].bytes.length);
	put(&image, builder->tensors.data, builder->tensors.length);
	pad(&image);
	put(&image, builder->data.data, builder->data.length);
	pad(&image);
	*bytes = image.length;
	return image.data;
}
