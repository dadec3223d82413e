/* SPDX-License-Identifier: MIT */
/*
 * Steps that stay on the device: float commands between the matmuls, the KV cache and the residual
 * stream in its memory, one command list a step.  The host writes what the tokens are and reads
 * logits.
 */
#ifndef BITNPU_DEVICE_STEP_H
#define BITNPU_DEVICE_STEP_H

#include "float_command.h"
#include "session.h"

/**
 * struct bitnpu_scales_operand - row scales of a matrix as commands name them
 * @addr: device address, 0 without
 * @kind: &enum bitnpu_row_scales
 */
struct bitnpu_scales_operand {
	uint64_t addr;
	uint8_t kind;
};

/**
 * struct bitnpu_device_state - what a session has on the device for its steps
 * @constants: norms and row scales
 * @norms: device addresses by block and &enum bitnpu_norm, and the last norm's
 * @scales: by block and &enum bitnpu_matrix, and the head's; the gate's are both's, FFN_UP has none
 * @rows: queries and what attention makes of them, then the gate's result; n_batch rows
 * @factors: of x, n_batch
 * @logits: of one token
 * @kv: by block: keys, then values, halves [head][position][element]
 * @kv_half: bytes of either
 */
struct bitnpu_device_state {
	struct bitnpu_bo *constants, *rows, *factors, *logits;
	uint64_t *norms;
	struct bitnpu_scales_operand *scales;
	struct bitnpu_bo **kv;
	uint64_t kv_half;
};

/**
 * bitnpu_device_can_step() - can a model's steps stay on @dev?
 *
 * Return: 0, or -ENOTSUP with the commands that the device lacks in @err.
 */
int bitnpu_device_can_step(const struct bitnpu_device *dev, struct bitnpu_error *err);

/** bitnpu_device_state_create() - allocate @s->device; after bitnpu_session_buffers() */
int bitnpu_device_state_create(struct bitnpu_session *s, struct bitnpu_error *err);
/** bitnpu_device_state_destroy() - the reverse, also after an error or without a state */
void bitnpu_device_state_destroy(struct bitnpu_session *s);

/**
 * bitnpu_device_plan_get() - the lists of a step of @m tokens, built on first use
 * @s: whose; owns them
 * @m: 1 to n_batch
 * @head: with the head after the last token
 * @plan: result; of its lists those that @head says are there
 * @err: optional
 *
 * One list, or, when there is a trace callback, one up to each result that it sees.
 */
int bitnpu_device_plan_get(struct bitnpu_session *s, uint32_t m, bool head,
			   const struct bitnpu_plan **plan, struct bitnpu_error *err);

/** bitnpu_device_step() - bitnpu_step() on the device */
int bitnpu_device_step(struct bitnpu_session *s, const uint32_t *tokens, uint32_t m, bool head,
		       struct bitnpu_error *err);

/* Lists of a block when there is a trace callback: one up to the sums of each stage, one to its
 * end. */
#define BITNPU_BLOCK_CUTS	(BITNPU_STAGES + 1)

/** bitnpu_residual_stride() - Return: bytes between rows of the residual stream */
static inline uint32_t bitnpu_residual_stride(const struct bitnpu_session *s)
{
	return bitnpu_row_bytes(s->model->info.n_embd, sizeof(float));
}

/** bitnpu_residual_offset() - Return: where the residual stream lies in a plan's input, after
 * entries */
static inline uint64_t bitnpu_residual_offset(const struct bitnpu_session *s, uint32_t m)
{
	return (uint64_t)m * bitnpu_token_stride(s->model->info.head_dim);
}

#endif /* BITNPU_DEVICE_STEP_H */
