/* SPDX-License-Identifier: MIT */
/* Rows of x in blocks of few widths, so that few need code of their own. */
#ifndef BITNPU_CPU_BLOCKS_H
#define BITNPU_CPU_BLOCKS_H

#include "cpu.h"

/**
 * struct bitnpu_cpu_block - rows of x that are multiplied together
 * @first: row
 * @width: how many
 */
struct bitnpu_cpu_block {
	uint32_t first, width;
};

/**
 * bitnpu_cpu_block_of() - the block that a row is in
 * @rows: there are
 * @row: which
 * @most: blocks are that wide, and what is left over is split into powers of two, the largest first
 */
static inline struct bitnpu_cpu_block bitnpu_cpu_block_of(uint32_t rows, uint32_t row, uint32_t most)
{
	struct bitnpu_cpu_block block = { row / most * most, most };
	const uint32_t left = rows - block.first;

	if (left >= most)
		return block;
	block.width = 1u << (31 - __builtin_clz(most));
	while (!(left & block.width) || row - block.first >= block.width) {
		block.first += left & block.width;
		block.width /= 2;
	}
	return block;
}

#endif /* BITNPU_CPU_BLOCKS_H */
