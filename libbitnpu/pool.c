// SPDX-License-Identifier: MIT
/*
 * Worker threads.  Each has a share of a loop's passes, a range: the thread takes them from the
 * first on, so that it reads memory that is one after the other, and who has done his own takes the
 * last of another's.  Taking one is a compare and swap, and whoever succeeds owns a pass of the loop
 * that is running, whatever it saw before.
 */
#include <errno.h>
#include <fenv.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bitnpu.h"
#include "clock.h"
#include "error.h"
#include "pool.h"

/* How long an idle worker spins: longer than the serial work between two loops of a step. */
#define SPIN_NS		20000
#define SPINS_PER_LOOK	64
#define CACHE_LINE	64

/**
 * struct worker - a thread
 * @share: passes that nobody has taken: the first, and above 32 bits the one after the last
 * @pool: of which
 * @number: 0 is whoever runs a loop
 * @thread: itself, but for number 0
 */
struct worker {
	uint64_t share __attribute__((aligned(CACHE_LINE)));
	struct bitnpu_pool *pool;
	unsigned int number;
	pthread_t thread;
};

/**
 * struct bitnpu_pool - the threads and the loop they work on
 * @pass: of the loop
 * @arg: handed to it
 * @done: passes that have returned
 * @epoch: counts loops, where workers sleep
 * @sleepers: workers that sleep or are about to
 * @stop: the threads are to end
 * @busy: held while a loop runs
 * @refs: references; of the process's pool, under its lock
 * @worker_count: threads that were started
 * @places: of @workers
 * @workers: these and number 0; what is not running has no share
 */
struct bitnpu_pool {
	bitnpu_pass_fn *pass;
	void *arg;
	uint32_t done __attribute__((aligned(CACHE_LINE)));
	uint32_t epoch __attribute__((aligned(CACHE_LINE)));
	uint32_t sleepers;
	bool stop;
	pthread_mutex_t busy;
	unsigned int refs;
	unsigned int worker_count, places;
	struct worker workers[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct bitnpu_pool *the_pool;
static unsigned int wanted_threads;

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

static void futex(uint32_t *word, int op, uint32_t value)
{
	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Take the first pass of a share, or the last; Return: whether there was one. */
static bool take(uint64_t *share, bool first, uint32_t *index)
{
	uint64_t seen = __atomic_load_n(share, __ATOMIC_ACQUIRE), less;

	do {
		const uint32_t begin = (uint32_t)seen, end = seen >> 32;

		if (begin == end)
			return false;
		*index = first ? begin : end - 1;
		less = first ? seen + 1 : seen - (UINT64_C(1) << 32);
	} while (!__atomic_compare_exchange_n(share, &seen, less, true, __ATOMIC_ACQUIRE,
					      __ATOMIC_ACQUIRE));
	return true;
}

static bool take_any(struct bitnpu_pool *pool, unsigned int thread, uint32_t *index)
{
	for (unsigned int i = 0; i < pool->places; i++)
		if (take(&pool->workers[(thread + i) % pool->places].share, i == 0, index))
			return true;
	return false;
}

/* Run passes until none is left. */
static void work(struct bitnpu_pool *pool, unsigned int thread)
{
	uint32_t index;

	while (take_any(pool, thread, &index)) {
		pool->pass(pool->arg, index, thread);
		__atomic_add_fetch(&pool->done, 1, __ATOMIC_RELEASE);
	}
}

/* Spin until there may be work since @epoch; Return: whether there is not. */
static bool spin(const struct bitnpu_pool *pool, uint32_t epoch)
{
	uint64_t begin = bitnpu_now_ns();

	do {
		for (int i = 0; i < SPINS_PER_LOOK; i++) {
			if (__atomic_load_n(&pool->epoch, __ATOMIC_RELAXED) != epoch)
				return false;
			relax();
		}
	} while (bitnpu_now_ns() - begin < SPIN_NS);
	return true;
}

/*
 * The epoch is read before the last look for work.  A loop that begins after the look changes it, and
 * reads the number of sleepers after that: either it sees this one or the futex sees the change.
 */
static void *run_worker(void *arg)
{
	struct worker *worker = arg;
	struct bitnpu_pool *pool = worker->pool;

	fesetenv(FE_DFL_ENV);
	while (!__atomic_load_n(&pool->stop, __ATOMIC_ACQUIRE)) {
		uint32_t epoch = __atomic_load_n(&pool->epoch, __ATOMIC_SEQ_CST);

		work(pool, worker->number);
		if (!spin(pool, epoch))
			continue;
		__atomic_add_fetch(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
		futex(&pool->epoch, FUTEX_WAIT, epoch);
		__atomic_sub_fetch(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void wake(struct bitnpu_pool *pool)
{
	__atomic_add_fetch(&pool->epoch, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&pool->sleepers, __ATOMIC_SEQ_CST))
		futex(&pool->epoch, FUTEX_WAKE, INT_MAX);
}

static struct bitnpu_pool *create(unsigned int threads)
{
	struct bitnpu_pool *pool =
		aligned_alloc(CACHE_LINE, sizeof(*pool) + threads * sizeof(pool->workers[0]));

	if (!pool)
		return NULL;
	*pool = (struct bitnpu_pool){ .busy = PTHREAD_MUTEX_INITIALIZER, .places = threads };
	for (unsigned int i = 0; i < threads; i++)
		pool->workers[i] = (struct worker){ .pool = pool, .number = i };
	while (pool->worker_count < threads - 1) {
		struct worker *worker = &pool->workers[pool->worker_count + 1];

		if (pthread_create(&worker->thread, NULL, run_worker, worker))
			break;
		pool->worker_count++;
	}
	return pool;
}

static void destroy(struct bitnpu_pool *pool)
{
	__atomic_store_n(&pool->stop, true, __ATOMIC_RELEASE);
	wake(pool);
	while (pool->worker_count)
		pthread_join(pool->workers[pool->worker_count--].thread, NULL);
	free(pool);
}

static unsigned int usable_processors(void)
{
	cpu_set_t set;
	long online;

	if (!sched_getaffinity(0, sizeof(set), &set))
		return CPU_COUNT(&set);
	online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? online : 1;
}

unsigned int bitnpu_pool_default_threads(void)
{
	unsigned int wanted = __atomic_load_n(&wanted_threads, __ATOMIC_RELAXED);
	unsigned int threads = wanted ? wanted : usable_processors();

	return threads < BITNPU_MAX_THREADS ? threads : BITNPU_MAX_THREADS;
}

int bitnpu_set_threads(unsigned int threads, struct bitnpu_error *err)
{
	int ret = 0;

	if (threads > BITNPU_MAX_THREADS)
		return bitnpu_fail(err, -EINVAL, "threads %u: at most %u are supported", threads,
				   BITNPU_MAX_THREADS);
	pthread_mutex_lock(&lock);
	if (the_pool)
		ret = bitnpu_fail(err, -EBUSY, "threads %u: a device is open with %u", threads,
				  the_pool->worker_count + 1);
	else
		__atomic_store_n(&wanted_threads, threads, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
	return ret;
}

struct bitnpu_pool *bitnpu_pool_get(void)
{
	struct bitnpu_pool *pool;

	pthread_mutex_lock(&lock);
	if (!the_pool)
		the_pool = create(bitnpu_pool_default_threads());
	pool = the_pool;
	if (pool)
		pool->refs++;
	pthread_mutex_unlock(&lock);
	return pool;
}

void bitnpu_pool_put(struct bitnpu_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&lock);
	if (--pool->refs == 0) {
		destroy(pool);
		the_pool = NULL;
	}
	pthread_mutex_unlock(&lock);
}

unsigned int bitnpu_pool_threads(const struct bitnpu_pool *pool)
{
	return pool->worker_count + 1;
}

static void run_alone(uint32_t count, bitnpu_pass_fn *pass, void *arg)
{
	for (uint32_t i = 0; i < count; i++)
		pass(arg, i, 0);
}

static void share_out(struct bitnpu_pool *pool, uint32_t count)
{
	const uint64_t threads = pool->worker_count + 1;

	for (uint64_t i = 0; i < threads; i++)
		__atomic_store_n(&pool->workers[i].share,
				 count * i / threads | count * (i + 1) / threads << 32,
				 __ATOMIC_SEQ_CST);
}

void bitnpu_pool_run(struct bitnpu_pool *pool, uint32_t count, bitnpu_pass_fn *pass, void *arg)
{
	unsigned int waits = 0;

	if (count < 2 || !pool->worker_count || pthread_mutex_trylock(&pool->busy)) {
		run_alone(count, pass, arg);
		return;
	}
	pool->pass = pass;
	pool->arg = arg;
	__atomic_store_n(&pool->done, 0, __ATOMIC_RELAXED);
	share_out(pool, count);
	wake(pool);
	work(pool, 0);
	while (__atomic_load_n(&pool->done, __ATOMIC_ACQUIRE) != count) {
		/* Whoever is still at a pass may need this processor. */
		if (++waits % SPINS_PER_LOOK)
			relax();
		else
			sched_yield();
	}
	pthread_mutex_unlock(&pool->busy);
}
