// SPDX-License-Identifier: MIT
#include <math.h>
#include <stddef.h>
#include <time.h>

#include "bench.h"
#include "bench_peak.h"

/* Long enough to compare instructions by. */
#define SHORTEST_TRIAL_S 0.001
/* Of each thread, in a sample: a thread that loses its processor leaves its passes to others. */
#define PASSES 100
#define PASS_S 0.0002

#if !defined(__x86_64__) && !defined(__aarch64__)
const struct bitnpu_peak_kernel bitnpu_peak_kernels[] = { { 0 } };
#endif

/* Of the processor, not of the clock on the wall: neighbours must not choose the instruction. */
static double thread_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

/* Rounds a second on this thread. */
static double try_kernel(const struct bitnpu_peak_kernel *kernel)
{
	double begin, seconds;
	uint64_t rounds = 1;

	do {
		rounds *= 2;
		begin = thread_seconds();
		kernel->run(rounds);
		seconds = thread_seconds() - begin;
	} while (seconds < SHORTEST_TRIAL_S);
	return rounds / seconds;
}

void bitnpu_peak_init(struct bitnpu_peak *peak, struct bitnpu_pool *pool)
{
	double best = 0;

	*peak = (struct bitnpu_peak){ .pool = pool };
	for (const struct bitnpu_peak_kernel *k = bitnpu_peak_kernels; k->name; k++) {
		double speed = k->usable() ? try_kernel(k) : 0;

		if (speed * k->operations <= best)
			continue;
		best = speed * k->operations;
		peak->kernel = k;
		peak->rounds = 1 + (uint64_t)(speed * PASS_S);
	}
}

static void run_kernel(void *user, uint32_t index, unsigned int thread)
{
	const struct bitnpu_peak *peak = user;

	peak->kernel->run(peak->rounds);
}

double bitnpu_peak_measure(struct bitnpu_peak *peak)
{
	uint32_t passes = PASSES * bitnpu_pool_threads(peak->pool);
	double begin;

	if (!peak->kernel)
		return NAN;
	begin = bitnpu_bench_seconds();
	bitnpu_pool_run(peak->pool, passes, run_kernel, peak);
	return peak->kernel->operations * peak->rounds * passes / (bitnpu_bench_seconds() - begin);
}

const char *bitnpu_peak_name(const struct bitnpu_peak *peak)
{
	return peak->kernel ? peak->kernel->name : NULL;
}
