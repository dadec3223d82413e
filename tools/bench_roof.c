// SPDX-License-Identifier: MIT
/* Read bandwidth of main memory: threads stream through parts of a buffer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "libbitnpu/error.h"

#define SMALLEST_BUFFER ((uint64_t)256 << 20)
#define UNKNOWN_CACHE ((uint64_t)32 << 20)

/* As wide as the widest loads that the loop below is compiled for. */
typedef uint64_t vector __attribute__((vector_size(64), may_alias));
#define UNROLL 4
#define LANES (sizeof(vector) / sizeof(uint64_t))
/* Found by trial: hardware prefetchers alone leave some of the bandwidth. */
#define PREFETCH_BYTES 1024

/* What a thread takes at once; a thread that loses its processor leaves the rest to others. */
#define PART_BYTES ((uint64_t)256 << 10)

/* A sample lasts at least this long, so that waking the threads does not show in it. */
#define SHORTEST_SAMPLE_S 0.02
#define MOST_PASSES 64

typedef uint64_t read_fn(const void *data, size_t bytes);

struct bitnpu_roof {
	unsigned char *buffer;
	uint64_t bytes;
	struct bitnpu_pool *pool;
	read_fn *read;
	uint32_t parts;
	unsigned int passes;
};

uint64_t bitnpu_cache_bytes(void)
{
	long level3 = sysconf(_SC_LEVEL3_CACHE_SIZE), level2 = sysconf(_SC_LEVEL2_CACHE_SIZE);

	return level3 > 0 ? level3 : level2 > 0 ? level2 : UNKNOWN_CACHE;
}

/* The baseline's loads are too narrow on some processors to keep up with memory. */
static inline __attribute__((always_inline)) uint64_t read_vectors(const void *data, size_t bytes)
{
	const vector *in = data;
	vector sum[UNROLL] = { 0 };
	uint64_t total = 0;

	for (size_t i = 0; i + UNROLL <= bytes / sizeof(vector); i += UNROLL) {
		for (unsigned int j = 0; j < UNROLL; j++) {
			__builtin_prefetch((const char *)&in[i + j] + PREFETCH_BYTES, 0, 0);
			sum[j] += in[i + j];
		}
	}
	for (unsigned int j = 0; j < UNROLL * LANES; j++)
		total += sum[j / LANES][j % LANES];
	return total;
}

static uint64_t read_baseline(const void *data, size_t bytes)
{
	return read_vectors(data, bytes);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t read_avx2(const void *data, size_t bytes)
{
	return read_vectors(data, bytes);
}

__attribute__((target("avx512f"))) static uint64_t read_avx512(const void *data, size_t bytes)
{
	return read_vectors(data, bytes);
}
#endif

static read_fn *choose_read(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512f"))
		return read_avx512;
	if (__builtin_cpu_supports("avx2"))
		return read_avx2;
#endif
	return read_baseline;
}

static void read_part(void *user, uint32_t index, unsigned int thread)
{
	const struct bitnpu_roof *roof = user;
	uint64_t at = index % roof->parts * PART_BYTES;
	uint64_t left = roof->bytes - at;
	uint64_t sum = roof->read(roof->buffer + at, left < PART_BYTES ? left : PART_BYTES);

	/* a use that the compiler cannot see through, so that the reads are made */
	__asm__ volatile("" : : "r"(sum));
}

double bitnpu_roof_measure(struct bitnpu_roof *roof)
{
	double begin = bitnpu_bench_seconds();

	bitnpu_pool_run(roof->pool, roof->parts * roof->passes, read_part, roof);
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

/* How often to read the buffer in a sample. */
static void choose_passes(struct bitnpu_roof *roof)
{
	double speed, passes;

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

int bitnpu_roof_create(uint64_t bytes, struct bitnpu_pool *pool, struct bitnpu_roof **roof,
		       struct bitnpu_error *err)
{
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
	new->parts = (new->bytes + PART_BYTES - 1) / PART_BYTES;
	new->pool = pool;
	new->read = choose_read();
	failed = map_buffer(new, err);
	if (failed) {
		free(new);
		return failed;
	}
	choose_passes(new);
	*roof = new;
	return 0;
}

void bitnpu_roof_destroy(struct bitnpu_roof *roof)
{
	if (!roof)
		return;
	munmap(roof->buffer, roof->bytes);
	free(roof);
}

uint64_t bitnpu_roof_bytes(const struct bitnpu_roof *roof)
{
	return roof->bytes;
}
