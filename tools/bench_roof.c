// SPDX-License-Identifier: MIT
/* Read bandwidth of main memory: every CPU streams through its part of a buffer. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "libbitnpu/error.h"

#define SMALLEST_BUFFER ((uint64_t)256 << 20)
#define UNKNOWN_CACHE ((uint64_t)32 << 20)

/* Wide enough that the loop below is bound by memory, whatever the compiler makes of it. */
typedef uint64_t vector __attribute__((vector_size(32), may_alias));
#define UNROLL 8

/* A sample lasts at least this long, so that starting the threads does not show in it. */
#define SHORTEST_SAMPLE_S 0.02
#define MOST_PASSES 64

struct worker {
	pthread_t thread;
	const vector *begin;
	size_t count;
	unsigned int passes;
	bool started;
	volatile uint64_t sum;		/* read by nobody, so that the reads are made */
};

struct bitnpu_roof {
	unsigned char *buffer;
	uint64_t bytes;
	unsigned int threads, passes;
	struct worker *workers;
};

uint64_t bitnpu_cache_bytes(void)
{
	long level3 = sysconf(_SC_LEVEL3_CACHE_SIZE), level2 = sysconf(_SC_LEVEL2_CACHE_SIZE);

	return level3 > 0 ? level3 : level2 > 0 ? level2 : UNKNOWN_CACHE;
}

static uint64_t read_all(const vector *data, size_t count)
{
	vector sum[UNROLL] = { 0 };

	for (size_t i = 0; i + UNROLL <= count; i += UNROLL)
		for (unsigned int j = 0; j < UNROLL; j++)
			sum[j] += data[i + j];
	for (unsigned int j = 1; j < UNROLL; j++)
		sum[0] += sum[j];
	return sum[0][0] + sum[0][1] + sum[0][2] + sum[0][3];
}

static void *work(void *user)
{
	struct worker *worker = user;

	for (unsigned int i = 0; i < worker->passes; i++)
		worker->sum += read_all(worker->begin, worker->count);
	return NULL;
}

/* The share of a thread that cannot be started is read by this one. */
static void read_buffer(struct bitnpu_roof *roof)
{
	for (unsigned int i = 1; i < roof->threads; i++) {
		struct worker *worker = &roof->workers[i];

		worker->passes = roof->passes;
		worker->started = !pthread_create(&worker->thread, NULL, work, worker);
	}
	roof->workers[0].passes = roof->passes;
	work(&roof->workers[0]);
	for (unsigned int i = 1; i < roof->threads; i++) {
		if (roof->workers[i].started)
			pthread_join(roof->workers[i].thread, NULL);
		else
			work(&roof->workers[i]);
	}
}

double bitnpu_roof_measure(struct bitnpu_roof *roof)
{
	double begin = bitnpu_bench_seconds();

	read_buffer(roof);
	return (double)roof->bytes * roof->passes / (bitnpu_bench_seconds() - begin);
}

/* A buffer of memory that is really there. */
static int map_buffer(struct bitnpu_roof *roof, struct bitnpu_error *err)
{
	void *map = mmap(NULL, roof->bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED) {
		bitnpu_fail(err, -ENOMEM, "--roof-buffer: no memory for %llu bytes",
			    (unsigned long long)roof->bytes);
		return -ENOMEM;
	}
	roof->buffer = map;
	madvise(map, roof->bytes, MADV_HUGEPAGE);
	memset(map, 1, roof->bytes);
	return 0;
}

/* Cut the buffer into shares and find out how often to read it. */
static void plan(struct bitnpu_roof *roof)
{
	size_t share = roof->bytes / sizeof(vector) / roof->threads;
	double speed, passes;

	for (unsigned int i = 0; i < roof->threads; i++) {
		roof->workers[i].begin = (const vector *)roof->buffer + i * share;
		roof->workers[i].count = share;
	}
	roof->passes = 1;
	speed = bitnpu_roof_measure(roof);
	passes = SHORTEST_SAMPLE_S * speed / roof->bytes;
	roof->passes = passes < MOST_PASSES ? 1 + (unsigned int)passes : MOST_PASSES;
}

static uint64_t memory_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

/* Twice the largest cache: a stream through it evicts every line before it comes back to it. */
static uint64_t default_bytes(void)
{
	uint64_t bytes = 2 * bitnpu_cache_bytes();

	if (bytes < SMALLEST_BUFFER)
		bytes = SMALLEST_BUFFER;
	return bytes < memory_bytes() / 4 ? bytes : memory_bytes() / 4;
}

int bitnpu_roof_create(uint64_t bytes, struct bitnpu_roof **roof, struct bitnpu_error *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct bitnpu_roof *new;
	int failed;

	/* a kernel that overcommits would give it, and then kill somebody */
	if (bytes > memory_bytes() / 2)
		return bitnpu_fail(err, -ENOMEM,
				   "--roof-buffer: %llu bytes is over half of the memory, %llu",
				   (unsigned long long)bytes, (unsigned long long)memory_bytes());
	new = calloc(1, sizeof(*new));
	if (!new)
		return bitnpu_fail(err, -ENOMEM, "out of memory");
	new->bytes = bytes ? bytes : default_bytes();
	new->threads = cpus > 0 ? cpus : 1;
	new->workers = calloc(new->threads, sizeof(*new->workers));
	if (!new->workers) {
		failed = bitnpu_fail(err, -ENOMEM, "out of memory");
		goto free_roof;
	}
	failed = map_buffer(new, err);
	if (failed)
		goto free_workers;
	plan(new);
	*roof = new;
	return 0;
free_workers:
	free(new->workers);
free_roof:
	free(new);
	return failed;
}

void bitnpu_roof_destroy(struct bitnpu_roof *roof)
{
	if (!roof)
		return;
	munmap(roof->buffer, roof->bytes);
	free(roof->workers);
	free(roof);
}

uint64_t bitnpu_roof_bytes(const struct bitnpu_roof *roof)
{
	return roof->bytes;
}

unsigned int bitnpu_roof_threads(const struct bitnpu_roof *roof)
{
	return roof->threads;
}
