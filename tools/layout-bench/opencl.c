// SPDX-License-Identifier: MIT
/* Runs the candidates' OpenCL kernels (layouts.cl) on the first OpenCL device. */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl.h"

asm(".section .rodata\n"
    "layouts_cl_begin:\n"
    ".incbin \"tools/layout-bench/layouts.cl\"\n"
    ".byte 0\n"
    ".previous\n");
extern const char layouts_cl_begin[] __attribute__((visibility("hidden")));

struct opencl {
	cl_device_id device;
	cl_context context;
	cl_command_queue queue;
	cl_program program;
	cl_mem x, pairs, y;
	unsigned int n, k;
};

static int failed(const char *what, cl_int status)
{
	if (status != CL_SUCCESS)
		fprintf(stderr, "layout-bench: %s: OpenCL error %d\n", what, status);
	return status != CL_SUCCESS;
}

static cl_mem buffer(struct opencl *cl, size_t bytes, const void *data)
{
	cl_int status;
	cl_mem mem = clCreateBuffer(cl->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes,
				    (void *)data, &status);

	return failed("clCreateBuffer", status) ? NULL : mem;
}

static int open_device(struct opencl *cl)
{
	cl_platform_id platform;
	cl_int status;

	if (clGetPlatformIDs(1, &platform, NULL) ||
	    clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &cl->device, NULL)) {
		fprintf(stderr, "layout-bench: no OpenCL device\n");
		return -1;
	}
	cl->context = clCreateContext(NULL, 1, &cl->device, NULL, NULL, &status);
	if (failed("clCreateContext", status))
		return -1;
	cl->queue = clCreateCommandQueue(cl->context, cl->device, 0, &status);
	return failed("clCreateCommandQueue", status) ? -1 : 0;
}

static int build(struct opencl *cl)
{
	const char *source = layouts_cl_begin;
	cl_int status;

	cl->program = clCreateProgramWithSource(cl->context, 1, &source, NULL, &status);
	if (failed("clCreateProgramWithSource", status))
		return -1;
	return failed("clBuildProgram",
		      clBuildProgram(cl->program, 1, &cl->device, "", NULL, NULL)) ? -1 : 0;
}

struct opencl *opencl_open(const struct layout_input *input, unsigned int n, int32_t *y)
{
	struct opencl *cl = calloc(1, sizeof(*cl));

	if (!cl)
		return NULL;
	cl->n = n;
	cl->k = input->k;
	if (open_device(cl) || build(cl))
		goto close;
	cl->x = buffer(cl, input->k, input->x);
	cl->pairs = buffer(cl, input->k / 2 * sizeof(*input->pairs), input->pairs);
	cl->y = buffer(cl, n * sizeof(*y), y);
	if (cl->x && cl->pairs && cl->y)
		return cl;
close:
	opencl_close(cl);
	return NULL;
}

void opencl_close(struct opencl *cl)
{
	const cl_mem buffers[] = { cl->x, cl->pairs, cl->y };

	for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++)
		if (buffers[i])
			clReleaseMemObject(buffers[i]);
	if (cl->program)
		clReleaseProgram(cl->program);
	if (cl->queue)
		clReleaseCommandQueue(cl->queue);
	if (cl->context)
		clReleaseContext(cl->context);
	free(cl);
}

int opencl_run(struct opencl *cl, const struct layout *layout, const struct layout_input *input,
	       const unsigned char *weights, size_t matrix_bytes, unsigned int matrices)
{
	const size_t items = cl->n / layout->kernel_rows;
	const cl_int x_sum = input->sum;
	const cl_uint k = cl->k;
	cl_int status;
	cl_kernel kernel = clCreateKernel(cl->program, layout->kernel, &status);
	cl_mem w = buffer(cl, matrix_bytes * matrices, weights);

	if (failed(layout->kernel, status) || !w)
		status = CL_INVALID_KERNEL;
	if (!status) {
		status |= clSetKernelArg(kernel, 0, sizeof(w), &w);
		status |= clSetKernelArg(kernel, 2, sizeof(cl->x), &cl->x);
		status |= clSetKernelArg(kernel, 3, sizeof(cl->pairs), &cl->pairs);
		status |= clSetKernelArg(kernel, 4, sizeof(x_sum), &x_sum);
		status |= clSetKernelArg(kernel, 5, sizeof(k), &k);
		status |= clSetKernelArg(kernel, 6, sizeof(cl->y), &cl->y);
	}
	for (unsigned int i = 0; !status && i < matrices; i++) {
		const cl_ulong offset = matrix_bytes * i;

		status = clSetKernelArg(kernel, 1, sizeof(offset), &offset);
		if (!status)
			status = clEnqueueNDRangeKernel(cl->queue, kernel, 1, NULL, &items, NULL,
							0, NULL, NULL);
	}
	if (!status)
		status = clFinish(cl->queue);
	if (w)
		clReleaseMemObject(w);
	if (kernel)
		clReleaseKernel(kernel);
	return failed(layout->name, status) ? -1 : 0;
}
