// SPDX-License-Identifier: MIT
/* The OpenCL engine: any OpenCL 1.2 device that the ICD loader knows. */
#include "opencl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEATURES	(BITNPU_FEATURE_W_TERNARY | BITNPU_FEATURE_W_BINARY | \
			 BITNPU_FEATURE_W_INT8 | BITNPU_FEATURE_Y_INT32 | BITNPU_FEATURE_Y_INT64)

#define FLOAT_FEATURES	(BITNPU_FEATURE_NORM_QUANTIZE | BITNPU_FEATURE_SCALE | \
			 BITNPU_FEATURE_HEADS | BITNPU_FEATURE_ATTENTION | BITNPU_FEATURE_GATE)

static const char *type_name(cl_device_type type)
{
	if (type & CL_DEVICE_TYPE_GPU)
		return "GPU";
	if (type & CL_DEVICE_TYPE_CPU)
		return "CPU";
	return type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator" : "device";
}

/* @instructions: NULL before they have been tried */
static void fill_info(const struct bitnpu_cl_caps *caps, const struct bitnpu_cl_variant *forced,
		      const struct bitnpu_cl_instructions *instructions,
		      const struct bitnpu_cl_tuned_list *tuned, struct bitnpu_device_info *info)
{
	char names[48];
	size_t used;

	snprintf(info->description, sizeof(info->description), "%s", caps->name);
	if (caps->refusal[0]) {
		snprintf(info->detail, sizeof(info->detail), "unusable: %s", caps->refusal);
		return;
	}
	bitnpu_cl_variant_names(caps, forced, names, sizeof(names));
	snprintf(info->detail, sizeof(info->detail), "%s, %s, driver %s, %u units, kernels %s%s%s",
		 caps->version, type_name(caps->type), caps->driver, caps->compute_units, names,
		 instructions ? instructions->dot : "", instructions ? instructions->shuffle : "");
	used = strlen(info->detail);
	if (!forced)
		bitnpu_cl_tuned_words(tuned, info->detail + used, sizeof(info->detail) - used);
	info->features = FEATURES | (caps->exact_floats ? FLOAT_FEATURES : 0);
	info->memory_bytes = caps->memory;
	info->max_buffer_bytes = caps->max_alloc;
	info->unified = caps->unified;
	info->host = caps->type == CL_DEVICE_TYPE_CPU;
	/* Even where it is the host's processors: one submission a token (docs/performance.md). */
	info->whole_steps = caps->exact_floats;
}

static bool opencl_has_hardware(void)
{
	return bitnpu_cl_has_hardware("/dev");
}

static int opencl_describe(unsigned int index, struct bitnpu_device_info *info)
{
	const struct bitnpu_cl_variant *forced = NULL;
	struct bitnpu_cl_tuned_list tuned = { .count = 0 };
	struct bitnpu_cl_caps caps;
	char *dir;
	int ret;

	ret = bitnpu_cl_device_caps(index, &caps);
	if (ret)
		return ret;
	dir = bitnpu_cl_cache_dir();
	bitnpu_cl_tuned_load(&caps, dir, &tuned);
	free(dir);
	if (!caps.refusal[0] && bitnpu_cl_variant_forced(&caps, &forced, NULL))
		snprintf(caps.refusal, sizeof(caps.refusal), "no kernel of that name or that fits");
	fill_info(&caps, forced, NULL, &tuned, info);
	return 0;
}

static void opencl_close(struct bitnpu_engine_device *base)
{
	struct bitnpu_cl_device *dev = (struct bitnpu_cl_device *)base;

	bitnpu_cl_programs_release(dev);
	bitnpu_cl_streams_release(dev);
	clReleaseContext(dev->context);
	pthread_mutex_destroy(&dev->stream_lock);
	pthread_mutex_destroy(&dev->program_lock);
	pthread_mutex_destroy(&dev->tune_lock);
	free(dev->cache_dir);
	free(dev);
}

static int opencl_open(unsigned int index, struct bitnpu_engine_device **out,
		       struct bitnpu_error *err)
{
	cl_context_properties properties[3] = { CL_CONTEXT_PLATFORM, 0, 0 };
	struct bitnpu_cl_device *dev;
	cl_int status;
	int ret;

	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return bitnpu_fail(err, -ENOMEM, "opencl: out of memory for a device");
	ret = bitnpu_cl_device_caps(index, &dev->caps);
	if (ret) {
		bitnpu_fail(err, ret, "opencl:%u: no such device", index);
		goto fail;
	}
	if (dev->caps.refusal[0]) {
		ret = bitnpu_fail(err, -ENOTSUP, "opencl:%u: %s: %s", index, dev->caps.name,
				  dev->caps.refusal);
		goto fail;
	}
	ret = bitnpu_cl_variant_forced(&dev->caps, &dev->forced, err);
	if (ret)
		goto fail;
	properties[1] = (cl_context_properties)dev->caps.platform;
	dev->context = clCreateContext(properties, 1, &dev->caps.id, NULL, NULL, &status);
	if (!dev->context) {
		ret = bitnpu_cl_fail(err, status, "clCreateContext");
		goto fail;
	}
	dev->cache_dir = bitnpu_cl_cache_dir();
	pthread_mutex_init(&dev->tune_lock, NULL);
	pthread_mutex_init(&dev->program_lock, NULL);
	pthread_mutex_init(&dev->stream_lock, NULL);
	dev->base.ops = &bitnpu_opencl_ops;
	bitnpu_cl_probe(dev);
	bitnpu_cl_tuned_load(&dev->caps, dev->cache_dir, &dev->tuned);
	fill_info(&dev->caps, dev->forced, &dev->instructions, &dev->tuned, &dev->base.info);
	*out = &dev->base;
	return 0;
fail:
	free(dev);
	return ret;
}

static int opencl_tune(struct bitnpu_engine_device *base, uint32_t milliseconds,
		       struct bitnpu_error *err)
{
	struct bitnpu_cl_device *dev = (struct bitnpu_cl_device *)base;

	if (dev->forced)
		return bitnpu_fail(err, -EBUSY, "opencl: BITNPU_OPENCL_VARIANT has chosen already");
	pthread_mutex_lock(&dev->tune_lock);
	dev->tune_ms = milliseconds;
	/* What was found before is measured again. */
	dev->tuned.count = 0;
	pthread_mutex_unlock(&dev->tune_lock);
	return 0;
}

const struct bitnpu_engine_ops bitnpu_opencl_ops = {
	.name = "opencl",
	.has_hardware = opencl_has_hardware,
	.count = bitnpu_cl_device_count,
	.describe = opencl_describe,
	.open = opencl_open,
	.close = opencl_close,
	.tune = opencl_tune,
	.bo_create = bitnpu_cl_bo_create,
	.bo_import = bitnpu_cl_bo_import,
	.bo_destroy = bitnpu_cl_bo_destroy,
	.bo_map = bitnpu_cl_bo_map,
	.bo_unmap = bitnpu_cl_bo_unmap,
	.prepare = bitnpu_cl_prepare,
	.unprepare = bitnpu_cl_unprepare,
	.execute = bitnpu_cl_execute,
};
