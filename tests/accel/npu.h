/* SPDX-License-Identifier: MIT */
/* Simulated NPUs to test the accel engine on, and small jobs whose order shows in their result. */
#ifndef ACCEL_NPU_H
#define ACCEL_NPU_H

#include <stdbool.h>
#include <stdint.h>

#include "libbitnpu/bitnpu.h"

/* What fails here ends the test that calls it. */

/**
 * struct npu - a simulated NPU of the test's own
 * @name: of its directory in configfs
 * @device: of its device, such as "accel:1"
 */
struct npu {
	char name[32], device[32];
};

/** npu_available() - Return: whether the simulator is loaded and may be configured */
bool npu_available(void);
/** npu_create() - a new NPU as the simulator makes them, but for @settings: "cores=2 rings=4" */
void npu_create(struct npu *npu, const char *name, const char *settings);
/** npu_remove() - pull it out, whoever uses it */
void npu_remove(const struct npu *npu);
/** npu_destroy() - remove it and its directory */
void npu_destroy(const struct npu *npu);
/** npu_fault() - let fault @kind happen @count times from now on; @npu NULL is the default instance */
void npu_fault(const struct npu *npu, const char *kind, int count);

/**
 * struct counter - two lists, of which each adds one to what the other left
 * @dev: where
 * @ctx: an address space
 * @rows: two rows of 128 bytes, 4096 apart: the count and zeros, then the one that is added
 * @weights: what makes y[0] = x[0] + x[64]
 * @row: @rows, mapped for good
 * @lists: from the first row to the second, and back
 */
struct counter {
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_bo *rows, *weights;
	uint8_t *row;
	struct bitnpu_cmdlist *lists[2];
};

/** counter_open() - on the device called @device */
void counter_open(struct counter *counter, const char *device);
void counter_close(struct counter *counter);
/** counter_value() - Return: the count after an even number of lists */
int counter_value(const struct counter *counter);

/** counter_queue() - Return: a queue */
struct bitnpu_queue *counter_queue(struct counter *counter);
/** counter_submit() - list @which (its parity counts) after @wait; Return: its fence */
struct bitnpu_fence *counter_submit(struct counter *counter, struct bitnpu_queue *queue, int which,
				    struct bitnpu_fence *wait);

/** struct slow - a list that takes the simulator a while */
struct slow {
	struct bitnpu_bo *memory;
	struct bitnpu_cmdlist *list;
};

void slow_create(struct slow *slow, struct bitnpu_context *ctx);
void slow_destroy(struct slow *slow);
/** slow_submit() - Return: the fence of a job on @queue, of the same context */
struct bitnpu_fence *slow_submit(struct slow *slow, struct bitnpu_queue *queue);

#endif /* ACCEL_NPU_H */
