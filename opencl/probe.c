// SPDX-License-Identifier: MIT
/*
 * Which instructions work: what a device claims is compiled and run, and used when the results are right.
 *
 * Some compilers know an instruction and the device has it not, some drivers claim what their compiler
 * refuses, and for two vendors there is no extension to ask for.
 */
#include "opencl.h"

#include <stdio.h>
#include <string.h>

#define GROUP	64u

/* What instructions.cl can do, best known first. */
static const struct way {
	uint32_t bit;
	const char *define, *words;
} dots[] = {
	{ BITNPU_CL_DOT_KHR, "-DDOT_KHR", ", dot product (khr)" },
	{ BITNPU_CL_DOT_PTX, "-DDOT_PTX", ", dot product (dp4a)" },
	{ BITNPU_CL_DOT_ARM, "-DDOT_ARM", ", dot product (arm)" },
	{ BITNPU_CL_DOT_AMD, "-DDOT_AMD", ", dot product (amd)" },
	{ 0 },
}, shuffles[] = {
	{ BITNPU_CL_SHUFFLE_KHR, "-DSHUFFLE_KHR -DTRY_SHUFFLE", ", subgroups (khr)" },
	{ BITNPU_CL_SHUFFLE_INTEL, "-DSHUFFLE_INTEL -DTRY_SHUFFLE", ", subgroups (intel)" },
	{ 0 },
};

/* The operands of the products, every byte of them a different one, and what came out. */
struct trial {
	cl_uint a[GROUP], b[GROUP];
	cl_int result[2 * GROUP + 1];
};

static void fill(struct trial *trial)
{
	uint8_t *a = (uint8_t *)trial->a, *b = (uint8_t *)trial->b;

	for (unsigned int i = 0; i < sizeof(trial->a); i++) {
		a[i] = i * 37 + 128;
		b[i] = 255 - i * 91;
	}
}

static bool dots_are_right(const struct trial *trial)
{
	for (unsigned int i = 0; i < GROUP; i++) {
		const int8_t *a = (const int8_t *)&trial->a[i], *b = (const int8_t *)&trial->b[i];
		int sum = (int)i;

		for (unsigned int j = 0; j < 4; j++)
			sum += a[j] * b[j];
		if (trial->result[i] != sum)
			return false;
	}
	return true;
}

static bool shuffles_are_right(const struct trial *trial)
{
	const unsigned int size = trial->result[2 * GROUP];

	if (size < 4 || size > GROUP || (size & (size - 1)))
		return false;
	for (unsigned int i = 0; i < GROUP; i++) {
		const unsigned int first = i / size * size;
		int sum = 0;

		for (unsigned int j = first + i % 4; j < first + size; j += 4)
			sum += (int)j;
		if (trial->result[GROUP + i] != sum)
			return false;
	}
	return true;
}

static cl_int set_buffers(cl_kernel kernel, const cl_mem *mem)
{
	cl_int status = CL_SUCCESS;

	for (cl_uint i = 0; i < 3 && !status; i++)
		status = clSetKernelArg(kernel, i, sizeof(*mem), &mem[i]);
	return status;
}

/* The trial's buffers in the order of the kernel's parameters; what could not be made is NULL. */
static bool make_buffers(struct bitnpu_cl_device *dev, struct trial *trial, cl_mem *mem)
{
	const cl_mem_flags flags = CL_MEM_COPY_HOST_PTR;

	mem[0] = clCreateBuffer(dev->context, CL_MEM_READ_ONLY | flags, sizeof(trial->a), trial->a, NULL);
	mem[1] = clCreateBuffer(dev->context, CL_MEM_READ_ONLY | flags, sizeof(trial->b), trial->b, NULL);
	mem[2] = clCreateBuffer(dev->context, CL_MEM_READ_WRITE | flags, sizeof(trial->result),
				trial->result, NULL);
	return mem[0] && mem[1] && mem[2];
}

static bool run_trial(struct bitnpu_cl_device *dev, cl_program program, struct trial *trial)
{
	const size_t items = GROUP;
	struct bitnpu_cl_stream *stream = NULL;
	cl_mem mem[3] = { NULL };
	cl_kernel kernel;
	cl_int status = CL_OUT_OF_RESOURCES;

	kernel = clCreateKernel(program, "probe", NULL);
	if (!kernel)
		return false;
	if (!make_buffers(dev, trial, mem) || set_buffers(kernel, mem) ||
	    bitnpu_cl_stream_get(dev, &stream, NULL))
		goto release;
	status = clEnqueueNDRangeKernel(stream->queue, kernel, 1, NULL, &items, &items, 0, NULL, NULL);
	if (!status)
		status = clEnqueueReadBuffer(stream->queue, mem[2], CL_TRUE, 0, sizeof(trial->result),
					     trial->result, 0, NULL, NULL);
	bitnpu_cl_stream_put(dev, stream, status != CL_SUCCESS);
release:
	for (unsigned int i = 0; i < 3; i++)
		if (mem[i])
			clReleaseMemObject(mem[i]);
	clReleaseKernel(kernel);
	return status == CL_SUCCESS;
}

static bool works(struct bitnpu_cl_device *dev, const char *standard, const char *define,
		  bool (*is_right)(const struct trial *trial))
{
	const struct bitnpu_cl_source sources[] = {
		{ bitnpu_cl_common, bitnpu_cl_common_end },
		{ bitnpu_cl_instructions_source, bitnpu_cl_instructions_source_end },
		{ bitnpu_cl_probe_source, bitnpu_cl_probe_source_end },
	};
	struct trial trial = { .a = { 0 } };
	cl_program program;
	char options[160];
	bool right;

	snprintf(options, sizeof(options),
		 "%s -w -DWEIGHT_FORMAT=0 -DOUTPUT_FORMAT=0 -DGROUP=%u %s", standard, GROUP, define);
	if (bitnpu_cl_build(dev, sources, sizeof(sources) / sizeof(*sources), options, &program, NULL))
		return false;
	fill(&trial);
	right = run_trial(dev, program, &trial) && is_right(&trial);
	clReleaseProgram(program);
	return right;
}

/* The first way of those claimed that works, or the end of the list. */
static const struct way *find(struct bitnpu_cl_device *dev, const struct way *ways, uint32_t claimed,
			      const char *standard, bool (*is_right)(const struct trial *trial))
{
	while (ways->bit && (!(ways->bit & claimed) || !works(dev, standard, ways->define, is_right)))
		ways++;
	return ways;
}

/* The extensions of OpenCL 3 come with its language, which older devices do not know. */
static const char *standard_for(const struct bitnpu_cl_caps *caps)
{
	return !strncmp(caps->version, "OpenCL 3.", 9) ? "-cl-std=CL3.0" : BITNPU_CL_STANDARD;
}

void bitnpu_cl_probe(struct bitnpu_cl_device *dev)
{
	const char *standard = standard_for(&dev->caps);
	const struct way *dot = find(dev, dots, dev->caps.dots, standard, dots_are_right);
	const struct way *shuffle = find(dev, shuffles, dev->caps.shuffles, standard,
					 shuffles_are_right);
	struct bitnpu_cl_instructions *found = &dev->instructions;

	found->dot = dot->bit ? dot->words : "";
	found->shuffle = shuffle->bit ? shuffle->words : "";
	snprintf(found->options, sizeof(found->options), "%s %s %s",
		 dot->bit || shuffle->bit ? standard : BITNPU_CL_STANDARD,
		 dot->bit ? dot->define : "", shuffle->bit ? shuffle->define : "");
}
