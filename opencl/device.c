// SPDX-License-Identifier: MIT
/* Which OpenCL devices there are, and what each can do. */
#include "opencl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a tile: the least work-items of a group that a kernel can do with. */
#define MIN_GROUP	16
#define MIN_LOCAL	4096
#define RANKS		5
/* Numbers of the PCI-SIG. */
#define VENDOR_AMD	0x1002
#define VENDOR_NVIDIA	0x10de

/* Every device of every platform. */
struct device_list {
	struct {
		cl_platform_id platform;
		cl_device_id id;
		unsigned int rank;
	} *devices;
	unsigned int count;
};

/* What the device says, malloc()ed; lists of extensions run to kilobytes. */
static char *query_string(cl_device_id id, cl_device_info what)
{
	size_t size = 0;
	char *text;

	if (clGetDeviceInfo(id, what, 0, NULL, &size))
		return NULL;
	text = calloc(1, size + 1);
	if (text && clGetDeviceInfo(id, what, size, text, NULL)) {
		free(text);
		return NULL;
	}
	return text;
}

/* Likewise cut to @size, without the blanks that some vendors pad with. */
static void get_string(cl_device_id id, cl_device_info what, char *out, size_t size)
{
	char *text = query_string(id, what);
	const char *start = text ? text : "";
	size_t length;

	while (*start == ' ')
		start++;
	length = strnlen(start, size - 1);
	memcpy(out, start, length);
	while (length && out[length - 1] == ' ')
		length--;
	out[length] = 0;
	free(text);
}

static bool has_extension(cl_device_id id, const char *name)
{
	char *text = query_string(id, CL_DEVICE_EXTENSIONS);
	bool found = text && strstr(text, name);

	free(text);
	return found;
}

static uint64_t get_number(cl_device_id id, cl_device_info what, size_t size)
{
	union {
		cl_uint u;
		cl_ulong ul;
	} value = { .ul = 0 };

	if (clGetDeviceInfo(id, what, size, &value, NULL))
		return 0;
	return size == sizeof(cl_uint) ? value.u : value.ul;
}

static uint64_t get_max_group(cl_device_id id)
{
	uint64_t max = get_number(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof(size_t));
	size_t sizes[16] = { 0 };

	if (clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof(sizes), sizes, NULL))
		return 0;
	return sizes[0] < max ? sizes[0] : max;
}

/* Round to nearest, once; subnormals, infinities and NaNs as IEEE 754 has them. */
static bool has_exact_floats(cl_device_id id)
{
	const cl_ulong needed = CL_FP_ROUND_TO_NEAREST | CL_FP_DENORM | CL_FP_INF_NAN | CL_FP_FMA |
				CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT;

	return !(needed & ~get_number(id, CL_DEVICE_SINGLE_FP_CONFIG, sizeof(cl_ulong)));
}

/* What the device says that it has; probe.c finds out. */
static void claim_instructions(struct bitnpu_cl_caps *caps)
{
	const cl_uint vendor = get_number(caps->id, CL_DEVICE_VENDOR_ID, sizeof(cl_uint));

	if (has_extension(caps->id, "cl_khr_integer_dot_product"))
		caps->dots |= BITNPU_CL_DOT_KHR;
	if (has_extension(caps->id, "cl_arm_integer_dot_product_accumulate_int8"))
		caps->dots |= BITNPU_CL_DOT_ARM;
	/* These two are known by their compilers alone: there is no extension to ask for. */
	if (vendor == VENDOR_NVIDIA)
		caps->dots |= BITNPU_CL_DOT_PTX;
	if (vendor == VENDOR_AMD)
		caps->dots |= BITNPU_CL_DOT_AMD;
	if (has_extension(caps->id, "cl_khr_subgroup_shuffle"))
		caps->shuffles |= BITNPU_CL_SHUFFLE_KHR;
	if (has_extension(caps->id, "cl_intel_subgroups"))
		caps->shuffles |= BITNPU_CL_SHUFFLE_INTEL;
}

static void judge(struct bitnpu_cl_caps *caps)
{
	char profile[32];
	int major = 0, minor = 0;

	get_string(caps->id, CL_DEVICE_PROFILE, profile, sizeof(profile));
	if (sscanf(caps->version, "OpenCL %d.%d", &major, &minor) != 2)	/* NOLINT(cert-err34-c) */
		major = 0;

	if (!get_number(caps->id, CL_DEVICE_AVAILABLE, sizeof(cl_bool)))
		snprintf(caps->refusal, sizeof(caps->refusal), "not available");
	else if (major < 1 || (major == 1 && minor < 2))
		snprintf(caps->refusal, sizeof(caps->refusal), "OpenCL %d.%d, 1.2 is needed",
			 major, minor);
	else if (!get_number(caps->id, CL_DEVICE_COMPILER_AVAILABLE, sizeof(cl_bool)))
		snprintf(caps->refusal, sizeof(caps->refusal), "no compiler");
	else if (!get_number(caps->id, CL_DEVICE_ENDIAN_LITTLE, sizeof(cl_bool)))
		snprintf(caps->refusal, sizeof(caps->refusal), "big-endian");
	else if (strcmp(profile, "FULL_PROFILE") && !has_extension(caps->id, "cles_khr_int64"))
		snprintf(caps->refusal, sizeof(caps->refusal), "no 64-bit integers");
	else if (caps->max_group < MIN_GROUP)
		snprintf(caps->refusal, sizeof(caps->refusal),
			 "groups of %u work-items, %d are needed", (unsigned int)caps->max_group,
			 MIN_GROUP);
	else if (caps->local < MIN_LOCAL)
		snprintf(caps->refusal, sizeof(caps->refusal),
			 "%u bytes of local memory, %d are needed", (unsigned int)caps->local,
			 MIN_LOCAL);
}

static void get_caps(cl_platform_id platform, cl_device_id id, struct bitnpu_cl_caps *caps)
{
	memset(caps, 0, sizeof(*caps));
	caps->platform = platform;
	caps->id = id;
	get_string(id, CL_DEVICE_NAME, caps->name, sizeof(caps->name));
	get_string(id, CL_DEVICE_VERSION, caps->version, sizeof(caps->version));
	get_string(id, CL_DRIVER_VERSION, caps->driver, sizeof(caps->driver));
	if (clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof(caps->platform_version) - 1,
			      caps->platform_version, NULL))
		caps->platform_version[0] = 0;
	caps->type = get_number(id, CL_DEVICE_TYPE, sizeof(cl_device_type));
	caps->compute_units = get_number(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(cl_uint));
	caps->short_width = get_number(id, CL_DEVICE_PREFERRED_VECTOR_WIDTH_SHORT,
				       sizeof(cl_uint));
	caps->max_group = get_max_group(id);
	caps->max_alloc = get_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(cl_ulong));
	caps->memory = get_number(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(cl_ulong));
	caps->local = get_number(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof(cl_ulong));
	caps->unified = get_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof(cl_bool));
	caps->exact_floats = has_exact_floats(id);
	claim_instructions(caps);
	judge(caps);
}

/*
 * Lower is better.  A CPU whose compiler scalarizes vectors is an emulated GPU, far slower than one
 * that uses them; what cannot be used at all comes last.
 */
static unsigned int rank(const struct bitnpu_cl_caps *caps)
{
	if (caps->refusal[0])
		return RANKS - 1;
	if (caps->type & CL_DEVICE_TYPE_CPU)
		return caps->short_width > 1 ? 2 : 3;
	return caps->type & CL_DEVICE_TYPE_GPU ? 0 : 1;
}

static void add_platform(struct device_list *list, cl_platform_id platform)
{
	struct bitnpu_cl_caps caps;
	cl_device_id *ids;
	cl_uint count = 0;
	void *grown;

	if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count) || !count)
		return;
	ids = calloc(count, sizeof(*ids));
	grown = realloc(list->devices, (list->count + count) * sizeof(*list->devices));
	if (grown)
		list->devices = grown;
	if (ids && grown && !clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL)) {
		for (cl_uint i = 0; i < count; i++, list->count++) {
			get_caps(platform, ids[i], &caps);
			list->devices[list->count].platform = platform;
			list->devices[list->count].id = ids[i];
			list->devices[list->count].rank = rank(&caps);
		}
	}
	free(ids);
}

/* The loader answers CL_PLATFORM_NOT_FOUND_KHR where no ICD is installed: an empty list. */
static void list_devices(struct device_list *list)
{
	cl_platform_id *platforms;
	cl_uint count = 0;

	list->devices = NULL;
	list->count = 0;
	if (clGetPlatformIDs(0, NULL, &count) || !count)
		return;
	platforms = calloc(count, sizeof(*platforms));
	if (platforms && !clGetPlatformIDs(count, platforms, NULL))
		for (cl_uint i = 0; i < count; i++)
			add_platform(list, platforms[i]);
	free(platforms);
}

unsigned int bitnpu_cl_device_count(void)
{
	struct device_list list;

	list_devices(&list);
	free(list.devices);
	return list.count;
}

/* Place @index counts by rank, and among equals as the loader lists them. */
int bitnpu_cl_device_caps(unsigned int index, struct bitnpu_cl_caps *caps)
{
	struct device_list list;
	unsigned int place = 0;
	int ret = -ENODEV;

	list_devices(&list);
	for (unsigned int r = 0; r < RANKS && ret; r++) {
		for (unsigned int i = 0; i < list.count; i++) {
			if (list.devices[i].rank != r || place++ != index)
				continue;
			get_caps(list.devices[i].platform, list.devices[i].id, caps);
			ret = 0;
			break;
		}
	}
	free(list.devices);
	return ret;
}
