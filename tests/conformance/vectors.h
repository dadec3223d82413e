/* SPDX-License-Identifier: MIT */
/* Vectors: images as files, for hardware that this program cannot drive (docs/command-set.md). */
#ifndef CONFORMANCE_VECTORS_H
#define CONFORMANCE_VECTORS_H

#include <stdio.h>

#include "image.h"

/** vector_write() - write @image; false when the file cannot be written */
bool vector_write(FILE *file, const struct image *image);

/**
 * vector_read() - read an image
 * @file: positioned at its beginning; read to its end
 * @image: image_free(), also after an error
 *
 * Return: NULL, or what is wrong with the file.
 */
const char *vector_read(FILE *file, struct image *image);

#endif /* CONFORMANCE_VECTORS_H */
