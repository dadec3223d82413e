// SPDX-License-Identifier: MIT
/*
 * Two simulated devices, 16 processes, faults at random, for a bounded time.
 *
 * usage: bitnpu_soak [SECONDS [SEED]]
 *
 * Every job ends in the right result or in an error that the header states, within BT_TIMEOUT_NS; a context
 * that was banned is left and another one opened.  At the end both devices work.  KTAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bitnpu_test.h"

#define PROCESSES	16
#define BATCH		8

static const char *const instances[2] = { "soak0", "soak1" };

/* Errors that a job may end with while faults are injected (DRM_IOCTL_BITNPU_SUBMIT). */
static const int stated[] = { 0, -EFAULT, -ETIME, -EIO, -ECANCELED };

/* Faults that the driver notices: a flipped bit would be a wrong result, rightly. */
static const char *const faults[] = {
	"hang", "ring_reset", "reset", "lost_irq", "lost_doorbell", "bus_read", "bus_write",
	"bus_fetch", "bus_record", "page_fault", "record_check", "record_sequence",
};

/**
 * struct tally - what the processes count together
 */
struct tally {
	unsigned long good, failed, contexts, injected, wrong;
};

static struct tally *tally;
static uint32_t state;

static uint32_t next_random(void)
{
	state = state * 1664525 + 1013904223;
	return state >> 8;
}

static void complain(const char *what, int ret)
{
	__atomic_add_fetch(&tally->wrong, 1, __ATOMIC_RELAXED);
	fprintf(stderr, "# process %d: %s: %d\n", getpid(), what, ret);
}

static int is_stated(int error)
{
	for (size_t i = 0; i < sizeof(stated) / sizeof(*stated); i++)
		if (error == stated[i])
			return 1;
	return 0;
}

static void count(int error, const struct bt_matmul *mm)
{
	if (!is_stated(error))
		complain("an error that is not stated", error);
	else if (error)
		__atomic_add_fetch(&tally->failed, 1, __ATOMIC_RELAXED);
	else if (!bt_matmul_check(mm))
		complain("a wrong result", error);
	else
		__atomic_add_fetch(&tally->good, 1, __ATOMIC_RELAXED);
}

/* A batch on one queue, each job with a fence of its own.  Return: 0, or when the context is banned 1. */
static int run_batch(int fd, uint32_t queue, struct bt_matmul *mm, const uint32_t *syncobj)
{
	struct drm_bitnpu_sync sync[BATCH];
	struct drm_bitnpu_job_bo bo[BATCH];
	struct drm_bitnpu_job job[BATCH];
	uint32_t done;
	int ret;

	for (unsigned int i = 0; i < BATCH; i++) {
		bt_matmul_clear(&mm[i]);
		job[i] = bt_matmul_job(&mm[i], &bo[i]);
		sync[i] = (struct drm_bitnpu_sync){
			.handle = syncobj[i], .flags = DRM_BITNPU_SYNC_SIGNAL,
		};
		job[i].syncs = (struct drm_bitnpu_array){
			.pointer = (uintptr_t)&sync[i], .count = 1, .stride = sizeof(sync[i]),
		};
		if (next_random() % 4 == 0)
			job[i].flags = 0;
	}
	ret = bt_submit(fd, queue, job, BATCH, &done);
	if (ret && ret != -ENOTRECOVERABLE)
		complain("SUBMIT", ret);
	for (unsigned int i = 0; i < done; i++) {
		int wait = bt_syncobj_wait(fd, syncobj[i], 0, 0, BT_TIMEOUT_NS);

		if (wait) {
			complain("a job does not end", wait);
			return 1;
		}
		count(bt_fence_error(fd, syncobj[i]), &mm[i]);
	}
	return ret != 0;
}

static int open_context(const char *instance, uint32_t *queue, struct bt_matmul *mm, uint32_t *syncobj)
{
	int fd = bt_sim_open(instance);
	int ret;

	if (fd < 0)
		return fd;
	ret = bt_queue_create(fd, DRM_BITNPU_PRIORITY_NORMAL, queue);
	for (unsigned int i = 0; i < BATCH && !ret; i++) {
		ret = bt_matmul_create(fd, 1 + next_random() % 4, 1 + next_random() % 80,
				       1 + next_random() % 300, next_random(), &mm[i]);
		if (!ret)
			ret = bt_syncobj_create(fd, 0, &syncobj[i]);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	__atomic_add_fetch(&tally->contexts, 1, __ATOMIC_RELAXED);
	return fd;
}

static void work(const char *instance, int64_t end)
{
	while (bt_deadline(0) < end) {
		struct bt_matmul mm[BATCH];
		uint32_t queue, syncobj[BATCH];
		int fd = open_context(instance, &queue, mm, syncobj);

		if (fd < 0) {
			complain("a new context", fd);
			return;
		}
		while (bt_deadline(0) < end && !run_batch(fd, queue, mm, syncobj))
			;
		for (unsigned int i = 0; i < BATCH; i++)
			bt_matmul_destroy(&mm[i]);
		close(fd);
	}
}

static void inject(int64_t end)
{
	while (bt_deadline(0) < end) {
		const char *fault = faults[next_random() % (sizeof(faults) / sizeof(*faults))];
		char attribute[64];

		snprintf(attribute, sizeof(attribute), "fault/%s", fault);
		/* Three failed resets in a row would end the device, as they should. */
		if (bt_sim_write(instances[next_random() % 2], attribute, 1))
			complain(attribute, -errno);
		tally->injected++;
		usleep(next_random() % 400000);
	}
	bt_sim_clear_faults(instances[0]);
	bt_sim_clear_faults(instances[1]);
}

static int newcomer(const char *instance)
{
	struct bt_matmul mm[BATCH];
	uint32_t queue, syncobj[BATCH];
	int fd = open_context(instance, &queue, mm, syncobj);
	int ret = fd;

	if (fd >= 0) {
		ret = bt_run_matmul(fd, queue, &mm[0]);
		for (unsigned int i = 0; i < BATCH; i++)
			bt_matmul_destroy(&mm[i]);
		close(fd);
	}
	return ret;
}

static void result(int number, int failed, const char *what)
{
	printf("%sok %d %s\n", failed ? "not " : "", number, what);
}

int main(int argc, char **argv)
{
	const unsigned int seconds = argc > 1 ? atoi(argv[1]) : 30;
	const uint32_t seed = argc > 2 ? strtoul(argv[2], NULL, 0) : time(NULL);
	pid_t pid[PROCESSES];
	int crashed = 0, broken = 0;
	int64_t end;

	printf("TAP version 13\n1..3\n# seed %u, %u s\n", seed, seconds);
	fflush(stdout);
	if (!bt_sim_present()) {
		for (int i = 1; i <= 3; i++)
			printf("ok %d # SKIP needs the simulator\n", i);
		return 4;
	}
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (unsigned int i = 0; i < 2; i++) {
		bt_sim_destroy(instances[i]);
		if (bt_sim_create(instances[i], 1 + i, 65536))
			broken++;
	}
	end = bt_deadline(seconds * 1000000000LL);
	for (unsigned int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			state = seed + i + 1;
			work(instances[i % 2], end);
			_exit(0);
		}
	}
	state = seed;
	inject(end);
	for (unsigned int i = 0; i < PROCESSES; i++) {
		int status;

		waitpid(pid[i], &status, 0);
		crashed += status != 0;
	}
	printf("# %lu jobs ended well, %lu in a stated error, %lu contexts, %lu faults\n", tally->good,
	       tally->failed, tally->contexts, tally->injected);
	result(1, crashed || tally->wrong, "every job ends in a right result or a stated error");
	result(2, !tally->good || !tally->failed || !tally->injected, "there were jobs of both kinds");
	for (unsigned int i = 0; i < 2; i++)
		broken += !!newcomer(instances[i]) + !!bt_sim_destroy(instances[i]);
	result(3, broken, "both devices work at the end");
	return crashed || broken || tally->wrong || !tally->good || !tally->failed;
}
