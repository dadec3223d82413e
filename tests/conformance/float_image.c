// SPDX-License-Identifier: MIT
#include <endian.h>
#include <string.h>

#include "float_image.h"

static uint32_t random_bits(struct test_random *random)
{
	return (uint32_t)test_random_u64(random);
}

uint32_t random_float(struct test_random *random, enum sort sort)
{
	static const uint32_t special[] = { 0x00000000, 0x80000000, 0x7f800000, 0xff800000,
					    0x7fc00000, 0xffc12345, 0x7f800001, 0x00000001 };
	const uint32_t bits = random_bits(random), sign_and_fraction = bits & 0x807fffff;

	switch (sort) {
	case ANY:
		return bits;
	case SUBNORMAL:
		return sign_and_fraction;
	case ZEROS:
		return bits & 0x80000000;
	case HUGE_VALUES:
		return sign_and_fraction | (190 + random_bits(random) % 65) << 23;
	case SPRINKLED:
		if (random_bits(random) % 8 == 0)
			return special[random_bits(random) % 8];
		/* fall through */
	default:
		return sign_and_fraction | (117 + random_bits(random) % 13) << 23;
	}
}

uint16_t random_half(struct test_random *random, enum sort sort)
{
	const uint32_t bits = random_bits(random);

	if (sort == ANY || (sort == SPRINKLED && bits >> 16 % 8 == 0))
		return bits;
	return (bits & 0x83ff) | (8 + (bits >> 16) % 10) << 10;
}

void set_bytes(struct image *image, uint64_t addr, const void *bytes, size_t size)
{
	memcpy(image_memory(image, addr, false), bytes, size);
	memcpy(image_memory(image, addr, true), bytes, size);
}

uint64_t operand_add(struct bench *b, struct image *image, uint64_t bytes, bool written)
{
	const uint64_t offset = 64 * test_random_below(&b->random, 20);
	const uint32_t flags = written ? 0 : test_random_below(&b->random, 2);

	return offset + image_region_add(image, offset + (bytes + 63) / 64 * 64 + 64, flags,
					 &b->random);
}

uint32_t row_stride(struct bench *b, uint32_t bytes)
{
	const uint32_t extra[] = { 0, 0, 0, 64, 192, 1024 };

	return (bytes + 63) / 64 * 64 + extra[test_random_below(&b->random, 6)];
}

uint64_t operand_floats(struct bench *b, struct image *image, uint32_t m, uint32_t n,
			uint32_t stride, enum sort sort, bool written)
{
	const uint64_t addr = operand_add(b, image, (uint64_t)(m - 1) * stride + 4 * (uint64_t)n,
					  written);

	for (uint32_t row = 0; row < m; row++) {
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t bits = htole32(random_float(&b->random, sort));

			set_bytes(image, addr + (uint64_t)row * stride + 4 * i, &bits,
				  sizeof(bits));
		}
	}
	return addr;
}

uint64_t operand_factors(struct bench *b, struct image *image, uint32_t m, enum sort sort,
			 bool written)
{
	const uint64_t addr = operand_add(b, image, sizeof(struct bitnpu_factor) * (uint64_t)m,
					  written);

	for (uint32_t row = 0; row < m; row++) {
		const uint32_t sum = random_bits(&b->random) >> test_random_below(&b->random, 25);
		const struct bitnpu_factor factor = {
			.scale = htole32(random_float(&b->random, sort)),
			.sum = htole32(test_random_below(&b->random, 2) ? sum : -sum),
		};

		set_bytes(image, addr + row * sizeof(factor), &factor, sizeof(factor));
	}
	return addr;
}

uint64_t operand_halves(struct bench *b, struct image *image, uint64_t count, enum sort sort)
{
	const uint64_t addr = operand_add(b, image, 2 * count, false);

	for (uint64_t i = 0; i < count; i++) {
		const uint16_t bits = htole16(random_half(&b->random, sort));

		set_bytes(image, addr + 2 * i, &bits, sizeof(bits));
	}
	return addr;
}

/* One of 0, the last, the first that is too many, far too many, or any. */
static uint32_t random_position(struct bench *b, uint32_t capacity)
{
	const uint32_t edges[] = { 0, capacity - 1, capacity, UINT32_MAX, 1u << 31, capacity + 1 };
	const uint32_t pick = test_random_below(&b->random, 12);

	return pick < 6 ? edges[pick] : test_random_below(&b->random, capacity);
}

uint64_t operand_tokens(struct bench *b, struct image *image, uint32_t m, uint32_t head_dim,
			uint32_t capacity, bool distinct, enum sort sort)
{
	const uint32_t stride = (64 + 4 * head_dim + 63) / 64 * 64;
	const uint64_t addr = operand_add(b, image, (uint64_t)m * stride, false);
	uint32_t position = random_position(b, capacity);

	for (uint32_t row = 0; row < m; row++) {
		const uint32_t bits = htole32(position);

		set_bytes(image, addr + (uint64_t)row * stride, &bits, sizeof(bits));
		for (uint32_t i = 0; i < head_dim; i++) {
			const uint32_t value = htole32(random_float(&b->random, sort));

			set_bytes(image, addr + (uint64_t)row * stride + 64 + 4 * i, &value,
				  sizeof(value));
		}
		/* Past the last position, and around from the largest number to 0. */
		position = distinct ? position + 1 : random_position(b, capacity);
	}
	return addr;
}
