// SPDX-License-Identifier: MIT
/* The ways to compute a MATMUL, and which suits a device and a command. */
#include "opencl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of x from which on expanding weights once for all of them pays. */
#define BLOCKS_FROM_M	8
/* Groups for each compute unit: enough to even out the load, few enough to share x among tiles. */
#define GROUPS_PER_UNIT	4

/* A CPU whose compiler keeps vectors: others scalarize them and want scalar work-items. */
static bool has_vectors(const struct bitnpu_cl_caps *caps)
{
	return caps->type == CL_DEVICE_TYPE_CPU && caps->short_width > 1;
}

static bool suits_vectors(const struct bitnpu_cl_caps *caps, uint32_t m)
{
	(void)m;
	return has_vectors(caps);
}

static bool suits_few(const struct bitnpu_cl_caps *caps, uint32_t m)
{
	(void)m;
	return !has_vectors(caps);
}

static bool suits_many(const struct bitnpu_cl_caps *caps, uint32_t m)
{
	return !has_vectors(caps) && m >= BLOCKS_FROM_M;
}

/* tiles.cl: x, its sums by groups of 32, the sums of the tiles. */
static uint32_t tiles_bytes(const struct bitnpu_cl_choice *choice)
{
	return 8192 * 2 + 8192 / 32 * 4 +
	       choice->variant->max_tiles * choice->m_block * 16 * sizeof(cl_ulong);
}

/* lanes.cl: a sum for each work-item and row of x. */
static uint32_t lanes_bytes(const struct bitnpu_cl_choice *choice)
{
	return choice->m_block * choice->group * sizeof(cl_ulong);
}

/* dots.cl: x, its sums by 16 columns, four sums a work-item; what stands in for registers. */
static uint32_t dots_bytes(const struct bitnpu_cl_choice *choice)
{
	return 8192 + 8192 / 16 * 4 + choice->group * 5 * sizeof(cl_ulong);
}

/* blocks.cl: two stages of weights and x, of binary ones, which have most columns. */
static uint32_t blocks_bytes(const struct bitnpu_cl_choice *choice)
{
	return 2 * 32 * (4 * choice->tiles * 16 + choice->m_block * 4);
}

#define SOURCE(name)	.source = bitnpu_cl_##name, .source_end = bitnpu_cl_##name##_end

/* clang-format off */
const struct bitnpu_cl_variant bitnpu_cl_variants[] = {
	{
		.name = "tiles", SOURCE(tiles), .options = "", .vectors = true,
		.groups = { 1 }, .max_tiles = 16, .max_m_block = 4,
		.local_bytes = tiles_bytes, .suits = suits_vectors,
	},
	{
		/* Without the instructions of x86 that "tiles" uses where the compiler has them. */
		.name = "tiles-plain", SOURCE(tiles), .options = "-DPLAIN", .vectors = true,
		.groups = { 1 }, .max_tiles = 16, .max_m_block = 4,
		.local_bytes = tiles_bytes,
	},
	{
		.name = "blocks", SOURCE(blocks), .options = "", .instructions = true,
		.fixed_tiles = true, .groups = { 64, 128, 256 }, .max_tiles = 8, .max_m_block = 64,
		.local_bytes = blocks_bytes, .suits = suits_many,
	},
	{
		.name = "dots", SOURCE(dots), .options = "", .instructions = true,
		.groups = { 64, 128, 256 }, .max_tiles = 8, .max_m_block = 4,
		.local_bytes = dots_bytes, .suits = suits_few,
	},
	{
		.name = "dots-subgroups", SOURCE(dots), .options = "-DSUBGROUPS", .instructions = true,
		.subgroups = true, .groups = { 64, 128, 256 }, .max_tiles = 8, .max_m_block = 4,
		.local_bytes = dots_bytes,
	},
	{
		.name = "lanes64", SOURCE(lanes), .options = "",
		.groups = { 64 }, .max_tiles = 1, .max_m_block = 4,
		.local_bytes = lanes_bytes, .suits = suits_few,
	},
	{
		.name = "lanes16", SOURCE(lanes), .options = "",
		.groups = { 16 }, .max_tiles = 1, .max_m_block = 4,
		.local_bytes = lanes_bytes, .suits = suits_few,
	},
	{ .name = NULL },
};
/* clang-format on */

const struct bitnpu_cl_variant *bitnpu_cl_variant_find(const char *name)
{
	for (const struct bitnpu_cl_variant *v = bitnpu_cl_variants; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}

static bool is_power(uint32_t value)
{
	return value && !(value & (value - 1));
}

/* Work-items along the rows of w are four a tile, the others go along the rows of x. */
static bool divides(const struct bitnpu_cl_choice *choice)
{
	const uint32_t across = 4 * choice->tiles;

	return across <= choice->group && choice->m_block >= choice->group / across;
}

static bool has_group(const struct bitnpu_cl_variant *variant, uint32_t group)
{
	for (unsigned int i = 0; i < BITNPU_CL_GROUPS; i++)
		if (variant->groups[i] == group)
			return group != 0;
	return false;
}

/*
 * A compiler that scalarizes vectors makes nothing of the kernels written with vectors of shorts; Mesa 22.3's
 * llvmpipe even computes wrong sums for rows that take several passes over local memory.
 */
bool bitnpu_cl_choice_fits(const struct bitnpu_cl_caps *caps, const struct bitnpu_cl_choice *choice)
{
	const struct bitnpu_cl_variant *v = choice->variant;

	return has_group(v, choice->group) && choice->group <= caps->max_group &&
	       choice->tiles && choice->tiles <= v->max_tiles &&
	       is_power(choice->m_block) && choice->m_block <= v->max_m_block &&
	       (!v->fixed_tiles || (is_power(choice->tiles) && divides(choice))) &&
	       v->local_bytes(choice) <= caps->local && (!v->vectors || caps->short_width > 1);
}

/* The smallest power of two that covers @m, up to @most. */
static uint32_t cover(uint32_t m, uint32_t most)
{
	uint32_t block = 1;

	while (block < m && block < most)
		block *= 2;
	return block;
}

static uint32_t groups_wanted(const struct bitnpu_cl_caps *caps)
{
	return GROUPS_PER_UNIT * (caps->compute_units ? caps->compute_units : 1);
}

/* Tiles that leave the device enough groups. */
static uint32_t share_of_tiles(const struct bitnpu_cl_caps *caps, uint32_t tiles, uint32_t m_blocks,
			       uint32_t most)
{
	const uint64_t share = (uint64_t)tiles * m_blocks / groups_wanted(caps);

	return share < 1 ? 1 : share > most ? most : share;
}

/* A block of four tiles, and of as many rows of x as leave the device enough groups. */
static void usual_block(const struct bitnpu_cl_caps *caps, uint32_t m, uint32_t tiles,
			struct bitnpu_cl_choice *choice)
{
	choice->tiles = 4;
	choice->m_block = cover(m, 32);
	if (choice->m_block < 4)
		choice->m_block = 4;
	while (choice->m_block > 8 &&
	       (uint64_t)((tiles + 3) / 4) * ((m - 1) / choice->m_block + 1) < groups_wanted(caps))
		choice->m_block /= 2;
}

static void usual(const struct bitnpu_cl_caps *caps, const struct bitnpu_cl_variant *variant,
		  uint32_t m, uint32_t tiles, struct bitnpu_cl_choice *choice)
{
	*choice = (struct bitnpu_cl_choice){ .variant = variant, .group = variant->groups[0] };
	if (variant->fixed_tiles) {
		usual_block(caps, m, tiles, choice);
		return;
	}
	choice->m_block = cover(m, variant->max_m_block);
	choice->tiles = share_of_tiles(caps, tiles, (m - 1) / choice->m_block + 1,
				       variant->max_tiles);
}

bool bitnpu_cl_choice_usual(const struct bitnpu_cl_caps *caps, const struct bitnpu_cl_variant *forced,
			    uint32_t m, uint32_t tiles, struct bitnpu_cl_choice *choice)
{
	for (const struct bitnpu_cl_variant *v = bitnpu_cl_variants; v->name; v++) {
		if (forced ? v != forced : !v->suits || !v->suits(caps, m))
			continue;
		usual(caps, v, m, tiles, choice);
		if (bitnpu_cl_choice_fits(caps, choice))
			return true;
	}
	return false;
}

/* Whether a device can run the variant at all: with the least of its local memory. */
static bool runs(const struct bitnpu_cl_caps *caps, const struct bitnpu_cl_variant *variant)
{
	struct bitnpu_cl_choice choice;

	return bitnpu_cl_choice_usual(caps, variant, variant->max_m_block, 1, &choice);
}

static int unknown_variant(const struct bitnpu_cl_caps *caps, const char *name,
			   struct bitnpu_error *err)
{
	char names[160];
	size_t used = 0;

	names[0] = 0;
	for (const struct bitnpu_cl_variant *v = bitnpu_cl_variants; v->name; v++)
		if (runs(caps, v) && used < sizeof(names))
			used += snprintf(names + used, sizeof(names) - used, " %s", v->name);
	return bitnpu_fail(err, -EINVAL,
			   "opencl: BITNPU_OPENCL_VARIANT is \"%s\", this device has:%s", name, names);
}

int bitnpu_cl_variant_forced(const struct bitnpu_cl_caps *caps,
			     const struct bitnpu_cl_variant **variant, struct bitnpu_error *err)
{
	/* Like getenv(), which a device of the same name reads at its own opening. */
	const char *name = getenv("BITNPU_OPENCL_VARIANT");
	struct bitnpu_cl_choice choice;

	*variant = NULL;
	if (name && *name) {
		*variant = bitnpu_cl_variant_find(name);
		if (*variant && runs(caps, *variant))
			return 0;
		return unknown_variant(caps, name, err);
	}
	if (!bitnpu_cl_choice_usual(caps, NULL, 1, 1, &choice))
		return bitnpu_fail(err, -ENOTSUP, "opencl: no kernel fits this device");
	return 0;
}

void bitnpu_cl_variant_names(const struct bitnpu_cl_caps *caps,
			     const struct bitnpu_cl_variant *forced, char *out, size_t size)
{
	const char *few, *many;
	struct bitnpu_cl_choice choice;

	out[0] = 0;
	if (!bitnpu_cl_choice_usual(caps, forced, 1, 1, &choice))
		return;
	few = choice.variant->name;
	many = bitnpu_cl_choice_usual(caps, forced, UINT16_MAX, 1, &choice) ? choice.variant->name : few;
	if (few == many)
		snprintf(out, size, "%s", few);
	else
		snprintf(out, size, "%s and %s", few, many);
}
