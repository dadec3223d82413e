// SPDX-License-Identifier: MIT
/*
 * Random ioctls for a bounded time: the driver's own with plausible and with implausible arguments, DRM's
 * that deal with handles, fences and dma-bufs, and arbitrary numbers and sizes.
 *
 * usage: bitnpu_fuzz [SECONDS [SEED [failslab]]]
 *
 * Meanwhile another file's jobs give the right results, and at the end a new file's do.  With "failslab" the
 * kernel's allocations fail at random in the fuzzing threads, if it was built for that.  KTAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bitnpu_test.h"

#define THREADS		4
#define FILES		3

/**
 * struct fuzzer - a thread
 * @state: of its random numbers
 * @fd: files, shared by all threads
 * @calls: ioctls made, @good that succeeded
 */
struct fuzzer {
	uint32_t state;
	const int *fd;
	int64_t end;
	bool failslab;
	unsigned long calls, good;
};

static uint32_t next_random(struct fuzzer *f)
{
	f->state = f->state * 1664525 + 1013904223;
	return f->state >> 8;
}

static uint32_t below(struct fuzzer *f, uint32_t bound)
{
	return next_random(f) % bound;
}

/* Handles, queues and syncobjs are small numbers. */
static uint32_t small(struct fuzzer *f)
{
	return below(f, 16) ? below(f, 12) : next_random(f) << 12 | next_random(f);
}

static uint64_t number(struct fuzzer *f)
{
	static const uint64_t edges[] = {
		0, 1, 63, 64, 4095, 4096, 65536, 1 << 21, 1ULL << 31, 1ULL << 32, 1ULL << 38,
		1ULL << 39, UINT64_MAX, UINT64_MAX - 63, UINT64_MAX - 4095, INT64_MAX,
	};

	return edges[below(f, sizeof(edges) / sizeof(*edges))] + (below(f, 4) ? 0 : small(f));
}

static void call(struct fuzzer *f, unsigned long request, void *args)
{
	int ret = ioctl(f->fd[below(f, FILES)], request, args);

	f->calls++;
	f->good += !ret;
}

static void fuzz_bo(struct fuzzer *f)
{
	struct drm_bitnpu_bo_create create = {
		.size = below(f, 4) ? 4096 * (1 + below(f, 64)) : number(f),
		.flags = below(f, 8) ? below(f, 2) : next_random(f),
	};
	struct drm_bitnpu_bo_info info = { .handle = small(f) };
	struct drm_bitnpu_bo_mmap_offset offset = { .handle = small(f) };
	struct drm_bitnpu_bo_wait wait = { .handle = small(f), .flags = below(f, 3) };
	struct drm_gem_close close_args = { .handle = small(f) };
	const int fd = f->fd[below(f, FILES)];
	void *map;

	/* A lot of memory at once would end the test rather than the driver. */
	if (create.size > 64 << 20 && create.size < 1ULL << 38)
		create.size = 4096;
	switch (below(f, 6)) {
	case 0:
		call(f, DRM_IOCTL_BITNPU_BO_CREATE, &create);
		break;
	case 1:
		call(f, DRM_IOCTL_BITNPU_BO_INFO, &info);
		break;
	case 2:
		if (ioctl(fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &offset))
			break;
		map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset.offset);
		if (map != MAP_FAILED) {
			for (unsigned int i = 0; i < 64; i++)
				((volatile uint32_t *)map)[below(f, 1024)] = next_random(f);
			munmap(map, 4096);
		}
		break;
	case 3:
		call(f, DRM_IOCTL_BITNPU_BO_WAIT, &wait);
		break;
	default:
		call(f, DRM_IOCTL_GEM_CLOSE, &close_args);
		break;
	}
}

static void fuzz_queue(struct fuzzer *f)
{
	struct drm_bitnpu_queue_create create = { .priority = below(f, 4), .flags = !below(f, 16) };
	struct drm_bitnpu_queue_destroy destroy = { .queue = small(f) };

	if (below(f, 2))
		call(f, DRM_IOCTL_BITNPU_QUEUE_CREATE, &create);
	else
		call(f, DRM_IOCTL_BITNPU_QUEUE_DESTROY, &destroy);
}

static void fuzz_submit(struct fuzzer *f)
{
	struct drm_bitnpu_job jobs[4];
	struct drm_bitnpu_job_bo bos[4];
	struct drm_bitnpu_sync syncs[4];
	struct drm_bitnpu_submit args = {
		.queue = small(f),
		.flags = !below(f, 32),
		.jobs = {
			.pointer = below(f, 32) ? (uintptr_t)jobs : number(f),
			.count = below(f, 16) ? 1 + below(f, 4) : next_random(f),
			.stride = below(f, 32) ? sizeof(jobs[0]) : below(f, 128),
		},
		.done = below(f, 16) ? 0 : below(f, 8),
	};

	for (unsigned int i = 0; i < 4; i++) {
		jobs[i] = (struct drm_bitnpu_job){
			.list_addr = below(f, 3) ? 65536 + 4096 * below(f, 64) : number(f),
			.list_size = below(f, 3) ? 64 * below(f, 4) : number(f),
			.flags = below(f, 16) ? below(f, 2) : next_random(f),
			.bos = { (uintptr_t)bos, below(f, 5), sizeof(bos[0]) },
			.syncs = { (uintptr_t)syncs, below(f, 5), sizeof(syncs[0]) },
		};
		if (!below(f, 4))
			jobs[i].list_addr = jobs[i].list_size = 0;
		bos[i] = (struct drm_bitnpu_job_bo){ small(f), below(f, 16) ? 1 + below(f, 7) : 8 };
		syncs[i] = (struct drm_bitnpu_sync){
			.handle = small(f),
			.flags = below(f, 16) ? 1 << below(f, 2) | below(f, 2) << 2 : next_random(f),
			.point = below(f, 2) ? 0 : number(f),
		};
	}
	call(f, DRM_IOCTL_BITNPU_SUBMIT, &args);
}

static void fuzz_syncobj(struct fuzzer *f)
{
	struct drm_syncobj_create create = { .flags = below(f, 2) };
	struct drm_syncobj_destroy destroy = { .handle = small(f) };
	struct drm_syncobj_handle handle = { .handle = small(f), .flags = below(f, 2), .fd = -1 };
	uint32_t handles[2] = { small(f), small(f) };
	uint64_t points[2] = { below(f, 8), below(f, 8) };
	struct drm_syncobj_timeline_array signal = {
		.handles = (uintptr_t)handles, .points = (uintptr_t)points, .count_handles = 1,
	};
	struct drm_syncobj_transfer transfer = {
		.src_handle = small(f), .dst_handle = small(f), .src_point = below(f, 8),
		.dst_point = below(f, 8),
	};

	switch (below(f, 5)) {
	case 0:
		call(f, DRM_IOCTL_SYNCOBJ_CREATE, &create);
		break;
	case 1:
		call(f, DRM_IOCTL_SYNCOBJ_DESTROY, &destroy);
		break;
	case 2:
		call(f, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &signal);
		break;
	case 3:
		call(f, DRM_IOCTL_SYNCOBJ_TRANSFER, &transfer);
		break;
	default:
		if (!ioctl(f->fd[below(f, FILES)], DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &handle))
			close(handle.fd);
		break;
	}
}

static void fuzz_prime(struct fuzzer *f)
{
	struct drm_prime_handle prime = { .handle = small(f), .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1 };
	struct drm_prime_handle import = {};

	if (ioctl(f->fd[below(f, FILES)], DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		return;
	import.fd = prime.fd;
	call(f, DRM_IOCTL_PRIME_FD_TO_HANDLE, &import);
	close(prime.fd);
}

static void fuzz_number(struct fuzzer *f)
{
	uint64_t args[512];

	for (unsigned int i = 0; i < 512; i++)
		args[i] = below(f, 2) ? 0 : number(f);
	call(f, _IOC(below(f, 4), 'd', DRM_COMMAND_BASE + below(f, 12), below(f, 2048)), args);
}

static void fuzz_query(struct fuzzer *f)
{
	unsigned char answer[256];
	struct drm_bitnpu_query args = {
		.type = below(f, 4),
		.size = below(f, 256),
		.pointer = below(f, 8) ? (uintptr_t)answer : number(f),
	};

	call(f, DRM_IOCTL_BITNPU_QUERY, &args);
}

static void *fuzz(void *data)
{
	static void (*const kinds[])(struct fuzzer *) = {
		fuzz_bo, fuzz_bo, fuzz_queue, fuzz_submit, fuzz_submit, fuzz_syncobj, fuzz_prime,
		fuzz_number, fuzz_query,
	};
	struct fuzzer *f = data;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/make-it-fail", syscall(SYS_gettid));
	if (f->failslab)
		bt_write_file(path, "1");
	while (bt_deadline(0) < f->end)
		kinds[below(f, sizeof(kinds) / sizeof(*kinds))](f);
	if (f->failslab)
		bt_write_file(path, "0");
	return NULL;
}

static bool arm_failures(void)
{
	static const char *const dirs[] = { "failslab", "fail_page_alloc" };
	char path[96];

	for (unsigned int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/task-filter", dirs[i]);
		if (bt_write_file(path, "1"))
			return false;
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/ignore-gfp-wait", dirs[i]);
		bt_write_file(path, "0");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/verbose", dirs[i]);
		bt_write_file(path, "0");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/times", dirs[i]);
		bt_write_file(path, "-1");
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/probability", dirs[i]);
		if (bt_write_file(path, "5"))
			return false;
	}
	return true;
}

static int good_jobs(int64_t end)
{
	struct bt_matmul mm;
	uint32_t queue;
	int fd = bt_open(0), ret = fd, jobs = 0;

	if (fd < 0)
		return ret;
	ret = bt_queue_create(fd, DRM_BITNPU_PRIORITY_NORMAL, &queue);
	if (!ret)
		ret = bt_matmul_create(fd, 2, 40, 200, 1, &mm);
	do {
		if (!ret)
			ret = bt_run_matmul(fd, queue, &mm);
		jobs++;
	} while (!ret && bt_deadline(0) < end);
	close(fd);
	return ret ? ret : jobs;
}

int main(int argc, char **argv)
{
	const unsigned int seconds = argc > 1 ? atoi(argv[1]) : 20;
	const uint32_t seed = argc > 2 ? strtoul(argv[2], NULL, 0) : time(NULL);
	const bool failslab = argc > 3 && !strcmp(argv[3], "failslab");
	struct fuzzer fuzzers[THREADS];
	pthread_t threads[THREADS];
	unsigned long calls = 0, good = 0;
	int64_t end, fd_end;
	int fd[FILES], jobs, last;

	printf("TAP version 13\n1..3\n# seed %u, %u s\n", seed, seconds);
	if (bt_open(0) < 0 || (failslab && !arm_failures())) {
		for (int i = 1; i <= 3; i++)
			printf("ok %d # SKIP no device, or no fault injection in this kernel\n", i);
		return 4;
	}
	end = bt_deadline(seconds * 1000000000LL);
	/* A banned context refuses much: files are new every second. */
	for (jobs = 0; jobs >= 0 && bt_deadline(0) < end;) {
		fd_end = bt_deadline(1000000000LL);
		for (unsigned int i = 0; i < FILES; i++)
			fd[i] = bt_open(0);
		for (unsigned int i = 0; i < THREADS; i++) {
			fuzzers[i] = (struct fuzzer){
				.state = seed + calls + i, .fd = fd, .end = fd_end,
				.failslab = failslab,
			};
			pthread_create(&threads[i], NULL, fuzz, &fuzzers[i]);
		}
		jobs = good_jobs(fd_end);
		for (unsigned int i = 0; i < THREADS; i++) {
			pthread_join(threads[i], NULL);
			calls += fuzzers[i].calls;
			good += fuzzers[i].good;
		}
		for (unsigned int i = 0; i < FILES; i++)
			close(fd[i]);
	}
	last = good_jobs(0);
	printf("# %lu calls, %lu succeeded\n", calls, good);
	printf("%sok 1 another file's jobs went on\n", jobs < 0 ? "not " : "");
	printf("%sok 2 some calls succeeded and some did not\n", good && good < calls ? "" : "not ");
	printf("%sok 3 a new file's job ends well\n", last < 0 ? "not " : "");
	return jobs < 0 || last < 0 || !good || good == calls;
}
