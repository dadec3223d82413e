/* SPDX-License-Identifier: MIT */
/*
 * A second, independent definition of MATMUL: on plain matrices, from the text of the command set.
 * It shares nothing with the datapath but uapi/drm/bitnpu_isa.h.
 */
#ifndef TEST_PLAIN_MATMUL_H
#define TEST_PLAIN_MATMUL_H

#include <stdbool.h>
#include <stddef.h>

#include <drm/bitnpu_isa.h>

#include "random.h"

/**
 * struct plain_matmul - a matmul in plain matrices
 * @weight_format: BITNPU_W_*
 * @output_format: BITNPU_Y_*
 * @group_shift: as in the command, 0 for INT32
 * @m: rows of @x
 * @n: rows of @w
 * @k: columns of both
 * @groups: scales a row, 0 for INT32
 * @x: [m][k]
 * @w: [n][k]; -1, 0, 1 or 2 for ternary, -1 or 1 for binary
 * @s: [n][groups], IEEE halves; NULL for INT32
 */
struct plain_matmul {
	uint8_t weight_format, output_format, group_shift;
	uint32_t m, n, k, groups;
	int8_t *x, *w;
	uint16_t *s;
};

/** plain_matmul_alloc() - zeroed matrices of the given shape; false without memory */
bool plain_matmul_alloc(struct plain_matmul *mm, uint8_t weight_format, uint8_t output_format,
			uint8_t group_shift, uint32_t m, uint32_t n, uint32_t k);
void plain_matmul_free(struct plain_matmul *mm);

/** plain_matmul_random() - fill the matrices: any activation, any weight, any half but exponent 31 */
void plain_matmul_random(struct plain_matmul *mm, struct test_random *random);

/** plain_half() - Return: the half times 2^24, its exponent 31 as an ordinary one */
int64_t plain_half(uint16_t half);

/** plain_element() - Return: y[i][j], as the 4 or 8 low bytes of the result */
uint64_t plain_element(const struct plain_matmul *mm, uint32_t i, uint32_t j);

/** plain_y_size() - Return: bytes of an element of y */
uint32_t plain_y_size(const struct plain_matmul *mm);

size_t plain_w_bytes(const struct plain_matmul *mm);
size_t plain_s_bytes(const struct plain_matmul *mm);
/** plain_x_bytes() - Return: bytes of x in rows @stride apart, each rounded up to 64 */
size_t plain_x_bytes(const struct plain_matmul *mm, size_t stride);
size_t plain_y_bytes(const struct plain_matmul *mm, size_t stride);

/* Write the packed forms; bits that no weight, scale or activation owns keep what @out held. */
void plain_pack_w(const struct plain_matmul *mm, uint8_t *out);
void plain_pack_s(const struct plain_matmul *mm, uint8_t *out);
void plain_pack_x(const struct plain_matmul *mm, uint8_t *out, size_t stride);
/** plain_pack_y() - the expected result, little-endian, in rows @stride apart */
void plain_pack_y(const struct plain_matmul *mm, uint8_t *out, size_t stride);

/** plain_command() - the MATMUL command, its addresses zero */
void plain_command(const struct plain_matmul *mm, uint32_t x_stride, uint32_t y_stride,
		   struct bitnpu_cmd_matmul *cmd);

#endif /* TEST_PLAIN_MATMUL_H */
