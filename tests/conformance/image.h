/* SPDX-License-Identifier: MIT */
/*
 * Images: a command list, the memory it works on and what the memory holds afterwards.
 *
 * An image knows no device.  Its addresses are its own; a device that chooses addresses itself gets
 * the list with every address moved (run.c).  What runs out of memory here ends the program.
 */
#ifndef CONFORMANCE_IMAGE_H
#define CONFORMANCE_IMAGE_H

#include <stdint.h>

#include "libbitnpu/bitnpu.h"
#include "tests/support/plain_float.h"
#include "tests/support/plain_matmul.h"

/**
 * struct image_region - one mapping
 * @addr: its address in the image
 * @bytes: its size
 * @flags: BITNPU_BO_*
 * @before: contents before the list runs
 * @after: and afterwards; all of it is compared
 */
struct image_region {
	uint64_t addr, bytes;
	uint32_t flags;
	uint8_t *before, *after;
};

/**
 * struct image - a test case
 * @name: for messages
 * @regions: memory, ascending by address
 * @region_count: how many
 * @cmds: the list
 * @bytes: its length, not always a multiple of a command
 * @fault: how creating the list is refused; all zero when it runs
 */
struct image {
	char name[128];
	struct image_region *regions;
	size_t region_count;
	uint8_t *cmds;
	size_t bytes;
	struct bitnpu_fault fault;
};

/**
 * struct image_place - where the operands of a matmul lie
 * @x: address of the activations, likewise @w, @s and @y
 * @x_stride: bytes between rows of x, likewise @y_stride
 */
struct image_place {
	uint64_t x, w, s, y;
	uint32_t x_stride, y_stride;
};

__attribute__((format(printf, 2, 3)))
void image_init(struct image *image, const char *fmt, ...);
void image_free(struct image *image);

/** image_region_add() - a new region of random bytes; Return: its address */
uint64_t image_region_add(struct image *image, uint64_t bytes, uint32_t flags,
			  struct test_random *random);

/** image_region_at() - Return: the region that @addr lies in or that ends there, or NULL */
struct image_region *image_region_at(const struct image *image, uint64_t addr);

/** image_memory() - Return: where the contents of @addr, which lies in a region, are */
uint8_t *image_memory(const struct image *image, uint64_t addr, bool after);

/** image_command() - append a command */
void image_command(struct image *image, const void *cmd);
/** image_opcode() - append a command that is nothing but an opcode */
void image_opcode(struct image *image, uint8_t opcode);

/**
 * image_place_random() - regions for a matmul: one for all operands or one each
 * @image: where
 * @plain: the matmul
 * @random: decides
 * @place: the result; strides are a little larger than needed, or much
 */
void image_place_random(struct image *image, const struct plain_matmul *plain,
			struct test_random *random, struct image_place *place);

/** image_operands() - pack x, w and s of @plain into memory */
void image_operands(struct image *image, const struct plain_matmul *plain,
		    const struct image_place *place);
/** image_take_x() - let the activations of @plain be what the memory at @place->x holds by then */
void image_take_x(const struct image *image, struct plain_matmul *plain,
		  const struct image_place *place);
/** image_matmul() - append the command and write its result to what the memory holds afterwards */
void image_matmul(struct image *image, const struct plain_matmul *plain,
		  const struct image_place *place);

/** image_float() - append a float command and write its results to what the memory holds afterwards
 * */
void image_float(struct image *image, const void *cmd);

/** image_simple() - an image of one random matmul */
void image_simple(struct image *image, const struct plain_matmul *plain,
		  struct test_random *random);

/** image_shape() - random matrices of a shape; ends the program without memory */
void image_shape(struct plain_matmul *plain, uint8_t weight_format, uint8_t output_format,
		 uint8_t group_shift, uint32_t m, uint32_t n, uint32_t k,
		 struct test_random *random);

/** bail_out() - end the program: the test bench itself failed */
__attribute__((noreturn, format(printf, 1, 2)))
void bail_out(const char *fmt, ...);
/** need() - Return: @ptr, which is not NULL */
void *need(void *ptr);

#endif /* CONFORMANCE_IMAGE_H */
