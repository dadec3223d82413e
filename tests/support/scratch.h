/* SPDX-License-Identifier: MIT */
/* A directory for a test's files, and whole files in memory. */
#ifndef TEST_SCRATCH_H
#define TEST_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

/** struct scratch - a directory of its own; failing to make one aborts */
struct scratch {
	char directory[64];
	char path[192];	/* of the last scratch_path() */
};

void scratch_new(struct scratch *scratch);
/** scratch_free() - remove the directory and the files in it */
void scratch_free(struct scratch *scratch);
/** scratch_path() - Return: the path of file @name in it, valid until the next call */
const char *scratch_path(struct scratch *scratch, const char *name);
/** scratch_count() - Return: files in it, hidden ones included */
unsigned int scratch_count(const struct scratch *scratch);

/** file_read() - Return: malloc()ed contents of a file, NULL when it cannot be read */
void *file_read(const char *path, size_t *bytes);
/** file_write() - Return: whether the file could be written */
bool file_write(const char *path, const void *data, size_t bytes);

#endif /* TEST_SCRATCH_H */
