// SPDX-License-Identifier: MIT
/*
 * What a job costs beside its work: on the driver's own interface, against an ioctl that does nothing, and
 * through the library.  All rows are measured in turns, and their medians compared: the speed of a machine
 * changes from minute to minute.
 */
#include <endian.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "driver.h"
#include "libbitnpu/bitnpu.h"
#include "libbitnpu/clock.h"

#define MOST_ROUNDS	99
#define IN_FLIGHT	MOST_IN_FLIGHT

/** struct bench - what the rows work with */
struct bench {
	struct driver driver;
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_queue *queue;
	struct bitnpu_bo *memory;
	struct bitnpu_cmdlist *nothing, *small;
};

static void check(int ret, const struct bitnpu_error *err)
{
	if (!ret)
		return;
	fprintf(stderr, "job-bench: %s\n", err->message);
	exit(1);
}

/* ---- what is measured: @count times each ------------------------------------------------------ */

static void run_nothing(struct bench *b, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		driver_nothing(&b->driver);
}

static void one_by_one(struct bench *b, unsigned int count, int empty)
{
	for (unsigned int i = 0; i < count; i++) {
		driver_submit(&b->driver, 0, 1, empty);
		driver_wait(&b->driver, 0);
	}
}

/* A syncobj is used again when its job has ended: so many are in flight all the time. */
static void many(struct bench *b, unsigned int count, int empty)
{
	for (unsigned int i = 0; i < count + IN_FLIGHT; i++) {
		if (i >= IN_FLIGHT)
			driver_wait(&b->driver, i % IN_FLIGHT);
		if (i < count)
			driver_submit(&b->driver, i % IN_FLIGHT, 1, empty);
	}
}

static void batches(struct bench *b, unsigned int count, int empty)
{
	for (unsigned int i = 0; i < count; i += IN_FLIGHT) {
		driver_submit(&b->driver, 0, IN_FLIGHT, empty);
		driver_wait(&b->driver, IN_FLIGHT - 1);
	}
}

static void run_empty_1(struct bench *b, unsigned int count)
{
	one_by_one(b, count, 1);
}

static void run_empty_32(struct bench *b, unsigned int count)
{
	many(b, count, 1);
}

static void run_small_1(struct bench *b, unsigned int count)
{
	one_by_one(b, count, 0);
}

static void run_small_32(struct bench *b, unsigned int count)
{
	many(b, count, 0);
}

static void run_small_batch(struct bench *b, unsigned int count)
{
	batches(b, count, 0);
}

static void library(struct bench *b, unsigned int count, struct bitnpu_cmdlist *list,
		    unsigned int in_flight)
{
	struct bitnpu_fence *done[IN_FLIGHT];
	struct bitnpu_error err;

	for (unsigned int i = 0; i < count + in_flight; i++) {
		if (i >= in_flight) {
			check(bitnpu_fence_wait(done[i % in_flight], BITNPU_WAIT_FOREVER, &err), &err);
			bitnpu_fence_destroy(done[i % in_flight]);
		}
		if (i < count)
			check(bitnpu_queue_submit(b->queue, list, NULL, 0, &done[i % in_flight], &err),
			      &err);
	}
}

static void run_library_empty(struct bench *b, unsigned int count)
{
	library(b, count, b->nothing, 1);
}

static void run_library_1(struct bench *b, unsigned int count)
{
	library(b, count, b->small, 1);
}

static void run_library_32(struct bench *b, unsigned int count)
{
	library(b, count, b->small, IN_FLIGHT);
}

static const struct row {
	const char *name;
	void (*run)(struct bench *b, unsigned int count);
} rows[] = {
	{ "ioctl that does nothing (QUERY of 0 bytes)", run_nothing },
	{ "empty job, submit to fence", run_empty_1 },
	{ "empty jobs, 32 in flight", run_empty_32 },
	{ "small matmul, submit to fence", run_small_1 },
	{ "small matmuls, 32 in flight", run_small_32 },
	{ "small matmuls, batches of 32", run_small_batch },
	{ "library: empty list, submit to fence", run_library_empty },
	{ "library: small matmul, submit to fence", run_library_1 },
	{ "library: small matmuls, 32 in flight", run_library_32 },
};

#define ROWS	(sizeof(rows) / sizeof(rows[0]))

/* ---- measuring ------------------------------------------------------------------------------ */

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(struct bench *b, unsigned int rounds, unsigned int count)
{
	static double ns[ROWS][MOST_ROUNDS];
	double nothing = 0;

	for (unsigned int round = 0; round < rounds; round++) {
		for (size_t i = 0; i < ROWS; i++) {
			const uint64_t begin = bitnpu_now_ns();

			rows[i].run(b, count);
			ns[i][round] = (double)(bitnpu_now_ns() - begin) / count;
		}
	}
	printf("\n%-46s %9s %9s %9s %9s %8s\n", "", "median us", "least", "most", "a second",
	       "x ioctl");
	for (size_t i = 0; i < ROWS; i++) {
		double median;

		qsort(ns[i], rounds, sizeof(ns[i][0]), ascending);
		median = ns[i][rounds / 2];
		if (i == 0)
			nothing = median;
		printf("%-46s %9.2f %9.2f %9.2f %9.0f %8.1f\n", rows[i].name, median / 1e3,
		       ns[i][0] / 1e3, ns[i][rounds - 1] / 1e3, 1e9 / median, median / nothing);
	}
}

static void measure_cpu(struct bench *b, const struct row *row, unsigned int count)
{
	struct cpu_times before, after;

	cpu_times_get(&before);
	row->run(b, count);
	cpu_times_get(&after);
	printf("%-46s %9.2f %9.2f %9.2f %9.2f %9.2f\n", row->name,
	       (double)(after.user - before.user) / 1e3 / count,
	       (double)(after.system - before.system) / 1e3 / count,
	       (double)(after.interrupt - before.interrupt) / 1e3 / count,
	       (double)(after.workers - before.workers) / 1e3 / count,
	       (double)(after.simulator - before.simulator) / 1e3 / count);
}

static void measure_cpus(struct bench *b, unsigned int count)
{
	printf("\n%-46s %9s %9s %9s %9s %9s\n", "CPU time a job, us", "user", "system", "interrupt",
	       "workers", "simulator");
	for (size_t i = 1; i < ROWS; i++)
		measure_cpu(b, &rows[i], count);
}

/* ---- set up --------------------------------------------------------------------------------- */

static void open_library(struct bench *b, const char *name)
{
	const struct bitnpu_cmd nop = { .opcode = BITNPU_OP_NOP };
	struct bitnpu_cmd_matmul cmd = {
		.opcode = BITNPU_OP_MATMUL,
		.m = htole32(1),
		.n = htole32(16),
		.k = htole32(64),
		.x_stride = htole32(64),
		.y_stride = htole32(64),
	};
	struct bitnpu_error err;

	check(bitnpu_device_open(name, &b->dev, &err), &err);
	check(bitnpu_context_create(b->dev, &b->ctx, &err), &err);
	check(bitnpu_queue_create(b->ctx, &b->queue, &err), &err);
	check(bitnpu_bo_create(b->ctx, 12288, 0, &b->memory, &err), &err);
	cmd.x_addr = htole64(bitnpu_bo_address(b->memory));
	cmd.w_addr = htole64(bitnpu_bo_address(b->memory) + 4096);
	cmd.y_addr = htole64(bitnpu_bo_address(b->memory) + 8192);
	check(bitnpu_cmdlist_create(b->ctx, &nop, sizeof(nop), &b->nothing, &err), &err);
	check(bitnpu_cmdlist_create(b->ctx, &cmd, sizeof(cmd), &b->small, &err), &err);
}

static void close_library(struct bench *b)
{
	bitnpu_cmdlist_destroy(b->nothing);
	bitnpu_cmdlist_destroy(b->small);
	bitnpu_bo_destroy(b->memory);
	bitnpu_queue_destroy(b->queue);
	bitnpu_context_destroy(b->ctx);
	bitnpu_device_close(b->dev);
}

static void usage(FILE *out)
{
	fprintf(out, "usage: job-bench [--device NAME] [--rounds N] [--jobs N]\n\n"
		     "  --device NAME  an accel device (default accel:0)\n"
		     "  --rounds N     measure each row N times, in turns (default 9, at most %d)\n"
		     "  --jobs N       jobs of a row in each round (default 1024, a multiple of %d)\n",
		MOST_ROUNDS, IN_FLIGHT);
}

/* The device's file, from its description. */
static const char *path_of(const struct bench *b)
{
	return strrchr(bitnpu_device_get_info(b->dev)->description, ' ') + 1;
}

static unsigned int parse(const char *text, unsigned int most, unsigned int multiple)
{
	char *end;
	const unsigned long value = strtoul(text, &end, 10);

	if (*end || !value || value > most || value % multiple) {
		usage(stderr);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	unsigned int rounds = 9, jobs = 1024;
	const char *device = "accel:0";
	struct bench b = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'h' || c == '?') {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
		device = c == 'd' ? optarg : device;
		rounds = c == 'r' ? parse(optarg, MOST_ROUNDS, 1) : rounds;
		jobs = c == 'j' ? parse(optarg, 1u << 24, IN_FLIGHT) : jobs;
	}
	open_library(&b, device);
	if (strcmp(bitnpu_device_get_info(b.dev)->engine, "accel")) {
		fprintf(stderr, "job-bench: %s is no accel device\n", device);
		return 1;
	}
	driver_open(&b.driver, path_of(&b));
	printf("%s: %s\n%u rounds of %u jobs\n", bitnpu_device_get_info(b.dev)->description,
	       bitnpu_device_get_info(b.dev)->detail, rounds, jobs);
	measure(&b, rounds, jobs);
	measure_cpus(&b, 8 * jobs);
	driver_close(&b.driver);
	close_library(&b);
	return 0;
}
