// SPDX-License-Identifier: MIT
/* Building images. */
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image.h"

/* Regions begin on multiples of this, with at least as much unmapped between them. */
#define REGION_ALIGN	(1ULL << 20)

void bail_out(const char *fmt, ...)
{
	va_list args;

	printf("Bail out! ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(2);
}

void *need(void *ptr)
{
	if (!ptr)
		bail_out("out of memory");
	return ptr;
}

void image_init(struct image *image, const char *fmt, ...)
{
	va_list args;

	memset(image, 0, sizeof(*image));
	va_start(args, fmt);
	vsnprintf(image->name, sizeof(image->name), fmt, args);
	va_end(args);
}

void image_free(struct image *image)
{
	for (size_t i = 0; i < image->region_count; i++) {
		free(image->regions[i].before);
		free(image->regions[i].after);
	}
	free(image->regions);
	free(image->cmds);
}

uint64_t image_region_add(struct image *image, uint64_t bytes, uint32_t flags,
			  struct test_random *random)
{
	struct image_region *region;
	uint64_t addr = REGION_ALIGN;

	if (image->region_count) {
		region = &image->regions[image->region_count - 1];
		addr = (region->addr + region->bytes) / REGION_ALIGN * REGION_ALIGN +
		       2 * REGION_ALIGN;
	}
	image->regions = need(realloc(image->regions,
				      (image->region_count + 1) * sizeof(*region)));
	region = &image->regions[image->region_count++];
	region->addr = addr;
	region->bytes = bytes;
	region->flags = flags;
	region->before = need(malloc(bytes));
	region->after = need(malloc(bytes));
	test_random_bytes(random, region->before, bytes);
	memcpy(region->after, region->before, bytes);
	return addr;
}

struct image_region *image_region_at(const struct image *image, uint64_t addr)
{
	for (size_t i = 0; i < image->region_count; i++)
		if (addr - image->regions[i].addr <= image->regions[i].bytes)
			return &image->regions[i];
	return NULL;
}

void image_command(struct image *image, const void *cmd)
{
	image->cmds = need(realloc(image->cmds, image->bytes + BITNPU_CMD_SIZE));
	memcpy(image->cmds + image->bytes, cmd, BITNPU_CMD_SIZE);
	image->bytes += BITNPU_CMD_SIZE;
}

void image_opcode(struct image *image, uint8_t opcode)
{
	const struct bitnpu_cmd cmd = { .opcode = opcode };

	image_command(image, &cmd);
}

static uint64_t align(uint64_t bytes)
{
	return (bytes + BITNPU_ADDR_ALIGN - 1) / BITNPU_ADDR_ALIGN * BITNPU_ADDR_ALIGN;
}

static uint32_t random_stride(uint32_t row, struct test_random *random)
{
	const uint32_t extra[] = { 0, 0, 64, 128, 192, 1024, 4096 };

	return align(row) + extra[test_random_below(random, 7)];
}

void image_place_random(struct image *image, const struct plain_matmul *plain,
			struct test_random *random, struct image_place *place)
{
	uint64_t bytes[4], *addr[4] = { &place->x, &place->w, &place->s, &place->y };

	place->x_stride = random_stride(plain->k, random);
	place->y_stride = random_stride(plain->n * plain_y_size(plain), random);
	bytes[0] = plain_x_bytes(plain, place->x_stride);
	bytes[1] = plain_w_bytes(plain);
	bytes[2] = plain_s_bytes(plain);
	bytes[3] = plain_y_bytes(plain, place->y_stride);
	if (test_random_below(random, 2)) {
		/* One region, the operands in any order with gaps between them. */
		const uint32_t first = test_random_below(random, 4);
		uint64_t total = 0;

		for (uint32_t i = 0; i < 4; i++) {
			total += 64 * test_random_below(random, 4);
			*addr[(first + i) % 4] = total;
			total += align(bytes[(first + i) % 4]);
		}
		total = image_region_add(image, total + 64, 0, random);
		for (uint32_t i = 0; i < 4; i++)
			*addr[i] += total;
	} else {
		for (uint32_t i = 0; i < 4; i++) {
			const uint64_t offset = 64 * test_random_below(random, 80);
			/* What is only read may be read-only. */
			const uint32_t flags = i < 3 ? test_random_below(random, 2) : 0;

			if (bytes[i])
				*addr[i] = offset + image_region_add(image,
								     offset + align(bytes[i]) + 64,
								     flags, random);
		}
	}
	if (!plain->groups)
		place->s = 0;
}

uint8_t *image_memory(const struct image *image, uint64_t addr, bool after)
{
	const struct image_region *region = image_region_at(image, addr);

	return (after ? region->after : region->before) + (addr - region->addr);
}

void image_operands(struct image *image, const struct plain_matmul *plain,
		    const struct image_place *place)
{
	for (int after = 0; after < 2; after++) {
		plain_pack_x(plain, image_memory(image, place->x, after), place->x_stride);
		plain_pack_w(plain, image_memory(image, place->w, after));
		if (plain->groups)
			plain_pack_s(plain, image_memory(image, place->s, after));
	}
}

void image_take_x(const struct image *image, struct plain_matmul *plain,
		  const struct image_place *place)
{
	const uint8_t *x = image_memory(image, place->x, true);

	for (uint32_t m = 0; m < plain->m; m++)
		memcpy(plain->x + (size_t)m * plain->k, x + (size_t)m * place->x_stride, plain->k);
}

void image_matmul(struct image *image, const struct plain_matmul *plain,
		  const struct image_place *place)
{
	struct bitnpu_cmd_matmul cmd;

	plain_command(plain, place->x_stride, place->y_stride, &cmd);
	cmd.x_addr = htole64(place->x);
	cmd.w_addr = htole64(place->w);
	cmd.s_addr = htole64(place->s);
	cmd.y_addr = htole64(place->y);
	image_command(image, &cmd);
	plain_pack_y(plain, image_memory(image, place->y, true), place->y_stride);
}

void image_simple(struct image *image, const struct plain_matmul *plain,
		  struct test_random *random)
{
	struct image_place place = { 0 };

	image_place_random(image, plain, random, &place);
	image_operands(image, plain, &place);
	image_matmul(image, plain, &place);
}

static uint8_t *memory_after(void *image, uint64_t addr)
{
	return image_memory(image, addr, true);
}

void image_float(struct image *image, const void *cmd)
{
	image_command(image, cmd);
	plain_float_run(cmd, memory_after, image);
}

void image_shape(struct plain_matmul *plain, uint8_t weight_format, uint8_t output_format,
		 uint8_t group_shift, uint32_t m, uint32_t n, uint32_t k,
		 struct test_random *random)
{
	if (!plain_matmul_alloc(plain, weight_format, output_format, group_shift, m, n, k))
		bail_out("out of memory");
	plain_matmul_random(plain, random);
}
