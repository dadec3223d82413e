// SPDX-License-Identifier: MIT
/* Look-up and typed access in an opened GGUF file. */
#include "gguf.h"
#include "gguf_internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

uint32_t bitnpu_gguf_scalar_bytes(uint32_t type)
{
	static const uint8_t bytes[] = {
		[BITNPU_GGUF_UINT8] = 1, [BITNPU_GGUF_INT8] = 1, [BITNPU_GGUF_UINT16] = 2,
		[BITNPU_GGUF_INT16] = 2, [BITNPU_GGUF_UINT32] = 4, [BITNPU_GGUF_INT32] = 4,
		[BITNPU_GGUF_FLOAT32] = 4, [BITNPU_GGUF_BOOL] = 1, [BITNPU_GGUF_UINT64] = 8,
		[BITNPU_GGUF_INT64] = 8, [BITNPU_GGUF_FLOAT64] = 8,
	};

	return type < sizeof(bytes) ? bytes[type] : 0;
}

/* By length first: most comparisons then end without reading the file. */
int bitnpu_gguf_compare_strings(const struct bitnpu_gguf_string *a,
				const struct bitnpu_gguf_string *b)
{
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return memcmp(a->data, b->data, a->length);
}

static int compare_key(const void *key, const void *entry)
{
	return bitnpu_gguf_compare_strings(key, &(*(const struct bitnpu_gguf_kv *const *)entry)->key);
}

static int compare_tensor(const void *key, const void *entry)
{
	return bitnpu_gguf_compare_strings(key, &(*(const struct bitnpu_gguf_tensor *const *)entry)->name);
}

const struct bitnpu_gguf_kv *bitnpu_gguf_find(const struct bitnpu_gguf *gguf, const char *key)
{
	struct bitnpu_gguf_string name = { key, strlen(key) };
	const struct bitnpu_gguf_kv **found;

	found = bsearch(&name, gguf->kv_sorted, gguf->n_kv, sizeof(*found), compare_key);
	return found ? *found : NULL;
}

const struct bitnpu_gguf_tensor *bitnpu_gguf_find_tensor(const struct bitnpu_gguf *gguf,
							 const char *name)
{
	struct bitnpu_gguf_string key = { name, strlen(name) };
	const struct bitnpu_gguf_tensor **found;

	found = bsearch(&key, gguf->tensors_sorted, gguf->n_tensors, sizeof(*found), compare_tensor);
	return found ? *found : NULL;
}

static int wrong_type(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_kv *kv,
		      const char *wanted, struct bitnpu_error *err)
{
	return bitnpu_fail(err, -EINVAL, "%s: key %.*s: value type %u, expected %s", gguf->path,
			   BITNPU_NAME_ARGS(kv->key), kv->type, wanted);
}

/* Sign-extends signed types; bytes beyond the type stay zero for unsigned ones. */
static bool read_integer(const struct bitnpu_gguf_kv *kv, bool *negative, uint64_t *value)
{
	static const uint32_t is_signed = 1u << BITNPU_GGUF_INT8 | 1u << BITNPU_GGUF_INT16 |
					  1u << BITNPU_GGUF_INT32 | 1u << BITNPU_GGUF_INT64;
	static const uint32_t is_unsigned = 1u << BITNPU_GGUF_UINT8 | 1u << BITNPU_GGUF_UINT16 |
					    1u << BITNPU_GGUF_UINT32 | 1u << BITNPU_GGUF_UINT64;

	if (kv->type > BITNPU_GGUF_FLOAT64 || !((is_signed | is_unsigned) >> kv->type & 1))
		return false;
	*value = 0;
	memcpy(value, kv->data, kv->bytes);
	*negative = (is_signed >> kv->type & 1) && kv->data[kv->bytes - 1] & 0x80;
	return true;
}

int bitnpu_gguf_get_u32(const struct bitnpu_gguf *gguf, const char *key, uint32_t *value,
			struct bitnpu_error *err)
{
	const struct bitnpu_gguf_kv *kv = bitnpu_gguf_find(gguf, key);
	uint64_t v;
	bool negative;

	if (!kv)
		return -ENOENT;
	if (!read_integer(kv, &negative, &v))
		return wrong_type(gguf, kv, "an integer", err);
	if (negative)
		return bitnpu_fail(err, -EINVAL, "%s: key %s: the value is negative", gguf->path,
				   key);
	if (v > UINT32_MAX)
		return bitnpu_fail(err, -EINVAL, "%s: key %s: %llu does not fit into 32 bits",
				   gguf->path, key, (unsigned long long)v);
	*value = v;
	return 0;
}

int bitnpu_gguf_get_f32(const struct bitnpu_gguf *gguf, const char *key, float *value,
			struct bitnpu_error *err)
{
	const struct bitnpu_gguf_kv *kv = bitnpu_gguf_find(gguf, key);
	double d;
	float f;

	if (!kv)
		return -ENOENT;
	if (kv->type == BITNPU_GGUF_FLOAT32) {
		memcpy(&f, kv->data, sizeof(f));
	} else if (kv->type == BITNPU_GGUF_FLOAT64) {
		memcpy(&d, kv->data, sizeof(d));
		f = d;
	} else {
		return wrong_type(gguf, kv, "a float", err);
	}
	if (!isfinite(f))
		return bitnpu_fail(err, -EINVAL, "%s: key %s: the value is not finite", gguf->path,
				   key);
	*value = f;
	return 0;
}

int bitnpu_gguf_get_bool(const struct bitnpu_gguf *gguf, const char *key, bool *value,
			 struct bitnpu_error *err)
{
	const struct bitnpu_gguf_kv *kv = bitnpu_gguf_find(gguf, key);

	if (!kv)
		return -ENOENT;
	if (kv->type != BITNPU_GGUF_BOOL)
		return wrong_type(gguf, kv, "a boolean", err);
	if (kv->data[0] > 1)
		return bitnpu_fail(err, -EINVAL, "%s: key %s: boolean is %u, not 0 or 1", gguf->path,
				   key, kv->data[0]);
	*value = kv->data[0];
	return 0;
}

/* Both were checked to lie inside the file when it was opened. */
static const unsigned char *string_at(const unsigned char *at, struct bitnpu_gguf_string *string)
{
	memcpy(&string->length, at, sizeof(string->length));
	string->data = (const char *)at + sizeof(string->length);
	return at + sizeof(string->length) + string->length;
}

int bitnpu_gguf_get_string(const struct bitnpu_gguf *gguf, const char *key,
			   struct bitnpu_gguf_string *value, struct bitnpu_error *err)
{
	const struct bitnpu_gguf_kv *kv = bitnpu_gguf_find(gguf, key);

	if (!kv)
		return -ENOENT;
	if (kv->type != BITNPU_GGUF_STRING)
		return wrong_type(gguf, kv, "a string", err);
	string_at(kv->data, value);
	return 0;
}

int bitnpu_gguf_get_array(const struct bitnpu_gguf *gguf, const char *key, uint32_t element_type,
			  const struct bitnpu_gguf_kv **kv, struct bitnpu_error *err)
{
	const struct bitnpu_gguf_kv *found = bitnpu_gguf_find(gguf, key);

	if (!found)
		return -ENOENT;
	if (found->type != BITNPU_GGUF_ARRAY)
		return wrong_type(gguf, found, "an array", err);
	if (found->element_type != element_type)
		return bitnpu_fail(err, -EINVAL, "%s: key %s: array of value type %u, expected %u",
				   gguf->path, key, found->element_type, element_type);
	*kv = found;
	return 0;
}

void bitnpu_gguf_strings(const struct bitnpu_gguf_kv *kv, struct bitnpu_gguf_cursor *cursor)
{
	bool strings = kv->type == BITNPU_GGUF_ARRAY && kv->element_type == BITNPU_GGUF_STRING;

	cursor->next = kv->data;
	cursor->left = strings ? kv->count : 0;
}

bool bitnpu_gguf_next_string(struct bitnpu_gguf_cursor *cursor, struct bitnpu_gguf_string *string)
{
	if (!cursor->left)
		return false;
	cursor->next = string_at(cursor->next, string);
	cursor->left--;
	return true;
}
