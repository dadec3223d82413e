// SPDX-License-Identifier: MIT
/*
 * May a list be run again after it was interrupted?  Yes, unless a command writes what an earlier one reads:
 * then that one would read something else the second time.
 *
 * The ends of all ranges cut the address space into segments.  A segment tree over them remembers what has
 * been read; commands are entered in order, and each one's result is looked up.
 */
#include "accel.h"

#include <stdlib.h>

/* A command reads at most three ranges, and writes one, of two ends each. */
#define ENDS	8

/**
 * struct read_set - segments that were read
 * @points: ends of ranges, ascending, each once; segment i is from point i to the next
 * @count: how many
 * @whole: by tree node, of which 1 is the root and 2i, 2i+1 are below i: all of it was read.  Leaves are
 *	@count and up
 * @some: some of it was
 */
struct read_set {
	uint64_t *points;
	size_t count;
	bool *whole, *some;
};

static int by_value(const void *a, const void *b)
{
	const uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return first < second ? -1 : first > second;
}

static size_t add_range(uint64_t *points, size_t count, uint64_t addr, uint64_t bytes)
{
	points[count++] = addr;
	points[count++] = addr + bytes;
	return count;
}

static void collect_points(struct read_set *set, const struct bitnpu_checked_cmd *cmds, size_t count)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		const struct bitnpu_matmul *mm = &cmds[i].mm;

		if (cmds[i].opcode != BITNPU_OP_MATMUL)
			continue;
		found = add_range(set->points, found, mm->x_addr, mm->x_bytes);
		found = add_range(set->points, found, mm->w_addr, mm->w_bytes);
		found = add_range(set->points, found, mm->s_addr, mm->s_bytes);
		found = add_range(set->points, found, mm->y_addr, mm->y_bytes);
	}
	qsort(set->points, found, sizeof(*set->points), by_value);
	for (size_t i = 0; i < found; i++)
		if (i == 0 || set->points[i] != set->points[set->count - 1])
			set->points[set->count++] = set->points[i];
}

/* The leaf of the segment that begins at @addr. */
static size_t leaf_at(const struct read_set *set, uint64_t addr)
{
	const uint64_t *found = bsearch(&addr, set->points, set->count, sizeof(addr), by_value);

	return set->count + (found - set->points);
}

static void mark_node(struct read_set *set, size_t node)
{
	set->whole[node] = true;
	/* Above a marked node all are. */
	for (; node && !set->some[node]; node /= 2)
		set->some[node] = true;
}

static void mark(struct read_set *set, uint64_t addr, uint64_t bytes)
{
	size_t left = leaf_at(set, addr), right = leaf_at(set, addr + bytes);

	for (; left < right; left /= 2, right /= 2) {
		if (left & 1)
			mark_node(set, left++);
		if (right & 1)
			mark_node(set, --right);
	}
}

static bool is_inside_whole(const struct read_set *set, size_t node)
{
	while (node && !set->whole[node])
		node /= 2;
	return node;
}

static bool is_read(const struct read_set *set, uint64_t addr, uint64_t bytes)
{
	size_t left = leaf_at(set, addr), right = leaf_at(set, addr + bytes);

	/* A whole node above one within the range is above an end of the range as well. */
	if (is_inside_whole(set, left) || is_inside_whole(set, right - 1))
		return true;
	for (; left < right; left /= 2, right /= 2)
		if ((left & 1 && set->some[left++]) || (right & 1 && set->some[--right]))
			return true;
	return false;
}

/* The command's own operands are apart from its result: the core has checked that. */
static bool is_free_of_conflicts(struct read_set *set, const struct bitnpu_checked_cmd *cmds,
				 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct bitnpu_matmul *mm = &cmds[i].mm;

		if (cmds[i].opcode != BITNPU_OP_MATMUL)
			continue;
		if (is_read(set, mm->y_addr, mm->y_bytes))
			return false;
		mark(set, mm->x_addr, mm->x_bytes);
		mark(set, mm->w_addr, mm->w_bytes);
		mark(set, mm->s_addr, mm->s_bytes);
	}
	return true;
}

int bitnpu_accel_is_restartable(const struct bitnpu_checked_cmd *cmds, size_t count)
{
	struct read_set set = {
		.points = calloc(count * ENDS, sizeof(uint64_t)),
		.whole = calloc(count * ENDS, 2 * sizeof(bool)),
		.some = calloc(count * ENDS, 2 * sizeof(bool)),
	};
	int ret = -ENOMEM;

	if (set.points && set.whole && set.some) {
		collect_points(&set, cmds, count);
		ret = is_free_of_conflicts(&set, cmds, count);
	}
	free(set.some);
	free(set.whole);
	free(set.points);
	return ret;
}
