// SPDX-License-Identifier: MIT
/*
 * The disk cache of program binaries: one file an entry, checked by length and checksum.
 *
 * Entries are only ever replaced whole (rename), so that processes may share the directory.
 */
#include "opencl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#define MAGIC		0x31434c4355504e42ULL	/* "BNPUCLC1" */
/* Far over any binary seen (PoCL: under 1 MiB); bounds what a damaged length can allocate. */
#define MAX_ENTRY	(256u << 20)

struct header {
	uint64_t magic;
	struct bitnpu_cl_key key;
	uint64_t size;
	uint64_t checksum;
};

char *bitnpu_cl_cache_dir(void)
{
	const char *dir = getenv("BITNPU_CACHE_DIR");
	const char *base = getenv("XDG_CACHE_HOME");
	char *path = NULL;

	if (dir)
		return *dir ? strdup(dir) : NULL;
	/* The XDG base directory specification has relative paths ignored. */
	if (base && *base == '/')
		return asprintf(&path, "%s/bitnpu", base) < 0 ? NULL : path;
	base = getenv("HOME");
	if (base && *base == '/')
		return asprintf(&path, "%s/.cache/bitnpu", base) < 0 ? NULL : path;
	return NULL;
}

static char *entry_path(const char *dir, const struct bitnpu_cl_key *key)
{
	char *path;

	if (asprintf(&path, "%s/opencl-%016" PRIx64 "%016" PRIx64, dir, key->high, key->low) < 0)
		return NULL;
	return path;
}

static bool read_all(int fd, void *data, size_t size)
{
	char *at = data;

	while (size) {
		ssize_t got = read(fd, at, size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		size -= got;
	}
	return true;
}

static bool write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t put = write(fd, at, size);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		at += put;
		size -= put;
	}
	return true;
}

bool bitnpu_cl_cache_load(const char *dir, const struct bitnpu_cl_key *key, void **data,
			  size_t *size)
{
	char *path = dir ? entry_path(dir, key) : NULL;
	struct header header;
	void *bytes = NULL;
	bool ok = false;
	int fd = -1;

	if (!path)
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !read_all(fd, &header, sizeof(header)))
		goto out;
	if (header.magic != MAGIC || memcmp(&header.key, key, sizeof(*key)) || !header.size ||
	    header.size > MAX_ENTRY)
		goto out;
	bytes = malloc(header.size);
	if (!bytes || !read_all(fd, bytes, header.size) ||
	    XXH64(bytes, header.size, MAGIC) != header.checksum)
		goto out;
	*data = bytes;
	*size = header.size;
	bytes = NULL;
	ok = true;
out:
	free(bytes);
	if (fd >= 0)
		close(fd);
	free(path);
	return ok;
}

/* mkdir -p; that of a cache the specification wants private to the user. */
static void make_dir(const char *dir)
{
	char *path = strdup(dir);

	if (!path)
		return;
	for (char *at = path + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = 0;
		mkdir(path, 0700);
		*at = '/';
	}
	mkdir(path, 0700);
	free(path);
}

void bitnpu_cl_cache_store(const char *dir, const struct bitnpu_cl_key *key, const void *data,
			   size_t size)
{
	struct header header = { .magic = MAGIC, .key = *key, .size = size };
	char *path = NULL, *temp = NULL;
	int fd;

	if (!dir || !size || size > MAX_ENTRY)
		return;
	header.checksum = XXH64(data, size, MAGIC);
	make_dir(dir);
	path = entry_path(dir, key);
	if (!path || asprintf(&temp, "%s.XXXXXX", path) < 0) {
		temp = NULL;
		goto out;
	}
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		goto out;
	if (!write_all(fd, &header, sizeof(header)) || !write_all(fd, data, size)) {
		close(fd);
		unlink(temp);
		goto out;
	}
	if (close(fd) || rename(temp, path))
		unlink(temp);
out:
	free(temp);
	free(path);
}
