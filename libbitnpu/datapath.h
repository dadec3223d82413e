/* SPDX-License-Identifier: MIT */
/*
 * The BitNPU datapath: the definition of the arithmetic.
 *
 * Freestanding C: no libc, no floating point, no allocation, no recursion, a stack frame under
 * 2 KiB.  The golden engine, the simulated silicon and the fuzzers compile this one source.
 */
#ifndef BITNPU_DATAPATH_H
#define BITNPU_DATAPATH_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#include <drm/bitnpu_isa.h>

/**
 * struct bitnpu_matmul - a MATMUL command, decoded and in range
 * @w_bytes: extent of the weights from @w_addr
 * @s_bytes: extent of the scales from @s_addr, 0 for INT32
 * @x_bytes: extent of the activations from @x_addr
 * @y_bytes: extent of the result from @y_addr
 * @line_k: weights of one row in a line (16, 32 or 4)
 * @lines: lines in a tile, ceil(k / line_k)
 * @tiles: tiles of 16 rows, ceil(n / 16)
 * @groups: scale groups along k, 0 for INT32
 *
 * The other members are the command's own fields in host byte order.
 */
struct bitnpu_matmul {
	__u8 weight_format, output_format, group_shift;
	__u32 m, n, k;
	__u32 x_stride, y_stride;
	__u64 x_addr, w_addr, s_addr, y_addr;
	__u64 x_bytes, w_bytes, s_bytes, y_bytes;
	__u32 line_k, lines, tiles, groups;
};

/**
 * struct bitnpu_dma - how the datapath reaches the context's memory
 * @load: copy @len bytes at device address @addr to @dst.  0, or an error that ends the command.
 * @store: copy @len bytes from @src to device address @addr.  Likewise.
 *
 * No access crosses a 64-byte boundary, so none crosses a page.
 */
struct bitnpu_dma {
	int (*load)(struct bitnpu_dma *dma, void *dst, __u64 addr, __u32 len);
	int (*store)(struct bitnpu_dma *dma, __u64 addr, const void *src, __u32 len);
};

/**
 * bitnpu_cmd_check() - check one command against the command set
 * @cmd: 64 bytes, any alignment
 * @features: feature mask of the engine
 * @mm: the decoded command, when it is a MATMUL
 * @fault: status, field and addr on error; the caller fills in the index
 *
 * Checks all that can be known without the context's mappings.  Commands of floats, which are none
 * of the datapath's, are refused as unsupported: an engine that has them checks them itself.
 *
 * Return: a status of &enum bitnpu_status, also in @fault when it is not OK.
 */
__u32 bitnpu_cmd_check(const void *cmd, __u64 features, struct bitnpu_matmul *mm,
		       struct bitnpu_fault *fault);

/**
 * bitnpu_matmul_run() - execute a checked MATMUL exactly
 * @mm: what bitnpu_cmd_check() decoded
 * @dma: access to memory
 *
 * Return: 0, or what @dma returned.
 */
int bitnpu_matmul_run(const struct bitnpu_matmul *mm, struct bitnpu_dma *dma);

/**
 * bitnpu_matmul_tiles() - execute tiles @first to @first + @count - 1 of a checked MATMUL
 * @mm: what bitnpu_cmd_check() decoded
 * @first: first tile of 16 rows of w
 * @count: tiles
 * @dma: access to memory
 *
 * Tiles are independent: they may run in any order and on several cores.
 *
 * Return: 0, or what @dma returned.
 */
int bitnpu_matmul_tiles(const struct bitnpu_matmul *mm, __u32 first, __u32 count,
			struct bitnpu_dma *dma);

/**
 * bitnpu_half_to_fixed() - an IEEE half as an integer in units of 2^-24
 * @half: bits of the half; exponent 31 is computed as an ordinary exponent
 *
 * Return: the value times 2^24, |result| < 2^41.
 */
__s64 bitnpu_half_to_fixed(__u16 half);

#endif /* BITNPU_DATAPATH_H */
