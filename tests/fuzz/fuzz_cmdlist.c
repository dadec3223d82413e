// SPDX-License-Identifier: MIT
/*
 * Any bytes as a command list in a small context: refused with a fault that makes sense, or run to
 * its end on golden without touching what it must not write.
 *
 * A fresh context gives its buffers the same addresses every time, so the corpus can name them.
 */
#include <errno.h>
#include <stdlib.h>

#include "libbitnpu/core.h"

#define BUFFERS		5
#define BUFFER_BYTES	8192
/* Longer lists would take the fuzzer's time. */
#define MAX_MACS	(1u << 22)
/* An element of a float command takes so many. */
#define FLOAT_MACS	16

struct space {
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_queue *queue;
	struct bitnpu_bo *bos[BUFFERS];	/* the last is read-only */
	uint8_t *memory[BUFFERS];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void space_open(struct space *s)
{
	void *ptr;

	must(!bitnpu_device_open("golden", &s->dev, NULL));
	must(!bitnpu_context_create(s->dev, &s->ctx, NULL));
	must(!bitnpu_queue_create(s->ctx, &s->queue, NULL));
	for (int i = 0; i < BUFFERS; i++) {
		must(!bitnpu_bo_create(s->ctx, BUFFER_BYTES,
				       i == BUFFERS - 1 ? BITNPU_BO_READ_ONLY : 0, &s->bos[i],
				       NULL));
		must(!bitnpu_bo_map(s->bos[i], BITNPU_MAP_READ | BITNPU_MAP_WRITE, &ptr, NULL));
		s->memory[i] = ptr;
		for (int j = 0; j < BUFFER_BYTES; j++)
			s->memory[i][j] = j * 37 + i;
		must(!bitnpu_bo_unmap(s->bos[i], NULL));
	}
}

static void space_close(struct space *s)
{
	for (int i = 0; i < BUFFERS; i++)
		bitnpu_bo_destroy(s->bos[i]);
	bitnpu_queue_destroy(s->queue);
	bitnpu_context_destroy(s->ctx);
	bitnpu_device_close(s->dev);
}

static bool is_intact(const struct space *s, int i)
{
	for (int j = 0; j < BUFFER_BYTES; j++)
		if (s->memory[i][j] != (uint8_t)(j * 37 + i))
			return false;
	return true;
}

static void check_refusal(const struct space *s, size_t size, const struct bitnpu_error *err)
{
	const struct bitnpu_fault *fault = &err->fault;

	must(err->code == -EINVAL && err->message[0]);
	must(fault->status >= BITNPU_STATUS_LENGTH && fault->status <= BITNPU_STATUS_OVERLAP);
	must(fault->field < BITNPU_CMD_SIZE && fault->reserved == 0);
	must(fault->status == BITNPU_STATUS_LENGTH || fault->index < size / BITNPU_CMD_SIZE);
	for (int i = 0; i < BUFFERS; i++)
		must(is_intact(s, i));
}

/* Multiply-accumulates of a command, or what takes as long. */
static uint64_t cost_of(const struct bitnpu_checked_cmd *cmd)
{
	const struct bitnpu_float_command *op = &cmd->op;

	if (cmd->opcode == BITNPU_OP_BARRIER)
		return 0;
	/* Golden pads columns to 32 and rows to tiles. */
	if (cmd->opcode == BITNPU_OP_MATMUL)
		return (uint64_t)cmd->mm.m * cmd->mm.tiles * 16 * (cmd->mm.k + 31);
	if (cmd->opcode == BITNPU_OP_ATTENTION)
		return (uint64_t)op->m * op->n * (2 * op->capacity + FLOAT_MACS);
	return (uint64_t)op->m * op->n * FLOAT_MACS;
}

static bool is_short(const struct bitnpu_cmdlist *list)
{
	uint64_t cost = 0;

	for (size_t i = 0; i < list->checked.count; i++)
		cost += cost_of(&list->checked.cmds[i]);
	return cost <= MAX_MACS;
}

static void run(struct space *s, struct bitnpu_cmdlist *list)
{
	struct bitnpu_fence *done;

	must(!bitnpu_queue_submit(s->queue, list, NULL, 0, &done, NULL));
	must(!bitnpu_fence_wait(done, BITNPU_WAIT_FOREVER, NULL));
	bitnpu_fence_destroy(done);
	must(is_intact(s, BUFFERS - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bitnpu_cmdlist *list;
	struct bitnpu_error err;
	struct space s;

	space_open(&s);
	if (bitnpu_cmdlist_create(s.ctx, data, size, &list, &err)) {
		check_refusal(&s, size, &err);
	} else {
		if (is_short(list))
			run(&s, list);
		bitnpu_cmdlist_destroy(list);
	}
	space_close(&s);
	return 0;
}
