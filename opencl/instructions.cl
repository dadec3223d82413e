// SPDX-License-Identifier: MIT
/*
 * Instructions that devices have and OpenCL C 1.2 has no name for, each with a way to do without: what
 * a kernel computes with them does not depend on which is used.
 *
 * Build options: one of DOT_KHR (cl_khr_integer_dot_product), DOT_PTX (NVIDIA's compiler, which takes
 * assembly), DOT_ARM (cl_arm_integer_dot_product_accumulate_int8), DOT_AMD (AMD's compiler) or none;
 * one of SHUFFLE_KHR (cl_khr_subgroup_shuffle), SHUFFLE_INTEL (cl_intel_subgroups) or none.  probe.c
 * finds out which work.
 */
#ifdef DOT_ARM
#pragma OPENCL EXTENSION cl_arm_integer_dot_product_accumulate_int8 : enable
#endif
#ifdef SHUFFLE_KHR
#pragma OPENCL EXTENSION cl_khr_subgroups : enable
#pragma OPENCL EXTENSION cl_khr_subgroup_shuffle : enable
#endif
#ifdef SHUFFLE_INTEL
#pragma OPENCL EXTENSION cl_intel_subgroups : enable
#endif

/* sum plus the products of four signed bytes of @a with those of @b. */
INLINE int dot4(uint a, uint b, int sum)
{
#if defined(DOT_KHR)
	return sum + dot_4x8packed_ss_int(a, b);
#elif defined(DOT_PTX)
	int result;

	__asm__("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
	return result;
#elif defined(DOT_ARM)
	return arm_dot_acc(as_char4(a), as_char4(b), sum);
#elif defined(DOT_AMD)
	return __builtin_amdgcn_sdot4((int)a, (int)b, sum, false);
#else
	const char4 p = as_char4(a), q = as_char4(b);

	return sum + p.s0 * q.s0 + p.s1 * q.s1 + p.s2 * q.s2 + p.s3 * q.s3;
#endif
}

/*
 * exchange(value, mask, scratch): the value of the work-item whose number within the subgroup is this
 * one's ^ mask.  Without an extension a subgroup is 16 work-items, and local memory (@scratch, one element
 * for each work-item of the group) takes the place of registers.
 */
#if defined(SHUFFLE_KHR)
#define exchange(value, mask, scratch) sub_group_shuffle_xor(value, mask)
#elif defined(SHUFFLE_INTEL)
#define exchange(value, mask, scratch) intel_sub_group_shuffle_xor(value, mask)
#else
#define EMULATED_SUBGROUP 16
#define exchange(value, mask, scratch) exchange_locally(value, mask, scratch)
#endif

#ifdef EMULATED_SUBGROUP
INLINE ulong exchange_locally(ulong value, uint mask, __local ulong *scratch)
{
	ulong other;

	barrier(CLK_LOCAL_MEM_FENCE);
	scratch[get_local_id(0)] = value;
	barrier(CLK_LOCAL_MEM_FENCE);
	other = scratch[get_local_id(0) ^ mask];
	return other;
}

INLINE uint subgroup_size(void)
{
	return EMULATED_SUBGROUP;
}

INLINE uint subgroup_item(void)
{
	return get_local_id(0) % EMULATED_SUBGROUP;
}

INLINE uint subgroup(void)
{
	return get_local_id(0) / EMULATED_SUBGROUP;
}
#else
INLINE uint subgroup_size(void)
{
	return get_max_sub_group_size();
}

INLINE uint subgroup_item(void)
{
	return get_sub_group_local_id();
}

INLINE uint subgroup(void)
{
	return get_sub_group_id();
}
#endif
