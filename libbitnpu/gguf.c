// SPDX-License-Identifier: MIT
/*
 * GGUF reader: maps the file, parses the header once and checks all of it.
 *
 * The parser works on a cursor that can only move inside the mapping; every count is held against the
 * bytes that are left before anything is allocated for it.  What cannot be guarded against: somebody
 * truncating the file while it is mapped makes later reads raise SIGBUS, as for every mmap user.
 */
#include "gguf.h"
#include "gguf_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "GGUF data is used in place, which needs a little-endian host");

#define GGUF_DEFAULT_ALIGNMENT	32
#define GGUF_MAX_KEY_BYTES	65535	/* the specification's limit */
#define GGUF_MAX_NAME_BYTES	64	/* likewise, of a tensor */
#define GGUF_MAX_NESTING	4	/* arrays in arrays */
#define GGUF_MIN_KV_BYTES	14	/* key of one byte, type, value of one byte */
#define GGUF_MIN_TENSOR_BYTES	25	/* name of one byte, no dimensions */
#define PATH_SHOWN		100	/* bytes of a path in messages: its end says most */

struct reader {
	struct bitnpu_gguf *g;
	struct bitnpu_error *err;
	uint64_t pos;
};

static uint64_t left(const struct reader *r)
{
	return r->g->size - r->pos;
}

static int truncated(const struct reader *r, const char *what)
{
	return bitnpu_fail(r->err, -EINVAL, "%s: %s at offset %llu runs past the end of the file "
			   "(%llu bytes)", r->g->path, what, (unsigned long long)r->pos,
			   (unsigned long long)r->g->size);
}

static int take(struct reader *r, void *dst, uint64_t bytes, const char *what)
{
	if (left(r) < bytes)
		return truncated(r, what);
	memcpy(dst, r->g->map + r->pos, bytes);
	r->pos += bytes;
	return 0;
}

static int take_string(struct reader *r, struct bitnpu_gguf_string *s, uint64_t limit,
		       const char *what)
{
	uint64_t length = 0;
	int ret = take(r, &length, sizeof(length), what);

	if (ret)
		return ret;
	if (length > left(r))
		return truncated(r, what);
	if (length > limit)
		return bitnpu_fail(r->err, -EINVAL, "%s: %s at offset %llu has %llu bytes, at most "
				   "%llu are allowed", r->g->path, what, (unsigned long long)r->pos,
				   (unsigned long long)length, (unsigned long long)limit);
	s->data = (const char *)r->g->map + r->pos;
	s->length = length;
	r->pos += length;
	return 0;
}

static int skip_elements(struct reader *r, const struct bitnpu_gguf_kv *kv, uint32_t type,
			 uint64_t count, unsigned int nesting);

static int bad_key(const struct reader *r, const struct bitnpu_gguf_kv *kv, const char *what,
		   uint64_t value)
{
	return bitnpu_fail(r->err, -EINVAL, "%s: key %.*s: %s %llu", r->g->path,
			   BITNPU_NAME_ARGS(kv->key), what, (unsigned long long)value);
}

static int skip_array(struct reader *r, const struct bitnpu_gguf_kv *kv, uint32_t *type,
		      uint64_t *count, unsigned int nesting)
{
	int ret;

	if (nesting >= GGUF_MAX_NESTING)
		return bad_key(r, kv, "arrays nested deeper than", GGUF_MAX_NESTING);
	ret = take(r, type, sizeof(*type), "array type");
	if (!ret)
		ret = take(r, count, sizeof(*count), "array length");
	if (!ret)
		ret = skip_elements(r, kv, *type, *count, nesting + 1);
	return ret;
}

/* Elements of variable size take at least 8 bytes each, so a lying count ends at the file's end. */
static int skip_elements(struct reader *r, const struct bitnpu_gguf_kv *kv, uint32_t type,
			 uint64_t count, unsigned int nesting)
{
	uint32_t bytes = bitnpu_gguf_scalar_bytes(type);
	struct bitnpu_gguf_string s;
	uint32_t inner_type;
	uint64_t inner_count;
	int ret = 0;

	if (bytes) {
		if (count > left(r) / bytes)
			return bad_key(r, kv, "does not fit into the file: elements:", count);
		r->pos += count * bytes;
		return 0;
	}
	if (type != BITNPU_GGUF_STRING && type != BITNPU_GGUF_ARRAY)
		return bad_key(r, kv, "unknown value type", type);
	if (count > left(r) / 8)
		return bad_key(r, kv, "does not fit into the file: elements:", count);
	for (; count && !ret; count--) {
		if (type == BITNPU_GGUF_STRING)
			ret = take_string(r, &s, UINT64_MAX, "string");
		else
			ret = skip_array(r, kv, &inner_type, &inner_count, nesting);
	}
	return ret;
}

static int read_kv(struct reader *r, struct bitnpu_gguf_kv *kv)
{
	int ret = take_string(r, &kv->key, GGUF_MAX_KEY_BYTES, "key");

	if (ret)
		return ret;
	if (!kv->key.length)
		return bitnpu_fail(r->err, -EINVAL, "%s: empty key at offset %llu", r->g->path,
				   (unsigned long long)r->pos);
	ret = take(r, &kv->type, sizeof(kv->type), "value type");
	if (ret)
		return ret;
	kv->count = 1;
	if (kv->type == BITNPU_GGUF_ARRAY) {
		uint64_t start = r->pos + sizeof(uint32_t) + sizeof(uint64_t);

		ret = skip_array(r, kv, &kv->element_type, &kv->count, 0);
		if (ret)
			return ret;
		kv->data = r->g->map + start;
		kv->bytes = r->pos - start;
		return 0;
	}
	kv->data = r->g->map + r->pos;
	ret = skip_elements(r, kv, kv->type, 1, 0);
	kv->bytes = r->g->map + r->pos - kv->data;
	return ret;
}

static int compare_kv(const void *a, const void *b)
{
	return bitnpu_gguf_compare_strings(&(*(const struct bitnpu_gguf_kv *const *)a)->key,
					   &(*(const struct bitnpu_gguf_kv *const *)b)->key);
}

static int compare_tensors(const void *a, const void *b)
{
	return bitnpu_gguf_compare_strings(&(*(const struct bitnpu_gguf_tensor *const *)a)->name,
					   &(*(const struct bitnpu_gguf_tensor *const *)b)->name);
}

static int compare_places(const void *a, const void *b)
{
	const struct bitnpu_gguf_tensor *x = *(const struct bitnpu_gguf_tensor *const *)a;
	const struct bitnpu_gguf_tensor *y = *(const struct bitnpu_gguf_tensor *const *)b;

	if (x->data != y->data)
		return x->data < y->data ? -1 : 1;
	return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

static int read_all_kv(struct reader *r)
{
	struct bitnpu_gguf *g = r->g;
	uint64_t i;
	int ret;

	if (g->n_kv > left(r) / GGUF_MIN_KV_BYTES)
		return bitnpu_fail(r->err, -EINVAL, "%s: %llu metadata entries cannot fit into %llu "
				   "bytes", g->path, (unsigned long long)g->n_kv,
				   (unsigned long long)left(r));
	g->kv = calloc(g->n_kv + 1, sizeof(*g->kv));
	g->kv_sorted = calloc(g->n_kv + 1, sizeof(*g->kv_sorted));
	if (!g->kv || !g->kv_sorted)
		return bitnpu_fail(r->err, -ENOMEM, "%s: out of memory", g->path);
	for (i = 0; i < g->n_kv; i++) {
		ret = read_kv(r, &g->kv[i]);
		if (ret)
			return ret;
		g->kv_sorted[i] = &g->kv[i];
	}
	qsort(g->kv_sorted, g->n_kv, sizeof(*g->kv_sorted), compare_kv);
	for (i = 1; i < g->n_kv; i++)
		if (!compare_kv(&g->kv_sorted[i - 1], &g->kv_sorted[i]))
			return bitnpu_fail(r->err, -EINVAL, "%s: key %.*s appears twice", g->path,
					   BITNPU_NAME_ARGS(g->kv_sorted[i]->key));
	return 0;
}

static int bad_tensor(const struct reader *r, const struct bitnpu_gguf_tensor *t, const char *what,
		      uint64_t found, uint64_t limit)
{
	return bitnpu_fail(r->err, -EINVAL, "%s: tensor %.*s: %s (%llu, limit %llu)", r->g->path,
			   BITNPU_NAME_ARGS(t->name), what, (unsigned long long)found,
			   (unsigned long long)limit);
}

static int read_dims(struct reader *r, struct bitnpu_gguf_tensor *t)
{
	uint32_t i;
	int ret = take(r, &t->n_dims, sizeof(t->n_dims), "tensor dimensions");

	if (ret)
		return ret;
	if (t->n_dims > 4)
		return bad_tensor(r, t, "too many dimensions", t->n_dims, 4);
	t->elements = 1;
	for (i = 0; i < 4; i++) {
		t->dims[i] = 1;
		if (i < t->n_dims) {
			ret = take(r, &t->dims[i], sizeof(t->dims[i]), "tensor dimensions");
			if (ret)
				return ret;
		}
		if (!t->dims[i])
			return bitnpu_fail(r->err, -EINVAL, "%s: tensor %.*s: dimension %u is zero",
					   r->g->path, BITNPU_NAME_ARGS(t->name), i);
		if (t->dims[i] > INT64_MAX / t->elements)
			return bad_tensor(r, t, "too many elements in dimension", t->dims[i],
					  INT64_MAX / t->elements);
		t->elements *= t->dims[i];
	}
	/* Converters write a scalar as a tensor without dimensions. */
	if (!t->n_dims)
		t->n_dims = 1;
	return 0;
}

static int read_tensor(struct reader *r, struct bitnpu_gguf_tensor *t, uint64_t *offset)
{
	int ret = take_string(r, &t->name, GGUF_MAX_NAME_BYTES, "tensor name");

	if (ret)
		return ret;
	if (!t->name.length)
		return bitnpu_fail(r->err, -EINVAL, "%s: empty tensor name at offset %llu",
				   r->g->path, (unsigned long long)r->pos);
	ret = read_dims(r, t);
	if (!ret)
		ret = take(r, &t->type, sizeof(t->type), "tensor type");
	if (!ret)
		ret = take(r, offset, sizeof(*offset), "tensor offset");
	if (!ret && *offset % r->g->alignment)
		ret = bad_tensor(r, t, "offset is not a multiple of the alignment", *offset,
				 r->g->alignment);
	return ret;
}

/* @offset counts from the data section, whose place is known once all tensors are read. */
static int place_tensor(struct reader *r, struct bitnpu_gguf_tensor *t, uint64_t offset)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(t->type);
	uint64_t room = r->g->size - r->g->data_offset;
	uint64_t blocks;

	if (offset > room)
		return bad_tensor(r, t, "starts past the end of the file", offset, room);
	t->data = r->g->map + r->g->data_offset + offset;
	if (!layout)
		return 0;
	room -= offset;
	if (t->dims[0] % layout->block)
		return bitnpu_fail(r->err, -EINVAL, "%s: tensor %.*s: a row of %llu elements is not "
				   "a multiple of %s's block of %u", r->g->path,
				   BITNPU_NAME_ARGS(t->name), (unsigned long long)t->dims[0],
				   layout->name, layout->block);
	blocks = t->elements / layout->block;
	if (blocks > room / layout->bytes || room - blocks * layout->bytes < layout->tail)
		return bitnpu_fail(r->err, -EINVAL, "%s: tensor %.*s: %llu elements of %s at offset "
				   "%llu run past the end of the file (%llu bytes left)",
				   r->g->path, BITNPU_NAME_ARGS(t->name),
				   (unsigned long long)t->elements, layout->name,
				   (unsigned long long)offset, (unsigned long long)room);
	t->bytes = blocks * layout->bytes + layout->tail;
	return 0;
}

/* Tensors of unknown size cannot be checked; they must not hide that their neighbours overlap. */
static int check_overlap(struct reader *r)
{
	const struct bitnpu_gguf_tensor *before = NULL;
	struct bitnpu_gguf *g = r->g;
	uint64_t i;

	qsort(g->tensors_sorted, g->n_tensors, sizeof(*g->tensors_sorted), compare_places);
	for (i = 0; i < g->n_tensors; i++) {
		const struct bitnpu_gguf_tensor *t = g->tensors_sorted[i];

		if (!t->bytes)
			continue;
		if (before && before->bytes > (uint64_t)(t->data - before->data))
			return bitnpu_fail(r->err, -EINVAL, "%s: tensors %.*s and %.*s overlap",
					   g->path, BITNPU_NAME_ARGS(before->name),
					   BITNPU_NAME_ARGS(t->name));
		before = t;
	}
	return 0;
}

static int check_names(struct reader *r)
{
	struct bitnpu_gguf *g = r->g;
	uint64_t i;

	qsort(g->tensors_sorted, g->n_tensors, sizeof(*g->tensors_sorted), compare_tensors);
	for (i = 1; i < g->n_tensors; i++)
		if (!compare_tensors(&g->tensors_sorted[i - 1], &g->tensors_sorted[i]))
			return bitnpu_fail(r->err, -EINVAL, "%s: tensor %.*s appears twice", g->path,
					   BITNPU_NAME_ARGS(g->tensors_sorted[i]->name));
	return 0;
}

static int read_alignment(struct reader *r)
{
	struct bitnpu_gguf *g = r->g;
	int ret;

	g->alignment = GGUF_DEFAULT_ALIGNMENT;
	ret = bitnpu_gguf_get_u32(g, "general.alignment", &g->alignment, r->err);
	if (ret && ret != -ENOENT)
		return ret;
	if (g->alignment < 8 || (g->alignment & (g->alignment - 1)))
		return bitnpu_fail(r->err, -EINVAL, "%s: key general.alignment: %u is not a power of "
				   "two of at least 8", g->path, g->alignment);
	return 0;
}

static int read_all_tensors(struct reader *r)
{
	struct bitnpu_gguf *g = r->g;
	uint64_t *offsets = NULL;
	uint64_t i;
	int ret = -ENOMEM;

	if (g->n_tensors > left(r) / GGUF_MIN_TENSOR_BYTES)
		return bitnpu_fail(r->err, -EINVAL, "%s: %llu tensors cannot fit into %llu bytes",
				   g->path, (unsigned long long)g->n_tensors,
				   (unsigned long long)left(r));
	g->tensors = calloc(g->n_tensors + 1, sizeof(*g->tensors));
	g->tensors_sorted = calloc(g->n_tensors + 1, sizeof(*g->tensors_sorted));
	offsets = calloc(g->n_tensors + 1, sizeof(*offsets));
	if (!g->tensors || !g->tensors_sorted || !offsets) {
		bitnpu_fail(r->err, ret, "%s: out of memory", g->path);
		goto out;
	}
	for (i = 0; i < g->n_tensors; i++) {
		ret = read_tensor(r, &g->tensors[i], &offsets[i]);
		if (ret)
			goto out;
		g->tensors_sorted[i] = &g->tensors[i];
	}
	g->data_offset = (r->pos + g->alignment - 1) & ~(uint64_t)(g->alignment - 1);
	if (g->data_offset > g->size)
		g->data_offset = g->size;
	for (i = 0; i < g->n_tensors; i++) {
		ret = place_tensor(r, &g->tensors[i], offsets[i]);
		if (ret)
			goto out;
	}
	ret = check_overlap(r);
	if (!ret)
		ret = check_names(r);
out:
	free(offsets);
	return ret;
}

static int read_header(struct reader *r)
{
	struct bitnpu_gguf *g = r->g;
	char magic[4];
	int ret;

	if (left(r) < sizeof(magic) || memcmp(g->map, "GGUF", sizeof(magic)))
		return bitnpu_fail(r->err, -EINVAL, "%s: not a GGUF file", g->path);
	r->pos = sizeof(magic);
	ret = take(r, &g->version, sizeof(g->version), "version");
	if (ret)
		return ret;
	if (g->version && !(g->version & 0xffff))
		return bitnpu_fail(r->err, -ENOTSUP, "%s: big-endian GGUF files are not supported",
				   g->path);
	if (g->version != 2 && g->version != 3)
		return bitnpu_fail(r->err, -ENOTSUP, "%s: GGUF version %u is not supported (2 and 3 "
				   "are)", g->path, g->version);
	ret = take(r, &g->n_tensors, sizeof(g->n_tensors), "number of tensors");
	if (!ret)
		ret = take(r, &g->n_kv, sizeof(g->n_kv), "number of metadata entries");
	return ret;
}

static int parse(struct bitnpu_gguf *g, struct bitnpu_error *err)
{
	struct reader r = { .g = g, .err = err };
	int ret = read_header(&r);

	if (!ret)
		ret = read_all_kv(&r);
	if (!ret)
		ret = read_alignment(&r);
	if (!ret)
		ret = read_all_tensors(&r);
	return ret;
}

static struct bitnpu_gguf *new_gguf(const char *path)
{
	struct bitnpu_gguf *g = calloc(1, sizeof(*g));
	size_t length = strlen(path);
	char *p;

	if (!g)
		return NULL;
	g->fd = -1;
	if (length > PATH_SHOWN) {
		g->path = malloc(PATH_SHOWN + sizeof("..."));
		if (g->path) {
			memcpy(g->path, "...", 3);
			memcpy(g->path + 3, path + length - PATH_SHOWN, PATH_SHOWN + 1);
		}
	} else {
		g->path = strdup(path);
	}
	if (!g->path) {
		free(g);
		return NULL;
	}
	for (p = g->path; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return g;
}

static int map_file(struct bitnpu_gguf *g, const char *path, struct bitnpu_error *err)
{
	struct stat st;
	void *map;

	/* O_NONBLOCK: opening a FIFO must not wait for a writer. */
	g->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (g->fd < 0 || fstat(g->fd, &st))
		return bitnpu_fail(err, -errno, "%s: %s", g->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return bitnpu_fail(err, -EINVAL, "%s: not a regular file", g->path);
	if (!st.st_size)
		return bitnpu_fail(err, -EINVAL, "%s: the file is empty", g->path);
	if ((uint64_t)st.st_size > SIZE_MAX)
		return bitnpu_fail(err, -EFBIG, "%s: too large to map", g->path);
	map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, g->fd, 0);
	if (map == MAP_FAILED)
		return bitnpu_fail(err, -errno, "%s: cannot map: %s", g->path, strerror(errno));
	/*
	 * Where the file system can, it is read into large folios and mapped by them: weights are read from
	 * one end to the other for every token, and a page of 4 KiB has to be looked up for each 64 lines.
	 */
	madvise(map, st.st_size, MADV_HUGEPAGE);
	g->map = map;
	g->size = st.st_size;
	return 0;
}

int bitnpu_gguf_open(const char *path, struct bitnpu_gguf **gguf, struct bitnpu_error *err)
{
	struct bitnpu_gguf *g = new_gguf(path);
	int ret;

	if (!g)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", path);
	ret = map_file(g, path, err);
	if (!ret)
		ret = parse(g, err);
	if (ret) {
		bitnpu_gguf_close(g);
		return ret;
	}
	*gguf = g;
	return 0;
}

int bitnpu_gguf_open_memory(const void *data, uint64_t size, const char *name,
			    struct bitnpu_gguf **gguf, struct bitnpu_error *err)
{
	struct bitnpu_gguf *g = new_gguf(name);
	int ret;

	if (!g)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", name);
	g->map = data;
	g->size = size;
	ret = parse(g, err);
	if (ret) {
		bitnpu_gguf_close(g);
		return ret;
	}
	*gguf = g;
	return 0;
}

void bitnpu_gguf_close(struct bitnpu_gguf *gguf)
{
	if (!gguf)
		return;
	if (gguf->fd >= 0) {
		if (gguf->map)
			munmap((void *)gguf->map, gguf->size);
		close(gguf->fd);
	}
	free(gguf->tensors_sorted);
	free(gguf->tensors);
	free(gguf->kv_sorted);
	free(gguf->kv);
	free(gguf->path);
	free(gguf);
}
