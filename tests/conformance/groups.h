/* SPDX-License-Identifier: MIT */
/* Groups of conformance cases: each is one test of the program. */
#ifndef CONFORMANCE_GROUPS_H
#define CONFORMANCE_GROUPS_H

#include "run.h"

/**
 * struct bench - what a group works with
 * @device: under test
 * @golden: the reference engine; NULL when it is the device under test
 * @random: the group's own random numbers
 * @cases: random cases a group
 * @quick: leave out what takes long
 * @sink: called with every image instead of running it, when not NULL
 * @sink_user: for @sink
 * @images: images seen
 */
struct bench {
	struct runner *device, *golden;
	struct test_random random;
	uint32_t cases;
	bool quick;
	const char *(*sink)(void *user, const struct image *image);
	void *sink_user;
	uint32_t images;
};

/**
 * struct group - a test
 * @name: what it shows
 * @run: returns NULL or what went wrong
 * @param: for @run
 * @needs_device: cannot be written as vectors
 */
struct group {
	const char *name;
	const char *(*run)(struct bench *b, uint32_t param);
	uint32_t param;
	bool needs_device;
};

/** groups - all of them, ended by one without a name */
extern const struct group groups[];

/** bench_image() - run @image on the device under test and on golden, then free it */
const char *bench_image(struct bench *b, struct image *image);

/* values.c: shapes, formats, scales and extreme values of one matmul */
const char *group_edges(struct bench *b, uint32_t formats);
const char *group_random(struct bench *b, uint32_t formats);
const char *group_shifts(struct bench *b, uint32_t weight_format);
const char *group_long(struct bench *b, uint32_t weight_format);
const char *group_extremes(struct bench *b, uint32_t weight_format);
const char *group_special_rows(struct bench *b, uint32_t weight_format);

/* lists.c: many commands, many lists */
const char *group_many_commands(struct bench *b, uint32_t unused);
const char *group_barriers(struct bench *b, uint32_t unused);
const char *group_lists_in_flight(struct bench *b, uint32_t unused);
const char *group_resubmission(struct bench *b, uint32_t unused);

/* refusals.c: lists that must be refused, and how */
const char *group_refusals(struct bench *b, uint32_t unused);
const char *group_mutations(struct bench *b, uint32_t unused);

/* float_values.c: one float command at a time; float_block.c: a block of a model */
const char *group_norm_quantize(struct bench *b, uint32_t unused);
const char *group_scale(struct bench *b, uint32_t input_format);
const char *group_heads(struct bench *b, uint32_t flags);
const char *group_attention(struct bench *b, uint32_t unused);
const char *group_gate(struct bench *b, uint32_t unused);
const char *group_block(struct bench *b, uint32_t unused);
/* float_refusals.c: float commands that must be refused, and how */
const char *group_float_refusals(struct bench *b, uint32_t unused);
/** add_float_commands() - append one of each float command, independent of each other */
void add_float_commands(struct bench *b, struct image *image);

/* vectors.c */
const char *group_vectors(struct bench *b, uint32_t unused);

/** random_formats() - any weight format, output format and group shift */
void random_formats(struct test_random *random, uint8_t *weight_format, uint8_t *output_format,
		    uint8_t *group_shift);

#endif /* CONFORMANCE_GROUPS_H */
