// SPDX-License-Identifier: MIT
/* OpenCL's status codes as names and as errno values. */
#include "opencl.h"

#include <errno.h>

#define STATUS(code, number) { code, #code, number }

static const struct {
	cl_int status;
	const char *name;
	int number;
} statuses[] = {
	STATUS(CL_SUCCESS, 0),
	STATUS(CL_DEVICE_NOT_FOUND, ENODEV),
	STATUS(CL_DEVICE_NOT_AVAILABLE, ENODEV),
	STATUS(CL_COMPILER_NOT_AVAILABLE, ENOTSUP),
	STATUS(CL_MEM_OBJECT_ALLOCATION_FAILURE, ENOMEM),
	STATUS(CL_OUT_OF_RESOURCES, EIO),
	STATUS(CL_OUT_OF_HOST_MEMORY, ENOMEM),
	STATUS(CL_PROFILING_INFO_NOT_AVAILABLE, EINVAL),
	STATUS(CL_MEM_COPY_OVERLAP, EINVAL),
	STATUS(CL_BUILD_PROGRAM_FAILURE, EIO),
	STATUS(CL_MAP_FAILURE, EIO),
	STATUS(CL_MISALIGNED_SUB_BUFFER_OFFSET, EINVAL),
	STATUS(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, EIO),
	STATUS(CL_COMPILE_PROGRAM_FAILURE, EIO),
	STATUS(CL_LINKER_NOT_AVAILABLE, ENOTSUP),
	STATUS(CL_LINK_PROGRAM_FAILURE, EIO),
	STATUS(CL_KERNEL_ARG_INFO_NOT_AVAILABLE, EIO),
	STATUS(CL_INVALID_VALUE, EINVAL),
	STATUS(CL_INVALID_PLATFORM, ENODEV),
	STATUS(CL_INVALID_DEVICE, ENODEV),
	STATUS(CL_INVALID_CONTEXT, EIO),
	STATUS(CL_INVALID_COMMAND_QUEUE, EIO),
	STATUS(CL_INVALID_HOST_PTR, EINVAL),
	STATUS(CL_INVALID_MEM_OBJECT, EIO),
	STATUS(CL_INVALID_BINARY, EIO),
	STATUS(CL_INVALID_BUILD_OPTIONS, EIO),
	STATUS(CL_INVALID_PROGRAM, EIO),
	STATUS(CL_INVALID_PROGRAM_EXECUTABLE, EIO),
	STATUS(CL_INVALID_KERNEL_NAME, EIO),
	STATUS(CL_INVALID_KERNEL, EIO),
	STATUS(CL_INVALID_ARG_INDEX, EIO),
	STATUS(CL_INVALID_ARG_VALUE, EIO),
	STATUS(CL_INVALID_ARG_SIZE, EIO),
	STATUS(CL_INVALID_KERNEL_ARGS, EIO),
	STATUS(CL_INVALID_WORK_DIMENSION, EIO),
	STATUS(CL_INVALID_WORK_GROUP_SIZE, EIO),
	STATUS(CL_INVALID_WORK_ITEM_SIZE, EIO),
	STATUS(CL_INVALID_GLOBAL_OFFSET, EIO),
	STATUS(CL_INVALID_EVENT_WAIT_LIST, EIO),
	STATUS(CL_INVALID_EVENT, EIO),
	STATUS(CL_INVALID_OPERATION, EIO),
	STATUS(CL_INVALID_BUFFER_SIZE, E2BIG),
	STATUS(CL_INVALID_GLOBAL_WORK_SIZE, EIO),
	STATUS(CL_INVALID_COMPILER_OPTIONS, EIO),
	STATUS(-1001, ENODEV),
};

const char *bitnpu_cl_status_name(cl_int status)
{
	/* The ICD loader's own code, of cl_khr_icd. */
	if (status == -1001)
		return "CL_PLATFORM_NOT_FOUND_KHR";
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return statuses[i].name;
	return "unknown OpenCL error";
}

int bitnpu_cl_status_errno(cl_int status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return -statuses[i].number;
	return -EIO;
}

int (bitnpu_cl_fail)(struct bitnpu_error *err, cl_int status, const char *what)
{
	return bitnpu_fail(err, bitnpu_cl_status_errno(status), "opencl: %s: %s (%d)", what,
			   bitnpu_cl_status_name(status), (int)status);
}
