// SPDX-License-Identifier: MIT
/* Many commands in a list, barriers, many lists at once, a list many times. */
#include <string.h>

#include "groups.h"

#define LISTS	12

static void add_matmul(struct bench *b, struct image *image)
{
	uint8_t weight_format, output_format, group_shift;
	struct image_place place = { 0 };
	struct plain_matmul plain;

	random_formats(&b->random, &weight_format, &output_format, &group_shift);
	image_shape(&plain, weight_format, output_format, group_shift,
		    1 + test_random_below(&b->random, 10), 1 + test_random_below(&b->random, 70),
		    1 + test_random_below(&b->random, 300), &b->random);
	image_place_random(image, &plain, &b->random, &place);
	image_operands(image, &plain, &place);
	image_matmul(image, &plain, &place);
	plain_matmul_free(&plain);
}

/* Independent commands: no barriers, some barriers that change nothing, NOPs. */
static void fill_list(struct bench *b, struct image *image, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t extra = test_random_below(&b->random, 6);

		if (extra < 2)
			image_opcode(image, extra ? BITNPU_OP_BARRIER : BITNPU_OP_NOP);
		add_matmul(b, image);
	}
}

const char *group_many_commands(struct bench *b, uint32_t unused)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < (b->quick ? 2 : 8) && !wrong; i++) {
		struct image image;

		image_init(&image, "list of independent commands, number %u", i);
		fill_list(b, &image, b->quick ? 20 : 60);
		wrong = bench_image(b, &image);
	}
	return wrong;
}

/* Each command's activations are the bytes that the command before it wrote. */
static void add_chain(struct bench *b, struct image *image, uint32_t length)
{
	struct image_place place = { 0 };
	struct plain_matmul plain;
	uint8_t weight_format, output_format, group_shift;
	uint32_t m = 1 + test_random_below(&b->random, 6), k = 64;
	uint32_t y_stride = 0;
	uint64_t y = 0;

	for (uint32_t i = 0; i < length; i++) {
		random_formats(&b->random, &weight_format, &output_format, &group_shift);
		image_shape(&plain, weight_format, output_format, group_shift, m,
			    16 * (1 + test_random_below(&b->random, 4)), k, &b->random);
		image_place_random(image, &plain, &b->random, &place);
		image_operands(image, &plain, &place);
		if (i > 0) {
			image_opcode(image, BITNPU_OP_BARRIER);
			place.x = y;
			place.x_stride = y_stride;
			image_take_x(image, &plain, &place);
		}
		image_matmul(image, &plain, &place);
		y = place.y;
		y_stride = place.y_stride;
		k = plain.n * plain_y_size(&plain);
		plain_matmul_free(&plain);
	}
}

/* Both commands write the same rows: with the barrier the second one wins. */
static void add_rewrite(struct bench *b, struct image *image)
{
	struct image_place place = { 0 };
	struct plain_matmul plain;

	image_shape(&plain, BITNPU_W_TERNARY, BITNPU_Y_INT32, 0, 5, 100, 200, &b->random);
	image_place_random(image, &plain, &b->random, &place);
	image_operands(image, &plain, &place);
	image_matmul(image, &plain, &place);
	plain_matmul_free(&plain);
	image_opcode(image, BITNPU_OP_BARRIER);
	image_shape(&plain, BITNPU_W_BINARY, BITNPU_Y_INT64, 6, 3, 40, 100, &b->random);
	place.w = image_region_add(image, plain_w_bytes(&plain), 0, &b->random);
	place.s = image_region_add(image, plain_s_bytes(&plain), 0, &b->random);
	place.x = image_region_add(image, plain_x_bytes(&plain, place.x_stride), 0, &b->random);
	image_operands(image, &plain, &place);
	image_matmul(image, &plain, &place);
	plain_matmul_free(&plain);
}

const char *group_barriers(struct bench *b, uint32_t unused)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < (b->quick ? 4 : 16) && !wrong; i++) {
		struct image image;

		image_init(&image, "list of dependent commands, number %u", i);
		add_chain(b, &image, 2 + test_random_below(&b->random, 12));
		add_rewrite(b, &image);
		wrong = bench_image(b, &image);
	}
	return wrong;
}

struct flight {
	struct image image;
	struct loaded loaded;
	bool is_loaded;
	struct bitnpu_fence *done;
};

static const char *take_off(struct bench *b, struct flight *flights)
{
	struct bitnpu_error err;
	const char *wrong;

	for (uint32_t i = 0; i < LISTS; i++) {
		image_init(&flights[i].image, "list %u of %u in flight", i, LISTS);
		fill_list(b, &flights[i].image, 1 + i % 4);
		flights[i].is_loaded = true;
		wrong = image_load(b->device, &flights[i].image, &flights[i].loaded);
		if (wrong)
			return wrong;
	}
	/* On several queues, some waiting for the list before. */
	for (uint32_t i = 0; i < LISTS; i++) {
		struct bitnpu_fence **before = i ? &flights[i - 1].done : NULL;

		if (bitnpu_queue_submit(b->device->queues[i % RUNNER_QUEUES],
					flights[i].loaded.list, before, i % 2, &flights[i].done,
					&err))
			return complain(b->device, &flights[i].image, "%s", err.message);
	}
	return NULL;
}

static const char *land(struct bench *b, struct flight *flights)
{
	struct bitnpu_error err;
	const char *wrong = NULL;

	for (uint32_t i = LISTS; i-- > 0 && !wrong;) {
		if (bitnpu_fence_wait(flights[i].done, BITNPU_WAIT_FOREVER, &err))
			wrong = complain(b->device, &flights[i].image, "%s", err.message);
		else
			wrong = image_compare(&flights[i].loaded);
	}
	return wrong;
}

const char *group_lists_in_flight(struct bench *b, uint32_t unused)
{
	const char *wrong = NULL;

	for (uint32_t round = 0; round < (b->quick ? 2 : 10) && !wrong; round++) {
		struct flight flights[LISTS];

		memset(flights, 0, sizeof(flights));
		wrong = take_off(b, flights);
		if (!wrong)
			wrong = land(b, flights);
		for (uint32_t i = 0; i < LISTS; i++) {
			bitnpu_fence_destroy(flights[i].done);
			if (flights[i].is_loaded)
				image_unload(&flights[i].loaded);
			image_free(&flights[i].image);
		}
	}
	return wrong;
}

/* One list, many times before anybody waits; with other activations in between. */
const char *group_resubmission(struct bench *b, uint32_t unused)
{
	struct bitnpu_fence *done[20] = { 0 };
	struct bitnpu_error err;
	struct loaded loaded;
	struct image image;
	const char *wrong;

	image_init(&image, "list submitted many times");
	fill_list(b, &image, 5);
	wrong = image_load(b->device, &image, &loaded);
	for (int round = 0; round < 3 && !wrong; round++) {
		for (int i = 0; i < 20 && !wrong; i++)
			if (bitnpu_queue_submit(b->device->queues[0], loaded.list, NULL, 0,
						&done[i], &err))
				wrong = complain(b->device, &image, "%s", err.message);
		for (int i = 0; i < 20 && !wrong; i++)
			if (bitnpu_fence_wait(done[i], BITNPU_WAIT_FOREVER, &err))
				wrong = complain(b->device, &image, "%s", err.message);
		for (int i = 0; i < 20; i++) {
			bitnpu_fence_destroy(done[i]);
			done[i] = NULL;
		}
		if (!wrong)
			wrong = image_compare(&loaded);
	}
	image_unload(&loaded);
	image_free(&image);
	return wrong;
}
