// SPDX-License-Identifier: MIT
/* Kernels, from source or from the disk cache. */
#include "opencl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#define MAX_SOURCES	4

#define EMBED(symbol, file)					\
	__asm__(".pushsection .rodata\n"			\
		".global " #symbol ", " #symbol "_end\n"	\
		".hidden " #symbol ", " #symbol "_end\n"	\
		#symbol ":\n"					\
		".incbin \"opencl/" file "\"\n"			\
		#symbol "_end:\n"				\
		".byte 0\n"					\
		".popsection\n")

EMBED(bitnpu_cl_blocks, "blocks.cl");
EMBED(bitnpu_cl_common, "common.cl");
EMBED(bitnpu_cl_dots, "dots.cl");
EMBED(bitnpu_cl_floats, "floats.cl");
EMBED(bitnpu_cl_instructions_source, "instructions.cl");
EMBED(bitnpu_cl_lanes, "lanes.cl");
EMBED(bitnpu_cl_probe_source, "probe.cl");
EMBED(bitnpu_cl_tiles, "tiles.cl");

/* Everything that a binary depends on.  The NULs between the strings keep them apart. */
static struct bitnpu_cl_key program_key(const struct bitnpu_cl_device *dev,
					const struct bitnpu_cl_source *sources, size_t count,
					const char *options)
{
	const char *strings[] = {
		dev->caps.name, dev->caps.version, dev->caps.driver, dev->caps.platform_version,
		options,
	};
	struct bitnpu_cl_key key = { 0, 0 };
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t hash;

	if (!state)
		return key;
	XXH3_128bits_reset(state);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		XXH3_128bits_update(state, strings[i], strlen(strings[i]) + 1);
	for (size_t i = 0; i < count; i++)
		XXH3_128bits_update(state, sources[i].text, sources[i].end - sources[i].text + 1);
	hash = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	key.low = hash.low64;
	key.high = hash.high64;
	return key;
}

/* The line of a build log that says most: the first with "error" in it, else the first. */
static void pick_line(const char *log, char *out, size_t size)
{
	const char *at = strstr(log, "error");
	size_t length;

	if (!at)
		at = log + strspn(log, " \t\r\n");
	while (at > log && at[-1] != '\n')
		at--;
	length = strcspn(at, "\r\n");
	snprintf(out, size, "%.*s", (int)length, at);
}

static int build_failed(struct bitnpu_cl_device *dev, cl_program program, cl_int status,
			struct bitnpu_error *err)
{
	char line[160] = "no build log", *log;
	size_t size = 0;

	if (!clGetProgramBuildInfo(program, dev->caps.id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) &&
	    size > 1) {
		log = calloc(1, size + 1);
		if (log && !clGetProgramBuildInfo(program, dev->caps.id, CL_PROGRAM_BUILD_LOG, size,
						  log, NULL))
			pick_line(log, line, sizeof(line));
		free(log);
	}
	return bitnpu_fail(err, bitnpu_cl_status_errno(status), "opencl: clBuildProgram: %s: %s",
			   bitnpu_cl_status_name(status), line);
}

static int build_source(struct bitnpu_cl_device *dev, const struct bitnpu_cl_source *sources,
			size_t count, const char *options, cl_program *program,
			struct bitnpu_error *err)
{
	const char *strings[MAX_SOURCES];
	size_t lengths[MAX_SOURCES];
	cl_program made;
	cl_int status;
	int ret;

	for (size_t i = 0; i < count; i++) {
		strings[i] = sources[i].text;
		lengths[i] = sources[i].end - sources[i].text;
	}
	made = clCreateProgramWithSource(dev->context, count, strings, lengths, &status);
	if (!made)
		return bitnpu_cl_fail(err, status, "clCreateProgramWithSource");
	status = clBuildProgram(made, 1, &dev->caps.id, options, NULL, NULL);
	if (status) {
		ret = build_failed(dev, made, status, err);
		clReleaseProgram(made);
		return ret;
	}
	*program = made;
	return 0;
}

/* Any failure means building from source: drivers may refuse a binary as they like. */
static bool build_binary(struct bitnpu_cl_device *dev, const struct bitnpu_cl_key *key,
			 const char *options, cl_program *program)
{
	const unsigned char *bytes;
	cl_int status, loaded = CL_SUCCESS;
	cl_program made;
	size_t size;
	void *data;

	if (!bitnpu_cl_cache_load(dev->cache_dir, key, &data, &size))
		return false;
	bytes = data;
	made = clCreateProgramWithBinary(dev->context, 1, &dev->caps.id, &size, &bytes, &loaded,
					 &status);
	free(data);
	if (!made)
		return false;
	if (loaded || clBuildProgram(made, 1, &dev->caps.id, options, NULL, NULL)) {
		clReleaseProgram(made);
		return false;
	}
	*program = made;
	return true;
}

static void keep_binary(struct bitnpu_cl_device *dev, const struct bitnpu_cl_key *key,
			cl_program program)
{
	unsigned char *bytes;
	size_t size = 0;

	if (!dev->cache_dir)
		return;
	if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, NULL) || !size)
		return;
	bytes = malloc(size);
	if (!bytes)
		return;
	if (!clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof(bytes), &bytes, NULL))
		bitnpu_cl_cache_store(dev->cache_dir, key, bytes, size);
	free(bytes);
}

int bitnpu_cl_build(struct bitnpu_cl_device *dev, const struct bitnpu_cl_source *sources,
		    size_t count, const char *options, cl_program *program, struct bitnpu_error *err)
{
	const struct bitnpu_cl_key key = program_key(dev, sources, count, options);
	int ret;

	if (build_binary(dev, &key, options, program))
		return 0;
	ret = build_source(dev, sources, count, options, program, err);
	if (!ret)
		keep_binary(dev, &key, *program);
	return ret;
}

static int make_program(struct bitnpu_cl_device *dev, const struct bitnpu_cl_config *config,
			cl_program *program, struct bitnpu_error *err)
{
	const struct bitnpu_cl_variant *variant = config->choice.variant;
	struct bitnpu_cl_source sources[3] = { { bitnpu_cl_common, bitnpu_cl_common_end } };
	size_t count = 1;
	char options[256];

	if (variant->instructions)
		sources[count++] = (struct bitnpu_cl_source){ bitnpu_cl_instructions_source,
							      bitnpu_cl_instructions_source_end };
	sources[count++] = (struct bitnpu_cl_source){ variant->source, variant->source_end };
	snprintf(options, sizeof(options),
		 "%s -w -DWEIGHT_FORMAT=%u -DOUTPUT_FORMAT=%u -DM_BLOCK=%u -DGROUP=%u "
		 "-DMAX_TILES=%u %s",
		 variant->instructions ? dev->instructions.options : BITNPU_CL_STANDARD,
		 config->weight_format, config->output_format, config->choice.m_block,
		 config->choice.group, config->choice.tiles, variant->options);
	return bitnpu_cl_build(dev, sources, count, options, program, err);
}

static bool same_config(const struct bitnpu_cl_config *a, const struct bitnpu_cl_config *b)
{
	return bitnpu_cl_choice_same(&a->choice, &b->choice) &&
	       a->weight_format == b->weight_format && a->output_format == b->output_format;
}

int bitnpu_cl_program_get(struct bitnpu_cl_device *dev, const struct bitnpu_cl_config *config,
			  cl_program *program, struct bitnpu_error *err)
{
	struct bitnpu_cl_program *entry;
	int ret = 0;

	pthread_mutex_lock(&dev->program_lock);
	for (entry = dev->programs; entry; entry = entry->next)
		if (same_config(&entry->config, config))
			goto found;
	entry = calloc(1, sizeof(*entry));
	if (!entry) {
		ret = bitnpu_fail(err, -ENOMEM, "opencl: out of memory for a program");
		goto out;
	}
	entry->config = *config;
	ret = make_program(dev, config, &entry->program, err);
	if (ret) {
		free(entry);
		goto out;
	}
	entry->next = dev->programs;
	dev->programs = entry;
found:
	*program = entry->program;
out:
	pthread_mutex_unlock(&dev->program_lock);
	return ret;
}

void bitnpu_cl_programs_release(struct bitnpu_cl_device *dev)
{
	if (dev->floats)
		clReleaseProgram(dev->floats);
	while (dev->programs) {
		struct bitnpu_cl_program *entry = dev->programs;

		dev->programs = entry->next;
		clReleaseProgram(entry->program);
		free(entry);
	}
}
