// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "generate.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"

const char *bitnpu_stop_name(enum bitnpu_stop_reason reason)
{
	static const char *const names[] = {
		[BITNPU_STOP_NONE] = "none",	   [BITNPU_STOP_END] = "end",
		[BITNPU_STOP_LIMIT] = "limit",	   [BITNPU_STOP_STRING] = "stop",
		[BITNPU_STOP_CONTEXT] = "context", [BITNPU_STOP_SIGNAL] = "signal",
		[BITNPU_STOP_FAILED] = "failed",
	};

	return names[reason];
}

/* The prompt's tokens, to free(); NULL after complaining. */
static uint32_t *tokenize(struct bitnpu_generator *gen, const char *text, size_t length,
			  uint32_t flags, size_t *count)
{
	uint32_t *tokens = NULL;
	size_t capacity;
	int code;

	code = bitnpu_tokenize(gen->model, text, length, flags, NULL, 0, count, &gen->err);
	if (code == -ENOSPC || !code) {
		capacity = *count;
		tokens = bitnpu_tool_realloc(NULL, capacity, sizeof(*tokens));
		code = bitnpu_tokenize(gen->model, text, length, flags, tokens, capacity, count,
				       &gen->err);
	}
	if (code) {
		bitnpu_complain("run", "%s", gen->err.message);
		free(tokens);
		return NULL;
	}
	return tokens;
}

/* Evaluate the prompt step by step, so that a signal is seen and the progress line moves. */
static enum bitnpu_stop_reason prefill(struct bitnpu_generator *gen, const uint32_t *tokens,
				       size_t count)
{
	struct bitnpu_progress *progress = bitnpu_progress_start("reading the prompt");
	enum bitnpu_stop_reason reason = BITNPU_STOP_NONE;

	for (size_t done = 0, step; done < count && reason == BITNPU_STOP_NONE; done += step) {
		step = count - done < gen->n_batch ? count - done : gen->n_batch;
		bitnpu_progress_update(progress, done, count);
		if (bitnpu_session_eval(gen->session, tokens + done, step, &gen->logits, &gen->err))
			reason = BITNPU_STOP_FAILED;
		else if (bitnpu_interrupted())
			reason = BITNPU_STOP_SIGNAL;
	}
	bitnpu_progress_stop(progress);
	if (reason == BITNPU_STOP_FAILED)
		bitnpu_complain("run", "%s", gen->err.message);
	return reason;
}

enum bitnpu_stop_reason bitnpu_generate_prompt(struct bitnpu_generator *gen, const char *text,
					       size_t length, uint32_t flags)
{
	uint32_t position = bitnpu_session_position(gen->session);
	enum bitnpu_stop_reason reason;
	size_t count;
	uint32_t *tokens = tokenize(gen, text, length, flags, &count);

	if (!tokens)
		return BITNPU_STOP_FAILED;
	if (count > gen->n_ctx - position) {
		bitnpu_note("bitnpu run: the prompt needs %zu tokens, the context has room for "
			    "%u of %u (--ctx)", count, gen->n_ctx - position, gen->n_ctx);
		free(tokens);
		return BITNPU_STOP_CONTEXT;
	}
	for (size_t i = 0; i < count; i++)
		bitnpu_sampler_accept(gen->sampler, tokens[i]);
	reason = prefill(gen, tokens, count);
	free(tokens);
	if (reason == BITNPU_STOP_NONE && !gen->logits) {
		bitnpu_complain("run", "the prompt is empty");
		return BITNPU_STOP_FAILED;
	}
	return reason;
}

/* Choose, print and evaluate one token. */
static enum bitnpu_stop_reason next_token(struct bitnpu_generator *gen,
					  struct bitnpu_text_out *out)
{
	uint32_t token = bitnpu_sampler_next(gen->sampler, gen->logits);
	size_t length = 0;
	const char *bytes;
	int stopped;

	bitnpu_sampler_accept(gen->sampler, token);
	if (bitnpu_token_is_end(gen->model, token) && !gen->ignore_end)
		return BITNPU_STOP_END;
	bytes = bitnpu_token_bytes(gen->model, token, &length);
	gen->tokens++;
	stopped = bitnpu_text_out_push(out, bytes ? bytes : "", bytes ? length : 0);
	if (stopped < 0)
		return BITNPU_STOP_FAILED;	/* bitnpu_output_finish() complains */
	if (stopped)
		return BITNPU_STOP_STRING;
	if (gen->tokens == gen->limit)
		return BITNPU_STOP_LIMIT;
	if (bitnpu_session_position(gen->session) == gen->n_ctx)
		return BITNPU_STOP_CONTEXT;
	if (bitnpu_session_eval(gen->session, &token, 1, &gen->logits, &gen->err))
		return BITNPU_STOP_FAILED;
	return bitnpu_interrupted() ? BITNPU_STOP_SIGNAL : BITNPU_STOP_NONE;
}

enum bitnpu_stop_reason bitnpu_generate_text(struct bitnpu_generator *gen,
					     struct bitnpu_text_out *out)
{
	struct bitnpu_progress *progress = NULL;
	enum bitnpu_stop_reason reason = BITNPU_STOP_NONE;

	gen->tokens = 0;
	gen->err.code = 0;
	if (gen->progress)
		progress = bitnpu_progress_start("generating");
	while (reason == BITNPU_STOP_NONE) {
		bitnpu_progress_update(progress, gen->tokens, gen->limit);
		reason = next_token(gen, out);
	}
	bitnpu_progress_stop(progress);
	if (bitnpu_text_out_end(out))
		reason = BITNPU_STOP_FAILED;
	else if (reason == BITNPU_STOP_FAILED && gen->err.code)
		bitnpu_complain("run", "%s", gen->err.message);
	return reason;
}
