// SPDX-License-Identifier: MIT
/*
 * Whole models: reading prompts, and decoding after so many tokens.  What a row is measured after is
 * really there: the KV cache is filled by running tokens through the model.
 */
#include <errno.h>
#include <stdlib.h>

#include "bench.h"
#include "command.h"
#include "interrupt.h"
#include "libbitnpu/model.h"
#include "output.h"
#include "progress.h"

/* Of a call that fills the KV cache: signals are looked at and progress is shown between two. */
#define FILL_TOKENS 512

/**
 * struct work - what a step has to do, whatever the device
 * @block_bytes: weights and scales of the blocks
 * @head_bytes: of the head
 * @block_operations: multiplications and additions of a token in the blocks
 * @head_operations: in the head
 * @position_bytes: a position's keys and values
 */
struct work {
	double block_bytes, head_bytes;
	double block_operations, head_operations;
	double position_bytes;
};

/**
 * struct model_bench - a model being measured
 * @what: how
 * @bench: shared
 * @info: the device
 * @step: where its steps run
 * @sessions: @what->parallel of them
 * @tokens: as many as the context holds
 * @next: the next of each session of a step
 * @logits: after it
 * @n_ctx: positions of a KV cache
 * @prefill: length of the prompt measured now
 * @depth: of the decoding measured now
 * @work: of a step
 */
struct model_bench {
	const struct bitnpu_bench_model *what;
	struct bitnpu_bench *bench;
	const struct bitnpu_device_info *info;
	uint32_t step;
	struct bitnpu_session **sessions;
	uint32_t *tokens, *next;
	const float **logits;
	uint32_t n_ctx, prefill, depth;
	struct work work;
};

static int run_prefill(void *user, struct bitnpu_error *err)
{
	struct model_bench *b = user;
	const float *logits;

	bitnpu_session_rewind(b->sessions[0], 0);
	return bitnpu_session_eval(b->sessions[0], b->tokens, b->prefill, &logits, err);
}

/* One token of each session, as many sessions at once as a batch has room for. */
static int decode_step(struct model_bench *b, uint32_t position, struct bitnpu_error *err)
{
	uint32_t parallel = b->what->parallel, count;
	int failed = 0;

	for (uint32_t i = 0; i < parallel && !failed; i += count) {
		count = parallel - i < b->what->batch ? parallel - i : b->what->batch;
		for (uint32_t j = 0; j < count; j++)
			b->next[j] = b->tokens[position];
		if (bitnpu_interrupted())
			return -ECANCELED;
		failed = bitnpu_sessions_eval(b->sessions + i, b->next, count, b->logits, err);
	}
	return failed;
}

static void rewind_all(struct model_bench *b)
{
	for (uint32_t i = 0; i < b->what->parallel; i++)
		bitnpu_session_rewind(b->sessions[i], b->depth);
}

static int run_decode(void *user, struct bitnpu_error *err)
{
	struct model_bench *b = user;
	int failed = 0;

	rewind_all(b);
	for (uint32_t i = 0; i < b->what->decode && !failed; i++)
		failed = decode_step(b, b->depth + i, err);
	return failed;
}

/* Let every session's KV cache hold @depth tokens, of which some may be there already. */
static int fill(struct model_bench *b, struct bitnpu_error *err)
{
	struct bitnpu_progress *progress = bitnpu_progress_start("filling the KV cache");
	uint64_t total = (uint64_t)b->what->parallel * b->depth;
	int failed = 0;

	rewind_all(b);
	for (uint32_t i = 0; i < b->what->parallel && !failed; i++) {
		uint32_t at, some;

		while ((at = bitnpu_session_position(b->sessions[i])) < b->depth && !failed) {
			const float *logits;

			some = b->depth - at < FILL_TOKENS ? b->depth - at : FILL_TOKENS;
			failed = bitnpu_session_eval(b->sessions[i], b->tokens + at, some, &logits,
						     err);
			if (!failed)
				failed = bitnpu_progress_report(progress, (uint64_t)i * b->depth +
								at + some, total) ? -ECANCELED : 0;
		}
	}
	bitnpu_progress_stop(progress);
	return failed;
}

static int measure_prefill(struct model_bench *b, uint32_t tokens, struct bitnpu_error *err)
{
	struct bitnpu_bench_row row = { .kind = "prefill", .tokens = tokens, .parallel = 1,
					.step = bitnpu_step_choices[b->step] };
	uint32_t steps = (tokens + b->what->batch - 1) / b->what->batch;
	const struct work *work = &b->work;
	int failed;

	b->prefill = tokens;
	/* the first compiles kernels and reads the file */
	failed = run_prefill(b, err);
	if (!failed)
		failed = bitnpu_bench_sample(b->bench, b->info, &row, run_prefill, b, err);
	if (failed)
		return failed;
	row.tokens_per_s = tokens / row.seconds;
	bitnpu_bench_rates(&row, steps * work->block_bytes + work->head_bytes,
			   tokens * work->block_operations + work->head_operations);
	bitnpu_bench_add_row(b->bench, &row);
	return 0;
}

static int measure_decode(struct model_bench *b, uint32_t depth, struct bitnpu_error *err)
{
	uint32_t steps = b->what->decode, parallel = b->what->parallel;
	struct bitnpu_bench_row row = { .kind = "decode", .tokens = steps, .depth = depth,
					.parallel = parallel,
					.step = bitnpu_step_choices[b->step] };
	/* Sessions of one step share the weights. */
	uint32_t reads = (parallel + b->what->batch - 1) / b->what->batch;
	const struct work *work = &b->work;
	double positions;
	int failed;

	b->depth = depth;
	failed = fill(b, err);
	/* the first compiles kernels */
	if (!failed)
		failed = decode_step(b, depth, err);
	if (!failed)
		failed = bitnpu_bench_sample(b->bench, b->info, &row, run_decode, b, err);
	if (failed)
		return failed;
	row.tokens_per_s = (double)steps * parallel / row.seconds;
	/* the first of the tokens sees depth + 1 positions, the last depth + steps */
	positions = steps * (depth + (steps + 1) / 2.0);
	bitnpu_bench_rates(&row, (double)steps * reads * (work->block_bytes + work->head_bytes) +
				 parallel * positions * work->position_bytes,
			   (double)parallel * steps *
			   (work->block_operations + work->head_operations));
	bitnpu_bench_add_row(b->bench, &row);
	return 0;
}

static int measure(struct model_bench *b, struct bitnpu_error *err)
{
	int failed = 0;

	for (size_t i = 0; i < b->what->prefill.count && !failed; i++)
		failed = measure_prefill(b, b->what->prefill.value[i], err);
	for (size_t i = 0; i < b->what->depth.count && !failed; i++)
		failed = measure_decode(b, b->what->depth.value[i], err);
	return failed;
}

static void add_work(const struct bitnpu_weights *w, double *bytes, double *operations)
{
	*bytes += w->tiles_bytes + w->scales_bytes;
	*operations += 2.0 * w->n * w->k;
}

static void find_work(struct model_bench *b)
{
	const struct bitnpu_model *model = b->what->model;
	struct bitnpu_session_stats stats;
	struct work *work = &b->work;

	for (uint32_t i = 0; i < model->info.n_layer; i++)
		for (unsigned int j = 0; j < BITNPU_MATRICES; j++)
			add_work(&model->layers[i].matrices[j], &work->block_bytes,
				 &work->block_operations);
	add_work(&model->head, &work->head_bytes, &work->head_operations);
	bitnpu_session_get_stats(b->sessions[0], &stats);
	work->position_bytes = (double)stats.kv_bytes / b->n_ctx;
	b->step = stats.step;
}

/* Positions that the longest of all rows needs. */
static uint32_t context_of(const struct bitnpu_bench_model *what)
{
	uint32_t most = 0;

	for (size_t i = 0; i < what->prefill.count; i++)
		most = what->prefill.value[i] > most ? what->prefill.value[i] : most;
	for (size_t i = 0; i < what->depth.count; i++)
		if (what->depth.value[i] + what->decode > most)
			most = what->depth.value[i] + what->decode;
	return most;
}

/* Which tokens does not matter: the work is the same for all. */
static void make_tokens(struct model_bench *b)
{
	b->tokens = bitnpu_tool_realloc(NULL, b->n_ctx, sizeof(*b->tokens));
	for (uint32_t i = 0; i < b->n_ctx; i++)
		b->tokens[i] = (uint64_t)i * 7919 % b->what->model->info.n_vocab;
}

int bitnpu_bench_model(struct bitnpu_bench *bench, struct bitnpu_device *device,
		       const struct bitnpu_bench_model *what, struct bitnpu_error *err)
{
	struct bitnpu_session_params params = { .n_ctx = context_of(what), .n_batch = what->batch,
						.step = what->step };
	struct model_bench b = { .what = what, .bench = bench, .n_ctx = params.n_ctx,
				 .info = bitnpu_device_get_info(device) };
	uint32_t count = 0;
	int failed = 0;

	b.sessions = bitnpu_tool_realloc(NULL, what->parallel, sizeof(*b.sessions));
	for (; count < what->parallel && !failed; count += !failed)
		failed = bitnpu_session_create(what->model, device, &params, &b.sessions[count],
					       err);
	if (failed)
		goto destroy;
	find_work(&b);
	make_tokens(&b);
	b.next = bitnpu_tool_realloc(NULL, what->parallel, sizeof(*b.next));
	b.logits = bitnpu_tool_realloc(NULL, what->parallel, sizeof(*b.logits));
	failed = measure(&b, err);
	free(b.logits);
	free(b.next);
	free(b.tokens);
destroy:
	while (count)
		bitnpu_session_destroy(b.sessions[--count]);
	free(b.sessions);
	return failed;
}
