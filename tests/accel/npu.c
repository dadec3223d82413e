// SPDX-License-Identifier: MIT
/* Simulated NPUs to test the accel engine on, and small jobs whose order shows in their result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npu.h"

#define CONFIGFS	"/sys/kernel/config/bitnpu_sim"
#define ROW		128
#define ROW_DISTANCE	4096

bool npu_available(void)
{
	return access(CONFIGFS "/default/live", W_OK) == 0;
}

static void write_file(const char *name, const char *file, long value)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), CONFIGFS "/%s/%s", name, file);
	out = fopen(path, "w");
	if (!out) {
		fail_msg("%s: %s", path, strerror(errno));
		return;
	}
	fprintf(out, "%ld\n", value);
	if (fclose(out))
		fail_msg("%s: %ld: %s", path, value, strerror(errno));
}

/* The device file of a device, out of its description; they tell devices apart whose numbers change. */
static const char *file_of(const struct bitnpu_device_info *info)
{
	return strrchr(info->description, ' ') + 1;
}

/* The one device of @after that is not in @before. */
static void find_new(const struct bitnpu_device_info *before, size_t before_count,
		     const struct bitnpu_device_info *after, size_t after_count, char device[32])
{
	for (size_t i = 0; i < after_count; i++) {
		bool known = strcmp(after[i].engine, "accel") != 0;

		for (size_t j = 0; j < before_count && !known; j++)
			known = strcmp(before[j].engine, "accel") == 0 &&
				strcmp(file_of(&before[j]), file_of(&after[i])) == 0;
		if (!known) {
			snprintf(device, 32, "%s", after[i].name);
			return;
		}
	}
	fail_msg("the new NPU is not listed");
}

static void apply(const char *name, const char *settings)
{
	char attribute[32];
	int length;
	long value;

	/* NOLINTNEXTLINE(cert-err34-c) */
	while (sscanf(settings, " %31[a-z_]=%ld%n", attribute, &value, &length) == 2) {
		write_file(name, attribute, value);
		settings += length;
	}
	assert_string_equal(settings, "");
}

void npu_create(struct npu *npu, const char *name, const char *settings)
{
	struct bitnpu_device_info *before, *after;
	size_t before_count, after_count;
	char path[256];

	snprintf(npu->name, sizeof(npu->name), "%s", name);
	snprintf(path, sizeof(path), CONFIGFS "/%s", name);
	/* A test that failed before may have left one. */
	if (rmdir(path) && errno != ENOENT)
		fail_msg("%s: %s", path, strerror(errno));
	assert_int_equal(bitnpu_device_list(&before, &before_count, NULL), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	apply(name, settings);
	write_file(name, "live", 1);
	assert_int_equal(bitnpu_device_list(&after, &after_count, NULL), 0);
	find_new(before, before_count, after, after_count, npu->device);
	bitnpu_device_list_free(before);
	bitnpu_device_list_free(after);
}

void npu_remove(const struct npu *npu)
{
	write_file(npu->name, "live", 0);
}

void npu_destroy(const struct npu *npu)
{
	char path[256];

	npu_remove(npu);
	snprintf(path, sizeof(path), CONFIGFS "/%s", npu->name);
	assert_int_equal(rmdir(path), 0);
}

void npu_fault(const struct npu *npu, const char *kind, int count)
{
	char file[64];

	snprintf(file, sizeof(file), "fault/%s", kind);
	write_file(npu ? npu->name : "default", file, count);
}

/* ---- counting ------------------------------------------------------------------------------- */

static void *map(struct bitnpu_bo *bo)
{
	struct bitnpu_error err;
	void *ptr;

	if (bitnpu_bo_map(bo, BITNPU_MAP_READ | BITNPU_MAP_WRITE, &ptr, &err))
		fail_msg("%s", err.message);
	return ptr;
}

static struct bitnpu_cmdlist *create_list(struct bitnpu_context *ctx, const struct bitnpu_cmd_matmul *cmd)
{
	struct bitnpu_cmdlist *list;
	struct bitnpu_error err;

	if (bitnpu_cmdlist_create(ctx, cmd, sizeof(*cmd), &list, &err))
		fail_msg("%s", err.message);
	return list;
}

static struct bitnpu_cmdlist *step_list(const struct counter *c, int from)
{
	const uint64_t row = bitnpu_bo_address(c->rows);
	const struct bitnpu_cmd_matmul cmd = {
		.opcode = BITNPU_OP_MATMUL,
		.weight_format = BITNPU_W_INT8,
		.output_format = BITNPU_Y_INT32,
		.m = htole32(1),
		.n = htole32(16),
		.k = htole32(ROW),
		.x_addr = htole64(row + (from ? ROW_DISTANCE : 0)),
		.w_addr = htole64(bitnpu_bo_address(c->weights)),
		.y_addr = htole64(row + (from ? 0 : ROW_DISTANCE)),
		.x_stride = htole32(ROW),
		.y_stride = htole32(64),
	};

	return create_list(c->ctx, &cmd);
}

/* int8 weights: a line holds 4 columns of 16 rows, byte k % 4 of word n. */
static void set_weight(uint8_t *weights, unsigned int n, unsigned int k)
{
	weights[64 * (k / 4) + 4 * n + k % 4] = 1;
}

void counter_open(struct counter *c, const char *device)
{
	struct bitnpu_error err;
	uint8_t *weights;

	memset(c, 0, sizeof(*c));
	if (bitnpu_device_open(device, &c->dev, &err) || bitnpu_context_create(c->dev, &c->ctx, &err) ||
	    bitnpu_bo_create(c->ctx, 2 * ROW_DISTANCE, 0, &c->rows, &err) ||
	    bitnpu_bo_create(c->ctx, 16 * ROW, 0, &c->weights, &err))
		fail_msg("%s", err.message);
	weights = map(c->weights);
	set_weight(weights, 0, 0);
	set_weight(weights, 0, 64);
	bitnpu_bo_unmap(c->weights, NULL);
	c->row = map(c->rows);
	c->row[64] = 1;
	c->row[ROW_DISTANCE + 64] = 1;
	bitnpu_bo_unmap(c->rows, NULL);
	c->lists[0] = step_list(c, 0);
	c->lists[1] = step_list(c, 1);
}

void counter_close(struct counter *c)
{
	bitnpu_cmdlist_destroy(c->lists[0]);
	bitnpu_cmdlist_destroy(c->lists[1]);
	bitnpu_bo_destroy(c->rows);
	bitnpu_bo_destroy(c->weights);
	bitnpu_context_destroy(c->ctx);
	bitnpu_device_close(c->dev);
}

int counter_value(const struct counter *c)
{
	return c->row[0];
}

struct bitnpu_queue *counter_queue(struct counter *c)
{
	struct bitnpu_queue *queue;
	struct bitnpu_error err;

	if (bitnpu_queue_create(c->ctx, &queue, &err))
		fail_msg("%s", err.message);
	return queue;
}

struct bitnpu_fence *counter_submit(struct counter *c, struct bitnpu_queue *queue, int which,
				    struct bitnpu_fence *wait)
{
	struct bitnpu_fence *done;
	struct bitnpu_error err;

	if (bitnpu_queue_submit(queue, c->lists[which % 2], &wait, wait ? 1 : 0, &done, &err))
		fail_msg("%s", err.message);
	return done;
}

/* ---- taking long ---------------------------------------------------------------------------- */

#define SLOW_M	32
#define SLOW_N	1024
#define SLOW_K	2048

void slow_create(struct slow *slow, struct bitnpu_context *ctx)
{
	const uint64_t w = (uint64_t)SLOW_N * SLOW_K / 4, x = (uint64_t)SLOW_M * SLOW_K;
	struct bitnpu_error err;
	struct bitnpu_cmd_matmul cmd = {
		.opcode = BITNPU_OP_MATMUL,
		.m = htole32(SLOW_M),
		.n = htole32(SLOW_N),
		.k = htole32(SLOW_K),
		.x_stride = htole32(SLOW_K),
		.y_stride = htole32(SLOW_N * 4),
	};

	if (bitnpu_bo_create(ctx, w + x + (uint64_t)SLOW_M * SLOW_N * 4, 0, &slow->memory, &err))
		fail_msg("%s", err.message);
	cmd.w_addr = htole64(bitnpu_bo_address(slow->memory));
	cmd.x_addr = htole64(bitnpu_bo_address(slow->memory) + w);
	cmd.y_addr = htole64(bitnpu_bo_address(slow->memory) + w + x);
	slow->list = create_list(ctx, &cmd);
}

void slow_destroy(struct slow *slow)
{
	bitnpu_cmdlist_destroy(slow->list);
	bitnpu_bo_destroy(slow->memory);
}

struct bitnpu_fence *slow_submit(struct slow *slow, struct bitnpu_queue *queue)
{
	struct bitnpu_fence *done;
	struct bitnpu_error err;

	if (bitnpu_queue_submit(queue, slow->list, NULL, 0, &done, &err))
		fail_msg("%s", err.message);
	return done;
}
