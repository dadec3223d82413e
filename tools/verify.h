/* SPDX-License-Identifier: MIT */
/*
 * Devices in lockstep with golden: each step runs on golden first, whose traced results are kept
 * until every device has run the same step.  So memory is bounded by one step, not by the run.
 */
#ifndef BITNPU_VERIFY_H
#define BITNPU_VERIFY_H

#include <xxhash.h>

#include "command.h"

#define BITNPU_VERIFY_NAME 32

/**
 * struct bitnpu_verify_row - one layer, or one result outside the layers
 * @layer: block, or -1
 * @name: of the result when @layer is -1
 * @values: numbers compared
 * @hash: XXH64 of all of them, in order; valid at the end
 * @state: the hash so far
 */
struct bitnpu_verify_row {
	int layer;
	char name[BITNPU_VERIFY_NAME];
	uint64_t values, hash;
	XXH64_state_t *state;
};

/**
 * struct bitnpu_verify_difference - the first value that differs
 * @found: there is one
 * @position: first token of the step
 * @layer: block, or -1
 * @name: the traced result
 * @index: of the element in it
 * @element: type of both values
 * @golden: golden's bytes
 * @device: the device's
 */
struct bitnpu_verify_difference {
	bool found;
	uint32_t position;
	int layer;
	char name[BITNPU_VERIFY_NAME];
	uint64_t index;
	enum bitnpu_element element;
	unsigned char golden[8], device[8];
};

/** struct bitnpu_verify_device_row - a device's part of a row */
struct bitnpu_verify_device_row {
	uint64_t hash;
	bool differs;
	XXH64_state_t *state;
};

struct bitnpu_verify_device {
	char *name;
	struct bitnpu_verify_device_row *rows;	/* as many as the verification's */
	struct bitnpu_verify_difference first;
	struct bitnpu_device *device;
	struct bitnpu_session *session;
};

/**
 * struct bitnpu_verify - a verification; zero but for the limits and devices before it runs
 * @prefill_limit: prompt tokens at most
 * @decode_limit: decode steps
 * @step: &enum bitnpu_step of the devices; golden, which they are compared with, has the host's
 * @prefill_tokens: prompt tokens evaluated
 * @decode_tokens: decode steps done
 * @rows: what was compared
 * @devices: with what result
 */
struct bitnpu_verify {
	uint32_t prefill_limit, decode_limit, step;
	uint32_t prefill_tokens, decode_tokens;
	struct bitnpu_verify_row *rows;
	size_t row_count;
	struct bitnpu_verify_device *devices;
	size_t count;
};

/** bitnpu_verify_add_device() - compare a device by name */
void bitnpu_verify_add_device(struct bitnpu_verify *verify, const char *name);
/** bitnpu_verify_free() - free what adding and running allocated */
void bitnpu_verify_free(struct bitnpu_verify *verify);

/**
 * bitnpu_verify_model() - run the comparison
 * @verify: filled in
 * @path: the model
 * @prompt: text
 * @err: why it failed
 *
 * Return: 0 whether or not there are differences, -ECANCELED after a signal, else an error.
 */
int bitnpu_verify_model(struct bitnpu_verify *verify, const char *path, const char *prompt,
			struct bitnpu_error *err);

#endif /* BITNPU_VERIFY_H */
