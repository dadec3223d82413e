// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "interrupt.h"
#include "libbitnpu/error.h"
#include "output.h"

#define BATCH 128

struct model_bench {
	struct bitnpu_session *session;
	uint32_t *tokens;
	uint32_t prefill, decode;
};

static int run_prefill(void *user, struct bitnpu_error *err)
{
	struct model_bench *b = user;
	const float *logits;

	bitnpu_session_rewind(b->session, 0);
	return bitnpu_session_eval(b->session, b->tokens, b->prefill, &logits, err);
}

static int run_decode(void *user, struct bitnpu_error *err)
{
	struct model_bench *b = user;
	const float *logits;
	int failed = 0;

	bitnpu_session_rewind(b->session, b->prefill);
	for (uint32_t i = 0; i < b->decode && !failed; i++) {
		if (bitnpu_interrupted())
			return -ECANCELED;
		failed = bitnpu_session_eval(b->session, b->tokens + b->prefill + i, 1, &logits,
					     err);
	}
	return failed;
}

static void fill_row(struct bitnpu_bench_row *row, const char *kind, const char *device,
		     uint32_t tokens)
{
	row->kind = kind;
	row->format[0] = '\0';
	row->n = row->k = 0;
	snprintf(row->device, sizeof(row->device), "%s", device);
	row->tokens_per_s = tokens / row->seconds;
}

static int measure(struct bitnpu_bench *bench, struct model_bench *b, const char *device,
		   struct bitnpu_bench_row *rows, struct bitnpu_error *err)
{
	struct bitnpu_session_stats stats;
	int failed;

	/* the first evaluation compiles kernels and reads the file */
	failed = run_prefill(b, err);
	if (!failed)
		failed = bitnpu_bench_sample(bench, &rows[0], run_prefill, b, err);
	if (!failed)
		failed = run_decode(b, err);
	if (!failed)
		failed = bitnpu_bench_sample(bench, &rows[1], run_decode, b, err);
	if (failed)
		return failed;
	fill_row(&rows[0], "prefill", device, b->prefill);
	rows[0].m = b->prefill;
	rows[0].depth = 1;
	fill_row(&rows[1], "decode", device, b->decode);
	rows[1].m = 1;
	rows[1].depth = b->decode;
	bitnpu_session_get_stats(b->session, &stats);
	rows[1].gbps = (double)stats.weight_bytes * b->decode / rows[1].seconds * 1e-9;
	rows[1].share_of_roof = rows[1].gbps / rows[1].roof_gbps;
	return 0;
}

int bitnpu_bench_model(struct bitnpu_bench *bench, struct bitnpu_model *model,
		       struct bitnpu_device *device, uint32_t prefill, uint32_t decode,
		       struct bitnpu_bench_row *rows, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = bitnpu_model_get_info(model);
	struct bitnpu_session_params params = { .n_batch = prefill < BATCH ? prefill : BATCH };
	struct model_bench b = { .prefill = prefill, .decode = decode };
	int failed;

	if (decode >= info->n_ctx_train)
		return bitnpu_fail(err, -EINVAL,
				   "--decode: %u tokens and a prompt do not fit the context of %u",
				   decode, info->n_ctx_train);
	if (b.prefill > info->n_ctx_train - decode)
		b.prefill = info->n_ctx_train - decode;
	params.n_ctx = b.prefill + decode;
	failed = bitnpu_session_create(model, device, &params, &b.session, err);
	if (failed)
		return failed;
	/* which tokens does not matter: the work is the same for all */
	b.tokens = bitnpu_tool_realloc(NULL, params.n_ctx, sizeof(*b.tokens));
	for (uint32_t i = 0; i < params.n_ctx; i++)
		b.tokens[i] = (uint64_t)i * 7919 % info->n_vocab;
	failed = measure(bench, &b, bitnpu_device_get_info(device)->name, rows, err);
	free(b.tokens);
	bitnpu_session_destroy(b.session);
	return failed;
}
