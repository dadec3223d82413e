/* SPDX-License-Identifier: MIT */
/*
 * BitNPU's accel driver: /dev/accel/accelN.
 *
 * Rules that hold for all of it:
 *
 * - The layouts are the same for every caller, of 32 or 64 bits.  Pointers are 64-bit integers.
 * - Every pad, reserved member, undefined flag and member that is only an answer ("out") must be
 *   zero, or the call fails with EINVAL.
 * - Structures grow at their end: the size in the ioctl number, or the stride of an array, says how
 *   much the caller knows.  Shorter is as if the rest were zero; longer is refused with E2BIG
 *   unless the rest is zero.
 * - A call that fails has changed nothing, except where stated.
 *
 * An open file is a context: an address space of the NPU, the buffers mapped in it, and queues.
 * Nothing a context does can read, write or stop what belongs to another.  When one of its jobs
 * fails the context is banned: see DRM_IOCTL_BITNPU_SUBMIT.
 */
#ifndef _UAPI_DRM_BITNPU_ACCEL_H_
#define _UAPI_DRM_BITNPU_ACCEL_H_

#include "drm.h"

#if defined(__cplusplus)
extern "C" {
#endif

/** DRM_BITNPU_DRIVER_NAME - what DRM_IOCTL_VERSION says of this driver */
#define DRM_BITNPU_DRIVER_NAME		"bitnpu"

/** DRM_BITNPU_VERSION_MAJOR - of this interface; another number is another interface */
#define DRM_BITNPU_VERSION_MAJOR	1
/** DRM_BITNPU_VERSION_MINOR - grows when something is added */
#define DRM_BITNPU_VERSION_MINOR	0

#define DRM_BITNPU_QUERY		0x00
#define DRM_BITNPU_BO_CREATE		0x01
#define DRM_BITNPU_BO_INFO		0x02
#define DRM_BITNPU_BO_MMAP_OFFSET	0x03
#define DRM_BITNPU_BO_WAIT		0x04
#define DRM_BITNPU_QUEUE_CREATE		0x05
#define DRM_BITNPU_QUEUE_DESTROY	0x06
#define DRM_BITNPU_SUBMIT		0x07

/**
 * enum drm_bitnpu_query_type - what to ask for
 * @DRM_BITNPU_QUERY_DEVICE: &struct drm_bitnpu_device_info
 * @DRM_BITNPU_QUERY_CONTEXT: &struct drm_bitnpu_context_info
 * @DRM_BITNPU_QUERY_COUNTERS: &struct drm_bitnpu_counters
 */
enum drm_bitnpu_query_type {
	DRM_BITNPU_QUERY_DEVICE		= 0,
	DRM_BITNPU_QUERY_CONTEXT	= 1,
	DRM_BITNPU_QUERY_COUNTERS	= 2,
};

/**
 * struct drm_bitnpu_query - DRM_IOCTL_BITNPU_QUERY: read what the driver knows
 * @type: in: &enum drm_bitnpu_query_type
 * @size: in: bytes at @pointer; out: bytes of the answer that this kernel has.  With @size 0 only
 *	@size is written.  The smaller of the two is copied.
 * @pointer: in: where the answer goes
 *
 * Errors: EINVAL (unknown type), EFAULT, ENODEV (counters of a device that is gone).
 */
struct drm_bitnpu_query {
	__u32 type;
	__u32 size;
	__u64 pointer;
};

/**
 * struct drm_bitnpu_device_info - the device, as in docs/hardware.md, section 2.1
 * @hw_version: version of the hardware interface, major in bits 31:16
 * @isa_version: version of the command set, likewise
 * @implementation: implementer in bits 31:16, revision in 15:0
 * @cores: number of cores
 * @rings: number of command rings
 * @ring_entries: jobs that a ring holds at once
 * @features: BITNPU_FEATURE_* of drm/bitnpu_isa.h
 * @va_start: lowest device address of a context
 * @va_end: end of its device addresses
 * @mac_rows: rows (outputs) of a core's MAC array
 * @mac_columns: columns (k) of a core's MAC array
 * @sram_bytes: SRAM of a core
 * @clock_khz: clock of cores and counters
 * @dma_bytes: bytes a cycle and core
 * @dma_latency: cycles from request to first byte
 * @max_k_int32: largest K that @sram_bytes allows with %BITNPU_Y_INT32, at most %BITNPU_MAX_K
 * @max_k_int64: with %BITNPU_Y_INT64
 * @max_jobs: largest number of jobs in one submission
 * @timeout_ms: a job without progress for so long is ended
 */
struct drm_bitnpu_device_info {
	__u32 hw_version;
	__u32 isa_version;
	__u32 implementation;
	__u32 cores;
	__u32 rings;
	__u32 ring_entries;
	__u64 features;
	__u64 va_start;
	__u64 va_end;
	__u32 mac_rows;
	__u32 mac_columns;
	__u32 sram_bytes;
	__u32 clock_khz;
	__u32 dma_bytes;
	__u32 dma_latency;
	__u32 max_k_int32;
	__u32 max_k_int64;
	__u32 max_jobs;
	__u32 timeout_ms;
};

/**
 * enum drm_bitnpu_ban - why a context was banned
 * @DRM_BITNPU_BAN_NONE: it was not
 * @DRM_BITNPU_BAN_LIST: a command was refused
 * @DRM_BITNPU_BAN_FAULT: an access was to memory that is not mapped, or not writable
 * @DRM_BITNPU_BAN_HANG: a job made no progress for timeout_ms, or ran longer than allowed
 * @DRM_BITNPU_BAN_DEVICE: the device failed while it executed a job (bus error), so that its
 *	results are undefined
 * @DRM_BITNPU_BAN_RESET: the device was reset for another context's failure while it executed a job
 *	that is not restartable
 */
enum drm_bitnpu_ban {
	DRM_BITNPU_BAN_NONE	= 0,
	DRM_BITNPU_BAN_LIST	= 1,
	DRM_BITNPU_BAN_FAULT	= 2,
	DRM_BITNPU_BAN_HANG	= 3,
	DRM_BITNPU_BAN_DEVICE	= 4,
	DRM_BITNPU_BAN_RESET	= 5,
};

/**
 * struct drm_bitnpu_context_info - this open file
 * @ban: &enum drm_bitnpu_ban
 * @queue: of the job that was the reason
 * @job: its number: jobs of a queue are counted from 1 in the order of submission
 * @status: &enum bitnpu_status of drm/bitnpu_isa.h
 * @index: of the command at fault in its list
 * @field: byte offset of the field at fault
 * @pad: zero
 * @addr: as addr of &struct bitnpu_fault; the device address at fault for %DRM_BITNPU_BAN_FAULT
 * @resets: resets of the device since it was probed
 * @jobs_completed: jobs of this context that ended well
 * @jobs_failed: jobs of this context that ended in error; counted before their fences signal
 */
struct drm_bitnpu_context_info {
	__u32 ban;
	__u32 queue;
	__u64 job;
	__u32 status;
	__u32 index;
	__u32 field;
	__u32 pad;
	__u64 addr;
	__u64 resets;
	__u64 jobs_completed;
	__u64 jobs_failed;
};

/**
 * struct drm_bitnpu_counters - the device's counters since its last power-up or reset
 * @cycles_busy: cycles in which a core was executing, summed over cores
 * @cycles_mac: of these, cycles in which the MAC array worked
 * @cycles_dma: cycles in which a core's DMA moved data
 * @cycles_stall: busy cycles in which the MAC array waited
 * @bytes_read: read by jobs
 * @bytes_written: written by jobs
 * @macs: multiply-accumulates
 * @commands: commands completed
 * @entries: ring entries completed
 * @tlb_misses: page-table walks
 * @sram_high_water: most bytes of SRAM in use at once
 *
 * They are the device's, not the context's: what a context used is in fdinfo.
 */
struct drm_bitnpu_counters {
	__u64 cycles_busy;
	__u64 cycles_mac;
	__u64 cycles_dma;
	__u64 cycles_stall;
	__u64 bytes_read;
	__u64 bytes_written;
	__u64 macs;
	__u64 commands;
	__u64 entries;
	__u64 tlb_misses;
	__u64 sram_high_water;
};

/** DRM_BITNPU_BO_READ_ONLY - the NPU may not write the buffer; the CPU may */
#define DRM_BITNPU_BO_READ_ONLY		0x1

/**
 * struct drm_bitnpu_bo_create - DRM_IOCTL_BITNPU_BO_CREATE: a zeroed buffer, mapped in the context
 * @size: in: bytes, not 0; out: rounded up to the page size
 * @flags: in: DRM_BITNPU_BO_*
 * @handle: out: GEM handle
 * @address: out: device address, a multiple of the page size.  Buffers are never adjacent: a page
 *	that is not mapped lies between them.
 *
 * A buffer that comes in with DRM_IOCTL_PRIME_FD_TO_HANDLE is mapped likewise and may be written by
 * the NPU: DRM_IOCTL_BITNPU_BO_INFO tells its address.  DRM_IOCTL_GEM_CLOSE unmaps: afterwards no
 * access of the NPU reaches the memory through that address, and a job that makes one fails.
 *
 * Errors: EINVAL, ENOMEM, ENOSPC (device addresses), ENODEV.
 */
struct drm_bitnpu_bo_create {
	__u64 size;
	__u32 flags;
	__u32 handle;
	__u64 address;
};

/**
 * struct drm_bitnpu_bo_info - DRM_IOCTL_BITNPU_BO_INFO: what is known of a buffer
 * @handle: in: GEM handle
 * @flags: out: DRM_BITNPU_BO_*
 * @size: out: bytes
 * @address: out: device address in this context
 *
 * Errors: ENOENT (handle).
 */
struct drm_bitnpu_bo_info {
	__u32 handle;
	__u32 flags;
	__u64 size;
	__u64 address;
};

/**
 * struct drm_bitnpu_bo_mmap_offset - DRM_IOCTL_BITNPU_BO_MMAP_OFFSET: prepare mmap()
 * @handle: in: GEM handle
 * @flags: in: zero
 * @offset: out: offset to pass to mmap() on this file
 *
 * mmap() of an imported buffer is its exporter's, and fails as that one says when it cannot be
 * mapped.
 *
 * Errors: EINVAL, ENOENT (handle).
 */
struct drm_bitnpu_bo_mmap_offset {
	__u32 handle;
	__u32 flags;
	__u64 offset;
};

/** DRM_BITNPU_WAIT_WRITE - wait as a writer: for the jobs that read as well */
#define DRM_BITNPU_WAIT_WRITE		0x1

/**
 * struct drm_bitnpu_bo_wait - DRM_IOCTL_BITNPU_BO_WAIT: wait for jobs that named a buffer
 * @handle: in: GEM handle
 * @flags: in: DRM_BITNPU_WAIT_*; without, only jobs that write are waited for
 * @timeout_ns: in: absolute, CLOCK_MONOTONIC; 0 or the past: do not wait
 *
 * Says when jobs have ended, not how: that is in their fences.
 *
 * Errors: EINVAL, ENOENT (handle), ETIME (still busy); a signal restarts it.
 */
struct drm_bitnpu_bo_wait {
	__u32 handle;
	__u32 flags;
	__s64 timeout_ns;
};

/**
 * enum drm_bitnpu_priority - which queue goes first when a ring has room
 * @DRM_BITNPU_PRIORITY_LOW: batch work
 * @DRM_BITNPU_PRIORITY_NORMAL: the default
 * @DRM_BITNPU_PRIORITY_HIGH: needs CAP_SYS_NICE
 */
enum drm_bitnpu_priority {
	DRM_BITNPU_PRIORITY_LOW		= 0,
	DRM_BITNPU_PRIORITY_NORMAL	= 1,
	DRM_BITNPU_PRIORITY_HIGH	= 2,
};

/**
 * struct drm_bitnpu_queue_create - DRM_IOCTL_BITNPU_QUEUE_CREATE
 * @priority: in: &enum drm_bitnpu_priority
 * @flags: in: zero
 * @queue: out: its number in this context, not 0
 * @pad: zero
 *
 * Jobs of one queue run in the order of their submission; queues run side by side.
 *
 * Errors: EINVAL, EACCES (priority), ENOSPC (%DRM_BITNPU_MAX_QUEUES), ENOTRECOVERABLE (banned),
 * ENODEV.
 */
struct drm_bitnpu_queue_create {
	__u32 priority;
	__u32 flags;
	__u32 queue;
	__u32 pad;
};

/** DRM_BITNPU_MAX_QUEUES - queues of a context */
#define DRM_BITNPU_MAX_QUEUES		64

/**
 * struct drm_bitnpu_queue_destroy - DRM_IOCTL_BITNPU_QUEUE_DESTROY
 * @queue: in: its number
 * @pad: zero
 *
 * Jobs already submitted still run.
 *
 * Errors: EINVAL, ENOENT (queue).
 */
struct drm_bitnpu_queue_destroy {
	__u32 queue;
	__u32 pad;
};

/**
 * struct drm_bitnpu_array - an array of the caller
 * @pointer: address of the first element; 0 when @count is 0
 * @count: elements
 * @stride: bytes of an element, a multiple of 8, as the caller knows it
 */
struct drm_bitnpu_array {
	__u64 pointer;
	__u32 count;
	__u32 stride;
};

/* Flags of struct drm_bitnpu_sync: one of the first two. */
/** DRM_BITNPU_SYNC_WAIT - the job starts after the syncobj's fence */
#define DRM_BITNPU_SYNC_WAIT		0x1
/** DRM_BITNPU_SYNC_SIGNAL - the syncobj gets the job's fence */
#define DRM_BITNPU_SYNC_SIGNAL		0x2
/** DRM_BITNPU_SYNC_TIMELINE - @point of a timeline */
#define DRM_BITNPU_SYNC_TIMELINE	0x4

/**
 * struct drm_bitnpu_sync - a fence that a job waits for or signals
 * @handle: syncobj of this file
 * @flags: DRM_BITNPU_SYNC_*
 * @point: of a timeline, not 0; else zero
 *
 * A binary syncobj that is waited for must hold a fence; a point that nobody has submitted yet
 * fails with EINVAL (wait with DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT first).
 */
struct drm_bitnpu_sync {
	__u32 handle;
	__u32 flags;
	__u64 point;
};

/* Flags of struct drm_bitnpu_job_bo: at least one of the first two. */
/** DRM_BITNPU_JOB_BO_READ - the job reads the buffer */
#define DRM_BITNPU_JOB_BO_READ		0x1
/** DRM_BITNPU_JOB_BO_WRITE - the job writes the buffer */
#define DRM_BITNPU_JOB_BO_WRITE		0x2
/** DRM_BITNPU_JOB_BO_NO_SYNC - the job does not wait for others that use the buffer */
#define DRM_BITNPU_JOB_BO_NO_SYNC	0x4

/**
 * struct drm_bitnpu_job_bo - a buffer that a job uses
 * @handle: GEM handle; at most once in a job
 * @flags: DRM_BITNPU_JOB_BO_*
 *
 * Implicit synchronization: the job waits for what writes the buffer (a job that writes: for what
 * reads it as well), here and on other devices, and they wait for it.  The buffer stays mapped
 * until the job has ended, even when its handle is closed.  Buffers that a job uses without naming
 * them are neither synchronized nor kept.
 */
struct drm_bitnpu_job_bo {
	__u32 handle;
	__u32 flags;
};

/**
 * DRM_BITNPU_JOB_RESTARTABLE - running the list twice gives what running it once does
 *
 * True when no command writes what an earlier or the same command reads.  When the device must be
 * reset for somebody else's failure while the job executes, such a job runs again; another one ends
 * with EIO.
 */
#define DRM_BITNPU_JOB_RESTARTABLE	0x1

/**
 * struct drm_bitnpu_job - a command list to run
 * @list_addr: its device address, a multiple of 64
 * @list_size: its bytes, a multiple of 64.  0: an empty job, which only synchronizes; @list_addr is
 *	zero.
 * @flags: DRM_BITNPU_JOB_*
 * @bos: of &struct drm_bitnpu_job_bo
 * @syncs: of &struct drm_bitnpu_sync
 */
struct drm_bitnpu_job {
	__u64 list_addr;
	__u32 list_size;
	__u32 flags;
	struct drm_bitnpu_array bos;
	struct drm_bitnpu_array syncs;
};

/* Bounds of one submission. */
#define DRM_BITNPU_MAX_JOBS		256
#define DRM_BITNPU_MAX_JOB_BOS		4096
#define DRM_BITNPU_MAX_JOB_SYNCS	256
/** DRM_BITNPU_MAX_PENDING - jobs of a context that have been queued and have not ended */
#define DRM_BITNPU_MAX_PENDING		4096

/**
 * struct drm_bitnpu_submit - DRM_IOCTL_BITNPU_SUBMIT: queue jobs
 * @queue: in: its number
 * @flags: in: zero
 * @jobs: in: of &struct drm_bitnpu_job, 1 to %DRM_BITNPU_MAX_JOBS
 * @done: in: 0; out: jobs that were queued.  A call that a signal interrupted (EINTR) goes on where
 *	it stopped when it is made again with what it left here.
 * @pad: zero
 *
 * Jobs are queued in their order.  A job may wait for what an earlier one of the same call
 * signals.  When one is refused, the call fails, those before it stay queued and @done counts them;
 * nothing of the refused job and those after it was done.
 *
 * A job's fence ends with 0 or, as sync_file and syncobj report it:
 * EINVAL: a command was refused; EFAULT: memory not mapped or not writable; ETIME: no progress;
 * EIO: the device failed, or was reset while it ran a job that is not restartable; ECANCELED: an
 * earlier job of the context failed before this one ended, or the process was killed; ENODEV: the
 * device is gone.  A cancelled job may have run, all or part of it, before its fence signalled.
 * The first failure bans the context, because what its later jobs read may be
 * wrong: they are cancelled, and further submissions fail with ENOTRECOVERABLE.
 * DRM_BITNPU_QUERY_CONTEXT tells why.  A new open file is a new context.  Whether a fence that a
 * job waits for ended in error makes no difference to the job.
 *
 * Jobs still run when the file is closed, but not those that have not begun when a signal kills the
 * process.
 *
 * Errors: EINVAL, EFAULT, ENOENT (queue, buffer or syncobj), ENOMEM, E2BIG, EINTR, EBUSY
 * (%DRM_BITNPU_MAX_PENDING: wait until a job has ended), ENOTRECOVERABLE (banned), ENODEV (gone, or
 * given up after failed resets).
 */
struct drm_bitnpu_submit {
	__u32 queue;
	__u32 flags;
	struct drm_bitnpu_array jobs;
	__u32 done;
	__u32 pad;
};

#define DRM_IOCTL_BITNPU_QUERY \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_BITNPU_QUERY, struct drm_bitnpu_query)
#define DRM_IOCTL_BITNPU_BO_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_BITNPU_BO_CREATE, struct drm_bitnpu_bo_create)
#define DRM_IOCTL_BITNPU_BO_INFO \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_BITNPU_BO_INFO, struct drm_bitnpu_bo_info)
#define DRM_IOCTL_BITNPU_BO_MMAP_OFFSET \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_BITNPU_BO_MMAP_OFFSET, struct drm_bitnpu_bo_mmap_offset)
#define DRM_IOCTL_BITNPU_BO_WAIT \
	DRM_IOW(DRM_COMMAND_BASE + DRM_BITNPU_BO_WAIT, struct drm_bitnpu_bo_wait)
#define DRM_IOCTL_BITNPU_QUEUE_CREATE \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_BITNPU_QUEUE_CREATE, struct drm_bitnpu_queue_create)
#define DRM_IOCTL_BITNPU_QUEUE_DESTROY \
	DRM_IOW(DRM_COMMAND_BASE + DRM_BITNPU_QUEUE_DESTROY, struct drm_bitnpu_queue_destroy)
#define DRM_IOCTL_BITNPU_SUBMIT \
	DRM_IOWR(DRM_COMMAND_BASE + DRM_BITNPU_SUBMIT, struct drm_bitnpu_submit)

#if defined(__cplusplus)
}
#endif

#endif /* _UAPI_DRM_BITNPU_ACCEL_H_ */
