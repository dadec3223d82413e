// SPDX-License-Identifier: MIT
/*
 * Sessions: against a plain forward pass written from BitNet b1.58's formulas, bit for bit; however
 * the tokens are cut into steps; on every device; and when something fails.  All of it twice: with
 * the float operations on the host, and with whole steps on the device.
 */
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "libbitnpu/half.h"
#include "libbitnpu/model.h"
#include "libbitnpu/session.h"
#include "tests/support/fake_engine.h"
#include "tests/support/plain_model.h"
#include "tests/support/random.h"
#include "tools/random-model/random_model.h"

#define MAX_TOKENS PLAIN_TOKENS

static struct test_random rng;

/* Of every session, unless a test says otherwise. */
static enum bitnpu_step step;

static int use_host(void **state)
{
	step = BITNPU_STEP_HOST;
	return 0;
}

static int use_device(void **state)
{
	step = BITNPU_STEP_DEVICE;
	return 0;
}

/* With the float commands when they are wanted. */
static void init_fake(struct fake_engine *fake)
{
	fake_engine_init(fake);
	if (step == BITNPU_STEP_DEVICE)
		fake->features |= BITNPU_FEATURES_FLOAT;
}

static bool can_step(const struct bitnpu_device_info *info)
{
	return step == BITNPU_STEP_HOST ||
	       (info->features & BITNPU_FEATURES_FLOAT) == BITNPU_FEATURES_FLOAT;
}

static void *checked(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

/* ---- models ---------------------------------------------------------------------------------- */

/* Widths that are and are not multiples of anything; sums of 32 and of 64 bits. */
static const struct random_model shapes[] = {
	{ .n_vocab = 300, .n_embd = 256, .n_layer = 2, .n_ff = 512, .n_head = 4, .n_head_kv = 2,
	  .n_ctx = 64, .type = BITNPU_GGML_TQ2_0, .embedding = BITNPU_GGML_F16, .seed = 1 },
	{ .n_vocab = 259, .n_embd = 60, .n_layer = 2, .n_ff = 77, .n_head = 6, .n_head_kv = 2,
	  .n_ctx = 64, .type = BITNPU_GGML_F16, .embedding = BITNPU_GGML_F32, .seed = 2,
	  .separate_head = true },
	{ .n_vocab = 300, .n_embd = 256, .n_layer = 2, .n_ff = 256, .n_head = 8, .n_head_kv = 8,
	  .n_ctx = 64, .type = BITNPU_GGML_TQ1_0, .embedding = BITNPU_GGML_Q6_K, .seed = 3,
	  .vary_scales = true },
	{ .n_vocab = 261, .n_embd = 128, .n_layer = 3, .n_ff = 384, .n_head = 4, .n_head_kv = 1,
	  .n_ctx = 64, .type = BITNPU_GGML_Q1_0, .embedding = BITNPU_GGML_Q8_0, .seed = 4 },
};

#define SHAPES (sizeof(shapes) / sizeof(*shapes))

static struct bitnpu_model *models[SHAPES];

static int make_models(void **state)
{
	char path[] = "/tmp/test_session.XXXXXX";
	int fd = mkstemp(path);
	struct bitnpu_error err;
	int ret = 0;

	test_random_init(&rng, 0);
	if (fd < 0)
		return -1;
	close(fd);
	for (size_t i = 0; !ret && i < SHAPES; i++) {
		ret = random_model_write(&shapes[i], path, NULL, NULL, &err);
		if (!ret)
			ret = bitnpu_model_open(path, 0, &models[i], &err);
		if (ret)
			print_error("%s\n", err.message);
	}
	unlink(path);
	return ret;
}

static int close_models(void **state)
{
	for (size_t i = 0; i < SHAPES; i++)
		bitnpu_model_close(models[i]);
	return 0;
}

static void random_tokens(const struct bitnpu_model *model, uint32_t *tokens, size_t count)
{
	for (size_t i = 0; i < count; i++)
		tokens[i] = test_random_below(&rng, model->info.n_vocab);
}

static struct bitnpu_device *open_device(const char *name)
{
	struct bitnpu_device *dev;
	struct bitnpu_error err;

	if (bitnpu_device_open(name, &dev, &err))
		fail_msg("%s", err.message);
	return dev;
}

static struct bitnpu_session *new_session(struct bitnpu_model *model, struct bitnpu_device *dev,
					  uint32_t n_ctx, uint32_t n_batch)
{
	struct bitnpu_session_params params = { .n_ctx = n_ctx, .n_batch = n_batch, .step = step };
	struct bitnpu_session *s;
	struct bitnpu_error err;

	if (bitnpu_session_create(model, dev, &params, &s, &err))
		fail_msg("%s", err.message);
	return s;
}

static const float *eval(struct bitnpu_session *s, const uint32_t *tokens, size_t count)
{
	const float *logits;
	struct bitnpu_error err;

	if (bitnpu_session_eval(s, tokens, count, &logits, &err))
		fail_msg("%s", err.message);
	return logits;
}

static void assert_same_logits(const struct bitnpu_model *model, const float *got,
			       const float *want, const char *what)
{
	for (uint32_t i = 0; i < model->info.n_vocab; i++)
		if (bitnpu_bits_of_float(got[i]) != bitnpu_bits_of_float(want[i]))
			fail_msg("%s: logit %u is %a, expected %a", what, i, (double)got[i],
				 (double)want[i]);
}

static float *new_floats(size_t n)
{
	return checked(calloc(n, sizeof(float)));
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_plain(void **state)
{
	struct bitnpu_device *dev = open_device("golden");
	uint32_t tokens[MAX_TOKENS];

	for (size_t i = 0; i < SHAPES; i++) {
		struct bitnpu_session *s = new_session(models[i], dev, 0, 0);
		float *want;

		random_tokens(models[i], tokens, MAX_TOKENS);
		want = plain_forward(models[i], tokens, MAX_TOKENS);
		for (uint32_t t = 0; t < MAX_TOKENS; t++)
			assert_same_logits(models[i], eval(s, &tokens[t], 1),
					   want + (size_t)t * models[i]->info.n_vocab, "plain");
		assert_int_equal(bitnpu_session_position(s), MAX_TOKENS);
		bitnpu_session_destroy(s);
		free(want);
	}
	bitnpu_device_close(dev);
}

/* However tokens are cut into calls and steps, logits and what follows are the same. */
static void test_batches(void **state)
{
	static const uint32_t batches[] = { 1, 2, 3, 5, 16, 23, 24, 64 };
	struct bitnpu_device *dev = open_device("golden");
	uint32_t tokens[MAX_TOKENS];

	for (size_t i = 0; i < SHAPES; i++) {
		size_t bytes = models[i]->info.n_vocab * sizeof(float);
		struct bitnpu_session *one = new_session(models[i], dev, 0, 1);
		float *want = checked(malloc(bytes));

		random_tokens(models[i], tokens, MAX_TOKENS);
		memcpy(want, eval(one, tokens, MAX_TOKENS), bytes);
		for (size_t b = 0; b < sizeof(batches) / sizeof(*batches); b++) {
			struct bitnpu_session *s = new_session(models[i], dev, 0, batches[b]);
			uint32_t first = 1 + test_random_below(&rng, MAX_TOKENS - 1);

			eval(s, tokens, first);
			assert_same_logits(models[i],
					   eval(s, tokens + first, MAX_TOKENS - first), want,
					   "batches");
			bitnpu_session_destroy(s);
		}
		bitnpu_session_destroy(one);
		free(want);
	}
	bitnpu_device_close(dev);
}

/*
 * Far into a context a step of one token shares its attention out, which a batch does not: both
 * give the same, around the length from which on and at the ends of its parts.
 */
static void test_deep(void **state)
{
	static const uint32_t depths[] = { 255, 256, 513 };
	struct bitnpu_device *dev = open_device("cpu");
	uint32_t tokens[514];

	for (size_t i = 0; i < SHAPES; i++) {
		size_t bytes = models[i]->info.n_vocab * sizeof(float);
		struct bitnpu_session *deep = new_session(models[i], dev, 1024, 512);
		struct bitnpu_session *batch = new_session(models[i], dev, 1024, 512);
		float *want = checked(malloc(bytes));

		random_tokens(models[i], tokens, 514);
		for (size_t d = 0; d < sizeof(depths) / sizeof(*depths); d++) {
			uint32_t depth = depths[d];

			/* The last two tokens together, so that the last is not alone. */
			bitnpu_session_rewind(batch, 0);
			eval(batch, tokens, depth - 1);
			memcpy(want, eval(batch, tokens + depth - 1, 2), bytes);
			bitnpu_session_rewind(deep, 0);
			eval(deep, tokens, depth);
			assert_same_logits(models[i], eval(deep, tokens + depth, 1), want, "deep");
		}
		free(want);
		bitnpu_session_destroy(batch);
		bitnpu_session_destroy(deep);
	}
	bitnpu_device_close(dev);
}

static uint64_t submissions_of(const struct bitnpu_session *s)
{
	struct bitnpu_session_stats stats;

	bitnpu_session_get_stats(s, &stats);
	return stats.submissions;
}

#define TOGETHER 9

/* Sequences of different lengths, one token each at once: each as if it were alone. */
static void check_together(struct bitnpu_model *model, const char *device)
{
	struct bitnpu_device *dev = open_device(device);
	struct bitnpu_session *together[TOGETHER], *alone = new_session(model, dev, 64, 16);
	size_t bytes = model->info.n_vocab * sizeof(float);
	uint32_t tokens[TOGETHER][MAX_TOKENS], next[TOGETHER], length[TOGETHER], first[TOGETHER];
	const float *logits[TOGETHER];

	for (int i = 0; i < TOGETHER; i++) {
		together[i] = new_session(model, dev, 64, 16);
		first[i] = length[i] = 1 + test_random_below(&rng, MAX_TOKENS - 4);
		random_tokens(model, tokens[i], MAX_TOKENS);
		eval(together[i], tokens[i], length[i]);
	}
	for (int round = 0; round < 3; round++) {
		uint32_t count = round == 1 ? TOGETHER / 2 : TOGETHER;

		for (uint32_t i = 0; i < count; i++)
			next[i] = tokens[i][length[i]++];
		assert_int_equal(bitnpu_sessions_eval(together, next, count, logits, NULL), 0);
		for (uint32_t i = 0; i < count; i++) {
			float *got = checked(malloc(bytes));

			memcpy(got, logits[i], bytes);
			assert_int_equal(bitnpu_session_position(together[i]), length[i]);
			bitnpu_session_rewind(alone, 0);
			assert_same_logits(model, eval(alone, tokens[i], length[i]), got, "together");
			free(got);
		}
	}
	/* On a device the first one's list has the others' tokens, too. */
	for (int i = 0; step == BITNPU_STEP_DEVICE && i < TOGETHER; i++)
		assert_int_equal(submissions_of(together[i]), (first[i] + 15) / 16 + (i ? 0 : 3));
	for (int i = 0; i < TOGETHER; i++)
		bitnpu_session_destroy(together[i]);
	bitnpu_session_destroy(alone);
	bitnpu_device_close(dev);
}

static void test_together(void **state)
{
	struct bitnpu_device_info *list;
	size_t count;

	for (size_t i = 0; i < SHAPES; i++) {
		check_together(models[i], "golden");
		check_together(models[i], "cpu");
	}
	assert_int_equal(bitnpu_device_list(&list, &count, NULL), 0);
	for (size_t d = 0; d < count; d++)
		if (can_step(&list[d]) && strncmp(list[d].name, "opencl", 6) == 0)
			check_together(models[0], list[d].name);
	bitnpu_device_list_free(list);
}

static void see_nothing(void *user, int layer, const char *name, enum bitnpu_element element,
			const void *data, size_t bytes)
{
}

static void refuse_together(struct bitnpu_session *a, struct bitnpu_session *b, uint32_t token,
			    size_t count, int code, const char *words)
{
	struct bitnpu_session *sessions[] = { a, b, a };
	const float *logits[3] = { NULL };
	struct bitnpu_error err;

	assert_int_equal(bitnpu_sessions_eval(sessions, (uint32_t[]){ 1, token, 1 }, count, logits,
					      &err), code);
	if (!strstr(err.message, words))
		fail_msg("'%s' does not say '%s'", err.message, words);
	assert_null(logits[0]);
	assert_int_equal(bitnpu_session_position(a), 5);
}

static void test_together_refused(void **state)
{
	struct bitnpu_device *dev = open_device("golden");
	struct bitnpu_session *a = new_session(models[0], dev, 8, 2), *b;
	struct bitnpu_session_params traced = { .n_ctx = 8, .trace = see_nothing, .step = step };
	uint32_t tokens[8];

	random_tokens(models[0], tokens, 8);
	eval(a, tokens, 5);
	b = new_session(models[0], dev, 8, 2);
	refuse_together(a, b, 0, 0, -EINVAL, "no sessions");
	refuse_together(a, b, 0, 3, -EINVAL, "3 sessions at once, n_batch of the first is 2");
	refuse_together(a, a, 0, 2, -EINVAL, "session 1 is session 0");
	refuse_together(a, b, models[0]->info.n_vocab, 2, -EINVAL, "the vocabulary has");
	eval(b, tokens, 8);
	refuse_together(a, b, 0, 2, -ENOSPC, "the context is full");
	bitnpu_session_destroy(b);
	b = new_session(models[0], dev, 9, 2);
	refuse_together(a, b, 0, 2, -EINVAL, "session 1: another model or n_ctx");
	bitnpu_session_destroy(b);
	b = new_session(models[1], dev, 8, 2);
	refuse_together(a, b, 0, 2, -EINVAL, "session 1: another model or n_ctx");
	bitnpu_session_destroy(b);
	assert_int_equal(bitnpu_session_create(models[0], dev, &traced, &b, NULL), 0);
	refuse_together(a, b, 0, 2, -EINVAL, "session 1: is traced");
	bitnpu_session_destroy(b);
	bitnpu_session_destroy(a);
	bitnpu_device_close(dev);
}

static void test_rewind(void **state)
{
	struct bitnpu_device *dev = open_device("golden");
	struct bitnpu_session *s = new_session(models[0], dev, 0, 8);
	size_t bytes = models[0]->info.n_vocab * sizeof(float);
	float *want = checked(malloc(bytes));
	uint32_t tokens[MAX_TOKENS];

	random_tokens(models[0], tokens, MAX_TOKENS);
	memcpy(want, eval(s, tokens, 20), bytes);
	eval(s, tokens, 4);
	bitnpu_session_rewind(s, 9);
	assert_int_equal(bitnpu_session_position(s), 9);
	assert_same_logits(models[0], eval(s, tokens + 9, 11), want, "rewound to 9");
	bitnpu_session_rewind(s, 21);
	assert_int_equal(bitnpu_session_position(s), 20);
	bitnpu_session_rewind(s, 0);
	assert_same_logits(models[0], eval(s, tokens, 20), want, "rewound to 0");
	bitnpu_session_destroy(s);
	free(want);
	bitnpu_device_close(dev);
}

static void test_full(void **state)
{
	struct bitnpu_device *dev = open_device("golden");
	struct bitnpu_session *s = new_session(models[0], dev, 10, 4);
	struct bitnpu_session *whole = new_session(models[0], dev, 10, 4);
	uint32_t tokens[MAX_TOKENS];
	const float *logits = NULL;
	struct bitnpu_error err;

	random_tokens(models[0], tokens, MAX_TOKENS);
	eval(s, tokens, 7);
	assert_int_equal(bitnpu_session_eval(s, tokens + 7, 4, &logits, &err), -ENOSPC);
	assert_string_equal(err.message,
			    "the context is full: 7 of 10 positions are taken, 4 more asked for");
	assert_null(logits);
	assert_int_equal(bitnpu_session_position(s), 7);
	assert_same_logits(models[0], eval(s, tokens + 7, 3), eval(whole, tokens, 10), "full");
	assert_int_equal(bitnpu_session_eval(s, tokens, 1, &logits, &err), -ENOSPC);
	assert_int_equal(bitnpu_session_eval(s, tokens, SIZE_MAX / 4, &logits, NULL), -ENOSPC);
	bitnpu_session_destroy(s);
	bitnpu_session_destroy(whole);
	bitnpu_device_close(dev);
}

static void refuse(const struct bitnpu_session_params *params, struct bitnpu_device *dev, int code,
		   const char *says)
{
	struct bitnpu_session *s = (struct bitnpu_session *)&s;
	struct bitnpu_error err;

	assert_int_equal(bitnpu_session_create(models[0], dev, params, &s, &err), code);
	if (!strstr(err.message, says))
		fail_msg("\"%s\" should contain \"%s\"", err.message, says);
	assert_ptr_equal(s, &s);
}

static void test_bad_arguments(void **state)
{
	struct bitnpu_device *dev = open_device("golden");
	struct bitnpu_session *s = new_session(models[0], dev, 0, 0);
	uint32_t n_vocab = models[0]->info.n_vocab, tokens[] = { 1, n_vocab, 2 };
	const float *logits = NULL;
	struct bitnpu_error err;

	assert_int_equal(s->params.n_ctx, 64);
	assert_int_equal(s->params.n_batch, 64);
	assert_int_equal(bitnpu_session_eval(s, tokens, 3, &logits, &err), -EINVAL);
	assert_string_equal(err.message, "token 1 is 300, the vocabulary has 300 tokens");
	assert_int_equal(bitnpu_session_eval(s, tokens, 0, &logits, &err), -EINVAL);
	assert_null(logits);
	assert_int_equal(bitnpu_session_position(s), 0);
	bitnpu_session_destroy(s);
	bitnpu_session_destroy(NULL);
	refuse(&(struct bitnpu_session_params){ .n_ctx = UINT32_MAX }, dev, -EINVAL,
	       "n_ctx 4294967295: at most 1048576");
	refuse(&(struct bitnpu_session_params){ .n_batch = 65537 }, dev, -EINVAL,
	       "n_batch 65537: at most 65536");
	bitnpu_device_close(dev);
}

/* ---- every device ---------------------------------------------------------------------------- */

/* What a session traced, as one run of bytes. */
struct tracing {
	unsigned char *bytes;
	size_t count;
	char names[4096];
};

static void record(void *user, int layer, const char *name, enum bitnpu_element element,
		   const void *data, size_t bytes)
{
	struct tracing *t = user;
	size_t at = strlen(t->names);

	snprintf(t->names + at, sizeof(t->names) - at, "%d.%s.%d.%zu\n", layer, name, (int)element,
		 bytes);
	t->bytes = checked(realloc(t->bytes, t->count + bytes));
	memcpy(t->bytes + t->count, data, bytes);
	t->count += bytes;
}

static void trace_on(struct bitnpu_model *model, const char *device, enum bitnpu_step where,
		     const uint32_t *tokens, size_t count, struct tracing *t)
{
	struct bitnpu_session_params params = { .trace = record, .trace_user = t, .step = where };
	struct bitnpu_device *dev = open_device(device);
	struct bitnpu_session *s;
	struct bitnpu_error err;

	memset(t, 0, sizeof(*t));
	if (bitnpu_session_create(model, dev, &params, &s, &err))
		fail_msg("%s: %s", device, err.message);
	eval(s, tokens, count);
	eval(s, tokens, 1);
	bitnpu_session_destroy(s);
	bitnpu_device_close(dev);
}

static void test_devices(void **state)
{
	struct bitnpu_device_info *list;
	uint32_t tokens[MAX_TOKENS];
	size_t count;

	assert_int_equal(bitnpu_device_list(&list, &count, NULL), 0);
	for (size_t i = 0; i < SHAPES; i++) {
		struct tracing want, got;

		random_tokens(models[i], tokens, MAX_TOKENS);
		trace_on(models[i], "golden", BITNPU_STEP_HOST, tokens, 9, &want);
		for (size_t d = 0; d < count; d++) {
			if (!can_step(&list[d]))
				continue;
			trace_on(models[i], list[d].name, step, tokens, 9, &got);
			assert_string_equal(got.names, want.names);
			if (memcmp(got.bytes, want.bytes, want.count))
				fail_msg("%s differs from golden on model %zu", list[d].name, i);
			free(got.bytes);
		}
		free(want.bytes);
	}
	bitnpu_device_list_free(list);
}

/* Names, order, types and sizes of what is traced. */
static void test_trace(void **state)
{
	static const char expected[] =
		"-1.embedding.2.480\n"
		"0.attn_q.0.480\n0.attn_k.0.160\n0.attn_v.0.160\n0.attn_out.0.480\n"
		"0.ffn_gate.0.616\n0.ffn_up.0.616\n0.ffn_down.0.480\n0.layer.2.480\n"
		"1.attn_q.0.480\n1.attn_k.0.160\n1.attn_v.0.160\n1.attn_out.0.480\n"
		"1.ffn_gate.0.616\n1.ffn_up.0.616\n1.ffn_down.0.480\n1.layer.2.480\n"
		"-1.norm.2.240\n-1.output.0.1036\n-1.logits.2.1036\n"
		"-1.embedding.2.240\n";
	struct tracing t;
	uint32_t tokens[2];

	random_tokens(models[1], tokens, 2);
	trace_on(models[1], "golden", step, tokens, 2, &t);
	assert_memory_equal(t.names, expected, strlen(expected));
	free(t.bytes);
	/* Group scales make the sums 64 bits wide. */
	trace_on(models[3], "golden", step, tokens, 1, &t);
	assert_non_null(strstr(t.names, "\n2.ffn_down.1.1024\n"));
	free(t.bytes);
}

static void test_stats(void **state)
{
	struct bitnpu_device *dev = open_device("golden");
	struct bitnpu_session *s = new_session(models[0], dev, 32, 8);
	const struct bitnpu_model_info *info = &models[0]->info;
	struct bitnpu_session_stats stats;
	uint32_t tokens[MAX_TOKENS];

	random_tokens(models[0], tokens, MAX_TOKENS);
	eval(s, tokens, 19);	/* steps of 8, 8 and 3 */
	eval(s, tokens, 9);	/* 8 and 1 */
	eval(s, tokens, 1);
	bitnpu_session_get_stats(s, &stats);
	assert_int_equal(stats.prefill_tokens, 27);
	assert_int_equal(stats.decode_tokens, 2);
	assert_int_equal(stats.step, step);
	assert_int_equal(stats.submissions,
			 step == BITNPU_STEP_DEVICE ? 6 : 6 * 4 * info->n_layer + 3);
	assert_int_equal(stats.kv_bytes,
			 2 * 2 * 32 * info->n_layer * info->n_head_kv * info->head_dim);
	assert_true(stats.device_ns > 0);
	assert_true(stats.device_ns < stats.prefill_ns + stats.decode_ns);
	assert_true(stats.device_bytes > 0);
	assert_true(stats.weight_bytes > info->n_vocab * info->n_embd);
	bitnpu_session_destroy(s);
	bitnpu_device_close(dev);
}

/* A caller whose thread rounds upwards and flushes subnormals gets the same bits, and keeps both.
 * */
static void test_floating_point_environment(void **state)
{
	struct bitnpu_device *dev = open_device("golden");
	struct bitnpu_session *a = new_session(models[0], dev, 0, 4);
	struct bitnpu_session *b = new_session(models[0], dev, 0, 4);
	uint32_t tokens[MAX_TOKENS];
	const float *got;

	random_tokens(models[0], tokens, MAX_TOKENS);
#if defined(__x86_64__)
	__builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#endif
	assert_int_equal(fesetround(FE_UPWARD), 0);
	got = eval(a, tokens, MAX_TOKENS);
	assert_int_equal(fegetround(), FE_UPWARD);
#if defined(__x86_64__)
	assert_int_equal(__builtin_ia32_stmxcsr() & 0x8040, 0x8040);
#endif
	fesetenv(FE_DFL_ENV);
	assert_same_logits(models[0], got, eval(b, tokens, MAX_TOKENS), "environment");
	bitnpu_session_destroy(a);
	bitnpu_session_destroy(b);
	bitnpu_device_close(dev);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct thread_case {
	struct bitnpu_device *dev;
	uint32_t tokens[MAX_TOKENS];
	float *logits;
};

static void *run_thread(void *arg)
{
	struct thread_case *c = arg;
	struct bitnpu_session *s = new_session(models[2], c->dev, 0, 5);

	memcpy(c->logits, eval(s, c->tokens, MAX_TOKENS),
	       models[2]->info.n_vocab * sizeof(float));
	bitnpu_session_destroy(s);
	return NULL;
}

static void test_threads(void **state)
{
	enum { THREADS = 3 };
	struct bitnpu_device *dev = open_device("golden");
	struct thread_case cases[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		cases[i].dev = dev;
		cases[i].logits = new_floats(models[2]->info.n_vocab);
		random_tokens(models[2], cases[i].tokens, MAX_TOKENS);
		assert_int_equal(pthread_create(&threads[i], NULL, run_thread, &cases[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		struct bitnpu_session *s = new_session(models[2], dev, 0, 0);

		pthread_join(threads[i], NULL);
		assert_same_logits(models[2], cases[i].logits,
				   eval(s, cases[i].tokens, MAX_TOKENS), "threads");
		bitnpu_session_destroy(s);
		free(cases[i].logits);
	}
	bitnpu_device_close(dev);
}

/* ---- failures -------------------------------------------------------------------------------- */

/* Fails the list when @user has counted down to zero. */
static int fail_later(struct fake_engine *fake, uint32_t id, struct bitnpu_error *err)
{
	int *left = fake->user;
	struct bitnpu_fault fault = { .status = BITNPU_STATUS_DEVICE };

	if ((*left)-- > 0)
		return 0;
	return bitnpu_fail_fault(err, -EIO, &fault);
}

static void check_nothing_left(const struct fake_engine *fake)
{
	assert_int_equal(fake_count(&fake->bos), 0);
	assert_int_equal(fake_count(&fake->prepared), 0);
	assert_int_equal(fake_count(&fake->maps), 0);
	assert_int_equal(fake_count(&fake->devices), 0);
}

/* The device is lost in the middle of a step, at any submission: nothing moves, nothing leaks. */
static void test_device_lost(void **state)
{
	uint32_t tokens[MAX_TOKENS], submissions = 2 * 4 * models[0]->info.n_layer + 1;

	if (step == BITNPU_STEP_DEVICE)
		submissions = 2;
	random_tokens(models[0], tokens, MAX_TOKENS);
	for (uint32_t when = 0; when < submissions; when++) {
		struct fake_engine fake;
		struct bitnpu_device *dev;
		struct bitnpu_session *s;
		const float *logits = NULL;
		struct bitnpu_error err;
		int left = INT32_MAX;

		init_fake(&fake);
		fake.execute = fail_later;
		fake.user = &left;
		dev = fake_device_open(&fake);
		s = new_session(models[0], dev, 0, 4);
		eval(s, tokens, 3);
		left = (int)when;
		assert_int_equal(bitnpu_session_eval(s, tokens + 3, 7, &logits, &err), -EIO);
		assert_int_equal(err.fault.status, BITNPU_STATUS_DEVICE);
		assert_null(logits);
		assert_int_equal(bitnpu_session_position(s), 3);
		left = INT32_MAX;
		eval(s, tokens + 3, 7);
		assert_int_equal(bitnpu_session_position(s), 10);
		bitnpu_session_destroy(s);
		bitnpu_device_close(dev);
		check_nothing_left(&fake);
	}
}

static void test_map_fails(void **state)
{
	uint32_t tokens[MAX_TOKENS];
	struct fake_engine fake;
	struct bitnpu_device *dev;
	struct bitnpu_session *s;
	const float *logits;

	random_tokens(models[0], tokens, MAX_TOKENS);
	init_fake(&fake);
	dev = fake_device_open(&fake);
	s = new_session(models[0], dev, 0, 4);
	fake.fail_map = -EIO;
	assert_int_equal(bitnpu_session_eval(s, tokens, 7, &logits, NULL), -EIO);
	fake.fail_map = 0;
	fake.fail_unmap = -EIO;
	assert_int_equal(bitnpu_session_eval(s, tokens, 7, &logits, NULL), -EIO);
	fake.fail_unmap = 0;
	assert_int_equal(bitnpu_session_position(s), 0);
	/* A plan for another number of tokens cannot be built. */
	fake.fail_prepare = -ENOMEM;
	assert_int_equal(bitnpu_session_eval(s, tokens, 2, &logits, NULL), -ENOMEM);
	eval(s, tokens, 1);
	fake.fail_prepare = 0;
	eval(s, tokens, 2);
	bitnpu_session_destroy(s);
	bitnpu_device_close(dev);
	check_nothing_left(&fake);
}

static void test_create_fails(void **state)
{
	struct fake_engine fake;
	struct bitnpu_device *dev;

	init_fake(&fake);
	dev = fake_device_open(&fake);
	fake.fail_bo = -ENOMEM;
	refuse(&(struct bitnpu_session_params){ .step = step }, dev, -ENOMEM, "fake: no buffer");
	fake.fail_bo = 0;
	fake.fail_prepare = -EIO;
	refuse(&(struct bitnpu_session_params){ .step = step }, dev, -EIO, "fake: no preparation");
	bitnpu_device_close(dev);
	check_nothing_left(&fake);

	/* Weights fit, the x and y buffers do not. */
	init_fake(&fake);
	fake.max_buffer_bytes = 256 << 10;
	dev = fake_device_open(&fake);
	refuse(&(struct bitnpu_session_params){ .n_ctx = 4096, .n_batch = 4096, .step = step }, dev,
	       -E2BIG, "takes at most 262144");
	bitnpu_device_close(dev);
	check_nothing_left(&fake);

	init_fake(&fake);
	fake.features &= ~BITNPU_FEATURE_W_TERNARY;
	dev = fake_device_open(&fake);
	refuse(&(struct bitnpu_session_params){ .step = step }, dev, -EINVAL,
	       step == BITNPU_STEP_DEVICE ? "command 2: weight_format" : "command 0: weight_format");
	bitnpu_device_close(dev);
	check_nothing_left(&fake);
}

/* More different lengths than plans are kept. */
static void test_plan_cache(void **state)
{
	struct bitnpu_device *dev = open_device("golden");
	struct bitnpu_session *s = new_session(models[1], dev, 64, 13);
	struct bitnpu_session *one = new_session(models[1], dev, 64, 1);
	uint32_t tokens[13];

	for (int round = 0; round < 30; round++) {
		uint32_t count = 1 + test_random_below(&rng, 13);
		const float *want;

		random_tokens(models[1], tokens, count);
		bitnpu_session_rewind(s, 5);
		bitnpu_session_rewind(one, 5);
		want = eval(one, tokens, count);
		assert_same_logits(models[1], eval(s, tokens, count), want, "plans");
	}
	bitnpu_session_destroy(s);
	bitnpu_session_destroy(one);
	bitnpu_device_close(dev);
}

/* Sessions of a model share its matrices and an address space, until a job fails there. */
static void test_shared(void **state)
{
	struct bitnpu_session *s[4];
	struct bitnpu_device *dev;
	struct fake_engine fake;
	const float *logits;
	int left = INT32_MAX, alone, own;

	init_fake(&fake);
	fake.execute = fail_later;
	fake.user = &left;
	dev = fake_device_open(&fake);
	s[0] = new_session(models[0], dev, 64, 4);
	alone = fake_count(&fake.bos);
	s[1] = new_session(models[0], dev, 64, 4);
	own = fake_count(&fake.bos) - alone;
	assert_true(alone - own >= (int)models[0]->info.n_layer * BITNPU_MATRICES);
	s[2] = new_session(models[0], dev, 64, 4);
	assert_int_equal(fake_count(&fake.bos), alone + 2 * own);
	assert_int_equal(fake_count(&fake.contexts), 1);
	/* Whoever was there first may go first. */
	bitnpu_session_destroy(s[0]);
	assert_int_equal(fake_count(&fake.bos), alone + own);
	left = 0;
	assert_int_equal(bitnpu_session_eval(s[1], (uint32_t[]){ 1 }, 1, &logits, NULL), -EIO);
	left = INT32_MAX;
	s[0] = new_session(models[0], dev, 64, 4);
	s[3] = new_session(models[1], dev, 64, 4);
	assert_int_equal(fake_count(&fake.contexts), 3);
	for (int i = 0; i < 4; i++) {
		eval(s[i], (uint32_t[]){ 1, 2 }, 2);
		bitnpu_session_destroy(s[i]);
	}
	assert_int_equal(fake_count(&fake.contexts), 0);
	bitnpu_device_close(dev);
	check_nothing_left(&fake);
}

static int eval_together(struct bitnpu_session *const *sessions, size_t count)
{
	const float *logits[3];

	return bitnpu_sessions_eval(sessions, (uint32_t[]){ 1, 2, 3 }, count, logits, NULL);
}

/* What sessions need to step together goes with the first that leaves, and holds nobody's cache. */
static void test_group(void **state)
{
	struct bitnpu_session *s[3], *swapped[2];
	int left = INT32_MAX, apart, own, prepared;
	struct bitnpu_device *dev;
	struct fake_engine fake;

	init_fake(&fake);
	fake.execute = fail_later;
	fake.user = &left;
	dev = fake_device_open(&fake);
	for (int i = 0; i < 3; i++) {
		own = fake_count(&fake.bos);
		s[i] = new_session(models[0], dev, 64, 4);
		own = fake_count(&fake.bos) - own;
	}
	apart = fake_count(&fake.bos);
	prepared = fake_count(&fake.prepared);
	for (int i = 0; i < 4; i++)
		assert_int_equal(eval_together(s, 3), 0);
	assert_int_equal(fake_count(&fake.bos), apart + 2);
	assert_int_equal(fake_count(&fake.prepared), prepared + 1);
	assert_int_equal(submissions_of(s[0]), 4);
	assert_int_equal(submissions_of(s[1]), 0);
	bitnpu_session_destroy(s[2]);
	assert_int_equal(fake_count(&fake.bos), apart - own);
	swapped[0] = s[1];
	swapped[1] = s[0];
	assert_int_equal(eval_together(s, 2), 0);
	assert_int_equal(eval_together(swapped, 2), 0);
	assert_int_equal(fake_count(&fake.bos), apart - own + 2);
	assert_int_equal(submissions_of(s[1]), 1);
	/* Nothing moves and nothing is left when it cannot be made or run. */
	fake.fail_prepare = -ENOMEM;
	assert_int_equal(eval_together(s, 2), -ENOMEM);
	assert_int_equal(fake_count(&fake.bos), apart - own);
	fake.fail_prepare = 0;
	left = 0;
	assert_int_equal(eval_together(s, 2), -EIO);
	assert_int_equal(bitnpu_session_position(s[0]), 6);
	left = INT32_MAX;
	/* In another address space: one after the other. */
	s[2] = new_session(models[0], dev, 64, 4);
	assert_int_equal(eval_together(s, 3), 0);
	assert_int_equal(submissions_of(s[2]), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(bitnpu_session_position(s[i]), i < 2 ? 7 : 1);
		bitnpu_session_destroy(s[i]);
	}
	bitnpu_device_close(dev);
	check_nothing_left(&fake);
}

struct pair {
	struct bitnpu_session *s[2];
	const float *logits[2];
};

/* Return: NULL, or the pair when a step failed. */
static void *run_pair(void *data)
{
	struct pair *pair = data;

	for (int i = 0; i < 3; i++)
		if (bitnpu_sessions_eval(pair->s, (uint32_t[]){ 1, 2 }, 2, pair->logits, NULL))
			return pair;
	return NULL;
}

/* The members of a group part, and step on with others, on two threads at once. */
static void test_group_parts(void **state)
{
	struct bitnpu_device *dev = open_device("golden");
	struct bitnpu_session *s[4], *alone = new_session(models[1], dev, 64, 4);
	struct pair pairs[2] = { 0 };
	pthread_t thread;
	void *failed;

	for (int i = 0; i < 4; i++)
		s[i] = new_session(models[1], dev, 64, 4);
	for (int round = 0; round < 10; round++) {
		assert_int_equal(eval_together(s, 2), 0);
		for (int i = 0; i < 2; i++) {
			pairs[i].s[0] = s[i];
			pairs[i].s[1] = s[2 + i];
		}
		assert_int_equal(pthread_create(&thread, NULL, run_pair, &pairs[0]), 0);
		assert_null(run_pair(&pairs[1]));
		pthread_join(thread, &failed);
		assert_null(failed);
		for (int i = 0; i < 2; i++) {
			bitnpu_session_rewind(alone, 0);
			assert_same_logits(models[1], pairs[i].logits[0],
					   eval(alone, (uint32_t[]){ 1 + i, 1, 1, 1 }, 4), "parts");
			bitnpu_session_rewind(s[i], 0);
			bitnpu_session_rewind(s[2 + i], 0);
		}
	}
	for (int i = 0; i < 4; i++)
		bitnpu_session_destroy(s[i]);
	bitnpu_session_destroy(alone);
	bitnpu_device_close(dev);
}

/* Who has the float commands steps on the device, where that is faster. */
static void test_step(void **state)
{
	static const struct bitnpu_session_params automatic;
	struct bitnpu_device *golden = open_device("golden"), *dev;
	struct bitnpu_session_stats stats;
	struct bitnpu_session *s;
	struct fake_engine fake;

	assert_int_equal(bitnpu_session_create(models[0], golden, &automatic, &s, NULL), 0);
	bitnpu_session_get_stats(s, &stats);
	assert_int_equal(stats.step, BITNPU_STEP_HOST);
	bitnpu_session_destroy(s);
	refuse(&(struct bitnpu_session_params){ .step = 3 }, golden, -EINVAL, "step 3: undefined");
	bitnpu_device_close(golden);

	init_fake(&fake);
	dev = fake_device_open(&fake);
	assert_int_equal(bitnpu_session_create(models[0], dev, &automatic, &s, NULL), 0);
	bitnpu_session_get_stats(s, &stats);
	assert_int_equal(stats.step, step);
	bitnpu_session_destroy(s);
	bitnpu_device_close(dev);
	check_nothing_left(&fake);

	init_fake(&fake);
	fake.features |= BITNPU_FEATURES_FLOAT;
	fake.features &= ~(BITNPU_FEATURE_HEADS | BITNPU_FEATURE_GATE);
	dev = fake_device_open(&fake);
	refuse(&(struct bitnpu_session_params){ .step = BITNPU_STEP_DEVICE }, dev, -ENOTSUP,
	       "it lacks the commands HEADS, GATE");
	assert_int_equal(bitnpu_session_create(models[0], dev, &automatic, &s, NULL), 0);
	bitnpu_session_get_stats(s, &stats);
	assert_int_equal(stats.step, BITNPU_STEP_HOST);
	bitnpu_session_destroy(s);
	bitnpu_device_close(dev);
	check_nothing_left(&fake);
}

/* A KV cache for which a device has no room, or no buffer so long: unless told, steps leave it. */
static void test_step_without_room(void **state)
{
	static const struct {
		uint64_t room, max_buffer_bytes;
		int code;
	} devices[] = { { 1 << 20, 0, -ENOMEM }, { 0, 512 << 10, -E2BIG } };

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		struct bitnpu_session_params params = { .n_ctx = 16384, .n_batch = 4 };
		struct bitnpu_session_stats stats;
		struct bitnpu_session *s;
		struct bitnpu_device *dev;
		struct fake_engine fake;

		init_fake(&fake);
		fake.room = devices[i].room;
		fake.max_buffer_bytes = devices[i].max_buffer_bytes;
		dev = fake_device_open(&fake);
		assert_int_equal(bitnpu_session_create(models[0], dev, &params, &s, NULL), 0);
		bitnpu_session_get_stats(s, &stats);
		assert_int_equal(stats.step, BITNPU_STEP_HOST);
		bitnpu_session_destroy(s);

		params.step = step;
		if (step == BITNPU_STEP_DEVICE)
			refuse(&params, dev, devices[i].code, i ? "takes at most" : "fake: no room");
		params.step = BITNPU_STEP_AUTO;
		params.n_ctx = 64;
		assert_int_equal(bitnpu_session_create(models[0], dev, &params, &s, NULL), 0);
		bitnpu_session_get_stats(s, &stats);
		assert_int_equal(stats.step, step);
		bitnpu_session_destroy(s);
		bitnpu_device_close(dev);
		check_nothing_left(&fake);
	}
}

/* Sessions of both kinds at once: each gives what it would alone. */
static void test_mixed(void **state)
{
	struct bitnpu_device *dev = open_device("cpu");
	struct bitnpu_session *sessions[3], *alone = new_session(models[1], dev, 64, 16);
	const float *logits[3];
	uint32_t tokens[3];

	random_tokens(models[1], tokens, 3);
	for (int i = 0; i < 3; i++) {
		struct bitnpu_session_params params = { .n_ctx = 64, .n_batch = 16, .step = step };

		if (i == 1)
			params.step = step == BITNPU_STEP_HOST ? BITNPU_STEP_DEVICE : BITNPU_STEP_HOST;
		assert_int_equal(bitnpu_session_create(models[1], dev, &params, &sessions[i], NULL),
				 0);
	}
	assert_int_equal(bitnpu_sessions_eval(sessions, tokens, 3, logits, NULL), 0);
	for (int i = 0; i < 3; i++) {
		bitnpu_session_rewind(alone, 0);
		assert_same_logits(models[1], logits[i], eval(alone, &tokens[i], 1), "mixed");
		bitnpu_session_destroy(sessions[i]);
	}
	bitnpu_session_destroy(alone);
	bitnpu_device_close(dev);
}

#define TWICE(test) { #test " host", test, use_host, NULL, NULL }, \
		    { #test " device", test, use_device, NULL, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		TWICE(test_plain),
		TWICE(test_batches),
		TWICE(test_deep), TWICE(test_together),
		TWICE(test_together_refused), TWICE(test_rewind),
		TWICE(test_full),
		TWICE(test_bad_arguments),
		TWICE(test_devices),
		TWICE(test_trace),
		TWICE(test_stats),
		TWICE(test_floating_point_environment),
		TWICE(test_threads),
		TWICE(test_device_lost),
		TWICE(test_map_fails),
		TWICE(test_create_fails),
		TWICE(test_plan_cache),
		TWICE(test_shared),
		{ "test_group", test_group, use_device, NULL, NULL },
		{ "test_group_parts", test_group_parts, use_device, NULL, NULL },
		TWICE(test_step),
		TWICE(test_step_without_room),
		TWICE(test_mixed),
	};

	return cmocka_run_group_tests(tests, make_models, close_models);
}
