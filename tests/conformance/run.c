// SPDX-License-Identifier: MIT
/* Running images on a device. */
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define FIELD(name)	offsetof(struct bitnpu_cmd_matmul, name)

const char *complain(const struct runner *runner, const struct image *image, const char *fmt, ...)
{
	static char message[1024];
	va_list args;
	int length = snprintf(message, sizeof(message), "%s: %s: ", runner->name, image->name);

	va_start(args, fmt);
	vsnprintf(message + length, sizeof(message) - length, fmt, args);
	va_end(args);
	return message;
}

void runner_open(struct runner *runner, const char *name)
{
	struct bitnpu_error err;

	memset(runner, 0, sizeof(*runner));
	runner->name = name;
	if (bitnpu_device_open(name, &runner->dev, &err) ||
	    bitnpu_context_create(runner->dev, &runner->ctx, &err))
		bail_out("%s", err.message);
	for (int i = 0; i < RUNNER_QUEUES; i++)
		if (bitnpu_queue_create(runner->ctx, &runner->queues[i], &err))
			bail_out("%s", err.message);
}

void runner_close(struct runner *runner)
{
	for (int i = 0; i < RUNNER_QUEUES; i++)
		bitnpu_queue_destroy(runner->queues[i]);
	bitnpu_context_destroy(runner->ctx);
	bitnpu_device_close(runner->dev);
}

/* Every third region is imported host memory, where nothing writes it. */
static int load_region(struct loaded *loaded, size_t i, struct bitnpu_error *err)
{
	const struct image_region *region = &loaded->image->regions[i];
	struct bitnpu_context *ctx = loaded->runner->ctx;
	const size_t page = sysconf(_SC_PAGESIZE);
	void *ptr;
	int ret;

	if (i % 3 == 1 && region->flags & BITNPU_BO_READ_ONLY) {
		if (posix_memalign(&loaded->memory[i], page, (region->bytes / page + 1) * page))
			bail_out("out of memory");
		memcpy(loaded->memory[i], region->before, region->bytes);
		return bitnpu_bo_import(ctx, loaded->memory[i], region->bytes, region->flags,
					&loaded->bos[i], err);
	}
	ret = bitnpu_bo_create(ctx, region->bytes, region->flags, &loaded->bos[i], err);
	if (ret)
		return ret;
	ret = bitnpu_bo_map(loaded->bos[i], BITNPU_MAP_WRITE, &ptr, err);
	if (ret)
		return ret;
	memcpy(ptr, region->before, region->bytes);
	return bitnpu_bo_unmap(loaded->bos[i], err);
}

/* @addr of the image on the device; what lies in no region stays. */
static uint64_t moved(const struct loaded *loaded, uint64_t addr)
{
	const struct image_region *region = image_region_at(loaded->image, addr);

	if (!region)
		return addr;
	return bitnpu_bo_address(loaded->bos[region - loaded->image->regions]) +
	       (addr - region->addr);
}

static void move_commands(struct loaded *loaded)
{
	const struct image *image = loaded->image;

	loaded->cmds = need(malloc(image->bytes + 1));
	memcpy(loaded->cmds, image->cmds, image->bytes);
	for (size_t i = 0; i + BITNPU_CMD_SIZE <= image->bytes; i += BITNPU_CMD_SIZE) {
		for (uint32_t at = 0; at < BITNPU_CMD_SIZE; at += sizeof(uint64_t)) {
			uint8_t *field = loaded->cmds + i + at;
			uint64_t addr;

			if (!plain_has_address(loaded->cmds[i], at))
				continue;
			memcpy(&addr, field, sizeof(addr));
			addr = htole64(moved(loaded, le64toh(addr)));
			memcpy(field, &addr, sizeof(addr));
		}
	}
}

/* A list that is right may still have rows that the device, by its own account, has no memory for.
 * */
static void expect_long_rows(const struct loaded *loaded, struct bitnpu_fault *expected)
{
	const struct bitnpu_device_info *info = bitnpu_device_get_info(loaded->runner->dev);

	for (size_t at = 0; at < loaded->image->bytes; at += BITNPU_CMD_SIZE) {
		struct bitnpu_cmd_matmul cmd;
		uint32_t most;

		memcpy(&cmd, loaded->cmds + at, sizeof(cmd));
		if (cmd.opcode != BITNPU_OP_MATMUL)
			continue;
		most = cmd.output_format == BITNPU_Y_INT64 ? info->max_k_int64 : info->max_k_int32;
		if (!most || le32toh(cmd.k) <= most)
			continue;
		*expected = (struct bitnpu_fault){
			.status = BITNPU_STATUS_UNSUPPORTED,
			.index = at / BITNPU_CMD_SIZE,
			.field = FIELD(k),
			.addr = le32toh(cmd.k),
		};
		return;
	}
}

void expect_unsupported(const struct bitnpu_device_info *info, const uint8_t *cmds, size_t bytes,
			struct bitnpu_fault *expected)
{
	if (expected->status == BITNPU_STATUS_LENGTH)
		return;
	for (size_t i = 0; i < bytes / BITNPU_CMD_SIZE; i++) {
		const uint8_t opcode = cmds[i * BITNPU_CMD_SIZE];
		const uint32_t order = opcode - BITNPU_OP_NORM_QUANTIZE;

		if (expected->status && i > expected->index)
			return;
		if (opcode < BITNPU_OP_NORM_QUANTIZE || opcode > BITNPU_OP_GATE ||
		    info->features & BITNPU_FEATURE_NORM_QUANTIZE << order)
			continue;
		*expected = (struct bitnpu_fault){
			.status = BITNPU_STATUS_UNSUPPORTED,
			.index = i,
			.addr = opcode,
		};
		return;
	}
}

static const char *check_fault(struct loaded *loaded, const struct bitnpu_error *err)
{
	struct bitnpu_fault expected = loaded->image->fault;

	if (expected.status == BITNPU_STATUS_OK)
		expect_long_rows(loaded, &expected);
	expect_unsupported(bitnpu_device_get_info(loaded->runner->dev), loaded->cmds,
			   loaded->image->bytes, &expected);
	if (expected.status != BITNPU_STATUS_LENGTH && expected.status != BITNPU_STATUS_RESERVED &&
	    plain_has_address(loaded->cmds[expected.index * BITNPU_CMD_SIZE], expected.field))
		expected.addr = moved(loaded, expected.addr);
	if (memcmp(&expected, &err->fault, sizeof(expected)) == 0)
		return NULL;
	return complain(loaded->runner, loaded->image,
			"%s instead of status %u (%s), command %u, field %u, addr 0x%llx",
			err->code ? err->message : "accepted", expected.status,
			bitnpu_status_name(expected.status), expected.index, expected.field,
			(unsigned long long)expected.addr);
}

const char *image_load(struct runner *runner, const struct image *image, struct loaded *loaded)
{
	struct bitnpu_error err = { 0 };

	*loaded = (struct loaded){
		.runner = runner,
		.image = image,
		.bos = need(calloc(image->region_count + 1, sizeof(*loaded->bos))),
		.memory = need(calloc(image->region_count + 1, sizeof(*loaded->memory))),
	};
	for (size_t i = 0; i < image->region_count; i++)
		if (load_region(loaded, i, &err))
			return complain(runner, image, "%s", err.message);
	move_commands(loaded);
	bitnpu_cmdlist_create(runner->ctx, loaded->cmds, image->bytes, &loaded->list, &err);
	return check_fault(loaded, &err);
}

void image_unload(struct loaded *loaded)
{
	bitnpu_cmdlist_destroy(loaded->list);
	for (size_t i = 0; i < loaded->image->region_count; i++) {
		bitnpu_bo_destroy(loaded->bos[i]);
		free(loaded->memory[i]);
	}
	free(loaded->bos);
	free(loaded->memory);
	free(loaded->cmds);
}

static const char *compare_region(struct loaded *loaded, size_t i)
{
	const struct image_region *region = &loaded->image->regions[i];
	struct bitnpu_error err;
	/* A list that was refused has changed nothing. */
	const uint8_t *wanted = loaded->list ? region->after : region->before;
	const uint8_t *found;
	void *ptr;
	size_t at;

	if (bitnpu_bo_map(loaded->bos[i], BITNPU_MAP_READ, &ptr, &err))
		return complain(loaded->runner, loaded->image, "%s", err.message);
	found = ptr;
	for (at = 0; at < region->bytes && found[at] == wanted[at]; at++)
		;
	if (at < region->bytes)
		return complain(loaded->runner, loaded->image,
				"byte 0x%llx of memory is 0x%02x instead of 0x%02x%s",
				(unsigned long long)(region->addr + at), found[at],
				wanted[at],
				wanted[at] == region->before[at] ? ", as it was before" : "");
	if (bitnpu_bo_unmap(loaded->bos[i], &err))
		return complain(loaded->runner, loaded->image, "%s", err.message);
	return NULL;
}

const char *image_compare(struct loaded *loaded)
{
	for (size_t i = 0; i < loaded->image->region_count; i++) {
		const char *wrong = compare_region(loaded, i);

		if (wrong)
			return wrong;
	}
	return NULL;
}

static const char *run_once(struct loaded *loaded)
{
	struct runner *runner = loaded->runner;
	struct bitnpu_fence *done;
	struct bitnpu_error err;
	int ret;

	if (!loaded->list)
		return NULL;
	if (bitnpu_queue_submit(runner->queues[0], loaded->list, NULL, 0, &done, &err))
		return complain(runner, loaded->image, "%s", err.message);
	ret = bitnpu_fence_wait(done, BITNPU_WAIT_FOREVER, &err);
	bitnpu_fence_destroy(done);
	return ret ? complain(runner, loaded->image, "%s", err.message) : NULL;
}

const char *image_run(struct runner *runner, const struct image *image)
{
	struct loaded loaded;
	const char *wrong = image_load(runner, image, &loaded);

	if (!wrong)
		wrong = run_once(&loaded);
	if (!wrong)
		wrong = image_compare(&loaded);
	image_unload(&loaded);
	return wrong;
}
