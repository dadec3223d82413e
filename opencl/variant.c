// SPDX-License-Identifier: MIT
/* The ways to compute a MATMUL, and which suits a device. */
#include "opencl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LANES_BLOCK	4
#define TILES_BLOCK	4
#define TILES_MAX	16

/* A CPU whose compiler keeps vectors: others scalarize them and want scalar work-items. */
static bool suits_vectors(const struct bitnpu_cl_caps *caps)
{
	return caps->type == CL_DEVICE_TYPE_CPU && caps->short_width > 1;
}

static bool suits_lanes(const struct bitnpu_cl_caps *caps)
{
	return !suits_vectors(caps);
}

#define LANES(items)							\
	{								\
		.name = "lanes" #items,					\
		.source = bitnpu_cl_lanes,				\
		.source_end = bitnpu_cl_lanes_end,			\
		.options = "",						\
		.group = items,						\
		.max_tiles = 1,						\
		.m_block = LANES_BLOCK,					\
		.local_bytes = LANES_BLOCK * items * sizeof(cl_ulong),	\
		.suits = suits_lanes,					\
	}

#define TILES(text, build_options, when)				\
	{								\
		.name = text,						\
		.source = bitnpu_cl_tiles,				\
		.source_end = bitnpu_cl_tiles_end,			\
		.options = build_options,				\
		.group = 1,						\
		.vectors = true,					\
		.max_tiles = TILES_MAX,					\
		.m_block = TILES_BLOCK,					\
		/* x, its sums by groups of 32, the sums of the tiles */ \
		.local_bytes = 8192 * 2 + 8192 / 32 * 4 +		\
			       TILES_MAX * TILES_BLOCK * 16 * sizeof(cl_ulong), \
		.suits = when,						\
	}

const struct bitnpu_cl_variant bitnpu_cl_variants[] = {
	TILES("tiles", "", suits_vectors),
	/* Without the instructions of x86 that "tiles" uses where the compiler has them. */
	TILES("tiles-plain", "-DPLAIN", NULL),
	LANES(64),
	LANES(16),
	{ .name = NULL },
};

/*
 * A compiler that scalarizes vectors makes nothing of the kernels written with them; Mesa 22.3's llvmpipe
 * even computes wrong sums for rows that take several passes over local memory.
 */
static bool fits(const struct bitnpu_cl_variant *variant, const struct bitnpu_cl_caps *caps)
{
	return variant->group <= caps->max_group && variant->local_bytes <= caps->local &&
	       (!variant->vectors || caps->short_width > 1);
}

static int unknown_variant(const struct bitnpu_cl_caps *caps, const char *name,
			   struct bitnpu_error *err)
{
	char names[160];
	size_t used = 0;

	names[0] = 0;
	for (const struct bitnpu_cl_variant *v = bitnpu_cl_variants; v->name; v++)
		if (fits(v, caps) && used < sizeof(names))
			used += snprintf(names + used, sizeof(names) - used, " %s", v->name);
	return bitnpu_fail(err, -EINVAL,
			   "opencl: BITNPU_OPENCL_VARIANT is \"%s\", this device has:%s", name, names);
}

int bitnpu_cl_variant_choose(const struct bitnpu_cl_caps *caps, const char *name,
			     const struct bitnpu_cl_variant **variant, struct bitnpu_error *err)
{
	for (const struct bitnpu_cl_variant *v = bitnpu_cl_variants; v->name; v++) {
		if (!fits(v, caps))
			continue;
		if (name && *name ? !strcmp(name, v->name) : v->suits && v->suits(caps)) {
			*variant = v;
			return 0;
		}
	}
	if (name && *name)
		return unknown_variant(caps, name, err);
	return bitnpu_fail(err, -ENOTSUP, "opencl: no kernel fits this device");
}
