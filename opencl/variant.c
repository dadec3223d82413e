// SPDX-License-Identifier: MIT
/* The ways to compute a MATMUL, and which suits a device. */
#include "opencl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool suits_any(const struct bitnpu_cl_caps *caps)
{
	return true;
}

static bool suits_wide_groups(const struct bitnpu_cl_caps *caps)
{
	return caps->max_group >= 64;
}

const struct bitnpu_cl_variant bitnpu_cl_variants[] = {
	{
		.name = "lanes64",
		.source = bitnpu_cl_lanes,
		.source_end = bitnpu_cl_lanes_end,
		.group = 64,
		.group_tiles = 1,
		.m_block = 4,
		.local_bytes = 64 * 4 * 8,
		.suits = suits_wide_groups,
	},
	{
		.name = "lanes16",
		.source = bitnpu_cl_lanes,
		.source_end = bitnpu_cl_lanes_end,
		.group = 16,
		.group_tiles = 1,
		.m_block = 4,
		.local_bytes = 16 * 4 * 8,
		.suits = suits_any,
	},
	{ .name = NULL },
};

static bool fits(const struct bitnpu_cl_variant *variant, const struct bitnpu_cl_caps *caps)
{
	return variant->group <= caps->max_group && variant->local_bytes <= caps->local;
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
		if (name && *name ? !strcmp(name, v->name) : v->suits(caps)) {
			*variant = v;
			return 0;
		}
	}
	if (name && *name)
		return unknown_variant(caps, name, err);
	return bitnpu_fail(err, -ENOTSUP, "opencl: no kernel fits this device");
}
