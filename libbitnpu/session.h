/* SPDX-License-Identifier: MIT */
/*
 * What the files of a session share.
 *
 * A session belongs to one thread at a time, which shares work out to the pool, and takes no lock
 * of its own.  Host and device alternate:
 * the host writes quantized activations to the x buffer, submits the command list of a stage,
 * waits, and reads the exact sums from the y buffer.  Nothing here knows an engine.
 */
#ifndef BITNPU_SESSION_H
#define BITNPU_SESSION_H

#include "clock.h"
#include "kv_cache.h"
#include "model.h"
#include "placement.h"
#include "pool.h"

/** enum bitnpu_stage - the submissions of a block: matmuls that read the same activations */
enum bitnpu_stage {
	BITNPU_STAGE_QKV,
	BITNPU_STAGE_ATTN_OUT,
	BITNPU_STAGE_GATE_UP,
	BITNPU_STAGE_DOWN,
	BITNPU_STAGES,
};

/**
 * struct bitnpu_site - a matrix as commands see it
 * @w: the matrix, the model's
 * @w_addr: device address of its tiles
 * @s_addr: of its group scales, 0 without
 * @y_offset: where its sums go in the y buffer
 * @y_stride: bytes between rows there
 */
struct bitnpu_site {
	const struct bitnpu_weights *w;
	uint64_t w_addr, s_addr, y_offset;
	uint32_t y_stride;
};

/**
 * struct bitnpu_lists - command lists
 * @list: the lists, NULL before there are any
 * @count: how many
 */
struct bitnpu_lists {
	struct bitnpu_cmdlist **list;
	size_t count;
};

/**
 * struct bitnpu_plan - the command lists of a step of @m tokens
 * @m: tokens, 0 when there is no plan
 * @last_use: of the session's use counter, for replacement
 * @lists: by block and &enum bitnpu_stage; of a step on the device all blocks' in order
 * @with_head: of a step on the device likewise, and the head's
 * @input: of a step on the device: @m token entries, then the residual stream (device_step.h)
 */
struct bitnpu_plan {
	uint32_t m;
	uint64_t last_use;
	struct bitnpu_lists lists, with_head;
	struct bitnpu_bo *input;
};

/* Plans kept: of one token, of a whole batch, and of some remainders of prompts. */
#define BITNPU_PLANS 6

/**
 * struct bitnpu_scratch - host floats of one step, n_batch rows each; one allocation at @memory
 * @residual: the residual stream, n_embd a row
 * @q: queries, n_head * head_dim; becomes what attention gives
 * @k: keys, n_head_kv * head_dim
 * @v: values, likewise
 * @gate: n_ff
 * @up: n_ff
 * @branch: what a block's branch adds to the residual stream, n_embd
 * @rope: cosines and sines, head_dim
 * @x_scale: of the quantized activations, 1
 * @x_sum: of the head's quantized activations, 1
 * @normed: of the last token before the head, n_embd, for the trace callback
 * @scores: a row of n_ctx for each query head, or for those of one key/value head on each thread
 * @score_floats: of a thread in @scores
 * @sums: accumulators of attention, 16 rows of head_dim for each query head as in @scores
 * @sum_floats: of a thread in @sums
 * @logits: n_vocab
 */
struct bitnpu_scratch {
	float *memory;
	float *residual, *q, *k, *v, *gate, *up, *branch, *rope, *x_scale;
	int32_t *x_sum;
	float *normed, *scores, *sums, *logits;
	size_t score_floats, sum_floats;
};

/**
 * struct bitnpu_session - a KV cache and the command lists of a model on a device
 * @model: shared, not owned
 * @dev: likewise
 * @params: defaults filled in
 * @placement: the model's matrices on @dev, shared with other sessions
 * @ctx: the placement's: address space of all below
 * @queue: where every step goes
 * @pool: threads for what the host computes, a reference
 * @sites: by block and &enum bitnpu_matrix
 * @head: the output head, as the matrices that a command can name
 * @head_slices: how many
 * @x: quantized activations, n_batch rows of any stage
 * @y: exact sums, n_batch rows of each matrix of a stage
 * @plans: by nothing; see @m
 * @head_lists: the head for 1 to @head_rows tokens, each built on first use
 * @head_rows: tokens whose sums of the head y has room for
 * @uses: counts bitnpu_plan_get()
 * @device: what whole steps on the device need, NULL when the host has the float operations
 * @group: with whom it last stepped together on the device
 * @kv: keys and values of the tokens so far
 * @scratch: host floats
 * @trace_rows: sums without padding, when there is a trace callback
 * @position: tokens in @kv
 * @stats: what bitnpu_session_get_stats() returns
 */
struct bitnpu_session {
	struct bitnpu_model *model;
	struct bitnpu_device *dev;
	struct bitnpu_session_params params;
	struct bitnpu_placement *placement;
	struct bitnpu_context *ctx;
	struct bitnpu_queue *queue;
	struct bitnpu_pool *pool;
	struct bitnpu_site *sites;
	struct bitnpu_site head[BITNPU_MAX_SLICES];
	uint32_t head_slices;
	struct bitnpu_bo *x, *y;
	struct bitnpu_plan plans[BITNPU_PLANS];
	struct bitnpu_cmdlist **head_lists;
	uint32_t head_rows;
	uint64_t uses;
	struct bitnpu_device_state *device;
	struct bitnpu_device_group *group;
	struct bitnpu_kv_cache kv;
	struct bitnpu_scratch scratch;
	unsigned char *trace_rows;
	uint32_t position;
	struct bitnpu_session_stats stats;
};

/** bitnpu_row_bytes() - Return: bytes of a row of @n elements, a multiple of the address alignment
 * */
static inline uint32_t bitnpu_row_bytes(uint32_t n, uint32_t element)
{
	return (n * element + BITNPU_ADDR_ALIGN - 1) / BITNPU_ADDR_ALIGN * BITNPU_ADDR_ALIGN;
}

/** bitnpu_sum_bytes() - Return: bytes of one exact sum of @w */
static inline uint32_t bitnpu_sum_bytes(const struct bitnpu_weights *w)
{
	return w->output == BITNPU_Y_INT64 ? 8 : 4;
}

/** bitnpu_session_place() - the address space and the model's matrices there: placement to head_slices */
int bitnpu_session_place(struct bitnpu_session *s, struct bitnpu_error *err);

/** bitnpu_session_buffers() - create x and y for n_batch rows and place the sums of each matrix */
int bitnpu_session_buffers(struct bitnpu_session *s, struct bitnpu_error *err);

/** bitnpu_session_run() - submit a list and wait for its end; counted in the statistics */
int bitnpu_session_run(struct bitnpu_session *s, struct bitnpu_cmdlist *list,
		       struct bitnpu_error *err);

/** bitnpu_trace() - hand a result to the trace callback, if there is one */
void bitnpu_trace(const struct bitnpu_session *s, int layer, const char *name,
		  enum bitnpu_element element, const void *data, size_t bytes);
/** bitnpu_trace_sums() - likewise @rows rows of a matrix's sums in @y, the y buffer's contents */
void bitnpu_trace_sums(const struct bitnpu_session *s, uint32_t layer, enum bitnpu_matrix matrix,
		       uint32_t rows, const unsigned char *y);
/** bitnpu_element_of() - Return: the type of a matrix's sums */
enum bitnpu_element bitnpu_element_of(const struct bitnpu_weights *w);

/** bitnpu_stage_of() - Return: the stage whose list holds @matrix */
enum bitnpu_stage bitnpu_stage_of(enum bitnpu_matrix matrix);
/** bitnpu_plan_head() - the head's list for @rows tokens, up to head_rows; the session owns it */
int bitnpu_plan_head(struct bitnpu_session *s, uint32_t rows, struct bitnpu_cmdlist **list,
		     struct bitnpu_error *err);
/** bitnpu_plan_get() - the lists of a step of @m tokens, built on first use; the session owns them
 * */
int bitnpu_plan_get(struct bitnpu_session *s, uint32_t m, const struct bitnpu_plan **plan,
		    struct bitnpu_error *err);
/** bitnpu_plan_find() - Return: the plan of @m tokens, or an empty one (its m is 0) in its place */
struct bitnpu_plan *bitnpu_plan_find(struct bitnpu_session *s, uint32_t m);
/** bitnpu_lists_free() - free lists, also half-made */
void bitnpu_lists_free(struct bitnpu_lists *lists);
/** bitnpu_matmul_of() - Return: the command of a matrix on @m rows of x */
struct bitnpu_cmd_matmul bitnpu_matmul_of(const struct bitnpu_session *s,
					  const struct bitnpu_site *site, uint32_t m);
/** bitnpu_plan_free_all() - free every plan and the head's list */
void bitnpu_plan_free_all(struct bitnpu_session *s);

/**
 * bitnpu_step() - run tokens through the model
 * @s: whose buffers and command lists are used
 * @tokens: in the vocabulary
 * @m: 1 to n_batch
 * @head: whether to compute logits after the last token
 * @err: optional
 *
 * The tokens take positions @s->position on, which is left unchanged; the KV cache has room for
 * them.
 */
int bitnpu_step(struct bitnpu_session *s, const uint32_t *tokens, uint32_t m, bool head,
		struct bitnpu_error *err);

/**
 * bitnpu_step_together() - run one token of each of several sessions through the model
 * @members: the first one's buffers and command lists are used; all are alike
 * @tokens: one a session
 * @m: 1 to n_batch
 * @err: optional
 *
 * A token takes its session's position, which is left unchanged; its logits go to its session.
 */
int bitnpu_step_together(struct bitnpu_session *const *members, const uint32_t *tokens, uint32_t m,
			 struct bitnpu_error *err);

#endif /* BITNPU_SESSION_H */
