/* SPDX-License-Identifier: MIT */
/* The pinned float operations as docs/numerics.md states them, in scalar code that hides nothing. */
#ifndef TEST_PLAIN_OPS_H
#define TEST_PLAIN_OPS_H

#include <stddef.h>
#include <stdint.h>

float plain_dot(const float *a, const float *b, size_t n);
void plain_softmax(float *x, size_t n);
float plain_quantize(const float *x, size_t n, int8_t *q);
void plain_rms_norm(const float *x, const float *weight, size_t n, float eps, float *out);
/** plain_attention() - one query head; otherwise as bitnpu_attention() */
void plain_attention(const float *q, const uint16_t *k, const uint16_t *v, size_t stride,
		     uint32_t head_dim, uint32_t n, float *scores, float *out);

#endif /* TEST_PLAIN_OPS_H */
