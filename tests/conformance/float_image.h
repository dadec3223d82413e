/* SPDX-License-Identifier: MIT */
/* Operands of float commands in images. */
#ifndef CONFORMANCE_FLOAT_IMAGE_H
#define CONFORMANCE_FLOAT_IMAGE_H

#include "groups.h"

/** enum sort - what floats are like */
enum sort {
	ORDINARY,	/* within [-8, 8] */
	ANY,		/* any bits, a NaN in 128 */
	SUBNORMAL,
	ZEROS,		/* of both signs */
	SPRINKLED,	/* ordinary, with zeros, infinities and NaNs among them */
	HUGE_VALUES,	/* whose squares overflow */
	SORTS,
};

/** random_float() - Return: bits of a float */
uint32_t random_float(struct test_random *random, enum sort sort);
/** random_half() - Return: bits of a half; of ANY sort, or within [-8, 8] */
uint16_t random_half(struct test_random *random, enum sort sort);

/** operand_add() - Return: the address of @bytes of random bits, somewhere in a region of their own
 * */
uint64_t operand_add(struct bench *b, struct image *image, uint64_t bytes, bool written);
/** operand_floats() - likewise of rows of @n floats, @stride bytes apart */
uint64_t operand_floats(struct bench *b, struct image *image, uint32_t m, uint32_t n,
			uint32_t stride, enum sort sort, bool written);
/** operand_factors() - likewise of @m factors */
uint64_t operand_factors(struct bench *b, struct image *image, uint32_t m, enum sort sort,
			 bool written);
/** operand_halves() - likewise of @count halves */
uint64_t operand_halves(struct bench *b, struct image *image, uint64_t count, enum sort sort);
/**
 * operand_tokens() - likewise of @m token entries
 * @distinct: no two positions below @capacity are the same
 */
uint64_t operand_tokens(struct bench *b, struct image *image, uint32_t m, uint32_t head_dim,
			uint32_t capacity, bool distinct, enum sort sort);

/** row_stride() - Return: a stride for rows of @bytes, not always the smallest */
uint32_t row_stride(struct bench *b, uint32_t bytes);
/** set_bytes() - write @size bytes to what is at @addr before the list runs and afterwards */
void set_bytes(struct image *image, uint64_t addr, const void *bytes, size_t size);

#endif /* CONFORMANCE_FLOAT_IMAGE_H */
