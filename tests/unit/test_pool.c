// SPDX-License-Identifier: MIT
/* The worker threads: every pass runs once, whoever calls, whatever ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libbitnpu/bitnpu.h"
#include "libbitnpu/pool.h"

#define MOST 5000

/* How often each pass ran, and the sum of a little work, so that passes overlap. */
struct loop {
	uint32_t runs[MOST];
	uint64_t sum;
	int rounding, clashes;
	unsigned int threads;
	uint8_t busy[16];
};

static void count_pass(void *arg, uint32_t index, unsigned int thread)
{
	struct loop *loop = arg;
	uint64_t work = index;

	if (thread >= loop->threads || __atomic_exchange_n(&loop->busy[thread], 1, __ATOMIC_RELAXED))
		__atomic_store_n(&loop->clashes, 1, __ATOMIC_RELAXED);

	for (int i = 0; i < 50; i++)
		work = work * 6364136223846793005u + 1;
	__atomic_add_fetch(&loop->runs[index], 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&loop->sum, work, __ATOMIC_RELAXED);
	if (fegetround() != FE_TONEAREST)
		__atomic_store_n(&loop->rounding, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&loop->busy[thread % 16], 0, __ATOMIC_RELAXED);
}

static int check_loop(struct bitnpu_pool *pool, uint32_t count)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int wrong = 0;

	loop->threads = bitnpu_pool_threads(pool);
	bitnpu_pool_run(pool, count, count_pass, loop);
	for (uint32_t i = 0; i < MOST; i++)
		wrong += loop->runs[i] != (i < count);
	wrong += loop->rounding + loop->clashes;
	free(loop);
	return wrong;
}

static void test_every_pass_once(void **state)
{
	static const uint32_t counts[] = { 0, 1, 2, 3, 7, 64, 1000, MOST };

	for (unsigned int threads = 1; threads <= 9; threads += 4) {
		struct bitnpu_pool *pool;

		assert_int_equal(bitnpu_set_threads(threads, NULL), 0);
		assert_int_equal(bitnpu_pool_default_threads(), threads);
		pool = bitnpu_pool_get();
		assert_non_null(pool);
		assert_int_equal(bitnpu_pool_threads(pool), threads);
		for (int round = 0; round < 50; round++)
			for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
				assert_int_equal(check_loop(pool, counts[i]), 0);
		bitnpu_pool_put(pool);
	}
	assert_int_equal(bitnpu_set_threads(0, NULL), 0);
}

/* What each of two threads ran, in order. */
struct order {
	uint32_t count[2], index[2][MOST];
};

static void order_pass(void *arg, uint32_t index, unsigned int thread)
{
	struct order *order = arg;

	order->index[thread][order->count[thread]++] = index;
	for (volatile int i = 0; i < 200; i++)
		;
}

/* Memory is read one after the other: a thread's own half from its first on, another's from its last. */
static void test_order(void **state)
{
	const uint32_t half = MOST / 2;
	struct order *order = malloc(sizeof(*order));
	struct bitnpu_pool *pool;

	assert_int_equal(bitnpu_set_threads(2, NULL), 0);
	pool = bitnpu_pool_get();
	for (int round = 0; round < 50; round++) {
		memset(order->count, 0, sizeof(order->count));
		bitnpu_pool_run(pool, MOST, order_pass, order);
		for (uint32_t thread = 0; thread < 2; thread++) {
			uint32_t own = thread * half, other = (2 - thread) * half;

			for (uint32_t i = 0; i < order->count[thread]; i++) {
				uint32_t index = order->index[thread][i];

				assert_int_equal(index, index / half == thread ? own++ : --other);
			}
		}
	}
	bitnpu_pool_put(pool);
	assert_int_equal(bitnpu_set_threads(0, NULL), 0);
	free(order);
}

/* Between loops the workers fall asleep now and then. */
static void test_pauses(void **state)
{
	struct bitnpu_pool *pool;

	bitnpu_set_threads(4, NULL);
	pool = bitnpu_pool_get();
	for (int round = 0; round < 200; round++) {
		assert_int_equal(check_loop(pool, 40), 0);
		usleep(round % 4 * 20);
	}
	bitnpu_pool_put(pool);
	bitnpu_set_threads(0, NULL);
}

static void *caller(void *arg)
{
	struct bitnpu_pool *pool = bitnpu_pool_get();
	intptr_t wrong = 0;

	for (int round = 0; round < 100; round++)
		wrong += check_loop(pool, 100 + round);
	bitnpu_pool_put(pool);
	return (void *)wrong;
}

/* Several threads at once: one has the workers, the others do their loops themselves. */
static void test_callers(void **state)
{
	pthread_t threads[4];

	bitnpu_set_threads(3, NULL);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, caller, NULL), 0);
	for (int i = 0; i < 4; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	bitnpu_set_threads(0, NULL);
}

static void test_set_threads(void **state)
{
	struct bitnpu_pool *pool, *again;
	struct bitnpu_error err;

	assert_int_equal(bitnpu_set_threads(BITNPU_MAX_THREADS + 1, &err), -EINVAL);
	assert_non_null(strstr(err.message, "1025"));
	pool = bitnpu_pool_get();
	again = bitnpu_pool_get();
	assert_ptr_equal(pool, again);
	assert_int_equal(bitnpu_set_threads(2, &err), -EBUSY);
	bitnpu_pool_put(again);
	assert_int_equal(bitnpu_set_threads(2, NULL), -EBUSY);
	bitnpu_pool_put(pool);
	assert_int_equal(bitnpu_set_threads(2, NULL), 0);
	assert_int_equal(bitnpu_set_threads(0, NULL), 0);
	bitnpu_pool_put(NULL);
}

#ifndef __SANITIZE_THREAD__
/* fork() copies no workers: a child works alone. */
static void test_fork(void **state)
{
	struct bitnpu_pool *pool;
	int status;
	pid_t pid;

	bitnpu_set_threads(3, NULL);
	pool = bitnpu_pool_get();
	assert_int_equal(check_loop(pool, 100), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(30);
		_exit(check_loop(pool, 100) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	bitnpu_pool_put(pool);
	bitnpu_set_threads(0, NULL);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_every_pass_once),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_callers),
		cmocka_unit_test(test_set_threads),
#ifndef __SANITIZE_THREAD__
		cmocka_unit_test(test_fork),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
