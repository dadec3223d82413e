/* SPDX-License-Identifier: MIT */
/* A plain forward pass, written from BitNet b1.58's formulas (docs/numerics.md, section 5). */
#ifndef TEST_PLAIN_MODEL_H
#define TEST_PLAIN_MODEL_H

#include "libbitnpu/model.h"

/* Tokens that a forward pass takes at most. */
#define PLAIN_TOKENS 24

/** plain_forward() - Return: logits after each of @count tokens; to free() */
float *plain_forward(const struct bitnpu_model *model, const uint32_t *tokens, size_t count);

#endif /* TEST_PLAIN_MODEL_H */
