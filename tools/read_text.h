/* SPDX-License-Identifier: MIT */
#ifndef BITNPU_READ_TEXT_H
#define BITNPU_READ_TEXT_H

#include <stddef.h>

/**
 * bitnpu_read_file() - the whole of a file
 * @command: for complaints
 * @path: the file; NULL for standard input
 * @text: NUL-terminated, to free()
 * @length: its bytes, without the NUL
 *
 * Return: 0, or -1 after complaining; a file over 64 MiB is refused.
 */
int bitnpu_read_file(const char *command, const char *path, char **text, size_t *length);

#endif /* BITNPU_READ_TEXT_H */
