// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "read_text.h"

#define LIMIT ((size_t)64 << 20)

static int read_stream(FILE *file, char **text, size_t *length)
{
	size_t capacity = 0, at = 0, count;
	char *buffer = NULL;

	do {
		if (at + 1 >= capacity) {
			capacity = capacity ? 2 * capacity : 4096;
			buffer = bitnpu_tool_realloc(buffer, capacity, 1);
		}
		errno = 0;
		count = fread(buffer + at, 1, capacity - at - 1, file);
		at += count;
	} while (count && at <= LIMIT);
	if (ferror(file) || at > LIMIT) {
		free(buffer);
		return at > LIMIT ? EFBIG : errno ? errno : EIO;
	}
	buffer[at] = '\0';
	*text = buffer;
	*length = at;
	return 0;
}

int bitnpu_read_file(const char *command, const char *path, char **text, size_t *length)
{
	FILE *file = path ? fopen(path, "re") : stdin;
	int error = file ? read_stream(file, text, length) : errno;

	if (file && path)
		fclose(file);
	if (!error)
		return 0;
	bitnpu_complain(command, "%s: %s", path ? path : "standard input",
			error == EFBIG ? "over 64 MiB" : strerror(error));
	return -1;
}
