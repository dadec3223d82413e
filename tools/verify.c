// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "libbitnpu/error.h"
#include "output.h"
#include "progress.h"
#include "verify.h"

#define BATCH 128

/* One of golden's results in the current step. */
struct event {
	int layer;
	char name[BITNPU_VERIFY_NAME];
	enum bitnpu_element element;
	size_t row, offset, bytes;
};

/*
 * The comparison while it runs: what golden did in the current step, and how far the session that
 * is running now has followed.
 */
struct lockstep {
	struct bitnpu_verify *verify;
	struct bitnpu_verify_device *device;	/* NULL while golden runs */
	struct event *events;
	size_t event_count, event_capacity, cursor;
	unsigned char *data;
	size_t data_bytes, data_capacity;
	bool mismatch;
	uint32_t position, step_tokens, n_layer;
	uint64_t done, total;
	struct bitnpu_progress *progress;
};

void bitnpu_verify_add_device(struct bitnpu_verify *verify, const char *name)
{
	verify->devices = bitnpu_tool_realloc(verify->devices, verify->count + 1,
					      sizeof(*verify->devices));
	verify->devices[verify->count] = (struct bitnpu_verify_device){ .name = strdup(name) };
	if (!verify->devices[verify->count].name)
		bitnpu_tool_realloc(NULL, SIZE_MAX, 1);
	verify->count++;
}

void bitnpu_verify_free(struct bitnpu_verify *verify)
{
	for (size_t d = 0; d < verify->count; d++) {
		struct bitnpu_verify_device *device = &verify->devices[d];

		for (size_t i = 0; device->rows && i < verify->row_count; i++)
			XXH64_freeState(device->rows[i].state);
		free(device->rows);
		free(device->name);
	}
	for (size_t i = 0; i < verify->row_count; i++)
		XXH64_freeState(verify->rows[i].state);
	free(verify->rows);
	free(verify->devices);
}

static XXH64_state_t *new_hash(void)
{
	XXH64_state_t *state = XXH64_createState();

	if (!state)
		bitnpu_tool_realloc(NULL, SIZE_MAX, 1);
	XXH64_reset(state, 0);
	return state;
}

static size_t element_bytes(enum bitnpu_element element)
{
	return element == BITNPU_ELEMENT_INT64 ? 8 : 4;
}

/* The row that a result belongs to: its layer's, or its own outside the layers. */
static size_t row_of(struct bitnpu_verify *verify, int layer, const char *name)
{
	struct bitnpu_verify_row *row;

	for (size_t i = 0; i < verify->row_count; i++) {
		row = &verify->rows[i];
		if (row->layer == layer && (layer >= 0 || !strcmp(row->name, name)))
			return i;
	}
	verify->rows = bitnpu_tool_realloc(verify->rows, verify->row_count + 1,
					   sizeof(*verify->rows));
	row = &verify->rows[verify->row_count];
	*row = (struct bitnpu_verify_row){ .layer = layer, .state = new_hash() };
	snprintf(row->name, sizeof(row->name), "%s", name);
	for (size_t d = 0; d < verify->count; d++) {
		struct bitnpu_verify_device *device = &verify->devices[d];

		device->rows = bitnpu_tool_realloc(device->rows, verify->row_count + 1,
						   sizeof(*device->rows));
		device->rows[verify->row_count] =
			(struct bitnpu_verify_device_row){ .state = new_hash() };
	}
	return verify->row_count++;
}

static void record(struct lockstep *lock, int layer, const char *name, enum bitnpu_element element,
		   const void *data, size_t bytes)
{
	struct bitnpu_verify_row *row;
	struct event *event;

	if (lock->event_count == lock->event_capacity) {
		lock->event_capacity = lock->event_capacity ? 2 * lock->event_capacity : 256;
		lock->events = bitnpu_tool_realloc(lock->events, lock->event_capacity,
						   sizeof(*lock->events));
	}
	if (bytes > lock->data_capacity - lock->data_bytes) {
		lock->data_capacity = 2 * lock->data_capacity + bytes;
		lock->data = bitnpu_tool_realloc(lock->data, lock->data_capacity, 1);
	}
	event = &lock->events[lock->event_count++];
	*event = (struct event){ .layer = layer, .element = element, .bytes = bytes,
				 .row = row_of(lock->verify, layer, name),
				 .offset = lock->data_bytes };
	snprintf(event->name, sizeof(event->name), "%s", name);
	memcpy(lock->data + lock->data_bytes, data, bytes);
	lock->data_bytes += bytes;
	row = &lock->verify->rows[event->row];
	row->values += bytes / element_bytes(element);
	XXH64_update(row->state, data, bytes);
}

static void note_difference(struct lockstep *lock, const struct event *event,
			    const unsigned char *data)
{
	struct bitnpu_verify_difference *first = &lock->device->first;
	const unsigned char *golden = lock->data + event->offset;
	size_t width = element_bytes(event->element), at = 0;

	lock->device->rows[event->row].differs = true;
	if (first->found)
		return;
	while (golden[at] == data[at])
		at++;
	at -= at % width;
	first->found = true;
	first->position = lock->position;
	first->layer = event->layer;
	first->element = event->element;
	first->index = at / width;
	snprintf(first->name, sizeof(first->name), "%s", event->name);
	memcpy(first->golden, golden + at, width);
	memcpy(first->device, data + at, width);
}

static void compare(struct lockstep *lock, int layer, const char *name,
		    enum bitnpu_element element, const void *data, size_t bytes)
{
	const struct event *event = &lock->events[lock->cursor];

	if (lock->cursor >= lock->event_count || event->layer != layer ||
	    event->element != element || event->bytes != bytes ||
	    strncmp(event->name, name, sizeof(event->name) - 1)) {
		lock->mismatch = true;
		return;
	}
	lock->cursor++;
	XXH64_update(lock->device->rows[event->row].state, data, bytes);
	if (memcmp(lock->data + event->offset, data, bytes))
		note_difference(lock, event, data);
}

static void on_trace(void *user, int layer, const char *name, enum bitnpu_element element,
		     const void *data, size_t bytes)
{
	struct lockstep *lock = user;

	if (lock->device)
		compare(lock, layer, name, element, data, bytes);
	else
		record(lock, layer, name, element, data, bytes);
	if (layer >= 0)
		bitnpu_progress_update(lock->progress,
				       lock->done + (uint64_t)layer * lock->step_tokens,
				       lock->total);
}

/* One step on golden, then on each device.  @logits are golden's. */
static int run_step(struct lockstep *lock, struct bitnpu_session *golden, const uint32_t *tokens,
		    uint32_t count, const float **logits, struct bitnpu_error *err)
{
	const float *unused;
	int failed;

	lock->position = bitnpu_session_position(golden);
	lock->step_tokens = count;
	lock->event_count = 0;
	lock->data_bytes = 0;
	lock->device = NULL;
	failed = bitnpu_session_eval(golden, tokens, count, logits, err);
	for (size_t d = 0; !failed && d < lock->verify->count; d++) {
		lock->done += (uint64_t)count * lock->n_layer;
		if (bitnpu_interrupted())
			return -ECANCELED;
		lock->device = &lock->verify->devices[d];
		lock->cursor = 0;
		failed = bitnpu_session_eval(lock->device->session, tokens, count, &unused, err);
		if (!failed && (lock->mismatch || lock->cursor != lock->event_count))
			failed = bitnpu_fail(err, -EPROTO,
					     "%s: other results than golden's (%zu of %zu follow)",
					     lock->device->name, lock->cursor,
					     lock->event_count);
	}
	lock->done += (uint64_t)count * lock->n_layer;
	if (!failed && bitnpu_interrupted())
		return -ECANCELED;
	return failed;
}

static uint32_t most_likely(const float *logits, uint32_t n_vocab)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < n_vocab; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

/* The prompt in two steps, then golden's most likely tokens one by one. */
static int run_steps(struct lockstep *lock, struct bitnpu_session *golden, uint32_t n_vocab,
		     const uint32_t *tokens, uint32_t count, struct bitnpu_error *err)
{
	struct bitnpu_verify *verify = lock->verify;
	uint32_t half = (count + 1) / 2, token;
	const float *logits = NULL;
	int failed;

	failed = run_step(lock, golden, tokens, half, &logits, err);
	if (!failed && count > half)
		failed = run_step(lock, golden, tokens + half, count - half, &logits, err);
	verify->prefill_tokens = count;
	while (!failed && verify->decode_tokens < verify->decode_limit) {
		token = most_likely(logits, n_vocab);
		failed = run_step(lock, golden, &token, 1, &logits, err);
		verify->decode_tokens++;
	}
	return failed;
}

/* Sessions on golden and on every device, with the same shape. */
static int open_sessions(struct lockstep *lock, struct bitnpu_model *model,
			 struct bitnpu_device *golden_device, uint32_t n_ctx,
			 struct bitnpu_session **golden, struct bitnpu_error *err)
{
	struct bitnpu_session_params params = { .n_ctx = n_ctx, .n_batch = BATCH,
						.trace = on_trace, .trace_user = lock };
	int failed;

	/* What it is compared with: golden's matmuls, the host's float operations. */
	params.step = BITNPU_STEP_HOST;
	failed = bitnpu_session_create(model, golden_device, &params, golden, err);
	params.step = lock->verify->step;
	for (size_t d = 0; !failed && d < lock->verify->count; d++) {
		struct bitnpu_verify_device *device = &lock->verify->devices[d];

		failed = bitnpu_device_open(device->name, &device->device, err);
		if (!failed)
			failed = bitnpu_session_create(model, device->device, &params,
						       &device->session, err);
	}
	return failed;
}

static void close_sessions(struct bitnpu_verify *verify)
{
	for (size_t d = 0; d < verify->count; d++) {
		bitnpu_session_destroy(verify->devices[d].session);
		bitnpu_device_close(verify->devices[d].device);
		verify->devices[d].session = NULL;
		verify->devices[d].device = NULL;
	}
}

static void finish_hashes(struct bitnpu_verify *verify)
{
	for (size_t i = 0; i < verify->row_count; i++) {
		verify->rows[i].hash = XXH64_digest(verify->rows[i].state);
		for (size_t d = 0; d < verify->count; d++)
			verify->devices[d].rows[i].hash =
				XXH64_digest(verify->devices[d].rows[i].state);
	}
}

static int compare_tokens(struct bitnpu_verify *verify, struct bitnpu_model *model,
			  struct bitnpu_device *golden_device, const uint32_t *tokens,
			  uint32_t count, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = bitnpu_model_get_info(model);
	struct lockstep lock = { .verify = verify, .n_layer = info->n_layer };
	struct bitnpu_session *golden = NULL;
	int failed;

	lock.total = (uint64_t)(count + verify->decode_limit) * info->n_layer *
		     (verify->count + 1);
	lock.progress = bitnpu_progress_start("comparing");
	failed = open_sessions(&lock, model, golden_device, count + verify->decode_limit, &golden,
			       err);
	if (!failed)
		failed = run_steps(&lock, golden, info->n_vocab, tokens, count, err);
	if (!failed)
		finish_hashes(verify);
	close_sessions(verify);
	bitnpu_session_destroy(golden);
	bitnpu_progress_stop(lock.progress);
	free(lock.events);
	free(lock.data);
	return failed;
}

/* The prompt's tokens, as many as are wanted and as the model's context holds; to free(). */
static int prompt_tokens(struct bitnpu_verify *verify, const struct bitnpu_model *model,
			 const char *prompt, uint32_t **tokens, uint32_t *count,
			 struct bitnpu_error *err)
{
	uint32_t n_ctx = bitnpu_model_get_info(model)->n_ctx_train, limit = verify->prefill_limit;
	size_t length = strlen(prompt), needed;
	int failed;

	if (verify->decode_limit >= n_ctx)
		return bitnpu_fail(err, -EINVAL,
				   "--decode: %u tokens and a prompt do not fit the context of %u",
				   verify->decode_limit, n_ctx);
	if (limit > n_ctx - verify->decode_limit)
		limit = n_ctx - verify->decode_limit;
	/* a token is at least a byte, but for BOS */
	*tokens = bitnpu_tool_realloc(NULL, length + 1, sizeof(**tokens));
	failed = bitnpu_tokenize(model, prompt, length, BITNPU_TOKENIZE_BOS, *tokens, length + 1,
				 &needed, err);
	if (!failed && !needed)
		failed = bitnpu_fail(err, -EINVAL, "--prompt: the text is empty");
	if (failed) {
		free(*tokens);
		return failed;
	}
	*count = needed < limit ? needed : limit;
	return 0;
}

int bitnpu_verify_model(struct bitnpu_verify *verify, const char *path, const char *prompt,
			struct bitnpu_error *err)
{
	struct bitnpu_device *golden = NULL;
	struct bitnpu_progress *progress;
	struct bitnpu_model *model;
	uint32_t *tokens = NULL, count = 0;
	int failed;

	progress = bitnpu_progress_start("loading the model");
	failed = bitnpu_model_open(path, 0, &model, err);
	bitnpu_progress_stop(progress);
	if (failed)
		return failed;
	failed = prompt_tokens(verify, model, prompt, &tokens, &count, err);
	if (failed)
		goto close_model;
	failed = bitnpu_device_open("golden", &golden, err);
	if (!failed)
		failed = compare_tokens(verify, model, golden, tokens, count, err);
	bitnpu_device_close(golden);
	free(tokens);
close_model:
	bitnpu_model_close(model);
	return failed;
}
