// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"

void scratch_new(struct scratch *scratch)
{
	strcpy(scratch->directory, "/tmp/bitnpu-test-XXXXXX");
	if (!mkdtemp(scratch->directory))
		abort();
}

const char *scratch_path(struct scratch *scratch, const char *name)
{
	snprintf(scratch->path, sizeof(scratch->path), "%s/%s", scratch->directory, name);
	return scratch->path;
}

static bool is_file(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

unsigned int scratch_count(const struct scratch *scratch)
{
	DIR *directory = opendir(scratch->directory);
	const struct dirent *entry;
	unsigned int count = 0;

	if (!directory)
		abort();
	while ((entry = readdir(directory)))
		count += is_file(entry);
	closedir(directory);
	return count;
}

void scratch_free(struct scratch *scratch)
{
	DIR *directory = opendir(scratch->directory);
	const struct dirent *entry;

	if (!directory)
		abort();
	while ((entry = readdir(directory)))
		if (is_file(entry))
			unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
	rmdir(scratch->directory);
}

void *file_read(const char *path, size_t *bytes)
{
	FILE *file = fopen(path, "rb");
	char *data = NULL;
	long size;

	if (!file)
		return NULL;
	if (!fseek(file, 0, SEEK_END) && (size = ftell(file)) >= 0 && !fseek(file, 0, SEEK_SET)) {
		data = malloc(size + 1);
		if (data && fread(data, 1, size, file) == (size_t)size) {
			data[size] = '\0';
			*bytes = size;
		} else {
			free(data);
			data = NULL;
		}
	}
	fclose(file);
	return data;
}

bool file_write(const char *path, const void *data, size_t bytes)
{
	FILE *file = fopen(path, "wb");
	bool written;

	if (!file)
		return false;
	written = fwrite(data, 1, bytes, file) == bytes;
	return !fclose(file) && written;
}
