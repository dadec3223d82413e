/* SPDX-License-Identifier: MIT */
/* Rows of x in blocks whose widths are powers of two, so that few widths need code. */
#ifndef BITNPU_CPU_BLOCKS_H
#define BITNPU_CPU_BLOCKS_H

#include "cpu.h"

/**
 * struct bitnpu_cpu_block - rows of x that are multiplied together
 * @first: row
 * @width: how many, a power of two
 */
struct bitnpu_cpu_block {
	uint32_t first, width;
};

/**
 * bitnpu_cpu_block_of() - the block that a row is in
 * @rows: there are
 * @row: which
 * @most: a power of two: blocks are that wide, and what is left over is split by its binary digits
 */
static inline struct bitnpu_cpu_block bitnpu_cpu_block_of(uint32_t rows, uint32_t row, uint32_t most)
{
	struct bitnpu_cpu_block block = { row & ~(most - 1), most };
	const uint32_t left = rows - block.first;

	while (left < most && !(left & block.width && row - block.first < block.width)) {
		block.first += left & block.width;
		block.width /= 2;
	}
	return block;
}

#endif /* BITNPU_CPU_BLOCKS_H */
