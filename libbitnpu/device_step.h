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
 * @factors: of x, n_batch, or a line of them for each sequence of a group
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
 * struct bitnpu_batch - the tokens of a step
 * @members: sessions whose sequences they continue, in one address space; of the first one are the
 *	constants and the buffers
 * @sequences: how many
 * @rows: tokens of each, one after the other; 1 unless there is one sequence
 * @input: device address of an entry for each token, then the residual stream
 * @logits: likewise of a row for each sequence
 */
struct bitnpu_batch {
	struct bitnpu_session *const *members;
	uint32_t sequences, rows;
	uint64_t input, logits;
};

/**
 * bitnpu_device_lists_build() - the lists of a step
 * @batch: its tokens
 * @with_head: with the head after the last token of each sequence
 * @lists: result; bitnpu_lists_free()
 * @err: optional
 *
 * One list, or, when there is a trace callback, one up to each result that it sees.
 */
int bitnpu_device_lists_build(const struct bitnpu_batch *batch, bool with_head,
			      struct bitnpu_lists *lists, struct bitnpu_error *err);

/** bitnpu_device_input_create() - the input of a step of @m tokens (struct bitnpu_batch) */
int bitnpu_device_input_create(struct bitnpu_session *s, uint32_t m, struct bitnpu_bo **input,
			       struct bitnpu_error *err);

/**
 * bitnpu_device_plan_get() - the lists of a step of @m tokens, built on first use
 * @s: whose; owns them
 * @m: 1 to n_batch
 * @head: with the head after the last token
 * @plan: result; of its lists those that @head says are there
 * @err: optional
 */
int bitnpu_device_plan_get(struct bitnpu_session *s, uint32_t m, bool head,
			   const struct bitnpu_plan **plan, struct bitnpu_error *err);

/** bitnpu_device_step() - bitnpu_step() on the device */
int bitnpu_device_step(struct bitnpu_session *s, const uint32_t *tokens, uint32_t m, bool head,
		       struct bitnpu_error *err);

/**
 * struct bitnpu_device_group - sessions of one address space that step together
 * @lock: protects @left and, when not all members are there any more, @lists
 * @left: members that have not left
 * @count: members
 * @lists: of a step
 * @input: its input
 * @logits: its logits
 * @members: in order; only the pointers are used
 *
 * Who steps a group has all of its members, as a session belongs to one thread at a time.
 */
struct bitnpu_device_group {
	pthread_mutex_t lock;
	uint32_t left, count;
	struct bitnpu_lists lists;
	struct bitnpu_bo *input, *logits;
	struct bitnpu_session *members[];
};

/** bitnpu_device_group_get() - the group of @members, made when they step together for the first time */
int bitnpu_device_group_get(struct bitnpu_session *const *members, uint32_t count,
			    struct bitnpu_device_group **group, struct bitnpu_error *err);
/** bitnpu_device_group_leave() - @s steps alone, or in another group, or no more */
void bitnpu_device_group_leave(struct bitnpu_session *s);

/** bitnpu_device_can_step_together() - Return: whether @members are on a device, in one address space */
bool bitnpu_device_can_step_together(struct bitnpu_session *const *members, uint32_t count);
/** bitnpu_device_step_together() - bitnpu_step_together() on the device */
int bitnpu_device_step_together(struct bitnpu_session *const *members, const uint32_t *tokens,
				uint32_t count, struct bitnpu_error *err);

/* Lists of a block when there is a trace callback: one up to the sums of each stage, one to its
 * end. */
#define BITNPU_BLOCK_CUTS	(BITNPU_STAGES + 1)

/** bitnpu_residual_stride() - Return: bytes between rows of the residual stream */
static inline uint32_t bitnpu_residual_stride(const struct bitnpu_session *s)
{
	return bitnpu_row_bytes(s->model->info.n_embd, sizeof(float));
}

/** bitnpu_logits_stride() - Return: bytes between the logits of two sequences */
static inline uint32_t bitnpu_logits_stride(const struct bitnpu_session *s)
{
	return bitnpu_row_bytes(s->model->info.n_vocab, sizeof(float));
}

/** bitnpu_residual_offset() - Return: where the residual stream lies in a plan's input, after
 * entries */
static inline uint64_t bitnpu_residual_offset(const struct bitnpu_session *s, uint32_t m)
{
	return (uint64_t)m * bitnpu_token_stride(s->model->info.head_dim);
}

#endif /* BITNPU_DEVICE_STEP_H */
