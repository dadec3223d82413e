// SPDX-License-Identifier: MIT
/* The cpu engine's device: the host's processors, its memory, and the process's threads. */
#include <errno.h>
#include <fenv.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "libbitnpu/error.h"
#include "libbitnpu/float_run.h"
#include "libbitnpu/host_memory.h"

/**
 * struct cpu_device - an opened device
 * @base: the core's view
 * @level: kernels
 * @pool: threads, a reference
 */
struct cpu_device {
	struct bitnpu_engine_device base;
	const struct bitnpu_cpu_level *level;
	struct bitnpu_pool *pool;
};

static unsigned int cpu_count(void)
{
	return 1;
}

/* The processor in its vendor's words, as Linux has them; "" where it has none. */
static void get_model_name(char *name, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	*name = '\0';
	while (file && fgets(line, sizeof(line), file)) {
		char *value = strstr(line, ": ");

		if (strncmp(line, "model name", 10) || !value)
			continue;
		value[strcspn(value, "\n")] = '\0';
		snprintf(name, size, "%.*s", (int)size - 1, value + 2);
		break;
	}
	if (file)
		fclose(file);
}

/* The processors that this process may use, such as "0-3,8"; what does not fit is left out. */
static void get_processors(char *text, size_t size)
{
	size_t used = 0;
	cpu_set_t set;

	*text = '\0';
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int first = 0, end; first < CPU_SETSIZE && used < size; first = end + 1) {
		for (end = first; end < CPU_SETSIZE && CPU_ISSET(end, &set);)
			end++;
		if (end == first)
			continue;
		used += snprintf(text + used, size - used, "%s%d", used ? "," : "", first);
		if (end > first + 1 && used < size)
			used += snprintf(text + used, size - used, "-%d", end - 1);
	}
}

static void describe(const struct bitnpu_cpu_level *level, unsigned int threads,
		     struct bitnpu_device_info *info)
{
	char processors[128];

	get_model_name(info->description, sizeof(info->description));
	if (!*info->description)
		snprintf(info->description, sizeof(info->description), "this machine's processors");
	get_processors(processors, sizeof(processors));
	snprintf(info->detail, sizeof(info->detail), "%s, %u thread%s on processors %s", level->name,
		 threads, threads == 1 ? "" : "s", processors);
	info->features = BITNPU_FEATURE_W_TERNARY | BITNPU_FEATURE_W_BINARY |
			 BITNPU_FEATURE_W_INT8 | BITNPU_FEATURE_Y_INT32 | BITNPU_FEATURE_Y_INT64 |
			 BITNPU_FEATURES_FLOAT;
	info->memory_bytes = bitnpu_host_memory_bytes();
	info->unified = true;
	info->host = true;
}

static int cpu_describe(unsigned int index, struct bitnpu_device_info *info)
{
	const struct bitnpu_cpu_level *level;

	if (index > 0)
		return -ENODEV;
	/* Asked for a level that is not there, open fails with the reason. */
	if (bitnpu_cpu_level_choose(&level, NULL))
		level = &bitnpu_cpu_scalar;
	describe(level, bitnpu_pool_default_threads(), info);
	return 0;
}

static int cpu_open(unsigned int index, struct bitnpu_engine_device **out, struct bitnpu_error *err)
{
	struct cpu_device *dev;
	int ret;

	if (index > 0)
		return bitnpu_fail(err, -ENODEV, "cpu: there is no device %u", index);
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return bitnpu_fail(err, -ENOMEM, "cpu: out of memory");
	ret = bitnpu_cpu_level_choose(&dev->level, err);
	if (ret)
		goto free_device;
	dev->pool = bitnpu_pool_get();
	if (!dev->pool) {
		ret = bitnpu_fail(err, -ENOMEM, "cpu: out of memory");
		goto free_device;
	}
	dev->base.ops = &bitnpu_cpu_ops;
	describe(dev->level, bitnpu_pool_threads(dev->pool), &dev->base.info);
	*out = &dev->base;
	return 0;
free_device:
	free(dev);
	return ret;
}

static void cpu_close(struct bitnpu_engine_device *base)
{
	struct cpu_device *dev = (struct cpu_device *)base;

	bitnpu_pool_put(dev->pool);
	free(dev);
}

static int run_float(struct cpu_device *dev, const struct bitnpu_checked_cmd *cmd)
{
	struct bitnpu_float_job job;
	int ret = bitnpu_float_begin(&job, cmd, bitnpu_hostops(), bitnpu_pool_threads(dev->pool));

	if (ret)
		return ret;
	bitnpu_pool_run(dev->pool, bitnpu_float_passes(&job), bitnpu_float_pass, &job);
	bitnpu_float_end(&job);
	return 0;
}

/* Run commands @first to @end - 1: MATMULs that no barrier separates, or one of another kind. */
static int run(struct cpu_device *dev, const struct bitnpu_checked_list *list, size_t first,
	       size_t end, struct bitnpu_error *err)
{
	const struct bitnpu_checked_cmd *cmds = list->cmds + first;
	const struct bitnpu_fault fault = {
		.status = BITNPU_STATUS_DEVICE,
		.index = cmds->index,
	};
	int ret = 0;

	if (cmds->opcode == BITNPU_OP_MATMUL)
		ret = bitnpu_cpu_matmuls(dev->level, dev->pool, cmds, end - first);
	else if (bitnpu_is_float_opcode(cmds->opcode))
		ret = run_float(dev, cmds);
	return ret ? bitnpu_fail_fault(err, ret, &fault) : 0;
}

static int cpu_execute(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
		       void *prepared, struct bitnpu_error *err)
{
	struct cpu_device *dev = (struct cpu_device *)ctx->dev;
	fenv_t env;
	int ret = 0;

	/* It may be the application's thread that runs this: see bitnpu_session_eval(). */
	fegetenv(&env);
	fesetenv(FE_DFL_ENV);
	for (size_t i = 0, end; !ret && i < list->count; i = end) {
		end = i + 1;
		while (list->cmds[i].opcode == BITNPU_OP_MATMUL && end < list->count &&
		       list->cmds[end].opcode == BITNPU_OP_MATMUL)
			end++;
		ret = run(dev, list, i, end, err);
	}
	fesetenv(&env);
	return ret;
}

const struct bitnpu_engine_ops bitnpu_cpu_ops = {
	.name = "cpu",
	.single = true,
	.count = cpu_count,
	.describe = cpu_describe,
	.open = cpu_open,
	.close = cpu_close,
	.bo_create = bitnpu_host_bo_create,
	.bo_import = bitnpu_host_bo_import,
	.bo_destroy = bitnpu_host_bo_destroy,
	.bo_map = bitnpu_host_bo_map,
	.bo_unmap = bitnpu_host_bo_unmap,
	.execute = cpu_execute,
};
