// SPDX-License-Identifier: MIT
/* Writing and reading vectors; docs/command-set.md describes the file byte by byte. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "groups.h"
#include "vectors.h"

#define HEADER_BYTES	128
#define REGION_BYTES	64
#define VERSION		1
/* Of a file that is read: more than any vector written here. */
#define MAX_FILE	(1ULL << 30)
#define MAX_REGIONS	65536

static const char magic[8] = "BITNPUV1";

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static uint64_t align(uint64_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

static bool is_changed(const struct image_region *region)
{
	return memcmp(region->before, region->after, region->bytes) != 0;
}

static void fill_header(uint8_t *header, const struct image *image)
{
	memset(header, 0, HEADER_BYTES);
	memcpy(header, magic, sizeof(magic));
	put32(header + 8, VERSION);
	put32(header + 12, image->region_count);
	put64(header + 16, image->bytes);
	put32(header + 24, image->fault.status);
	put32(header + 28, image->fault.index);
	put32(header + 32, image->fault.field);
	put64(header + 40, image->fault.addr);
	memcpy(header + 48, image->name, strnlen(image->name, HEADER_BYTES - 48 - 1));
}

static bool put_padded(FILE *file, const void *data, uint64_t bytes)
{
	static const uint8_t zeros[64];

	return fwrite(data, 1, bytes, file) == bytes &&
	       fwrite(zeros, 1, align(bytes) - bytes, file) == align(bytes) - bytes;
}

bool vector_write(FILE *file, const struct image *image)
{
	uint64_t at = HEADER_BYTES + image->region_count * REGION_BYTES + align(image->bytes);
	uint8_t header[HEADER_BYTES];
	bool good;

	fill_header(header, image);
	good = put_padded(file, header, sizeof(header));
	for (size_t i = 0; i < image->region_count && good; i++) {
		const struct image_region *region = &image->regions[i];
		uint8_t entry[REGION_BYTES] = { 0 };

		put64(entry, region->addr);
		put64(entry + 8, region->bytes);
		put64(entry + 16, at);
		if (is_changed(region))
			at += align(region->bytes);
		put64(entry + 24, at);
		at += align(region->bytes);
		put32(entry + 32, region->flags);
		good = put_padded(file, entry, sizeof(entry));
	}
	good = good && put_padded(file, image->cmds, image->bytes);
	for (size_t i = 0; i < image->region_count && good; i++) {
		const struct image_region *region = &image->regions[i];

		good = put_padded(file, region->before, region->bytes);
		if (good && is_changed(region))
			good = put_padded(file, region->after, region->bytes);
	}
	return good && fflush(file) == 0;
}

/* The whole file, or NULL. */
static uint8_t *read_all(FILE *file, uint64_t *bytes)
{
	uint8_t *data;
	long end;

	if (fseek(file, 0, SEEK_END) || (end = ftell(file)) < 0 || (uint64_t)end > MAX_FILE)
		return NULL;
	rewind(file);
	data = need(malloc(end + 1));
	if (fread(data, 1, end, file) != (size_t)end) {
		free(data);
		return NULL;
	}
	*bytes = end;
	return data;
}

static uint8_t *copy(const uint8_t *data, uint64_t file_bytes, uint64_t at, uint64_t bytes)
{
	uint8_t *part;

	if (at > file_bytes || bytes > file_bytes - at)
		return NULL;
	part = need(malloc(bytes + 1));
	memcpy(part, data + at, bytes);
	return part;
}

static const char *parse(const uint8_t *data, uint64_t bytes, struct image *image)
{
	const uint8_t *entry = data + HEADER_BYTES;
	uint32_t count;

	if (bytes < HEADER_BYTES || memcmp(data, magic, sizeof(magic)))
		return "not a vector";
	if (get32(data + 8) != VERSION)
		return "unknown version";
	count = get32(data + 12);
	if (count > MAX_REGIONS || count > (bytes - HEADER_BYTES) / REGION_BYTES)
		return "more regions than the file holds";
	image->bytes = get64(data + 16);
	image->fault.status = get32(data + 24);
	image->fault.index = get32(data + 28);
	image->fault.field = get32(data + 32);
	image->fault.addr = get64(data + 40);
	memcpy(image->name, data + 48, HEADER_BYTES - 48 - 1);
	image->cmds = copy(data, bytes, HEADER_BYTES + count * REGION_BYTES, image->bytes);
	if (!image->cmds)
		return "the list passes the end of the file";
	image->regions = need(calloc(count + 1, sizeof(*image->regions)));
	for (uint32_t i = 0; i < count; i++, entry += REGION_BYTES) {
		struct image_region *region = &image->regions[i];

		region->addr = get64(entry);
		region->bytes = get64(entry + 8);
		region->before = copy(data, bytes, get64(entry + 16), region->bytes);
		region->after = copy(data, bytes, get64(entry + 24), region->bytes);
		region->flags = get32(entry + 32);
		image->region_count++;
		if (!region->before || !region->after || region->bytes == 0)
			return "a region is empty or passes the end of the file";
	}
	return NULL;
}

const char *vector_read(FILE *file, struct image *image)
{
	const char *wrong;
	uint64_t bytes;
	uint8_t *data;

	memset(image, 0, sizeof(*image));
	data = read_all(file, &bytes);
	if (!data)
		return "cannot be read";
	wrong = parse(data, bytes, image);
	free(data);
	return wrong;
}

static bool same(const struct image *a, const struct image *b)
{
	if (a->bytes != b->bytes || a->region_count != b->region_count ||
	    memcmp(a->cmds, b->cmds, a->bytes) || memcmp(&a->fault, &b->fault, sizeof(a->fault)))
		return false;
	for (size_t i = 0; i < a->region_count; i++) {
		const struct image_region *r = &a->regions[i], *s = &b->regions[i];

		if (r->addr != s->addr || r->bytes != s->bytes || r->flags != s->flags ||
		    memcmp(r->before, s->before, r->bytes) || memcmp(r->after, s->after, r->bytes))
			return false;
	}
	return true;
}

/* @image to a file and back; then every truncation of the file, which must be noticed. */
static const char *round_trip(void *user, const struct image *image)
{
	struct bench *b = user;
	FILE *file = need(tmpfile());
	struct image back;
	const char *wrong;

	if (!vector_write(file, image))
		bail_out("cannot write a temporary file");
	wrong = vector_read(file, &back);
	if (!wrong && !same(image, &back))
		wrong = "does not come back as it was";
	if (!wrong)
		wrong = image_run(b->device, &back);
	image_free(&back);
	fclose(file);
	return wrong;
}

const char *group_vectors(struct bench *b, uint32_t unused)
{
	struct bench writer = *b;
	const char *wrong;

	writer.sink = round_trip;
	writer.sink_user = b;
	writer.quick = true;
	wrong = group_barriers(&writer, 0);
	if (!wrong)
		wrong = group_refusals(&writer, 0);
	return wrong;
}
