// SPDX-License-Identifier: MIT
/* Scales on 64-bit Arm: a float holds a half exactly, and is converted with 24 bits of fraction. */
#if defined(__aarch64__) && !defined(__ARM_BIG_ENDIAN)
#include <arm_neon.h>

#include "cpu.h"

static void convert(const uint8_t *halves, uint32_t groups, int32_t (*scales)[BITNPU_TILE_ROWS])
{
	for (uint32_t i = 0; i < groups * BITNPU_TILE_ROWS; i += 4, halves += 8) {
		const float16x4_t half = vreinterpret_f16_u8(vld1_u8(halves));

		vst1q_s32(scales[i / BITNPU_TILE_ROWS] + i % BITNPU_TILE_ROWS,
			  vcvtq_n_s32_f32(vcvt_f32_f16(half), 24));
	}
}

const struct bitnpu_cpu_scales bitnpu_cpu_scales_neon = {
	.convert = convert,
	.order = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
};

#endif
