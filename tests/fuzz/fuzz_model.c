// SPDX-License-Identifier: MIT
/*
 * Any bytes as a model file: what opens must also run a step on golden, or say why not.
 *
 * Models are opened by path, so the bytes go to a file in memory.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libbitnpu/bitnpu.h"

/* A step of a larger model would take the fuzzer's time. */
#define MAX_PARAMETERS	(1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void step(struct bitnpu_model *model)
{
	const struct bitnpu_session_params params = { .n_ctx = 4, .n_batch = 2 };
	const uint32_t tokens[] = { 0, 0, 0 };
	struct bitnpu_session *session;
	struct bitnpu_device *dev;
	const float *logits;

	if (bitnpu_device_open("golden", &dev, NULL))
		return;
	if (!bitnpu_session_create(model, dev, &params, &session, NULL)) {
		bitnpu_session_eval(session, tokens, 3, &logits, NULL);
		bitnpu_session_destroy(session);
	}
	bitnpu_device_close(dev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bitnpu_model *model;
	char path[64];
	int fd = memfd_create("model", MFD_CLOEXEC);

	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size &&
	    !bitnpu_model_open(path, BITNPU_MODEL_VERIFY, &model, NULL)) {
		if (bitnpu_model_get_info(model)->parameters <= MAX_PARAMETERS)
			step(model);
		bitnpu_model_close(model);
	}
	close(fd);
	return 0;
}
