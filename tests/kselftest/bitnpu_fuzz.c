// SPDX-License-Identifier: MIT
/*
 * Random ioctls for a bounded time: the driver's own with plausible and with implausible arguments,
 * jobs that are valid or nearly so, DRM's that deal with handles, fences and dma-bufs, and arbitrary
 * numbers and sizes; while files are replaced, duplicated and inherited, mappings go and, in every
 * other round, the simulated device fails.
 *
 * usage: bitnpu_fuzz [SECONDS [SEED [failslab]]]
 *
 * Meanwhile another file's jobs give the right results, or end in a stated error while the device
 * fails, and at the end a new file's do.  With "failslab" the kernel's allocations fail at random in
 * the fuzzing threads, and the test fails when none did.  KTAP.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bitnpu_test.h"

#define THREADS		4
#define FILES		3
#define ROUND_NS	2000000000LL
/* Mappings of buffers, at fixed places that nothing else ever gets. */
#define SLOTS		8
#define SLOT_BYTES	(1 << 20)
#define JOB_BYTES	(64 << 10)
#define INSTANCE	"default"

/**
 * struct fuzzer - a thread
 * @state: of its random numbers
 * @fd: files, shared by all threads
 * @pipe: to touch mappings with, which may be gone
 * @end: CLOCK_MONOTONIC
 * @failslab: allocations of this thread are to fail
 * @child: this is a forked process, which shall not fork
 * @calls: ioctls made
 * @good: that succeeded
 * @no_memory: that failed for want of memory although they need little
 * @unarmed: 1 when the thread could not make them fail
 * @jobs: of files that were replaced: those that ended well, @bad those that did not
 */
struct fuzzer {
	uint64_t state;
	const int *fd;
	int pipe[2];
	int64_t end;
	bool failslab, child;
	unsigned long calls, good, no_memory, unarmed, jobs, bad;
};

static char *slots;
/* Of the device, so that opening it needs no allocation: a forked process must not make any. */
static char node[64];

/* splitmix64: neighbouring seeds give sequences that have nothing in common. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static uint32_t next_random(struct fuzzer *f)
{
	f->state += 0x9e3779b97f4a7c15ULL;
	return mix(f->state) >> 32;
}

static uint32_t below(struct fuzzer *f, uint32_t bound)
{
	return next_random(f) % bound;
}

/* Handles, queues and syncobjs are small numbers. */
static uint32_t small(struct fuzzer *f)
{
	return below(f, 16) ? below(f, 12) : next_random(f);
}

static uint64_t number(struct fuzzer *f)
{
	static const uint64_t edges[] = {
		0, 1, 63, 64, 4095, 4096, 65536, 1 << 21, 1ULL << 31, 1ULL << 32, 1ULL << 38,
		1ULL << 39, UINT64_MAX, UINT64_MAX - 63, UINT64_MAX - 4095, INT64_MAX,
	};

	return edges[below(f, sizeof(edges) / sizeof(*edges))] + (below(f, 4) ? 0 : small(f));
}

/* A lot of memory at once would end the test rather than the driver. */
static uint64_t buffer_size(uint64_t size)
{
	return size > 64 << 20 && size < 1ULL << 38 ? 4096 : size;
}

static int call_file(struct fuzzer *f, int fd, unsigned long request, void *args)
{
	int ret = ioctl(fd, request, args);

	f->calls++;
	f->good += !ret;
	if (ret && errno == ENOMEM &&
	    (request == DRM_IOCTL_BITNPU_SUBMIT || request == DRM_IOCTL_BITNPU_QUEUE_CREATE))
		f->no_memory++;
	return ret;
}

static int call(struct fuzzer *f, unsigned long request, void *args)
{
	return call_file(f, f->fd[below(f, FILES)], request, args);
}

static char *slot(struct fuzzer *f)
{
	return slots + (size_t)below(f, SLOTS) * SLOT_BYTES;
}

/* Copy to where a mapping may be or may have been: the kernel minds, not this program. */
static void poke(struct fuzzer *f, void *at, const void *data, size_t size)
{
	char rest[4096];
	ssize_t put = write(f->pipe[1], data, size);
	ssize_t got = put > 0 ? read(f->pipe[0], at, put) : put;

	if (got < put && read(f->pipe[0], rest, put - (got > 0 ? got : 0)) < 0)
		f->calls++;
}

/* Take what is mapped in a slot away, and keep the place.  Return: whether that worked */
static bool reserve(char *at)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	return mmap(at, SLOT_BYTES, PROT_NONE, flags, -1, 0) != MAP_FAILED;
}

/* Map a buffer at @at, in place of what is there.  Return: whether it is mapped. */
static bool map_handle(struct fuzzer *f, int fd, uint32_t handle, char *at, size_t size)
{
	struct drm_bitnpu_bo_mmap_offset args = { .handle = handle };
	const int flags = MAP_SHARED | MAP_FIXED;

	if (call_file(f, fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &args))
		return false;
	if (mmap(at, size, PROT_READ | PROT_WRITE, flags, fd, args.offset) != MAP_FAILED)
		return true;
	reserve(at);
	return false;
}

static struct drm_bitnpu_array array(const void *elements, uint32_t count, uint32_t stride)
{
	return (struct drm_bitnpu_array){ count ? (uintptr_t)elements : 0, count, stride };
}

static void fuzz_map(struct fuzzer *f)
{
	char *at = slot(f);
	uint64_t data[8];

	if (below(f, 3) == 0) {
		reserve(at);
		return;
	}
	if (below(f, 2))
		map_handle(f, f->fd[below(f, FILES)], small(f), at, 4096 << below(f, 5));
	for (unsigned int i = 0; i < 8; i++)
		data[i] = number(f);
	poke(f, at + 64 * below(f, 1024), data, sizeof(data));
}

static void fuzz_bo(struct fuzzer *f)
{
	struct drm_bitnpu_bo_create create = {
		.size = buffer_size(below(f, 4) ? 4096 * (1 + below(f, 64)) : number(f)),
		.flags = below(f, 8) ? below(f, 2) : next_random(f),
	};
	struct drm_bitnpu_bo_info info = { .handle = small(f) };
	struct drm_bitnpu_bo_wait wait = { .handle = small(f), .flags = below(f, 3) };
	struct drm_gem_close close_args = { .handle = small(f) };

	switch (below(f, 5)) {
	case 0:
		call(f, DRM_IOCTL_BITNPU_BO_CREATE, &create);
		break;
	case 1:
		call(f, DRM_IOCTL_BITNPU_BO_INFO, &info);
		break;
	case 2:
		wait.timeout_ns = below(f, 2) ? 0 : bt_deadline(20000000);
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

/* Two queues that the jobs below find. */
static int open_file(void)
{
	const int fd = open(node, O_RDWR | O_CLOEXEC);
	uint32_t queue;

	for (unsigned int i = 0; fd >= 0 && i < 2; i++)
		bt_queue_create(fd, DRM_BITNPU_PRIORITY_LOW + i, &queue);
	return fd;
}

static void count_jobs(struct fuzzer *f, int fd)
{
	struct drm_bitnpu_context_info info;

	if (bt_context_info(fd, &info))
		return;
	f->jobs += info.jobs_completed;
	f->bad += info.jobs_failed;
}

/* A file in use is closed and a new one takes its number. */
static void reopen(struct fuzzer *f, int fd)
{
	const int new_fd = open_file();

	if (new_fd < 0)
		return;
	count_jobs(f, fd);
	dup2(new_fd, fd);
	close(new_fd);
}

/* A command within a buffer of JOB_BYTES at @address, whose list is in its first page. */
static struct bitnpu_cmd_matmul valid_command(struct fuzzer *f, uint64_t address)
{
	const bool scaled = below(f, 2);
	const uint32_t m = 1 + below(f, 8), n = 1 + below(f, 40), k = 1 + below(f, 300);

	return (struct bitnpu_cmd_matmul){
		.opcode = BITNPU_OP_MATMUL,
		.weight_format = below(f, 3),
		.output_format = scaled ? BITNPU_Y_INT64 : BITNPU_Y_INT32,
		.m = m, .n = n, .k = k,
		.x_addr = address + 4096,
		.w_addr = address + 8192,
		.s_addr = scaled ? address + 40960 : 0,
		.y_addr = address + 49152,
		.x_stride = (k + 63) & ~63,
		.y_stride = (n * 8 + 63) & ~63,
		.group_shift = scaled ? 5 + below(f, 12) : 0,
	};
}

/* One bit, one byte or one field that is not as it should be, or may not be. */
static void mutate(struct fuzzer *f, void *data, size_t size)
{
	uint8_t *bytes = data;
	const uint64_t value = number(f);

	switch (below(f, 3)) {
	case 0:
		bytes[below(f, size)] ^= 1 << below(f, 8);
		break;
	case 1:
		bytes[below(f, size)] = next_random(f);
		break;
	default:
		memcpy(bytes + 8 * below(f, size / 8), &value, sizeof(value));
		break;
	}
}

static void mutate_some(struct fuzzer *f, struct bitnpu_cmd_matmul *list, size_t size,
			struct drm_bitnpu_job *job, struct drm_bitnpu_job_bo *bo)
{
	switch (below(f, 8)) {
	case 0:
	case 1:
		mutate(f, list, size);
		break;
	case 2:
		mutate(f, job, sizeof(*job));
		break;
	case 3:
		mutate(f, bo, sizeof(*bo));
		break;
	}
}

/* A banned context, or one whose queues are gone, takes no more jobs: most of them should run. */
static void make_usable(struct fuzzer *f, int fd, int error)
{
	struct drm_bitnpu_queue_create create = { .priority = DRM_BITNPU_PRIORITY_NORMAL };

	if (error == ENOTRECOVERABLE && below(f, 4))
		reopen(f, fd);
	else if (error == ENOENT)
		call_file(f, fd, DRM_IOCTL_BITNPU_QUEUE_CREATE, &create);
}

/* A job that would run, and half of the time one that nearly would. */
static void fuzz_job(struct fuzzer *f)
{
	const int fd = f->fd[below(f, FILES)];
	struct drm_bitnpu_bo_create create = { .size = JOB_BYTES };
	const unsigned int commands = 1 + below(f, 4);
	struct bitnpu_cmd_matmul list[4];
	struct drm_bitnpu_job_bo bo = { .flags = 1 + below(f, 7) };
	struct drm_bitnpu_sync sync = { .handle = small(f), .flags = 1 << below(f, 2) };
	struct drm_bitnpu_job job = {
		.list_size = 64 * commands,
		.flags = below(f, 2),
		.bos = array(&bo, 1, sizeof(bo)),
		.syncs = array(&sync, !below(f, 4), sizeof(sync)),
	};
	struct drm_bitnpu_submit args = {
		.queue = 1 + below(f, 2),
		.jobs = array(&job, 1, sizeof(job)),
	};
	struct drm_gem_close close_args = {};
	char *at = slot(f);

	if (call_file(f, fd, DRM_IOCTL_BITNPU_BO_CREATE, &create))
		return;
	close_args.handle = bo.handle = create.handle;
	job.list_addr = create.address;
	for (unsigned int i = 0; i < commands; i++)
		list[i] = valid_command(f, create.address);
	mutate_some(f, list, sizeof(list[0]) * commands, &job, &bo);
	if (map_handle(f, fd, create.handle, at, JOB_BYTES))
		poke(f, at, list, sizeof(list));
	/* Now and then the job is described in a mapping that another thread may take away. */
	if (!below(f, 8)) {
		poke(f, at + 512, &job, sizeof(job));
		args.jobs.pointer = (uintptr_t)at + 512;
	}
	if (call_file(f, fd, DRM_IOCTL_BITNPU_SUBMIT, &args))
		make_usable(f, fd, errno);
	if (below(f, 4))
		call_file(f, fd, DRM_IOCTL_GEM_CLOSE, &close_args);
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
			.bos = array(bos, below(f, 5), sizeof(bos[0])),
			.syncs = array(syncs, below(f, 5), sizeof(syncs[0])),
		};
		if (!below(f, 4))
			jobs[i].list_addr = jobs[i].list_size = 0;
		bos[i] = (struct drm_bitnpu_job_bo){ small(f), below(f, 16) ? 1 + below(f, 7) : 8 };
		syncs[i] = (struct drm_bitnpu_sync){
			.handle = small(f),
			.flags = below(f, 16) ? 1 << below(f, 2) | below(f, 2) << 2 :
						next_random(f),
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
	struct drm_prime_handle prime = {
		.handle = small(f), .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1,
	};
	struct drm_prime_handle import = {};

	if (ioctl(f->fd[below(f, FILES)], DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		return;
	import.fd = prime.fd;
	call(f, DRM_IOCTL_PRIME_FD_TO_HANDLE, &import);
	close(prime.fd);
}

/* Numbers that wait for as long as they are told to. */
static bool waits(unsigned int nr)
{
	return nr == _IOC_NR(DRM_IOCTL_SYNCOBJ_WAIT) ||
	       nr == _IOC_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT);
}

/*
 * DRM allocates as many elements as it is told to, and the kernel warns of what cannot be had.
 * Return: whether @nr is such a number, and @args now name a few.
 */
static bool bound_count(struct fuzzer *f, unsigned int nr, uint64_t *args)
{
	switch (nr) {
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_RESET):
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_SIGNAL):
		args[1] = below(f, 256);
		return true;
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_QUERY):
	case _IOC_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL):
		args[2] = below(f, 256);
		return true;
	default:
		return false;
	}
}

/* DRM's whole range, half of the time this driver's part of it, with any size. */
static void fuzz_number(struct fuzzer *f)
{
	static __thread uint64_t args[(1 << _IOC_SIZEBITS) / sizeof(uint64_t)];
	const uint32_t nr = below(f, 2) ? DRM_COMMAND_BASE + below(f, 12) : below(f, 256);
	const uint32_t size = below(f, 2) ? below(f, 128) : below(f, 1 << _IOC_SIZEBITS);
	bool bounded;

	if (waits(nr))
		return;
	for (unsigned int i = 0; i < sizeof(args) / sizeof(*args); i++)
		args[i] = below(f, 2) ? 0 : below(f, 2) ? small(f) : number(f);
	if (nr == DRM_COMMAND_BASE + DRM_BITNPU_BO_CREATE)
		args[0] = buffer_size(args[0]);
	bounded = bound_count(f, nr, args);
	call(f, _IOC(below(f, 4), 'd', nr, size), bounded || below(f, 16) ? (void *)args : slot(f));
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

static void fuzz_reopen(struct fuzzer *f)
{
	if (!below(f, 16))
		reopen(f, f->fd[below(f, FILES)]);
}

static void fuzz_dup(struct fuzzer *f)
{
	struct drm_bitnpu_queue_create create = { .priority = DRM_BITNPU_PRIORITY_NORMAL };
	const int fd = dup(f->fd[below(f, FILES)]);

	if (fd < 0)
		return;
	call_file(f, fd, DRM_IOCTL_BITNPU_QUEUE_CREATE, &create);
	close(fd);
}

static void do_something(struct fuzzer *f);

/* A process that shares the files uses them and ends or, half of the time, is killed. */
static void fuzz_fork(struct fuzzer *f)
{
	pid_t pid;

	if (f->child || below(f, 4))
		return;
	pid = fork();
	if (!pid) {
		f->child = true;
		f->state = mix(f->state + 1);
		if (pipe2(f->pipe, O_NONBLOCK))
			_exit(0);
		for (unsigned int i = below(f, 32); i; i--)
			do_something(f);
		if (below(f, 2))
			raise(SIGKILL);
		_exit(0);
	}
	if (pid > 0 && below(f, 2)) {
		usleep(below(f, 5000));
		kill(pid, SIGKILL);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void do_something(struct fuzzer *f)
{
	static void (*const kinds[])(struct fuzzer *) = {
		fuzz_bo, fuzz_bo, fuzz_map, fuzz_queue, fuzz_submit, fuzz_job, fuzz_job, fuzz_job,
		fuzz_syncobj, fuzz_prime, fuzz_number, fuzz_number, fuzz_query, fuzz_reopen,
		fuzz_dup, fuzz_fork,
	};

	kinds[below(f, sizeof(kinds) / sizeof(*kinds))](f);
}

static void *fuzz(void *data)
{
	struct fuzzer *f = data;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/make-it-fail", syscall(SYS_gettid));
	if (f->failslab && bt_write_file(path, "1"))
		f->unarmed++;
	while (bt_deadline(0) < f->end)
		do_something(f);
	if (f->failslab)
		bt_write_file(path, "0");
	return NULL;
}

/* Return: 0 or -errno */
static int set_failures(const char *probability)
{
	static const char *const dirs[] = { "failslab", "fail_page_alloc" };
	static const char *const values[][2] = {
		{ "task-filter", "1" }, { "ignore-gfp-wait", "0" }, { "verbose", "0" },
		{ "times", "-1" },
	};
	char path[96];
	int ret = 0;

	for (unsigned int i = 0; i < 2 && !ret; i++) {
		for (unsigned int v = 0; v < 4 && !ret; v++) {
			snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", dirs[i],
				 values[v][0]);
			ret = bt_write_file(path, values[v][1]);
		}
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/probability", dirs[i]);
		if (!ret)
			ret = bt_write_file(path, probability);
	}
	return ret;
}

/* What may go wrong without ending the device or spoiling a result unnoticed. */
static void *inject(void *data)
{
	static const char *const faults[] = {
		"hang", "ring_reset", "lost_irq", "lost_doorbell", "bus_read", "bus_write",
		"bus_fetch", "bus_record", "page_fault", "record_check", "record_sequence",
		"spurious_irq",
	};
	struct fuzzer *f = data;

	while (bt_deadline(0) < f->end) {
		char attribute[64];

		snprintf(attribute, sizeof(attribute), "fault/%s",
			 faults[below(f, sizeof(faults) / sizeof(*faults))]);
		f->good += !bt_sim_write(INSTANCE, attribute, 1);
		usleep(below(f, 300000));
	}
	bt_sim_clear_faults(INSTANCE);
	return NULL;
}

/* Errors that a job, or what is done with its context, may end with while the device fails. */
static bool is_stated(int error)
{
	return error == -EFAULT || error == -ETIME || error == -EIO || error == -ECANCELED ||
	       error == -ENOTRECOVERABLE;
}

/* Jobs of a file of its own until @end.  Return: how many, or an error that must not be. */
static int good_jobs(int64_t end, bool faults)
{
	int ret, jobs = 0;

	do {
		struct bt_matmul mm;
		uint32_t queue;
		int fd = open(node, O_RDWR | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		ret = bt_queue_create(fd, DRM_BITNPU_PRIORITY_NORMAL, &queue);
		if (!ret)
			ret = bt_matmul_create(fd, 2, 40, 200, jobs, &mm);
		if (!ret) {
			do {
				ret = bt_run_matmul(fd, queue, &mm);
				jobs++;
			} while (!ret && bt_deadline(0) < end);
			bt_matmul_destroy(&mm);
		}
		close(fd);
		if (faults && is_stated(ret))
			ret = 0;
	} while (!ret && bt_deadline(0) < end);
	return ret ? ret : jobs;
}

/**
 * struct total - what all rounds made
 * @jobs: the other file's in the last round, or an error
 */
struct total {
	unsigned long calls, good, no_memory, unarmed, jobs_good, jobs_bad, injected;
	int jobs;
};

static void add(struct total *total, const struct fuzzer *f)
{
	total->calls += f->calls;
	total->good += f->good;
	total->no_memory += f->no_memory;
	total->unarmed += f->unarmed;
	total->jobs_good += f->jobs;
	total->jobs_bad += f->bad;
}

static void run_round(uint64_t seed, int64_t end, bool failslab, bool faults, struct total *total)
{
	struct fuzzer fuzzers[THREADS + 1];
	pthread_t threads[THREADS + 1];
	int fd[FILES];

	for (unsigned int i = 0; i < FILES; i++)
		fd[i] = open_file();
	for (unsigned int i = 0; i <= THREADS; i++) {
		fuzzers[i] = (struct fuzzer){
			.state = mix(seed + i), .fd = fd, .end = end, .failslab = failslab,
		};
		if (i < THREADS && pipe2(fuzzers[i].pipe, O_NONBLOCK))
			fuzzers[i].unarmed++;
	}
	for (unsigned int i = 0; i < THREADS + faults; i++)
		pthread_create(&threads[i], NULL, i < THREADS ? fuzz : inject, &fuzzers[i]);
	total->jobs = good_jobs(end, faults);
	for (unsigned int i = 0; i < THREADS + faults; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < FILES; i++)
		count_jobs(&fuzzers[0], fd[i]);
	for (unsigned int i = 0; i < THREADS; i++)
		add(total, &fuzzers[i]);
	if (faults)
		total->injected += fuzzers[THREADS].good;
	for (unsigned int i = 0; i < SLOTS; i++)
		reserve(slots + (size_t)i * SLOT_BYTES);
	/* The files, and dma-bufs and the like that arbitrary numbers made. */
	close_range(STDERR_FILENO + 1, ~0U, 0);
}

/* The simulator's default instance, or what device there is.  Return: whether there is one */
static bool find_device(void)
{
	int fd = bt_sim_present() ? bt_sim_open(INSTANCE) : bt_open(0);
	char link[32];
	ssize_t length;

	if (fd < 0)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, node, sizeof(node) - 1);
	close(fd);
	return length > 0;
}

static int failed_tests;

static void result(int number, bool passed, const char *what)
{
	printf("%sok %d %s\n", passed ? "" : "not ", number, what);
	failed_tests += !passed;
}

static void report(const struct total *total, bool failslab, bool faults)
{
	const int last = good_jobs(0, false);

	printf("# %lu calls, %lu succeeded; %lu jobs ended well, %lu did not\n", total->calls,
	       total->good, total->jobs_good, total->jobs_bad);
	printf("# %lu faults; %lu times no memory\n", total->injected, total->no_memory);
	if (total->jobs < 0 || last < 0)
		printf("# another file's jobs: %d, a new file's: %d\n", total->jobs, last);
	result(1, total->jobs >= 0, "another file's jobs went on");
	result(2, total->good && total->good < total->calls,
	       "some calls succeeded and some did not");
	result(3, total->jobs_good && total->jobs_bad, "some jobs ended well and some did not");
	result(4, last >= 0, "a new file's job ends well");
	result(5, !faults || total->injected, faults ? "the device failed" : "# SKIP no simulator");
	if (failslab)
		result(6, total->no_memory && !total->unarmed, "allocations failed");
}

int main(int argc, char **argv)
{
	const unsigned int seconds = argc > 1 ? atoi(argv[1]) : 20;
	const uint32_t seed = argc > 2 ? strtoul(argv[2], NULL, 0) : time(NULL);
	const bool failslab = argc > 3 && !strcmp(argv[3], "failslab");
	const bool faults = bt_sim_present();
	const int64_t end = bt_deadline(seconds * 1000000000LL);
	struct total total = {};

	printf("TAP version 13\n1..%d\n# seed %u, %u s\n", failslab ? 6 : 5, seed, seconds);
	if (!find_device()) {
		for (int i = 1; i <= (failslab ? 6 : 5); i++)
			printf("ok %d # SKIP no device\n", i);
		return 4;
	}
	if (failslab && set_failures("5"))
		total.unarmed++;
	slots = mmap(NULL, SLOTS * SLOT_BYTES, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (slots == MAP_FAILED)
		return 1;
	fflush(stdout);
	/* The second round comes whatever the time: the device fails in it. */
	for (unsigned int i = 0; total.jobs >= 0 && (i < 2 || bt_deadline(0) < end); i++)
		run_round(mix(seed) + 64 * i, bt_deadline(ROUND_NS), failslab, faults && i % 2,
			  &total);
	if (failslab)
		set_failures("0");
	report(&total, failslab, faults);
	return failed_tests != 0;
}
