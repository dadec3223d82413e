/* SPDX-License-Identifier: MIT */
/* Running images on a device, through the public interface alone. */
#ifndef CONFORMANCE_RUN_H
#define CONFORMANCE_RUN_H

#include "image.h"

#define RUNNER_QUEUES	3

/**
 * struct runner - a device at work
 * @name: of the device
 * @dev: the device
 * @ctx: an address space on it
 * @queues: several queues of @ctx
 */
struct runner {
	const char *name;
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_queue *queues[RUNNER_QUEUES];
};

/**
 * struct loaded - an image on a device
 * @runner: where
 * @image: what
 * @bos: one a region
 * @memory: host memory of imported regions, NULL for the others
 * @cmds: the list with its addresses moved
 * @list: checked, NULL when it was refused
 */
struct loaded {
	struct runner *runner;
	const struct image *image;
	struct bitnpu_bo **bos;
	void **memory;
	uint8_t *cmds;
	struct bitnpu_cmdlist *list;
};

void runner_open(struct runner *runner, const char *name);
void runner_close(struct runner *runner);

/*
 * The functions below return NULL, or what went wrong: one line, valid until the next call.
 */

/** image_load() - buffers and list of @image, which must outlive @loaded; checks the refusal */
const char *image_load(struct runner *runner, const struct image *image, struct loaded *loaded);
/** image_unload() - free what image_load() made, also when that failed */
void image_unload(struct loaded *loaded);
/** image_compare() - compare all memory with what it shall hold, whether the list ran or was
 * refused */
const char *image_compare(struct loaded *loaded);

/**
 * expect_unsupported() - what a device without some float commands says of a list instead
 * @info: the device
 * @cmds: the list
 * @bytes: its length
 * @expected: what one that has them all says; changed where the device differs
 */
void expect_unsupported(const struct bitnpu_device_info *info, const uint8_t *cmds, size_t bytes,
			struct bitnpu_fault *expected);

/** image_run() - load, run once, compare, unload */
const char *image_run(struct runner *runner, const struct image *image);

/** complain() - Return: a message about @image on @runner */
__attribute__((format(printf, 3, 4)))
const char *complain(const struct runner *runner, const struct image *image, const char *fmt, ...);

#endif /* CONFORMANCE_RUN_H */
