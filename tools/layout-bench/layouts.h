/* SPDX-License-Identifier: MIT */
/* Candidate layouts of ternary weights; weights w are -1, 0 or 1, activations x are int8. */
#ifndef LAYOUTS_H
#define LAYOUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct layout_input - activations, prepared once for all rows
 * @x: k bytes, a multiple of 64
 * @pairs: for columns 4i to 4i + 3, two words: columns (4i, 4i + 2) and (4i + 1, 4i + 3) as shorts
 * @k: how many
 * @sum: their sum, by which codes w + 1 are corrected
 */
struct layout_input {
	const int8_t *x;
	uint32_t *pairs;
	unsigned int k;
	int32_t sum;
};

/**
 * struct layout - one candidate
 * @name: what the table calls it
 * @bits: bits a weight
 * @bytes: size of an n x k matrix
 * @encode: codes[n][k] to the layout
 * @kernel: name in layouts.cl
 * @kernel_rows: rows a work-item computes
 * @gemv: rows @first to @last - 1 (multiples of 32) of y
 */
struct layout {
	const char *name;
	double bits;
	const char *kernel;
	unsigned int kernel_rows;
	size_t (*bytes)(unsigned int n, unsigned int k);
	void (*encode)(const int8_t *codes, unsigned int n, unsigned int k, unsigned char *out);
	void (*gemv)(const unsigned char *w, const struct layout_input *input, unsigned int k,
		     unsigned int first, unsigned int last, int32_t *y);
};

extern const struct layout layouts[];
extern const unsigned int layout_count;

bool layouts_supported(void);
/** layout_input_init() - Return: 0 or -ENOMEM; layout_input_free() */
int layout_input_init(struct layout_input *input, const int8_t *x, unsigned int k);
void layout_input_free(struct layout_input *input);
/** layout_read() - Return: something that depends on every byte, as fast as memory delivers them */
uint64_t layout_read(const unsigned char *data, size_t bytes);

#endif /* LAYOUTS_H */
