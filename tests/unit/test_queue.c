// SPDX-License-Identifier: MIT
/* Queues and fences: order, waiting, failure, destruction, many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libbitnpu/core.h"
#include "tests/support/fake_engine.h"

#define MS		1000000LL
#define MAX_ID		1024
#define FAILING_ID	1001	/* job() fails it */
#define GATED_ID	1002	/* job() waits for the gate before it */

/* A device, a context and lists whose first command has m = id, which job() sees. */
struct bench {
	struct fake_engine fake;
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_bo *bo;
	sem_t gate;
	pthread_mutex_t lock;
	uint32_t log[4096];
	size_t logged;
	pthread_t runner;	/* of the last job */
	int running[MAX_ID / 100 + 1], overlaps;
};

static int job(struct fake_engine *fake, uint32_t id, struct bitnpu_error *err)
{
	struct bench *b = fake->user;
	const struct bitnpu_fault fault = { .status = BITNPU_STATUS_DEVICE, .index = 5 };

	/* Ids of one hundred are of one queue: its jobs never overlap. */
	if (__atomic_add_fetch(&b->running[id / 100], 1, __ATOMIC_SEQ_CST) != 1)
		__atomic_add_fetch(&b->overlaps, 1, __ATOMIC_SEQ_CST);
	if (id == GATED_ID)
		while (sem_wait(&b->gate))
			;
	pthread_mutex_lock(&b->lock);
	b->log[b->logged++ % 4096] = id;
	b->runner = pthread_self();
	pthread_mutex_unlock(&b->lock);
	__atomic_sub_fetch(&b->running[id / 100], 1, __ATOMIC_SEQ_CST);
	return id == FAILING_ID ? bitnpu_fail_fault(err, -EIO, &fault) : 0;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	fake_engine_init(&b->fake);
	b->fake.execute = job;
	b->fake.user = b;
	sem_init(&b->gate, 0, 0);
	pthread_mutex_init(&b->lock, NULL);
	b->dev = fake_device_open(&b->fake);
	assert_int_equal(bitnpu_context_create(b->dev, &b->ctx, NULL), 0);
	assert_int_equal(bitnpu_bo_create(b->ctx, 2 * 64 * MAX_ID + 64, 0, &b->bo, NULL), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	bitnpu_bo_destroy(b->bo);
	bitnpu_context_destroy(b->ctx);
	bitnpu_device_close(b->dev);
	assert_int_equal(b->overlaps, 0);
	assert_int_equal(fake_count(&b->fake.bos), 0);
	assert_int_equal(fake_count(&b->fake.prepared), 0);
	assert_int_equal(fake_count(&b->fake.devices), 0);
	sem_destroy(&b->gate);
	pthread_mutex_destroy(&b->lock);
	free(b);
	return 0;
}

static struct bitnpu_cmdlist *list_of(struct bench *b, uint32_t id)
{
	const uint64_t addr = bitnpu_bo_address(b->bo);
	const struct bitnpu_cmd_matmul cmd = {
		.opcode = BITNPU_OP_MATMUL,
		.m = id,
		.n = 1,
		.k = 1,
		.w_addr = addr,
		.x_addr = addr + 64,
		.y_addr = addr + 64 + 64 * MAX_ID,
		.x_stride = 64,
		.y_stride = 64,
	};
	struct bitnpu_cmdlist *list;
	struct bitnpu_error err;

	if (bitnpu_cmdlist_create(b->ctx, &cmd, sizeof(cmd), &list, &err))
		fail_msg("%s", err.message);
	return list;
}

static struct bitnpu_queue *queue_on(struct bench *b)
{
	struct bitnpu_queue *queue;

	assert_int_equal(bitnpu_queue_create(b->ctx, &queue, NULL), 0);
	return queue;
}

/* Submit a list of @id that nothing else refers to; wait for @wait if it is not NULL. */
static struct bitnpu_fence *submit(struct bench *b, struct bitnpu_queue *queue, uint32_t id,
				   struct bitnpu_fence *wait)
{
	struct bitnpu_cmdlist *list = list_of(b, id);
	struct bitnpu_fence *done = NULL;

	assert_int_equal(bitnpu_queue_submit(queue, list, &wait, wait ? 1 : 0, &done, NULL), 0);
	bitnpu_cmdlist_destroy(list);
	assert_non_null(done);
	return done;
}

static void finish(struct bitnpu_fence *fence, int expected)
{
	assert_int_equal(bitnpu_fence_wait(fence, BITNPU_WAIT_FOREVER, NULL), expected);
	assert_int_equal(bitnpu_fence_wait(fence, 0, NULL), expected);
	bitnpu_fence_destroy(fence);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 * MS + t.tv_nsec;
}

static void test_order(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	struct bitnpu_fence *last = NULL;

	for (uint32_t round = 0; round < 10; round++) {
		for (uint32_t id = 101; id < 200; id++) {
			bitnpu_fence_destroy(last);
			last = submit(b, queue, id, NULL);
		}
		/* Now and then the waiter comes while the queue is idle. */
		assert_int_equal(bitnpu_fence_wait(last, BITNPU_WAIT_FOREVER, NULL), 0);
	}
	bitnpu_fence_destroy(last);
	assert_int_equal(b->logged, 990);
	for (size_t i = 0; i < 990; i++)
		assert_int_equal(b->log[i], 101 + i % 99);
	bitnpu_queue_destroy(queue);
}

static void test_runs_unwatched(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	struct bitnpu_cmdlist *list = list_of(b, 5);

	assert_int_equal(bitnpu_queue_submit(queue, list, NULL, 0, NULL, NULL), 0);
	bitnpu_cmdlist_destroy(list);
	for (int i = 0; i < 5000 && fake_count(&b->fake.executed) == 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = MS }, NULL);
	assert_int_equal(fake_count(&b->fake.executed), 1);
	bitnpu_queue_destroy(queue);
}

static void test_timeouts(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	struct bitnpu_fence *fence = submit(b, queue, GATED_ID, NULL);
	struct bitnpu_error err;
	int64_t start;

	assert_int_equal(bitnpu_fence_wait(fence, 0, &err), -ETIME);
	assert_int_equal(err.code, -ETIME);
	assert_int_equal(bitnpu_fence_wait(fence, -1, NULL), -ETIME);
	assert_int_equal(bitnpu_fence_wait(fence, INT64_MIN, NULL), -ETIME);
	start = now_ns();
	assert_int_equal(bitnpu_fence_wait(fence, 20 * MS, NULL), -ETIME);
	assert_true(now_ns() - start >= 20 * MS);
	assert_true(now_ns() - start < 10000 * MS);
	sem_post(&b->gate);
	/* The longest finite time must not overflow to the past. */
	assert_int_equal(bitnpu_fence_wait(fence, INT64_MAX - 1, NULL), 0);
	bitnpu_fence_destroy(fence);
	bitnpu_queue_destroy(queue);
}

static void test_fences_between_devices(void **state)
{
	struct bench *b = *state;
	void *other_state;
	struct bench *other;
	struct bitnpu_queue *first, *second;
	struct bitnpu_fence *gated, *dependent;

	setup(&other_state);
	other = other_state;
	first = queue_on(b);
	second = queue_on(other);
	gated = submit(b, first, GATED_ID, NULL);
	dependent = submit(other, second, 201, gated);
	assert_int_equal(bitnpu_fence_wait(dependent, 20 * MS, NULL), -ETIME);
	assert_int_equal(fake_count(&other->fake.executed), 0);
	sem_post(&b->gate);
	finish(dependent, 0);
	finish(gated, 0);
	assert_int_equal(fake_count(&other->fake.executed), 1);
	bitnpu_queue_destroy(first);
	bitnpu_queue_destroy(second);
	teardown(&other_state);
}

static void test_failure(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *first = queue_on(b), *second = queue_on(b);
	struct bitnpu_fence *failed, *heir, *grandchild, *bystander;
	struct bitnpu_error err, inherited;

	failed = submit(b, first, FAILING_ID, NULL);
	heir = submit(b, second, 201, failed);
	grandchild = submit(b, first, 2, heir);
	bystander = submit(b, first, 3, NULL);
	assert_int_equal(bitnpu_fence_wait(failed, BITNPU_WAIT_FOREVER, &err), -EIO);
	assert_int_equal(err.code, -EIO);
	assert_int_equal(err.fault.status, BITNPU_STATUS_DEVICE);
	assert_int_equal(err.fault.index, 5);
	assert_non_null(strstr(err.message, "command 5"));
	assert_int_equal(bitnpu_fence_wait(grandchild, BITNPU_WAIT_FOREVER, &inherited), -EIO);
	assert_memory_equal(&inherited, &err, sizeof(err));
	finish(failed, -EIO);
	finish(heir, -EIO);
	finish(bystander, 0);
	bitnpu_fence_destroy(grandchild);
	assert_int_equal(b->logged, 2);
	assert_int_equal(b->log[1], 3);
	bitnpu_queue_destroy(first);
	bitnpu_queue_destroy(second);
}

static void *open_gate_later(void *data)
{
	struct bench *b = data;

	nanosleep(&(struct timespec){ .tv_nsec = 20 * MS }, NULL);
	sem_post(&b->gate);
	return NULL;
}

static void test_destroy_with_jobs_queued(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	struct bitnpu_fence *fences[50];
	pthread_t thread;

	fences[0] = submit(b, queue, GATED_ID, NULL);
	for (int i = 1; i < 50; i++)
		fences[i] = submit(b, queue, i == 30 ? FAILING_ID : i, NULL);
	assert_int_equal(pthread_create(&thread, NULL, open_gate_later, b), 0);
	bitnpu_queue_destroy(queue);
	assert_int_equal(fake_count(&b->fake.executed), 50);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(bitnpu_fence_wait(fences[i], 0, NULL), i == 30 ? -EIO : 0);
		bitnpu_fence_destroy(fences[i]);
	}
	pthread_join(thread, NULL);
}

/* Who waits for the second job does not run it while the first one runs. */
static void test_waiting_keeps_the_order(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	struct bitnpu_fence *first = submit(b, queue, GATED_ID, NULL), *second;
	pthread_t thread;

	for (int i = 0; i < 5000 && fake_count(&b->fake.executed) == 0; i++)
		nanosleep(&(struct timespec){ .tv_nsec = MS }, NULL);
	second = submit(b, queue, GATED_ID + 1, NULL);
	assert_int_equal(pthread_create(&thread, NULL, open_gate_later, b), 0);
	finish(second, 0);
	assert_int_equal(bitnpu_fence_wait(first, 0, NULL), 0);
	assert_int_equal(b->log[0], GATED_ID);
	assert_int_equal(b->log[1], GATED_ID + 1);
	bitnpu_fence_destroy(first);
	pthread_join(thread, NULL);
	bitnpu_queue_destroy(queue);
}

/* So many that a queue's thread which is woken gets to one before the caller does. */
#define RUNS 20000

static int run_list(struct bench *b, struct bitnpu_queue *queue, uint32_t id,
		    struct bitnpu_error *err)
{
	struct bitnpu_cmdlist *list = list_of(b, id);
	int ret = bitnpu_queue_run(queue, list, err);

	bitnpu_cmdlist_destroy(list);
	return ret;
}

/* An idle queue's job runs on the thread that asks for it, every time. */
static void test_run_here(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	struct bitnpu_cmdlist *list = list_of(b, 5);
	struct bitnpu_error err;

	for (size_t i = 0; i < RUNS; i++) {
		assert_int_equal(bitnpu_queue_run(queue, list, NULL), 0);
		assert_true(pthread_equal(b->runner, pthread_self()));
		assert_int_equal(b->logged, i + 1);
	}
	bitnpu_cmdlist_destroy(list);
	assert_int_equal(run_list(b, queue, FAILING_ID, &err), -EIO);
	assert_int_equal(err.fault.index, 5);
	bitnpu_queue_destroy(queue);
}

/* Behind what was submitted before, however long that takes. */
static void test_run_in_order(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	struct bitnpu_fence *first = submit(b, queue, GATED_ID, NULL);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, open_gate_later, b), 0);
	assert_int_equal(run_list(b, queue, GATED_ID + 1, NULL), 0);
	finish(first, 0);
	assert_int_equal(b->log[0], GATED_ID);
	assert_int_equal(b->log[1], GATED_ID + 1);
	pthread_join(thread, NULL);
	bitnpu_queue_destroy(queue);
}

/* What a job needs lives as long as the job, whatever the caller drops meanwhile. */
static void test_drop_everything(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	struct bitnpu_fence *fence = submit(b, queue, GATED_ID, NULL);

	bitnpu_fence_destroy(submit(b, queue, 1, NULL));
	bitnpu_bo_destroy(b->bo);
	bitnpu_context_destroy(b->ctx);
	bitnpu_device_close(b->dev);
	b->bo = NULL;
	b->ctx = NULL;
	b->dev = NULL;
	assert_int_equal(fake_count(&b->fake.bos), 1);
	sem_post(&b->gate);
	bitnpu_queue_destroy(queue);
	assert_int_equal(fake_count(&b->fake.devices), 0);
	finish(fence, 0);
}

static void test_refusals(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue;
	struct bitnpu_context *other;
	struct bitnpu_cmdlist *list = list_of(b, 1);
	struct bitnpu_fence *done = NULL;
	struct bitnpu_error err;

	assert_int_equal(bitnpu_context_create(b->dev, &other, NULL), 0);
	assert_int_equal(bitnpu_queue_create(other, &queue, NULL), 0);
	assert_int_equal(bitnpu_queue_submit(queue, list, NULL, 0, &done, &err), -EINVAL);
	assert_null(done);
	assert_non_null(strstr(err.message, "context"));
	assert_int_equal(bitnpu_queue_run(queue, list, &err), -EINVAL);
	assert_non_null(strstr(err.message, "context"));
	bitnpu_cmdlist_destroy(list);
	bitnpu_context_destroy(other);
	bitnpu_queue_destroy(queue);
	bitnpu_queue_destroy(NULL);
	bitnpu_fence_destroy(NULL);
	bitnpu_cmdlist_destroy(NULL);
}

static void test_nops_need_no_engine(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	const struct bitnpu_cmd nops[3] = { 0 };
	struct bitnpu_cmdlist *list;
	struct bitnpu_fence *done;

	assert_int_equal(bitnpu_cmdlist_create(b->ctx, nops, sizeof(nops), &list, NULL), 0);
	assert_int_equal(bitnpu_queue_submit(queue, list, NULL, 0, &done, NULL), 0);
	finish(done, 0);
	bitnpu_cmdlist_destroy(list);
	assert_int_equal(fake_count(&b->fake.executed), 0);
	assert_int_equal(fake_count(&b->fake.prepared), 0);
	bitnpu_queue_destroy(queue);
}

static void *wait_forever(void *fence)
{
	return (void *)(intptr_t)bitnpu_fence_wait(fence, BITNPU_WAIT_FOREVER, NULL);
}

static void test_many_waiters(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = queue_on(b);
	pthread_t threads[8];
	void *ret;

	for (int round = 0; round < 20; round++) {
		struct bitnpu_fence *fence = submit(b, queue, round % 2 ? GATED_ID : FAILING_ID,
						    NULL);

		for (int i = 0; i < 8; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, wait_forever, fence),
					 0);
		sem_post(&b->gate);
		for (int i = 0; i < 8; i++) {
			pthread_join(threads[i], &ret);
			assert_int_equal((intptr_t)ret, round % 2 ? 0 : -EIO);
		}
		bitnpu_fence_destroy(fence);
		/* The gate was opened for a job that does not pass it. */
		if (round % 2 == 0)
			assert_int_equal(sem_trywait(&b->gate), 0);
	}
	assert_int_equal(fake_count(&b->fake.executed), 20);
	bitnpu_queue_destroy(queue);
}

/* Two queues in turns: each job waits for the one before it, on the other queue. */
static void test_ping_pong(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queues[2] = { queue_on(b), queue_on(b) };
	struct bitnpu_fence *last = NULL;

	for (uint32_t i = 0; i < 1000; i++) {
		struct bitnpu_fence *next = submit(b, queues[i % 2], i % 2 * 100 + 1 + i / 11, last);

		bitnpu_fence_destroy(last);
		last = next;
		if (i % 7 == 0)
			assert_int_equal(bitnpu_fence_wait(last, BITNPU_WAIT_FOREVER, NULL), 0);
	}
	finish(last, 0);
	assert_int_equal(b->logged, 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(b->log[i], i % 2 * 100 + 1 + i / 11);
	bitnpu_queue_destroy(queues[0]);
	bitnpu_queue_destroy(queues[1]);
}

struct submitter {
	struct bench *b;
	struct bitnpu_queue *own, *shared;
	uint32_t id;
	int failures;
};

/* Check nothing by assertion here: cmocka's must run on the main thread. */
static void *submit_many(void *data)
{
	struct submitter *s = data;
	struct bitnpu_cmdlist *list = list_of(s->b, 2);
	struct bitnpu_cmdlist *own_list = list_of(s->b, s->id);
	struct bitnpu_fence *mine, *ours;

	for (int i = 0; i < 100; i++) {
		const int64_t timeout = i % 3 ? BITNPU_WAIT_FOREVER : 10000 * MS;

		s->failures += !!bitnpu_queue_submit(s->own, own_list, NULL, 0, &mine, NULL);
		s->failures += !!bitnpu_queue_submit(s->shared, list, &mine, 1, &ours, NULL);
		if (i % 4)
			s->failures += !!bitnpu_fence_wait(ours, timeout, NULL);
		bitnpu_fence_destroy(mine);
		bitnpu_fence_destroy(ours);
	}
	bitnpu_cmdlist_destroy(list);
	bitnpu_cmdlist_destroy(own_list);
	return NULL;
}

static void test_many_submitters(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *shared = queue_on(b);
	struct submitter submitters[8];
	pthread_t threads[8];

	for (int i = 0; i < 8; i++) {
		submitters[i] = (struct submitter){
			.b = b,
			.own = queue_on(b),
			.shared = shared,
			.id = 100 * (i + 1),
		};
		assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &submitters[i]),
				 0);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(submitters[i].failures, 0);
	}
	bitnpu_queue_destroy(shared);
	for (int i = 0; i < 8; i++)
		bitnpu_queue_destroy(submitters[i].own);
	assert_int_equal(fake_count(&b->fake.executed), 1600);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_order),
		TEST(test_runs_unwatched),
		TEST(test_timeouts),
		TEST(test_fences_between_devices),
		TEST(test_failure),
		TEST(test_destroy_with_jobs_queued),
		TEST(test_waiting_keeps_the_order),
		TEST(test_run_here),
		TEST(test_run_in_order),
		TEST(test_drop_everything),
		TEST(test_refusals),
		TEST(test_nops_need_no_engine),
		TEST(test_many_waiters),
		TEST(test_ping_pong),
		TEST(test_many_submitters),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
