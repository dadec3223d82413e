// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metadata.h"
#include "output.h"

static const struct {
	const char *name;
	unsigned int bytes;
} types[] = {
	[BITNPU_GGUF_UINT8] = { "u8", 1 },	[BITNPU_GGUF_INT8] = { "i8", 1 },
	[BITNPU_GGUF_UINT16] = { "u16", 2 },	[BITNPU_GGUF_INT16] = { "i16", 2 },
	[BITNPU_GGUF_UINT32] = { "u32", 4 },	[BITNPU_GGUF_INT32] = { "i32", 4 },
	[BITNPU_GGUF_FLOAT32] = { "f32", 4 },	[BITNPU_GGUF_BOOL] = { "bool", 1 },
	[BITNPU_GGUF_STRING] = { "string", 0 }, [BITNPU_GGUF_ARRAY] = { "array", 0 },
	[BITNPU_GGUF_UINT64] = { "u64", 8 },	[BITNPU_GGUF_INT64] = { "i64", 8 },
	[BITNPU_GGUF_FLOAT64] = { "f64", 8 },
};

static const char *type_name(uint32_t type)
{
	return type < sizeof(types) / sizeof(*types) ? types[type].name : "?";
}

const char *bitnpu_metadata_type(const struct bitnpu_gguf_kv *kv, char out[32])
{
	if (kv->type == BITNPU_GGUF_ARRAY)
		snprintf(out, 32, "array of %s", type_name(kv->element_type));
	else
		snprintf(out, 32, "%s", type_name(kv->type));
	return out;
}

/* A little-endian value of up to eight bytes, as GGUF and every host we build on store it. */
static uint64_t load(const unsigned char *data, unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= (uint64_t)data[i] << 8 * i;
	return value;
}

static double load_real(uint32_t type, const unsigned char *data)
{
	uint32_t narrow = load(data, 4);
	uint64_t wide;
	double real;
	float single;

	if (type == BITNPU_GGUF_FLOAT32) {
		memcpy(&single, &narrow, sizeof(single));
		return single;
	}
	wide = load(data, 8);
	memcpy(&real, &wide, sizeof(real));
	return real;
}

/* A number or bool; NULL for what is neither. */
static json_t *scalar(uint32_t type, const unsigned char *data)
{
	unsigned int bytes = type < sizeof(types) / sizeof(*types) ? types[type].bytes : 0;
	uint64_t value;

	if (!bytes)
		return NULL;
	value = load(data, bytes);
	switch (type) {
	case BITNPU_GGUF_BOOL:
		return json_boolean(value);
	case BITNPU_GGUF_FLOAT32:
	case BITNPU_GGUF_FLOAT64:
		return bitnpu_json_real(load_real(type, data));
	case BITNPU_GGUF_UINT64:
		/* JSON integers are signed here; what does not fit stays exact as text */
		if (value > INT64_MAX)
			return json_sprintf("%" PRIu64, value);
		return json_integer(value);
	case BITNPU_GGUF_INT8:
	case BITNPU_GGUF_INT16:
	case BITNPU_GGUF_INT32:
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): 1, 2 or 4 */
		if (value >> (8 * bytes - 1))
			value |= UINT64_MAX << 8 * bytes;
		return json_integer((int64_t)value);
	default:
		return json_integer((int64_t)value);
	}
}

static struct bitnpu_gguf_string string_of(const struct bitnpu_gguf_kv *kv)
{
	/* a string value is its length and its bytes; the reader checked both */
	return (struct bitnpu_gguf_string){ (const char *)kv->data + 8, kv->bytes - 8 };
}

static json_t *array_json(const struct bitnpu_gguf_kv *kv, uint64_t elements)
{
	uint64_t count = kv->count < elements ? kv->count : elements;
	struct bitnpu_gguf_cursor cursor;
	struct bitnpu_gguf_string string;
	json_t *json;

	if (kv->element_type == BITNPU_GGUF_ARRAY)
		return json_null();
	json = json_array();
	if (kv->element_type == BITNPU_GGUF_STRING) {
		bitnpu_gguf_strings(kv, &cursor);
		for (uint64_t i = 0; i < count && bitnpu_gguf_next_string(&cursor, &string); i++)
			json_array_append_new(json, bitnpu_json_text(string.data, string.length));
		return json;
	}
	for (uint64_t i = 0; i < count; i++)
		json_array_append_new(json, scalar(kv->element_type, kv->data +
						   i * types[kv->element_type].bytes));
	return json;
}

json_t *bitnpu_metadata_json(const struct bitnpu_gguf_kv *kv, uint64_t elements)
{
	struct bitnpu_gguf_string string;

	if (kv->type == BITNPU_GGUF_ARRAY)
		return array_json(kv, elements);
	if (kv->type == BITNPU_GGUF_STRING) {
		string = string_of(kv);
		return bitnpu_json_text(string.data, string.length);
	}
	return scalar(kv->type, kv->data);
}

static void print_scalar(FILE *out, uint32_t type, const unsigned char *data)
{
	json_t *json = scalar(type, data);

	if (json_is_integer(json))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
	else if (json_is_string(json))
		fputs(json_string_value(json), out);
	else if (json_is_boolean(json))
		fputs(json_is_true(json) ? "true" : "false", out);
	else
		fprintf(out, "%.9g", load_real(type, data));
	json_decref(json);
}

static void print_string(FILE *out, struct bitnpu_gguf_string string, size_t limit)
{
	char *shown = bitnpu_printable(string.data, string.length, limit);

	fprintf(out, "\"%s\"", shown);
	free(shown);
}

static void print_array(FILE *out, const struct bitnpu_gguf_kv *kv, size_t limit)
{
	uint64_t shown = kv->count < limit ? kv->count : limit;
	struct bitnpu_gguf_cursor cursor;
	struct bitnpu_gguf_string string;

	fprintf(out, "%" PRIu64 ": [", kv->count);
	if (kv->element_type == BITNPU_GGUF_STRING)
		bitnpu_gguf_strings(kv, &cursor);
	for (uint64_t i = 0; i < shown && kv->element_type != BITNPU_GGUF_ARRAY; i++) {
		fputs(i ? ", " : "", out);
		if (kv->element_type != BITNPU_GGUF_STRING)
			print_scalar(out, kv->element_type,
				     kv->data + i * types[kv->element_type].bytes);
		else if (bitnpu_gguf_next_string(&cursor, &string))
			print_string(out, string, 24);
	}
	fputs(shown < kv->count ? ", ...]" : "]", out);
}

char *bitnpu_metadata_text(const struct bitnpu_gguf_kv *kv, size_t limit)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return bitnpu_tool_realloc(NULL, SIZE_MAX, 1);
	if (kv->type == BITNPU_GGUF_ARRAY)
		print_array(out, kv, limit / 8);
	else if (kv->type == BITNPU_GGUF_STRING)
		print_string(out, string_of(kv), limit);
	else
		print_scalar(out, kv->type, kv->data);
	fclose(out);
	return text;
}
