// SPDX-License-Identifier: MIT
/* Queues of a device that takes jobs in advance: hand-over, dependencies, failure, what is freed when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libbitnpu/core.h"
#include "tests/support/fake_queue.h"

#define MS	1000000LL

struct bench {
	struct fake_engine fake, host_fake;
	struct bitnpu_device *dev, *host;
	struct bitnpu_context *ctx, *other, *host_ctx;
	struct bitnpu_queue *queue;
	pthread_mutex_t gate;
};

/* A job of the host's engine ends when the gate opens. */
static int host_job(struct fake_engine *fake, uint32_t id, struct bitnpu_error *err)
{
	struct bench *b = fake->user;

	pthread_mutex_lock(&b->gate);
	pthread_mutex_unlock(&b->gate);
	return id == 7 ? bitnpu_fail(err, -EILSEQ, "host job failed") : 0;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	fake_engine_init(&b->fake);
	b->fake.has_queues = true;
	b->dev = fake_device_open(&b->fake);
	fake_engine_init(&b->host_fake);
	b->host_fake.execute = host_job;
	b->host_fake.user = b;
	b->host = fake_device_open(&b->host_fake);
	pthread_mutex_init(&b->gate, NULL);
	assert_int_equal(bitnpu_context_create(b->dev, &b->ctx, NULL), 0);
	assert_int_equal(bitnpu_context_create(b->dev, &b->other, NULL), 0);
	assert_int_equal(bitnpu_context_create(b->host, &b->host_ctx, NULL), 0);
	assert_int_equal(bitnpu_queue_create(b->ctx, &b->queue, NULL), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	bitnpu_queue_destroy(b->queue);
	bitnpu_context_destroy(b->ctx);
	bitnpu_context_destroy(b->other);
	bitnpu_context_destroy(b->host_ctx);
	bitnpu_device_close(b->dev);
	bitnpu_device_close(b->host);
	assert_int_equal(fake_reset(), 0);
	assert_int_equal(fake_count(&b->fake.prepared), 0);
	assert_int_equal(fake_count(&b->fake.bos), 0);
	assert_int_equal(fake_count(&b->fake.contexts), 0);
	assert_int_equal(fake_count(&b->fake.devices), 0);
	pthread_mutex_destroy(&b->gate);
	free(b);
	return 0;
}

/* Submit a list, with a buffer, that only the job holds on to. */
static struct bitnpu_fence *submit_id(struct bitnpu_queue *queue, struct bitnpu_context *ctx, uint32_t id,
				      struct bitnpu_fence **wait, size_t wait_count)
{
	struct bitnpu_fence *done = NULL;
	struct bitnpu_cmdlist *list;
	struct bitnpu_error err;
	struct bitnpu_bo *bo;

	assert_int_equal(bitnpu_bo_create(ctx, 64 * 3 * 16, 0, &bo, NULL), 0);

	const struct bitnpu_cmd_matmul cmd = {
		.opcode = BITNPU_OP_MATMUL,
		.m = id,
		.n = 1,
		.k = 1,
		.w_addr = bitnpu_bo_address(bo),
		.x_addr = bitnpu_bo_address(bo) + 64,
		.y_addr = bitnpu_bo_address(bo) + 64 + 64 * 16,
		.x_stride = 64,
		.y_stride = 64,
	};

	if (bitnpu_cmdlist_create(ctx, &cmd, sizeof(cmd), &list, &err))
		fail_msg("%s", err.message);
	assert_int_equal(bitnpu_queue_submit(queue, list, wait, wait_count, &done, NULL), 0);
	bitnpu_bo_destroy(bo);
	bitnpu_cmdlist_destroy(list);
	return done;
}

static struct bitnpu_fence *submit(struct bitnpu_queue *queue, struct bitnpu_context *ctx,
				   struct bitnpu_fence *wait)
{
	return submit_id(queue, ctx, 1, &wait, wait ? 1 : 0);
}

static struct bitnpu_queue *queue_on(struct bitnpu_context *ctx)
{
	struct bitnpu_queue *queue;

	assert_int_equal(bitnpu_queue_create(ctx, &queue, NULL), 0);
	return queue;
}

static void finish(struct bitnpu_fence *fence, int expected)
{
	assert_int_equal(bitnpu_fence_wait(fence, BITNPU_WAIT_FOREVER, NULL), expected);
	bitnpu_fence_destroy(fence);
}

/* Submission hands over at once, without a thread in between; nobody has to wait for a job to be freed. */
static void test_in_flight(void **state)
{
	struct bench *b = *state;
	struct bitnpu_fence *done[5];

	for (size_t i = 0; i < 5; i++) {
		done[i] = submit(b->queue, b->ctx, NULL);
		assert_int_equal(fake_jobs(), i + 1);
		assert_ptr_equal(fake_job(i).prepared, &b->fake);
	}
	assert_int_equal(bitnpu_fence_wait(done[0], 0, NULL), -ETIME);
	assert_int_equal(bitnpu_fence_wait(done[0], 20 * MS, NULL), -ETIME);
	assert_int_equal(fake_count(&b->fake.prepared), 5);
	fake_end(0, 0);
	assert_int_equal(bitnpu_fence_wait(done[0], 0, NULL), 0);
	/* The waiter has freed what the job held. */
	assert_int_equal(fake_count(&b->fake.prepared), 4);
	assert_int_equal(fake_count(&b->fake.bos), 4);
	for (size_t i = 1; i < 5; i++)
		fake_end(i, 0);
	for (size_t i = 0; i < 5; i++)
		finish(done[i], 0);
	assert_int_equal(fake_count(&b->fake.prepared), 0);
}

/* More jobs than the device takes: submission returns at once, and all are handed over, in order. */
static void test_no_room(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *second = queue_on(b->ctx);
	struct bitnpu_fence *done[6], *other;

	fake_set_room(2);
	for (size_t i = 0; i < 6; i++)
		done[i] = submit(b->queue, b->ctx, NULL);
	assert_int_equal(fake_jobs(), 2);
	assert_int_equal(bitnpu_fence_wait(done[2], 10 * MS, NULL), -ETIME);
	for (size_t i = 0; i < 4; i++) {
		fake_end(i, i == 2 ? -EIO : 0);
		fake_wait_jobs(i + 3);
	}
	/* The room is the context's: one of its queues may have no job to wait for. */
	other = submit(second, b->ctx, NULL);
	assert_int_equal(bitnpu_fence_wait(other, 10 * MS, NULL), -ETIME);
	assert_int_equal(fake_jobs(), 6);
	fake_end(4, 0);
	fake_wait_jobs(7);
	fake_end(5, 0);
	fake_end(6, 0);
	for (size_t i = 0; i < 6; i++)
		finish(done[i], i == 2 ? -EIO : 0);
	finish(other, 0);
	bitnpu_queue_destroy(second);
}

/* Who waits for a job for which there is no room hands it over, and so does who destroys the queue. */
static void *end_jobs(void *data)
{
	for (size_t i = 0; i < 300; i++) {
		fake_wait_jobs(i + 1);
		fake_end(i, 0);
	}
	return NULL;
}

static void test_no_room_waiters(void **state)
{
	struct bench *b = *state;
	pthread_t device;

	fake_set_room(1);
	assert_int_equal(pthread_create(&device, NULL, end_jobs, NULL), 0);
	for (size_t i = 0; i < 200; i++) {
		struct bitnpu_fence *done = submit(b->queue, b->ctx, NULL);

		if (i % 3)
			finish(done, 0);
		else
			bitnpu_fence_destroy(done);
	}
	for (size_t i = 0; i < 100; i++)
		bitnpu_fence_destroy(submit(b->queue, b->ctx, NULL));
	bitnpu_queue_destroy(b->queue);
	assert_int_equal(fake_jobs(), 300);
	pthread_join(device, NULL);
	b->queue = queue_on(b->ctx);
}

/* An error of the same number that is not the device's. */
static void test_busy_fence(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *foreign = queue_on(b->other);
	struct bitnpu_fence *first = submit(foreign, b->other, NULL), *second;

	fake_end(0, -EBUSY);
	assert_int_equal(bitnpu_fence_wait(first, 0, NULL), -EBUSY);
	second = submit(b->queue, b->ctx, first);
	finish(second, -EBUSY);
	finish(first, -EBUSY);
	assert_int_equal(fake_jobs(), 1);
	bitnpu_queue_destroy(foreign);
}

static void *wait_for_all(void *data)
{
	struct bitnpu_fence **done = data;

	for (int i = 0; i < 200; i++)
		if (bitnpu_fence_wait(done[i], BITNPU_WAIT_FOREVER, NULL) != (i % 7 ? 0 : -EIO))
			return done;
	return NULL;
}

/* Several threads that find out at once, while the device goes on. */
static void test_many_waiters(void **state)
{
	struct bench *b = *state;
	struct bitnpu_fence *done[200];
	pthread_t threads[4];
	void *wrong;

	for (size_t i = 0; i < 200; i++)
		done[i] = submit(b->queue, b->ctx, NULL);
	for (int t = 0; t < 4; t++)
		assert_int_equal(pthread_create(&threads[t], NULL, wait_for_all, done), 0);
	for (size_t i = 0; i < 200; i++)
		fake_end(i, i % 7 ? 0 : -EIO);
	for (int t = 0; t < 4; t++) {
		pthread_join(threads[t], &wrong);
		assert_null(wrong);
	}
	for (size_t i = 0; i < 200; i++)
		bitnpu_fence_destroy(done[i]);
	assert_int_equal(fake_count(&b->fake.prepared), 0);
}

/* Jobs that nobody waits for are freed by later ones, with few looks; destroying waits for the rest. */
static void test_unwatched(void **state)
{
	struct bench *b = *state;

	for (size_t i = 0; i < 1000; i++) {
		bitnpu_fence_destroy(submit(b->queue, b->ctx, NULL));
		fake_end(i, 0);
	}
	assert_true(fake_count(&b->fake.prepared) <= 65);
	assert_true(fake_looks() <= 2000);
	bitnpu_queue_destroy(b->queue);
	assert_int_equal(fake_count(&b->fake.prepared), 0);
	b->queue = queue_on(b->ctx);
}

/* Between queues of a context the device's own fences are handed on, between contexts sync_files. */
static void test_dependencies(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *second = queue_on(b->ctx), *foreign = queue_on(b->other);
	struct bitnpu_fence *done[4];

	bitnpu_fence_destroy(submit(b->queue, b->ctx, NULL));
	done[0] = submit(b->queue, b->ctx, NULL);
	done[1] = submit(second, b->ctx, done[0]);
	done[2] = submit(foreign, b->other, done[0]);
	assert_int_equal(fake_jobs(), 4);
	assert_int_equal(fake_job(2).wait_count, 1);
	assert_int_equal(fake_job(2).foreign_waits, 0);
	assert_int_equal(fake_job(2).first_wait, 1);
	assert_int_equal(fake_job(3).wait_count, 1);
	assert_int_equal(fake_job(3).foreign_waits, 1);
	for (size_t i = 0; i < 4; i++)
		fake_end(i, 0);
	assert_int_equal(bitnpu_fence_wait(done[0], 0, NULL), 0);
	/* What is known to have ended is not handed on. */
	done[3] = submit(second, b->ctx, done[0]);
	assert_int_equal(fake_job(4).wait_count, 0);
	fake_end(4, 0);
	for (int i = 0; i < 4; i++)
		finish(done[i], 0);
	bitnpu_queue_destroy(second);
	bitnpu_queue_destroy(foreign);
}

/* A fence that failed fails what waits for it, though the device runs it all the same. */
static void test_failure_is_inherited(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *foreign = queue_on(b->other);
	struct bitnpu_fence *first, *second, *third, *late;
	struct bitnpu_error err;

	first = submit(b->queue, b->ctx, NULL);
	second = submit(foreign, b->other, first);
	third = submit(b->queue, b->ctx, second);
	fake_end(0, -EFAULT);
	fake_end(1, 0);
	fake_end(2, 0);
	assert_int_equal(bitnpu_fence_wait(third, BITNPU_WAIT_FOREVER, &err), -EFAULT);
	assert_string_equal(err.message, "fake: job 0 failed");
	late = submit(foreign, b->other, first);
	finish(late, -EFAULT);
	assert_int_equal(fake_jobs(), 3);
	finish(first, -EFAULT);
	finish(second, -EFAULT);
	finish(third, -EFAULT);
	bitnpu_queue_destroy(foreign);
}

/* A job that is cancelled may end before what it waits for. */
static void test_cancelled_early(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *foreign = queue_on(b->other);
	struct bitnpu_fence *first = submit(b->queue, b->ctx, NULL);
	struct bitnpu_fence *second = submit(foreign, b->other, first);

	fake_end(1, -ECANCELED);
	finish(second, -ECANCELED);
	assert_int_equal(bitnpu_fence_wait(first, 0, NULL), -ETIME);
	fake_end(0, 0);
	finish(first, 0);
	bitnpu_queue_destroy(foreign);
}

/* As long a chain as anyone builds, found out from its end: no recursion. */
static void test_long_chain(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queues[2] = { b->queue, queue_on(b->other) };
	struct bitnpu_context *contexts[2] = { b->ctx, b->other };
	struct bitnpu_fence *last = NULL;

	for (size_t i = 0; i < 4000; i++) {
		struct bitnpu_fence *next = submit(queues[i % 2], contexts[i % 2], last);

		bitnpu_fence_destroy(last);
		last = next;
	}
	for (size_t i = 0; i < 4000; i++)
		fake_end(i, i ? 0 : -EIO);
	finish(last, -EIO);
	bitnpu_queue_destroy(queues[1]);
}

/* A fence of the host's holds up its queue, in order, and submission still returns at once. */
static void test_host_fence(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *host = queue_on(b->host_ctx);
	struct bitnpu_fence *first, *second, *third;

	pthread_mutex_lock(&b->gate);
	first = submit(host, b->host_ctx, NULL);
	second = submit(b->queue, b->ctx, first);
	third = submit(b->queue, b->ctx, NULL);
	assert_int_equal(fake_jobs(), 0);
	assert_int_equal(bitnpu_fence_wait(third, 10 * MS, NULL), -ETIME);
	pthread_mutex_unlock(&b->gate);
	fake_wait_jobs(2);
	assert_int_equal(fake_job(0).wait_count, 0);
	fake_end(0, 0);
	fake_end(1, 0);
	finish(third, 0);
	finish(second, 0);
	finish(first, 0);
	/* And the other way round: a host's job after a device's. */
	first = submit(b->queue, b->ctx, NULL);
	second = submit(host, b->host_ctx, first);
	assert_int_equal(bitnpu_fence_wait(second, 10 * MS, NULL), -ETIME);
	fake_end(2, -EIO);
	finish(second, -EIO);
	finish(first, -EIO);
	bitnpu_queue_destroy(host);
}

static void test_host_fence_fails(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *host = queue_on(b->host_ctx);
	struct bitnpu_fence *first = submit_id(host, b->host_ctx, 7, NULL, 0);
	struct bitnpu_fence *second = submit(b->queue, b->ctx, first);
	struct bitnpu_error err;
	int fd = -1;

	assert_int_equal(bitnpu_fence_wait(second, BITNPU_WAIT_FOREVER, &err), -EILSEQ);
	assert_string_equal(err.message, "host job failed");
	assert_int_equal(bitnpu_fence_export_fd(second, &fd, NULL), -EILSEQ);
	assert_int_equal(fd, -1);
	assert_int_equal(fake_jobs(), 0);
	finish(first, -EILSEQ);
	finish(second, -EILSEQ);
	bitnpu_queue_destroy(host);
}

static void test_export(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *host = queue_on(b->host_ctx);
	struct bitnpu_fence *host_fence = submit(host, b->host_ctx, NULL), *imported;
	struct bitnpu_fence *fence = submit(b->queue, b->ctx, NULL);
	struct bitnpu_error err;
	int fd = -1, pipes[2];

	assert_int_equal(bitnpu_fence_export_fd(host_fence, &fd, &err), -ENOTSUP);
	assert_int_equal(fd, -1);
	assert_int_equal(bitnpu_fence_export_fd(fence, &fd, &err), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	fake_end(0, -EIO);
	assert_int_equal(bitnpu_fence_wait(fence, BITNPU_WAIT_FOREVER, NULL), -EIO);
	/* What has ended, well or badly, can still be exported. */
	assert_int_equal(bitnpu_fence_export_fd(fence, &fd, &err), 0);
	close(fd);
	finish(fence, -EIO);
	finish(host_fence, 0);

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(bitnpu_fence_import_fd(pipes[0], &imported, &err), -EINVAL);
	assert_non_null(strstr(err.message, "no sync_file"));
	assert_int_equal(bitnpu_fence_import_fd(-1, &imported, &err), -EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	bitnpu_queue_destroy(host);
}

/* The caller may drop everything but the fence. */
static void test_fence_outlives_all(void **state)
{
	struct bench *b = *state;
	struct bitnpu_fence *fence = submit(b->queue, b->ctx, NULL);
	int fd;

	fake_end(0, 0);
	bitnpu_queue_destroy(b->queue);
	b->queue = NULL;
	bitnpu_context_destroy(b->ctx);
	b->ctx = NULL;
	assert_int_equal(fake_count(&b->fake.contexts), 2);
	assert_int_equal(bitnpu_fence_wait(fence, 0, NULL), 0);
	assert_int_equal(bitnpu_fence_export_fd(fence, &fd, NULL), 0);
	close(fd);
	bitnpu_fence_destroy(fence);
	assert_int_equal(fake_count(&b->fake.contexts), 1);
}

static void test_failures(void **state)
{
	struct bench *b = *state;
	struct bitnpu_queue *queue = NULL;
	struct bitnpu_fence *fence;
	struct bitnpu_error err;

	fake_fail_submit(-ENOTRECOVERABLE);
	fence = submit(b->queue, b->ctx, NULL);
	assert_int_equal(bitnpu_fence_wait(fence, BITNPU_WAIT_FOREVER, &err), -ENOTRECOVERABLE);
	assert_string_equal(err.message, "fake: no submission");
	assert_int_equal(fake_count(&b->fake.prepared), 0);
	bitnpu_fence_destroy(fence);
	b->fake.fail_queue = -ENOSPC;
	assert_int_equal(bitnpu_queue_create(b->ctx, &queue, &err), -ENOSPC);
	assert_string_equal(err.message, "fake: no queue");
	assert_null(queue);
}

/* A list of NOPs takes its turn, too. */
static void test_empty(void **state)
{
	struct bench *b = *state;
	const struct bitnpu_cmd nop = { .opcode = BITNPU_OP_NOP };
	struct bitnpu_cmdlist *list;
	struct bitnpu_fence *done;

	assert_int_equal(bitnpu_cmdlist_create(b->ctx, &nop, sizeof(nop), &list, NULL), 0);
	assert_int_equal(bitnpu_queue_submit(b->queue, list, NULL, 0, &done, NULL), 0);
	bitnpu_cmdlist_destroy(list);
	assert_int_equal(fake_jobs(), 1);
	assert_null(fake_job(0).prepared);
	fake_end(0, 0);
	finish(done, 0);
}

int main(void)
{
#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_in_flight),
		TEST(test_no_room),
		TEST(test_no_room_waiters),
		TEST(test_busy_fence),
		TEST(test_many_waiters),
		TEST(test_unwatched),
		TEST(test_dependencies),
		TEST(test_failure_is_inherited),
		TEST(test_cancelled_early),
		TEST(test_long_chain),
		TEST(test_host_fence),
		TEST(test_host_fence_fails),
		TEST(test_export),
		TEST(test_fence_outlives_all),
		TEST(test_failures),
		TEST(test_empty),
	};

	return cmocka_run_group_tests_name("device_queue", tests, NULL, NULL);
}
