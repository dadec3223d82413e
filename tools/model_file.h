/* SPDX-License-Identifier: MIT */
/* A model file as a whole: its tensors, sizes and checksums, with complaints on stderr. */
#ifndef BITNPU_MODEL_FILE_H
#define BITNPU_MODEL_FILE_H

#include "command.h"
#include "libbitnpu/gguf.h"

/**
 * struct bitnpu_model_file - an open GGUF file, of any architecture
 * @gguf: the file
 * @packed: version of the packed format, 0 when it is not packed
 *
 * The other members lead into the metadata of a packed file whose version is known, else are NULL.
 */
struct bitnpu_model_file {
	struct bitnpu_gguf *gguf;
	uint32_t packed;
	const unsigned char *formats, *group_shifts, *rows, *columns;
};

/** bitnpu_file_open() - bitnpu_file_close(); Return: false after complaining */
bool bitnpu_file_open(const char *command, const char *path, struct bitnpu_model_file *file);
void bitnpu_file_close(struct bitnpu_model_file *file);

/**
 * struct bitnpu_tensor_view - a tensor as a user thinks of it
 * @type: "TQ2_0", "ternary tiles", ...
 * @n_dims: 1 to 4
 * @dims: of the matrix, not of the tiles it is stored as
 * @weights: its elements; 0 for the scales of a packed matrix
 * @bytes: in the file, 0 when unknown
 */
struct bitnpu_tensor_view {
	char type[32];
	uint32_t n_dims;
	uint64_t dims[4], weights, bytes;
};

/** bitnpu_file_tensor() - describe tensor @index */
void bitnpu_file_tensor(const struct bitnpu_model_file *file, uint64_t index,
			struct bitnpu_tensor_view *view);

/**
 * struct bitnpu_file_sizes - what a model file holds
 * @tensors: number of tensors
 * @weights: in all tensors
 * @bytes: of all tensors whose type is known
 * @bits_per_weight: of those
 */
struct bitnpu_file_sizes {
	uint64_t tensors, weights, bytes;
	double bits_per_weight;
};

void bitnpu_file_sizes(const struct bitnpu_model_file *file, struct bitnpu_file_sizes *sizes);

/**
 * bitnpu_file_verify() - check every tensor's checksum, with a progress line
 * @command: for complaints
 * @file: a packed file
 *
 * Return: an exit code; anything but 0 was complained about.
 */
int bitnpu_file_verify(const char *command, const struct bitnpu_model_file *file);

#endif /* BITNPU_MODEL_FILE_H */
