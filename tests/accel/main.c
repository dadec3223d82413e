// SPDX-License-Identifier: MIT
/*
 * The accel engine on simulated NPUs: what only a kernel with the driver can show.  Needs root, the two
 * modules and configfs; make check-vm runs it in a guest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xf86drm.h>

#include "libbitnpu/accel/accel.h"
#include "libbitnpu/core.h"
#include "npu.h"

#define MS	1000000LL

static int finish(struct bitnpu_fence *fence, struct bitnpu_error *err)
{
	const int ret = bitnpu_fence_wait(fence, BITNPU_WAIT_FOREVER, err);

	bitnpu_fence_destroy(fence);
	return ret;
}

/* ---- what there is -------------------------------------------------------------------------- */

static const struct bitnpu_device_info *find(const struct bitnpu_device_info *list, size_t count,
					     const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0)
			return &list[i];
	return NULL;
}

static void test_device(void **state)
{
	const struct bitnpu_device_info *npu;
	struct bitnpu_device_info *list;
	struct bitnpu_device *automatic;
	size_t count;

	assert_int_equal(bitnpu_device_list(&list, &count, NULL), 0);
	npu = find(list, count, "accel:0");
	assert_non_null(npu);
	assert_true(npu->prototype);
	assert_non_null(strstr(npu->description, "/dev/accel/accel"));
	assert_non_null(strstr(npu->detail, "cores of"));
	assert_non_null(strstr(npu->detail, "KiB of SRAM"));
	assert_int_not_equal(npu->features, 0);
	assert_true(npu->max_k_int32 >= npu->max_k_int64 && npu->max_k_int64);
	/* A simulator is not what auto means. */
	assert_string_not_equal(list[0].engine, "accel");
	bitnpu_device_list_free(list);
	assert_int_equal(bitnpu_device_open("auto", &automatic, NULL), 0);
	assert_string_not_equal(bitnpu_device_get_info(automatic)->engine, "accel");
	bitnpu_device_close(automatic);
}

/* In a child, as nobody.  Return: whether the device is listed with the reason, and opening fails with it. */
static bool is_refused_to_nobody(void)
{
	const struct bitnpu_device_info *npu;
	struct bitnpu_device_info *list;
	struct bitnpu_device *dev;
	struct bitnpu_error err;
	size_t count;

	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534) ||
	    bitnpu_device_list(&list, &count, NULL))
		return false;
	npu = find(list, count, "accel:0");
	return npu && npu->features == 0 && strstr(npu->detail, "unusable: /dev/accel/accel") &&
	       strstr(npu->detail, "Permission denied") &&
	       bitnpu_device_open("accel", &dev, &err) == -EACCES && strstr(err.message, "render");
}

static void test_permission(void **state)
{
	const pid_t child = fork();
	int status;

	if (child == 0)
		_exit(is_refused_to_nobody() ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* ---- order ---------------------------------------------------------------------------------- */

static void test_in_flight(void **state)
{
	struct bitnpu_fence *done[100];
	struct bitnpu_queue *queue;
	struct counter c;

	counter_open(&c, "accel");
	queue = counter_queue(&c);
	for (int i = 0; i < 100; i++)
		done[i] = counter_submit(&c, queue, i, NULL);
	for (int i = 99; i >= 0; i--)
		assert_int_equal(finish(done[i], NULL), 0);
	assert_int_equal(counter_value(&c), 100);
	/* What the host writes through the mapping is there for the next job, without another map. */
	c.row[0] = 5;
	assert_int_equal(finish(counter_submit(&c, queue, 0, NULL), NULL), 0);
	assert_int_equal(finish(counter_submit(&c, queue, 1, NULL), NULL), 0);
	assert_int_equal(counter_value(&c), 7);
	bitnpu_queue_destroy(queue);
	counter_close(&c);
}

/* Destroying a queue finishes what is in it, seen or not. */
static void test_unwatched(void **state)
{
	struct bitnpu_queue *queue;
	struct counter c;

	counter_open(&c, "accel");
	queue = counter_queue(&c);
	for (int i = 0; i < 126; i++)
		assert_int_equal(bitnpu_queue_submit(queue, c.lists[i % 2], NULL, 0, NULL, NULL), 0);
	bitnpu_queue_destroy(queue);
	assert_int_equal(counter_value(&c), 126);
	counter_close(&c);
}

/*
 * More jobs than the driver holds for a context, behind one that does not end before the driver's
 * timeout: submission goes on, and none is lost or overtaken.  The count wraps at 256.
 */
static void test_many_pending(void **state)
{
	static struct bitnpu_fence *done[DRM_BITNPU_MAX_PENDING + 104];
	const size_t count = sizeof(done) / sizeof(done[0]);
	struct bitnpu_queue *hung_queue, *queue;
	struct counter hung, c;
	struct bitnpu_fence *end;
	struct npu npu = { 0 };

	npu_create(&npu, "crowded", "");
	counter_open(&hung, "accel:0");
	counter_open(&c, npu.device);
	hung_queue = counter_queue(&hung);
	queue = counter_queue(&c);
	npu_fault(NULL, "hang", 1);
	end = counter_submit(&hung, hung_queue, 0, NULL);
	for (size_t i = 0; i < count; i++)
		done[i] = counter_submit(&c, queue, i, i ? NULL : end);
	/* The first has inherited the failure of what it waited for. */
	for (size_t i = 0; i < count; i++)
		assert_int_equal(finish(done[i], NULL), i ? 0 : -ETIMEDOUT);
	assert_int_equal(counter_value(&c), count % 256);
	bitnpu_fence_destroy(end);
	bitnpu_queue_destroy(queue);
	bitnpu_queue_destroy(hung_queue);
	counter_close(&c);
	counter_close(&hung);
	npu_destroy(&npu);
}

/* Each job on another queue than the one it waits for. */
static void test_across_queues(void **state)
{
	struct bitnpu_fence *last = NULL;
	struct bitnpu_queue *queues[3];
	struct counter c;

	counter_open(&c, "accel");
	for (int i = 0; i < 3; i++)
		queues[i] = counter_queue(&c);
	for (int i = 0; i < 100; i++) {
		struct bitnpu_fence *next = counter_submit(&c, queues[i % 3], i, last);

		bitnpu_fence_destroy(last);
		last = next;
	}
	assert_int_equal(finish(last, NULL), 0);
	assert_int_equal(counter_value(&c), 100);
	for (int i = 0; i < 3; i++)
		bitnpu_queue_destroy(queues[i]);
	counter_close(&c);
}

static int file_status(int fd)
{
	struct sync_file_info info = { 0 };

	assert_int_equal(ioctl(fd, SYNC_IOC_FILE_INFO, &info), 0);
	return info.status;
}

#define MANY_WAITS	300
#define SLOW_WAIT	100

/* More fences to wait for than a job of the driver takes, one of them late. */
static void test_many_waits(void **state)
{
	struct bitnpu_fence *waits[MANY_WAITS], *done;
	struct bitnpu_queue *first, *second, *third;
	struct counter c;
	struct slow slow;
	struct npu npu = { 0 };
	int fd;

	/* With a core for the late one, and one for those that need not wait for it. */
	npu_create(&npu, "double", "cores=2 rings=4");
	counter_open(&c, npu.device);
	slow_create(&slow, c.ctx);
	first = counter_queue(&c);
	second = counter_queue(&c);
	third = counter_queue(&c);
	/* None has ended when the job is submitted, and one ends later than all others. */
	bitnpu_fence_destroy(slow_submit(&slow, second));
	for (int i = 0; i < 2; i++)
		bitnpu_fence_destroy(slow_submit(&slow, first));
	for (int i = 0; i < MANY_WAITS; i++)
		waits[i] = i == SLOW_WAIT ? slow_submit(&slow, first) :
					    counter_submit(&c, second, i, NULL);
	assert_int_equal(bitnpu_queue_submit(third, c.lists[0], waits, MANY_WAITS, &done, NULL), 0);
	assert_int_equal(finish(done, NULL), 0);
	/* The kernel's word: the library takes it from the job's end that the others have ended. */
	assert_int_equal(bitnpu_fence_export_fd(waits[SLOW_WAIT], &fd, NULL), 0);
	assert_int_equal(file_status(fd), 1);
	close(fd);
	for (int i = 0; i < MANY_WAITS; i++)
		bitnpu_fence_destroy(waits[i]);
	bitnpu_queue_destroy(first);
	bitnpu_queue_destroy(second);
	bitnpu_queue_destroy(third);
	slow_destroy(&slow);
	counter_close(&c);
	npu_destroy(&npu);
}

/* A fence stays what it is while others are made, waited for and destroyed. */
static void test_fences_apart(void **state)
{
	struct bitnpu_fence *kept, *after, *slow_done[2];
	struct bitnpu_queue *first, *second;
	struct counter c;
	struct slow slow;
	int fd;

	counter_open(&c, "accel");
	slow_create(&slow, c.ctx);
	first = counter_queue(&c);
	second = counter_queue(&c);
	kept = counter_submit(&c, first, 0, NULL);
	after = counter_submit(&c, second, 1, kept);
	assert_int_equal(finish(after, NULL), 0);
	for (int i = 0; i < 2; i++)
		slow_done[i] = slow_submit(&slow, first);
	assert_int_equal(bitnpu_fence_export_fd(kept, &fd, NULL), 0);
	assert_int_equal(file_status(fd), 1);
	close(fd);
	bitnpu_fence_destroy(kept);
	for (int i = 0; i < 2; i++)
		assert_int_equal(finish(slow_done[i], NULL), 0);
	bitnpu_queue_destroy(first);
	bitnpu_queue_destroy(second);
	slow_destroy(&slow);
	counter_close(&c);
}

/* ---- two devices, and the host --------------------------------------------------------------- */

static void test_two_devices(void **state)
{
	struct bitnpu_queue *slow_queue, *queue;
	struct bitnpu_fence *slow_done, *done;
	struct counter a, b;
	struct slow slow;
	struct npu npu = { 0 };
	int fd;

	npu_create(&npu, "second", "");
	counter_open(&a, "accel:0");
	counter_open(&b, npu.device);
	slow_create(&slow, a.ctx);
	slow_queue = counter_queue(&a);
	queue = counter_queue(&b);
	slow_done = slow_submit(&slow, slow_queue);
	done = counter_submit(&b, queue, 0, slow_done);
	assert_int_equal(bitnpu_fence_wait(done, 0, NULL), -ETIME);
	assert_int_equal(finish(done, NULL), 0);
	/* The kernel has waited for the other device's job. */
	assert_int_equal(bitnpu_fence_export_fd(slow_done, &fd, NULL), 0);
	assert_int_equal(file_status(fd), 1);
	close(fd);
	bitnpu_fence_destroy(slow_done);
	assert_int_equal(finish(counter_submit(&b, queue, 1, NULL), NULL), 0);
	assert_int_equal(counter_value(&b), 2);
	bitnpu_queue_destroy(queue);
	bitnpu_queue_destroy(slow_queue);
	slow_destroy(&slow);
	counter_close(&a);
	counter_close(&b);
	npu_destroy(&npu);
}

static void test_with_golden(void **state)
{
	struct bitnpu_queue *queue, *golden_queue;
	struct bitnpu_fence *last = NULL;
	struct counter c, golden;

	counter_open(&c, "accel");
	counter_open(&golden, "golden");
	queue = counter_queue(&c);
	golden_queue = counter_queue(&golden);
	for (int i = 0; i < 40; i++) {
		struct bitnpu_fence *host = counter_submit(&golden, golden_queue, i, last), *next;

		next = counter_submit(&c, queue, i, host);
		bitnpu_fence_destroy(host);
		bitnpu_fence_destroy(last);
		last = next;
	}
	assert_int_equal(finish(last, NULL), 0);
	assert_int_equal(counter_value(&c), 40);
	assert_int_equal(counter_value(&golden), 40);
	bitnpu_queue_destroy(queue);
	bitnpu_queue_destroy(golden_queue);
	counter_close(&c);
	counter_close(&golden);
}

/* ---- fences as descriptors ------------------------------------------------------------------- */

static void test_export(void **state)
{
	struct bitnpu_fence *done, *imported, *after;
	struct bitnpu_queue *queue, *golden_queue;
	struct pollfd ready = { .events = POLLIN };
	struct counter c, golden;
	struct slow slow;
	int copy;

	counter_open(&c, "accel");
	counter_open(&golden, "golden");
	slow_create(&slow, c.ctx);
	queue = counter_queue(&c);
	golden_queue = counter_queue(&golden);
	done = slow_submit(&slow, queue);
	assert_int_equal(bitnpu_fence_export_fd(done, &ready.fd, NULL), 0);
	assert_int_equal(file_status(ready.fd), 0);
	assert_int_equal(poll(&ready, 1, 0), 0);
	assert_int_equal(bitnpu_fence_import_fd(ready.fd, &imported, NULL), 0);
	assert_int_equal(bitnpu_fence_wait(imported, 0, NULL), -ETIME);
	after = counter_submit(&golden, golden_queue, 0, imported);
	assert_int_equal(poll(&ready, 1, -1), 1);
	assert_int_equal(file_status(ready.fd), 1);
	assert_int_equal(bitnpu_fence_wait(imported, 1000 * MS, NULL), 0);
	assert_int_equal(finish(after, NULL), 0);
	/* An import can be exported again, and waited for by a job of this device. */
	assert_int_equal(bitnpu_fence_export_fd(imported, &copy, NULL), 0);
	assert_int_equal(file_status(copy), 1);
	close(copy);
	assert_int_equal(finish(counter_submit(&c, queue, 0, imported), NULL), 0);
	bitnpu_fence_destroy(imported);
	bitnpu_fence_destroy(done);
	close(ready.fd);
	bitnpu_queue_destroy(queue);
	bitnpu_queue_destroy(golden_queue);
	slow_destroy(&slow);
	counter_close(&c);
	counter_close(&golden);
}

/* ---- failure -------------------------------------------------------------------------------- */

/* Close the driver's handle of a buffer behind the library's back. */
static void pull_out(struct bitnpu_bo *bo)
{
	const struct bitnpu_accel_context *ctx = (struct bitnpu_accel_context *)bo->ctx->engine;

	assert_int_equal(drmCloseBufferHandle(ctx->fd, ((struct bitnpu_accel_bo *)bo->engine)->handle), 0);
}

/*
 * A list of NOPs and one command that passes the library's check and not the NPU's: its buffer of weights
 * is gone by then, and the job does not name it.
 */
static struct bitnpu_cmdlist *bad_list(struct counter *c, struct bitnpu_bo **weights)
{
	const struct bitnpu_cmd_matmul cmds[3] = { [2] = {
		.opcode = BITNPU_OP_MATMUL,
		.m = htole32(1),
		.n = htole32(16),
		.k = htole32(64),
		.x_addr = htole64(bitnpu_bo_address(c->rows)),
		.w_addr = htole64(bitnpu_bo_address(*weights)),
		.y_addr = htole64(bitnpu_bo_address(c->rows) + 4096),
		.x_stride = htole32(64),
		.y_stride = htole32(64),
	} };
	struct bitnpu_accel_list *prepared;
	struct bitnpu_cmdlist *list;

	assert_int_equal(bitnpu_cmdlist_create(c->ctx, cmds, sizeof(cmds), &list, NULL), 0);
	prepared = list->prepared;
	prepared->job.bos = (struct drm_bitnpu_array){ 0 };
	return list;
}

static void test_ban(void **state)
{
	struct bitnpu_queue *queue, *second, *other_queue;
	struct bitnpu_fence *bad_done, *after, *across, *inherited;
	struct bitnpu_cmdlist *bad;
	struct bitnpu_bo *weights;
	struct bitnpu_error err;
	struct counter c, other;
	uint64_t addr;
	struct slow slow;

	counter_open(&c, "accel");
	counter_open(&other, "accel");
	slow_create(&slow, c.ctx);
	queue = counter_queue(&c);
	second = counter_queue(&c);
	other_queue = counter_queue(&other);
	assert_int_equal(bitnpu_bo_create(c.ctx, 4096, 0, &weights, NULL), 0);
	addr = bitnpu_bo_address(weights);
	bad = bad_list(&c, &weights);
	pull_out(weights);
	/* Behind a slow job, so that all are queued before the first fails. */
	assert_int_equal(bitnpu_queue_submit(queue, slow.list, NULL, 0, NULL, NULL), 0);
	assert_int_equal(bitnpu_queue_submit(queue, bad, NULL, 0, &bad_done, NULL), 0);
	after = counter_submit(&c, queue, 0, NULL);
	across = counter_submit(&c, second, 0, bad_done);
	inherited = counter_submit(&other, other_queue, 0, bad_done);

	assert_int_equal(bitnpu_fence_wait(bad_done, BITNPU_WAIT_FOREVER, &err), -EFAULT);
	print_message("%s\n", err.message);
	assert_non_null(strstr(err.message, "accel:0: command 2: access to device address 0x"));
	assert_non_null(strstr(err.message, "banned"));
	assert_int_equal(err.fault.status, BITNPU_STATUS_UNMAPPED);
	assert_int_equal(err.fault.index, 2);
	assert_int_equal(err.fault.addr, addr);
	assert_int_equal(finish(after, &err), -ECANCELED);
	print_message("%s\n", err.message);
	assert_non_null(strstr(err.message, "cancelled"));
	assert_non_null(strstr(err.message, "command 2"));
	assert_int_equal(err.fault.status, BITNPU_STATUS_OK);
	assert_int_equal(finish(across, &err), -ECANCELED);
	/* Another context is not banned, but its job waited for one that failed. */
	assert_int_equal(finish(inherited, &err), -EFAULT);
	assert_int_equal(finish(counter_submit(&other, other_queue, 1, NULL), NULL), 0);
	assert_int_equal(counter_value(&other), 2);

	assert_int_equal(finish(counter_submit(&c, queue, 0, NULL), &err), -ENOTRECOVERABLE);
	print_message("%s\n", err.message);
	assert_non_null(strstr(err.message, "refused, the context is banned: command 2"));
	assert_int_equal(counter_value(&c), 0);
	bitnpu_fence_destroy(bad_done);
	bitnpu_queue_destroy(queue);
	bitnpu_queue_destroy(second);
	bitnpu_queue_destroy(other_queue);
	assert_int_equal(bitnpu_queue_create(c.ctx, &queue, &err), -ENOTRECOVERABLE);
	assert_non_null(strstr(err.message, "banned"));
	bitnpu_cmdlist_destroy(bad);
	bitnpu_bo_destroy(weights);
	slow_destroy(&slow);
	counter_close(&c);
	counter_close(&other);
}

static void expect_failure(const char *fault, int expected, const char *words)
{
	struct bitnpu_queue *queue;
	struct bitnpu_error err;
	struct counter c;

	counter_open(&c, "accel:0");
	queue = counter_queue(&c);
	assert_int_equal(finish(counter_submit(&c, queue, 0, NULL), NULL), 0);
	npu_fault(NULL, fault, 1);
	assert_int_equal(finish(counter_submit(&c, queue, 0, NULL), &err), expected);
	print_message("%s: %s\n", fault, err.message);
	assert_non_null(strstr(err.message, words));
	assert_int_not_equal(err.fault.status, BITNPU_STATUS_OK);
	bitnpu_queue_destroy(queue);
	counter_close(&c);
	/* A new context starts afresh. */
	counter_open(&c, "accel:0");
	queue = counter_queue(&c);
	for (int i = 0; i < 4; i++)
		assert_int_equal(finish(counter_submit(&c, queue, i, NULL), NULL), 0);
	assert_int_equal(counter_value(&c), 4);
	bitnpu_queue_destroy(queue);
	counter_close(&c);
}

static void test_hang(void **state)
{
	expect_failure("hang", -ETIMEDOUT, "no progress");
}

static void test_device_failure(void **state)
{
	expect_failure("bus_read", -EIO, "the device failed");
}

static void test_page_fault(void **state)
{
	expect_failure("page_fault", -EFAULT, "not mapped");
}

/* Pulled out in the middle of work: every wait ends, every object can be destroyed, the others go on. */
static void test_removal(void **state)
{
	struct bitnpu_fence *slow_done, *after;
	struct bitnpu_queue *queue, *other_queue;
	struct bitnpu_context *ctx = NULL;
	struct bitnpu_bo *bo = NULL;
	struct bitnpu_error err;
	struct counter c, other;
	struct slow slow;
	struct npu npu = { 0 };

	npu_create(&npu, "removed", "cores=2");
	counter_open(&c, npu.device);
	counter_open(&other, "accel:0");
	other_queue = counter_queue(&other);
	slow_create(&slow, c.ctx);
	queue = counter_queue(&c);
	slow_done = slow_submit(&slow, queue);
	after = counter_submit(&c, queue, 0, NULL);
	npu_remove(&npu);
	assert_int_equal(finish(after, &err), -ENODEV);
	print_message("%s\n", err.message);
	assert_non_null(strstr(err.message, "gone"));
	assert_int_equal(finish(slow_done, &err), -ENODEV);
	assert_int_equal(finish(counter_submit(&c, queue, 0, NULL), &err), -ENODEV);
	assert_int_equal(bitnpu_bo_create(c.ctx, 4096, 0, &bo, &err), -ENODEV);
	assert_int_equal(bitnpu_context_create(c.dev, &ctx, &err), -ENODEV);
	assert_non_null(strstr(err.message, "the device is gone"));
	assert_int_equal(finish(counter_submit(&other, other_queue, 0, NULL), NULL), 0);
	bitnpu_queue_destroy(queue);
	slow_destroy(&slow);
	counter_close(&c);
	bitnpu_queue_destroy(other_queue);
	counter_close(&other);
	npu_destroy(&npu);
}

/* ---- limits, and what is copied -------------------------------------------------------------- */

static void test_small_sram(void **state)
{
	struct bitnpu_cmd_matmul cmd = {
		.opcode = BITNPU_OP_MATMUL,
		.weight_format = BITNPU_W_BINARY,
		.m = htole32(1),
		.n = htole32(16),
		.x_stride = htole32(8192),
		.y_stride = htole32(64),
	};
	const struct bitnpu_device_info *info;
	struct bitnpu_queue *queue;
	struct bitnpu_cmdlist *list;
	struct bitnpu_fence *done;
	struct bitnpu_error err;
	struct bitnpu_bo *bo;
	struct counter c;
	struct npu npu = { 0 };

	npu_create(&npu, "small", "sram_bytes=8192");
	counter_open(&c, npu.device);
	info = bitnpu_device_get_info(c.dev);
	assert_int_equal(info->max_k_int32, 7936);
	assert_int_equal(bitnpu_bo_create(c.ctx, 65536, 0, &bo, NULL), 0);
	cmd.x_addr = htole64(bitnpu_bo_address(bo));
	cmd.w_addr = htole64(bitnpu_bo_address(bo) + 8192);
	cmd.y_addr = htole64(bitnpu_bo_address(bo) + 32768);
	cmd.k = htole32(7937);
	assert_int_equal(bitnpu_cmdlist_create(c.ctx, &cmd, sizeof(cmd), &list, &err), -EINVAL);
	print_message("%s\n", err.message);
	assert_non_null(strstr(err.message, "k 7937"));
	assert_non_null(strstr(err.message, "up to 7936"));
	assert_int_equal(err.fault.status, BITNPU_STATUS_UNSUPPORTED);
	assert_int_equal(err.fault.addr, 7937);
	/* What the library takes, the NPU takes. */
	cmd.k = htole32(7936);
	assert_int_equal(bitnpu_cmdlist_create(c.ctx, &cmd, sizeof(cmd), &list, &err), 0);
	queue = counter_queue(&c);
	assert_int_equal(bitnpu_queue_submit(queue, list, NULL, 0, &done, NULL), 0);
	assert_int_equal(finish(done, &err), 0);
	bitnpu_cmdlist_destroy(list);
	bitnpu_bo_destroy(bo);
	bitnpu_queue_destroy(queue);
	counter_close(&c);
	npu_destroy(&npu);
}

static const struct drm_bitnpu_job *job_of(const struct bitnpu_cmdlist *list)
{
	return &((const struct bitnpu_accel_list *)list->prepared)->job;
}

/* What a submission of a list says: each buffer once, and whether it may be run again. */
static void test_list(void **state)
{
	const uint32_t no_sync = DRM_BITNPU_JOB_BO_NO_SYNC, read = DRM_BITNPU_JOB_BO_READ;
	const struct drm_bitnpu_job_bo *bos;
	struct bitnpu_cmdlist *both;
	struct bitnpu_cmd cmds[3];
	struct counter c;

	counter_open(&c, "accel");
	bos = (const void *)(uintptr_t)job_of(c.lists[0])->bos.pointer;
	assert_int_equal(job_of(c.lists[0])->bos.count, 3);
	assert_int_equal(bos[0].handle, ((struct bitnpu_accel_bo *)c.rows->engine)->handle);
	assert_int_equal(bos[0].flags, no_sync | read | DRM_BITNPU_JOB_BO_WRITE);
	assert_int_equal(bos[1].handle, ((struct bitnpu_accel_bo *)c.weights->engine)->handle);
	assert_int_equal(bos[1].flags, no_sync | read);
	assert_int_equal(bos[2].flags, no_sync | read);
	assert_int_equal(job_of(c.lists[0])->flags, DRM_BITNPU_JOB_RESTARTABLE);
	/* There and back writes what it read first. */
	memcpy(&cmds[0], c.lists[0]->checked.bytes, sizeof(cmds[0]));
	memset(&cmds[1], 0, sizeof(cmds[1]));
	cmds[1].opcode = BITNPU_OP_BARRIER;
	memcpy(&cmds[2], c.lists[1]->checked.bytes, sizeof(cmds[2]));
	assert_int_equal(bitnpu_cmdlist_create(c.ctx, cmds, sizeof(cmds), &both, NULL), 0);
	assert_int_equal(job_of(both)->flags, 0);
	bitnpu_cmdlist_destroy(both);
	counter_close(&c);
}

#define MANY_BOS	(DRM_BITNPU_MAX_JOB_BOS + 100)

/* More buffers than a job can name: the library holds on to them anyway. */
static void test_many_buffers(void **state)
{
	static struct bitnpu_bo *results[MANY_BOS];
	static struct bitnpu_cmd_matmul cmds[MANY_BOS];
	struct bitnpu_queue *queue;
	struct bitnpu_cmdlist *list;
	struct bitnpu_fence *done;
	struct counter c;
	void *y;

	counter_open(&c, "accel");
	queue = counter_queue(&c);
	c.row[0] = 41;
	for (int i = 0; i < MANY_BOS; i++) {
		assert_int_equal(bitnpu_bo_create(c.ctx, 64, 0, &results[i], NULL), 0);
		memcpy(&cmds[i], c.lists[0]->checked.bytes, sizeof(cmds[i]));
		cmds[i].y_addr = htole64(bitnpu_bo_address(results[i]));
	}
	assert_int_equal(bitnpu_cmdlist_create(c.ctx, cmds, sizeof(cmds), &list, NULL), 0);
	assert_int_equal(bitnpu_queue_submit(queue, list, NULL, 0, &done, NULL), 0);
	bitnpu_cmdlist_destroy(list);
	assert_int_equal(finish(done, NULL), 0);
	for (int i = 0; i < MANY_BOS; i++) {
		assert_int_equal(bitnpu_bo_map(results[i], BITNPU_MAP_READ, &y, NULL), 0);
		assert_int_equal(le32toh(*(uint32_t *)y), 42);
		bitnpu_bo_destroy(results[i]);
	}
	bitnpu_queue_destroy(queue);
	counter_close(&c);
}

/* What the library asks of the kernel, counted by the linker's --wrap. */
static struct {
	unsigned int creates, submits, queries, others, maps;
} calls;

int __real_drmIoctl(int fd, unsigned long request, void *arg);
int __wrap_drmIoctl(int fd, unsigned long request, void *arg);
int __wrap_drmIoctl(int fd, unsigned long request, void *arg)
{
	if (request == DRM_IOCTL_BITNPU_BO_CREATE)
		calls.creates++;
	else if (request == DRM_IOCTL_BITNPU_SUBMIT)
		calls.submits++;
	else if (request == DRM_IOCTL_BITNPU_QUERY)
		calls.queries++;
	else
		calls.others++;
	return __real_drmIoctl(fd, request, arg);
}

void *__real_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	calls.maps++;
	return __real_mmap(addr, length, prot, flags, fd, offset);
}

/*
 * The model's matrices are uploaded when the session is created.  After the first token every other one is
 * its submissions, and how each ended: no buffer is made, none is mapped.
 */
static void test_upload_once(void **state)
{
	struct bitnpu_session_stats before, after;
	const struct bitnpu_model_info *info;
	struct bitnpu_session *session;
	struct bitnpu_device *dev;
	struct bitnpu_model *model;
	struct bitnpu_error err;
	const float *logits;
	uint32_t token = 1;

	if (bitnpu_device_open("accel", &dev, &err) ||
	    bitnpu_model_open("models/kjv-800k-tq2_0.gguf", 0, &model, &err) ||
	    bitnpu_session_create(model, dev, NULL, &session, &err) ||
	    bitnpu_session_eval(session, &token, 1, &logits, &err))
		fail_msg("%s", err.message);
	info = bitnpu_model_get_info(model);
	assert_true(calls.creates > 7 * info->n_layer);
	bitnpu_session_get_stats(session, &before);
	memset(&calls, 0, sizeof(calls));
	for (token = 2; token < 12; token++)
		if (bitnpu_session_eval(session, &token, 1, &logits, &err))
			fail_msg("%s", err.message);
	bitnpu_session_get_stats(session, &after);
	assert_int_equal(calls.submits, 10 * (4 * info->n_layer + 1));
	assert_int_equal(after.submissions - before.submissions, calls.submits);
	assert_int_equal(calls.queries, calls.submits);
	assert_int_equal(calls.creates, 0);
	assert_int_equal(calls.others, 0);
	assert_int_equal(calls.maps, 0);
	bitnpu_session_destroy(session);
	bitnpu_model_close(model);
	bitnpu_device_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device),
		cmocka_unit_test(test_permission),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_unwatched),
		cmocka_unit_test(test_many_pending),
		cmocka_unit_test(test_across_queues),
		cmocka_unit_test(test_many_waits),
		cmocka_unit_test(test_fences_apart),
		cmocka_unit_test(test_two_devices),
		cmocka_unit_test(test_with_golden),
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_ban),
		cmocka_unit_test(test_hang),
		cmocka_unit_test(test_device_failure),
		cmocka_unit_test(test_page_fault),
		cmocka_unit_test(test_removal),
		cmocka_unit_test(test_small_sram),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_many_buffers),
		cmocka_unit_test(test_upload_once),
	};

	if (!npu_available()) {
		printf("1..0 # SKIP no simulated NPU, or no right to configure it\n");
		return 0;
	}
	return cmocka_run_group_tests_name("accel engine", tests, NULL, NULL);
}
