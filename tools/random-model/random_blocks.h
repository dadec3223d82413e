/* SPDX-License-Identifier: MIT */
/* Random blocks of ggml's tensor types. */
#ifndef RANDOM_BLOCKS_H
#define RANDOM_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

/** random_next() - Return: the next number of splitmix64 (Vigna) */
uint64_t random_next(uint64_t *state);
/** random_unit() - Return: uniform in [0, 1) */
float random_unit(uint64_t *state);

/**
 * random_blocks() - fill consecutive blocks
 * @type: &enum bitnpu_ggml_type
 * @deviation: standard deviation of the weights
 * @ternary: floats take three values, else they are uniform
 * @vary: every block draws its own scale, from half to one and a half times the usual
 * @state: of random_next()
 * @blocks: how many; of F32 and F16, elements
 * @out: room for them
 */
void random_blocks(uint32_t type, float deviation, bool ternary, bool vary, uint64_t *state,
		   uint64_t blocks, unsigned char *out);

/** random_tensor_scale() - Return: the one scale of I2_S weights with that standard deviation */
float random_tensor_scale(float deviation);

#endif /* RANDOM_BLOCKS_H */
