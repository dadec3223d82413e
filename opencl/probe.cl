// SPDX-License-Identifier: MIT
/*
 * Tries instructions.cl: result[i] is a product of four bytes and, with TRY_SHUFFLE, result[GROUP + i] is
 * the sum over the work-items of a subgroup that are 4 apart, as dots.cl adds them up, of their numbers
 * within the group; result[2 * GROUP] is the size of a subgroup.
 */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void probe(__global const uint *a, __global const uint *b, __global int *result)
{
	const uint item = get_local_id(0);

	result[item] = dot4(a[item], b[item], (int)item);
#ifdef TRY_SHUFFLE
	{
		ulong sum = item;

		for (uint mask = 4; mask < subgroup_size(); mask *= 2)
			sum += exchange(sum, mask, 0);
		result[GROUP + item] = (int)sum;
		if (!item)
			result[2 * GROUP] = subgroup_size();
	}
#endif
}
