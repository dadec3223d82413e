/* SPDX-License-Identifier: MIT */
/*
 * The engine interface: what golden, cpu, opencl and accel implement.
 *
 * The core (device.c, context.c, cmdlist.c, queue.c) owns reference counts, the table of buffers,
 * the check of command lists, job order and fences; an engine owns memory and execution.  An engine
 * is reached only through its ops, listed in engines.c: adding one touches no other.
 *
 * An engine without address spaces of its own leaves out context_create and lets the core hand out
 * addresses.  One whose device takes jobs in advance has queues of its own, and no execute: the
 * core then hands each job over as soon as all it waits for is known to a device, and waits for
 * none.
 */
#ifndef BITNPU_ENGINE_H
#define BITNPU_ENGINE_H

#include "bitnpu.h"
#include "datapath.h"
#include "float_command.h"

struct bitnpu_engine_ops;

/* The engine's part of an object begins with these; the engine allocates the whole of it. */
struct bitnpu_engine_device {
	const struct bitnpu_engine_ops *ops;
	struct bitnpu_device_info info;
};

/**
 * struct bitnpu_engine_context - an engine's address space
 * @dev: the device it is on
 */
struct bitnpu_engine_context {
	struct bitnpu_engine_device *dev;
};

/**
 * struct bitnpu_engine_bo - an engine's buffer
 * @host: host address, valid between map and unmap; set for good where memory is unified
 * @size: bytes, a multiple of the page size
 * @flags: BITNPU_BO_*
 * @addr: device address that the engine gave it, free for another once it is destroyed; 0: the core
 *	is to choose one.  An engine gives all its buffers addresses or none.
 */
struct bitnpu_engine_bo {
	void *host;
	uint64_t size;
	uint32_t flags;
	uint64_t addr;
};

/**
 * struct bitnpu_operand - where an operand of a command lies
 * @bo: the buffer that holds the whole range
 * @offset: of the first byte in @bo, a multiple of 64
 */
struct bitnpu_operand {
	struct bitnpu_engine_bo *bo;
	uint64_t offset;
};

/**
 * struct bitnpu_checked_cmd - a command that passed every check
 * @opcode: BITNPU_OP_BARRIER, BITNPU_OP_MATMUL or a float command's; NOPs are dropped
 * @index: its place in the list as given, for error reports
 * @mm: the decoded MATMUL
 * @x: activations of a MATMUL, likewise @w weights, @s scales (bo NULL for INT32) and @y result
 * @op: the decoded float command; what it means is bitnpu_float_run() (float_run.h)
 * @operands: where a float command's operands lie, by &enum bitnpu_role; bo NULL for those it lacks
 */
struct bitnpu_checked_cmd {
	uint8_t opcode;
	uint32_t index;
	union {
		struct {
			struct bitnpu_matmul mm;
			struct bitnpu_operand x, w, s, y;
		};
		struct {
			struct bitnpu_float_command op;
			struct bitnpu_operand operands[BITNPU_ROLES];
		};
	};
};

/**
 * struct bitnpu_checked_list - a command list that passed every check; immutable
 * @bytes: the commands as given, whose addresses are the buffers'
 * @size: their length
 * @cmds: what they say
 * @count: how many of these
 */
struct bitnpu_checked_list {
	uint8_t *bytes;
	size_t size;
	struct bitnpu_checked_cmd *cmds;
	size_t count;
};

/* A queue of a device, and the end of a job in one: the engine's own. */
struct bitnpu_engine_queue;
struct bitnpu_engine_fence;

/**
 * struct bitnpu_engine_wait - what a job in a device's queue waits for
 * @fence: of a job of the same context, or NULL
 * @fd: a sync_file when @fence is NULL; stays the caller's
 */
struct bitnpu_engine_wait {
	struct bitnpu_engine_fence *fence;
	int fd;
};

/**
 * struct bitnpu_engine_ops - one engine
 * @name: what device names begin with
 * @single: there is never a second device, so its name carries no index
 * @has_hardware: whether this machine has anything but its own processors that could be a device of the
 *	engine; asked first where @count loads drivers, NULL where it does not
 * @count: number of devices there are now; never fails
 * @describe: fill @info of device @index without opening it (name and engine are filled by the
 *	core); -ENODEV past the end
 * @open: open device @index and fill its info but for name and engine, which the core fills
 * @close: the reverse; nothing created on it is left
 * @tune: from now on measure which way to compute a command is fastest, for at most so many milliseconds a
 *	kind of command; may be NULL where there is nothing to choose
 * @context_create: a new address space; may be NULL when a &struct bitnpu_engine_context is all it
 *	takes, which the core then makes
 * @context_destroy: the reverse; nothing created in it is left
 * @bo_create: allocate @size zeroed bytes (a multiple of the page size)
 * @bo_import: make page-aligned host memory a buffer, in place when unified, else by copying
 * @bo_destroy: free either
 * @bo_map: make contents visible to the host at bo->host (BITNPU_MAP_*)
 * @bo_unmap: the reverse
 * @prepare: compile a checked list to what @execute needs; may be NULL.  The list stays as it is
 *	until
 *	@unprepare.  A list of nothing but NOPs reaches neither this nor @execute
 * @unprepare: free it; may be NULL when @prepare is
 * @execute: run a prepared list to its end, results visible to later map calls and jobs.  Called
 *	by one thread at a time per queue, not always the same one, and by several queues at once,
 *	possibly with the same list.  On error fill @fault (its index is the command's @index) with
 *	%BITNPU_STATUS_DEVICE.
 * @queue_create: a queue of the device, whose jobs run in the order of @submit.  NULL, as all
 *	below, when the engine has @execute
 * @queue_destroy: free it; all its jobs have ended
 * @submit: put a prepared list, or NULL for one of NOPs, into the queue without waiting for
 *	anything. Called by one thread at a time per queue.  The job starts after all of @waits have
 *	ended, well or badly.  -EBUSY when the device takes no more jobs of the context until one has
 *	ended: the core tries again then
 * @fence_wait: wait until the job has ended.  @deadline_ns is absolute, CLOCK_MONOTONIC; 0 polls,
 *	INT64_MAX is never.  Return: 0, or -ETIME
 * @fence_status: how a job that has ended did: 0 or its error
 * @fence_export: a new sync_file of the job's end
 * @fence_destroy: free it; the job runs on
 *
 * All return 0 or a negative errno and fill @err.
 */
struct bitnpu_engine_ops {
	const char *name;
	bool single;
	bool (*has_hardware)(void);
	unsigned int (*count)(void);
	int (*describe)(unsigned int index, struct bitnpu_device_info *info);
	int (*open)(unsigned int index, struct bitnpu_engine_device **dev, struct bitnpu_error *err);
	void (*close)(struct bitnpu_engine_device *dev);
	int (*tune)(struct bitnpu_engine_device *dev, uint32_t milliseconds,
		    struct bitnpu_error *err);
	int (*context_create)(struct bitnpu_engine_device *dev, struct bitnpu_engine_context **ctx,
			      struct bitnpu_error *err);
	void (*context_destroy)(struct bitnpu_engine_context *ctx);
	int (*bo_create)(struct bitnpu_engine_context *ctx, uint64_t size, uint32_t flags,
			 struct bitnpu_engine_bo **bo, struct bitnpu_error *err);
	int (*bo_import)(struct bitnpu_engine_context *ctx, const void *ptr, uint64_t size,
			 uint32_t flags, struct bitnpu_engine_bo **bo, struct bitnpu_error *err);
	void (*bo_destroy)(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo);
	int (*bo_map)(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
		      uint32_t access, struct bitnpu_error *err);
	int (*bo_unmap)(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
			struct bitnpu_error *err);
	int (*prepare)(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
		       void **prepared, struct bitnpu_error *err);
	void (*unprepare)(struct bitnpu_engine_context *ctx, void *prepared);
	int (*execute)(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
		       void *prepared, struct bitnpu_error *err);
	int (*queue_create)(struct bitnpu_engine_context *ctx, struct bitnpu_engine_queue **queue,
			    struct bitnpu_error *err);
	void (*queue_destroy)(struct bitnpu_engine_queue *queue);
	int (*submit)(struct bitnpu_engine_queue *queue, void *prepared,
		      const struct bitnpu_engine_wait *waits, size_t wait_count,
		      struct bitnpu_engine_fence **fence, struct bitnpu_error *err);
	int (*fence_wait)(struct bitnpu_engine_fence *fence, int64_t deadline_ns);
	int (*fence_status)(struct bitnpu_engine_fence *fence, struct bitnpu_error *err);
	int (*fence_export)(struct bitnpu_engine_fence *fence, int *fd, struct bitnpu_error *err);
	void (*fence_destroy)(struct bitnpu_engine_fence *fence);
};

extern const struct bitnpu_engine_ops bitnpu_accel_ops;
extern const struct bitnpu_engine_ops bitnpu_cpu_ops;
extern const struct bitnpu_engine_ops bitnpu_golden_ops;
extern const struct bitnpu_engine_ops bitnpu_opencl_ops;

/**
 * bitnpu_engines - every engine, ended by NULL (engines.c)
 *
 * Among devices of a kind (bitnpu_device_list()), "auto" prefers them in this order.
 */
extern const struct bitnpu_engine_ops *const bitnpu_engines[];

#endif /* BITNPU_ENGINE_H */
