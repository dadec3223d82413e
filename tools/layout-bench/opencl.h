/* SPDX-License-Identifier: MIT */
/* The candidates on OpenCL. */
#ifndef LAYOUT_OPENCL_H
#define LAYOUT_OPENCL_H

#include "layouts.h"

struct opencl;

/**
 * opencl_open() - the first OpenCL device
 * @input: activations
 * @n: rows of every matrix
 * @y: n results
 *
 * Return: NULL when there is none or it fails, after saying so; opencl_close()
 */
struct opencl *opencl_open(const struct layout_input *input, unsigned int n, int32_t *y);
void opencl_close(struct opencl *cl);

/** opencl_run() - one pass over @matrices matrices of @matrix_bytes at @weights; the last sets y */
int opencl_run(struct opencl *cl, const struct layout *layout, const struct layout_input *input,
	       const unsigned char *weights, size_t matrix_bytes, unsigned int matrices);

#endif /* LAYOUT_OPENCL_H */
