/* SPDX-License-Identifier: MIT */
/* One MATMUL with fresh random operands, to be run on any device and compared bit for bit. */
#ifndef BITNPU_TEST_MATMUL_CASE_H
#define BITNPU_TEST_MATMUL_CASE_H

#include <stdbool.h>

#include <libbitnpu/bitnpu.h>

/**
 * enum matmul_case_fill - what the operands hold
 * @MATMUL_CASE_RANDOM: random bytes, with runs of the extremes
 * @MATMUL_CASE_LEAST: the sum of largest magnitude: x all -128, w the largest code
 * @MATMUL_CASE_MOST: x all 127, likewise
 * @MATMUL_CASE_ZERO_CODES: x all -128, w all zero bits (-1 when ternary or binary)
 */
enum matmul_case_fill {
	MATMUL_CASE_RANDOM,
	MATMUL_CASE_LEAST,
	MATMUL_CASE_MOST,
	MATMUL_CASE_ZERO_CODES,
};

/**
 * struct matmul_case - shape and formats
 * @weight_format: BITNPU_W_*
 * @output_format: BITNPU_Y_*
 * @group_shift: 0 for INT32
 * @m: rows of x
 * @n: rows of w
 * @k: columns
 * @fill: of x and w
 * @x_pad: bytes of a row of x past K rounded up to 64, likewise @y_pad past N elements
 */
struct matmul_case {
	uint8_t weight_format, output_format, group_shift;
	uint32_t m, n, k;
	uint32_t x_pad, y_pad;
	enum matmul_case_fill fill;
};

/**
 * matmul_case_run() - run a case
 * @dev: where
 * @c: the case
 * @seed: of the operands: equal seeds give equal operands.  Bytes past K and codes that no packer
 *	writes are random too, and y is filled with a pattern before.
 * @y: malloc()ed: all bytes of y, padding included
 * @bytes: how many
 * @err: as everywhere
 */
int matmul_case_run(struct bitnpu_device *dev, const struct matmul_case *c, uint64_t seed,
		    void **y, size_t *bytes, struct bitnpu_error *err);

/**
 * matmul_case_compare() - run a case on two devices
 * @dev: one
 * @golden: the other
 * @c: the case
 * @seed: as for matmul_case_run()
 * @why: what went wrong, in words
 * @size: room for it
 *
 * Return: whether one failed or the results differ.
 */
bool matmul_case_compare(struct bitnpu_device *dev, struct bitnpu_device *golden,
			 const struct matmul_case *c, uint64_t seed, char *why, size_t size);

/** matmul_case_print() - @c in words, to @out */
void matmul_case_print(const struct matmul_case *c, char *out, size_t size);

/** matmul_case_random() - a case with all formats and odd shapes, up to @max_m, @max_n, @max_k */
void matmul_case_random(struct matmul_case *c, uint64_t *state, uint32_t max_m, uint32_t max_n,
			uint32_t max_k);

/** matmul_case_next() - the next of a sequence of 64 random bits (SplitMix64) */
uint64_t matmul_case_next(uint64_t *state);

/** matmul_case_seed() - BITNPU_TEST_SEED, else a fresh one; prints it, so that a failure can be repeated */
uint64_t matmul_case_seed(void);

#endif /* BITNPU_TEST_MATMUL_CASE_H */
