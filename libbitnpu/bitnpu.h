/* SPDX-License-Identifier: MIT */
/*
 * libbitnpu: ternary and binary language models as integer matmul jobs, on any engine.
 *
 * Conventions
 * - Functions that can fail return 0 or a negative errno and, when @err is not NULL, say why in one
 *   line.  On error no output argument is written and nothing is left behind.
 * - An object may be used from several threads unless its description says otherwise.
 * - The library never prints, never exits and keeps no global state but its worker threads, which
 * are
 *   there while a device or session is that uses them.
 */
#ifndef BITNPU_H
#define BITNPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drm/bitnpu_isa.h>

#if defined(__cplusplus)
extern "C" {
#endif

#define BITNPU_API __attribute__((visibility("default")))

#define BITNPU_VERSION_MAJOR 0
#define BITNPU_VERSION_MINOR 1
#define BITNPU_VERSION_PATCH 0

/** bitnpu_version() - Return: the library's version, such as "0.1.0". */
BITNPU_API const char *bitnpu_version(void);

/**
 * struct bitnpu_error - why a call failed
 * @code: negative errno, 0 when nothing failed
 * @fault: the command at fault when a command list was refused or failed, else all zero
 * @message: one line, no newline at its end; names the file, tensor, command or field
 */
struct bitnpu_error {
	int code;
	struct bitnpu_fault fault;
	char message[256];
};

/** bitnpu_status_name() - Return: a short name of @status (&enum bitnpu_status), never NULL. */
BITNPU_API const char *bitnpu_status_name(uint32_t status);

/* ---- devices ------------------------------------------------------------------------------- */

struct bitnpu_device;

/**
 * struct bitnpu_device_info - what a device is and can do
 * @name: what bitnpu_device_open() takes, such as "opencl:0"
 * @engine: "golden", "opencl", ...
 * @description: the device in its vendor's words
 * @detail: what the engine chose on it (kernel variants, capabilities), one line
 * @features: BITNPU_FEATURE_* mask
 * @memory_bytes: memory that buffers can take, 0 when unknown
 * @max_buffer_bytes: largest single buffer, 0 when unlimited
 * @max_k_int32: largest K of a command with %BITNPU_Y_INT32, 0 when only the command set limits it
 * @max_k_int64: likewise with %BITNPU_Y_INT64
 * @unified: buffers share memory with the host, nothing is copied
 * @host: it is the host's own processors, which "cpu" knows best how to use
 * @whole_steps: a model's step is faster when all of it stays on the device (&enum bitnpu_step)
 * @prototype: a simulator, or hardware in the making, which "auto" passes over
 */
struct bitnpu_device_info {
	char name[32];
	char engine[16];
	char description[128];
	char detail[512];
	uint64_t features;
	uint64_t memory_bytes;
	uint64_t max_buffer_bytes;
	uint32_t max_k_int32;
	uint32_t max_k_int64;
	bool unified;
	bool host;
	bool prototype;
	bool whole_steps;
};

/* Most threads that bitnpu_set_threads() takes. */
#define BITNPU_MAX_THREADS 1024

/**
 * bitnpu_set_threads() - how many threads the process's work on the host is shared among
 * @threads: the caller's own included; 0 for one a processor that the process may use
 *	(sched_setaffinity())
 * @err: optional
 *
 * Return: 0, -EINVAL over %BITNPU_MAX_THREADS, -EBUSY while a device or session is open that uses
 * them.
 */
BITNPU_API int bitnpu_set_threads(unsigned int threads, struct bitnpu_error *err);

/**
 * bitnpu_device_list() - every device of every engine
 * @list: array of @count entries, in the order of preference of "auto"; bitnpu_device_list_free()
 * @count: number of entries
 * @err: optional
 *
 * An engine that finds no device contributes none; that is not an error.
 */
BITNPU_API int bitnpu_device_list(struct bitnpu_device_info **list, size_t *count,
				  struct bitnpu_error *err);
BITNPU_API void bitnpu_device_list_free(struct bitnpu_device_info *list);

/**
 * bitnpu_device_open() - open a device by name
 * @name: "ENGINE", "ENGINE:INDEX" or "auto" (the first of bitnpu_device_list() that can be used)
 * @dev: bitnpu_device_close()
 * @err: optional
 *
 * Return: 0, -ENODEV when there is no such device, -EINVAL for a malformed name.
 */
BITNPU_API int bitnpu_device_open(const char *name, struct bitnpu_device **dev,
				  struct bitnpu_error *err);

/** bitnpu_device_close() - close @dev (NULL is ignored) after everything created on it is gone */
BITNPU_API void bitnpu_device_close(struct bitnpu_device *dev);
BITNPU_API const struct bitnpu_device_info *bitnpu_device_get_info(const struct bitnpu_device *dev);

/**
 * bitnpu_device_tune() - measure which way to compute is fastest
 * @dev: the device
 * @milliseconds: how long that may take for each kind of command, at least 1
 * @err: optional
 *
 * Takes place in every bitnpu_cmdlist_create() from now on that brings a new kind of command, anew for kinds
 * that were measured before.  What is found is kept for later openings of the device, too.  Results are the
 * same whatever is found.
 *
 * Return: 0, -ENOTSUP when the engine has nothing to choose among, -EBUSY when the environment has chosen.
 */
BITNPU_API int bitnpu_device_tune(struct bitnpu_device *dev, uint32_t milliseconds,
				  struct bitnpu_error *err);

/* ---- address space and buffers ------------------------------------------------------------- */

struct bitnpu_context;
struct bitnpu_bo;

/** bitnpu_context_create() - a new, empty address space on @dev; bitnpu_context_destroy() */
BITNPU_API int bitnpu_context_create(struct bitnpu_device *dev, struct bitnpu_context **ctx,
				     struct bitnpu_error *err);
/** bitnpu_context_destroy() - free @ctx (NULL is ignored) once its queues, lists and buffers are */
BITNPU_API void bitnpu_context_destroy(struct bitnpu_context *ctx);

#define BITNPU_BO_READ_ONLY	(1u << 0)	/* commands may not write it */

/**
 * bitnpu_bo_create() - allocate a buffer and map it into the context
 * @ctx: the address space
 * @size: bytes, rounded up to a page; contents start as zero
 * @flags: BITNPU_BO_*
 * @bo: bitnpu_bo_destroy()
 * @err: optional
 *
 * Return: 0, -EINVAL (size 0, unknown flag), -E2BIG (over the device's largest buffer), -ENOMEM.
 */
BITNPU_API int bitnpu_bo_create(struct bitnpu_context *ctx, uint64_t size, uint32_t flags,
				struct bitnpu_bo **bo, struct bitnpu_error *err);

/**
 * bitnpu_bo_import() - map host memory into the context
 * @ctx: the address space
 * @ptr: page-aligned host memory that stays valid and, for read-only ones, unchanged
 * @size: bytes; the rest of the last page must be readable
 * @flags: BITNPU_BO_*; %BITNPU_BO_READ_ONLY is required when the memory is not writable
 * @bo: bitnpu_bo_destroy()
 * @err: optional
 *
 * On a device with unified memory nothing is copied; elsewhere the contents are uploaded now.
 */
BITNPU_API int bitnpu_bo_import(struct bitnpu_context *ctx, const void *ptr, uint64_t size,
				uint32_t flags, struct bitnpu_bo **bo, struct bitnpu_error *err);

/** bitnpu_bo_destroy() - drop the caller's reference (NULL is ignored); command lists hold their
 * own */
BITNPU_API void bitnpu_bo_destroy(struct bitnpu_bo *bo);
/** bitnpu_bo_address() - Return: device virtual address of the first byte, page-aligned, not 0 */
BITNPU_API uint64_t bitnpu_bo_address(const struct bitnpu_bo *bo);
/** bitnpu_bo_size() - Return: bytes asked for when it was created */
BITNPU_API uint64_t bitnpu_bo_size(const struct bitnpu_bo *bo);

#define BITNPU_MAP_READ		(1u << 0)
#define BITNPU_MAP_WRITE	(1u << 1)

/**
 * bitnpu_bo_map() - let the host access a buffer
 * @bo: the buffer; no job that touches it may run until bitnpu_bo_unmap()
 * @access: BITNPU_MAP_READ, BITNPU_MAP_WRITE or both; without READ old contents are undefined
 * @ptr: host address of the first byte, the same on every map of the buffer
 * @err: optional
 *
 * Return: 0, -EINVAL (@access), -EBUSY (mapped already), -EACCES (to write imported read-only
 * memory), or the device's error.
 */
BITNPU_API int bitnpu_bo_map(struct bitnpu_bo *bo, uint32_t access, void **ptr,
			     struct bitnpu_error *err);
/** bitnpu_bo_unmap() - end a bitnpu_bo_map(); what the host wrote is then visible to jobs */
BITNPU_API int bitnpu_bo_unmap(struct bitnpu_bo *bo, struct bitnpu_error *err);

/* ---- command lists, queues, fences --------------------------------------------------------- */

struct bitnpu_cmdlist;
struct bitnpu_queue;
struct bitnpu_fence;

/**
 * bitnpu_cmdlist_create() - check a command list once, to submit it many times
 * @ctx: the address space of its addresses; every buffer named must exist
 * @cmds: 64-byte commands (&struct bitnpu_cmd), copied
 * @bytes: their length
 * @list: bitnpu_cmdlist_destroy()
 * @err: optional; on -EINVAL @err->fault names the command and the field
 */
BITNPU_API int bitnpu_cmdlist_create(struct bitnpu_context *ctx, const void *cmds, size_t bytes,
				     struct bitnpu_cmdlist **list, struct bitnpu_error *err);
/** bitnpu_cmdlist_destroy() - drop the caller's reference (NULL is ignored); queued jobs hold
 * theirs */
BITNPU_API void bitnpu_cmdlist_destroy(struct bitnpu_cmdlist *list);

/** bitnpu_queue_create() - a queue whose jobs run in order; bitnpu_queue_destroy() */
BITNPU_API int bitnpu_queue_create(struct bitnpu_context *ctx, struct bitnpu_queue **queue,
				   struct bitnpu_error *err);
/** bitnpu_queue_destroy() - finish the jobs submitted, then free @queue (NULL is ignored) */
BITNPU_API void bitnpu_queue_destroy(struct bitnpu_queue *queue);

/**
 * bitnpu_queue_submit() - queue a command list
 * @queue: where; jobs of one queue run in order of submission, queues run side by side
 * @list: what; of the same context as @queue
 * @wait: fences that must signal first, of any device; if one failed, this job fails likewise
 * @wait_count: how many
 * @done: signals when the job has ended; bitnpu_fence_destroy(); may be NULL
 * @err: optional
 *
 * Returns at once, however many jobs there are: those for which the device has no room yet are kept
 * on the host.  A submission waiting for a fence that never signals waits for ever: its queue can
 * then not be destroyed.
 */
BITNPU_API int bitnpu_queue_submit(struct bitnpu_queue *queue, struct bitnpu_cmdlist *list,
				   struct bitnpu_fence *const *wait, size_t wait_count,
				   struct bitnpu_fence **done, struct bitnpu_error *err);

/**
 * bitnpu_queue_run() - run a command list and wait for its end
 * @queue: where, after all that was submitted before
 * @list: of the same context as @queue
 * @err: optional
 *
 * What bitnpu_queue_submit() and bitnpu_fence_wait() do, in one call: where the host's processors
 * are the device and nothing is in front, the calling thread runs the list and no other is woken.
 *
 * Return: 0, or how the job failed.
 */
BITNPU_API int bitnpu_queue_run(struct bitnpu_queue *queue, struct bitnpu_cmdlist *list,
				struct bitnpu_error *err);

#define BITNPU_WAIT_FOREVER INT64_MAX

/**
 * bitnpu_fence_wait() - wait until a job has ended
 * @fence: the fence; several threads may wait
 * @timeout_ns: relative, 0 or less polls
 * @err: optional
 *
 * A wait with %BITNPU_WAIT_FOREVER may run the job on the calling thread.
 *
 * Return: 0 when the job succeeded, -ETIME when it has not ended in time, else the job's error.  A
 * device that the kernel drives gives: -EINVAL and -EFAULT when it refuses a command or an address,
 * -ETIMEDOUT when the job made no progress, -EIO when the device failed, -ENODEV when it is gone.
 * After the first of these, other jobs of the context end with -ECANCELED, or -ENOTRECOVERABLE when
 * submitted later: create a new context.
 */
BITNPU_API int bitnpu_fence_wait(struct bitnpu_fence *fence, int64_t timeout_ns,
				 struct bitnpu_error *err);
/** bitnpu_fence_destroy() - drop the caller's reference (NULL is ignored); the job runs on */
BITNPU_API void bitnpu_fence_destroy(struct bitnpu_fence *fence);

/**
 * bitnpu_fence_export_fd() - the end of a job as a sync_file
 * @fence: of a job on a device that the kernel drives ("accel"), or an imported one
 * @fd: a new descriptor, the caller's: readable for poll() when the job has ended;
 *	SYNC_IOC_FILE_INFO tells how.  Other drivers and processes can wait for it
 * @err: optional
 *
 * While the job waits for a fence of an engine without sync_files, so does this.
 *
 * Return: 0, -ENOTSUP when the job is run by the host, or the error of a job that failed before the
 * device got it.
 */
BITNPU_API int bitnpu_fence_export_fd(struct bitnpu_fence *fence, int *fd, struct bitnpu_error *err);

/**
 * bitnpu_fence_import_fd() - a fence of what a sync_file stands for, of any driver
 * @fd: the sync_file; stays the caller's
 * @fence: to wait for, or for jobs of any device to wait for; bitnpu_fence_destroy()
 * @err: optional
 *
 * Return: 0, -EINVAL when @fd is no sync_file.
 */
BITNPU_API int bitnpu_fence_import_fd(int fd, struct bitnpu_fence **fence, struct bitnpu_error *err);

/* ---- models -------------------------------------------------------------------------------- */

struct bitnpu_model;

/**
 * struct bitnpu_model_info - what a model is; strings live as long as the model
 * @architecture: general.architecture, "bitnet-b1.58"
 * @name: general.name or ""
 * @n_ctx_train: longest context it was trained for, tokens
 * @n_vocab: tokens
 * @n_embd: width of the residual stream
 * @n_layer: blocks
 * @n_head: query heads
 * @n_head_kv: key/value heads
 * @head_dim: elements of a head
 * @n_ff: width of the FFN
 * @parameters: number of weights
 * @file_bytes: size of the file
 * @packed: the file was written by bitnpu_pack(): its tiles are read in place
 */
struct bitnpu_model_info {
	const char *architecture;
	const char *name;
	uint32_t n_ctx_train, n_vocab, n_embd, n_layer, n_head, n_head_kv, head_dim, n_ff;
	uint64_t parameters;
	uint64_t file_bytes;
	bool packed;
};

/**
 * typedef bitnpu_progress_fn - called now and then during long work, on the calling thread
 * @user: the caller's pointer
 * @done: units done, 0 to @total
 * @total: units in all
 *
 * Return: 0 to go on, anything else to stop the work with -ECANCELED.
 */
typedef int bitnpu_progress_fn(void *user, uint64_t done, uint64_t total);

#define BITNPU_MODEL_VERIFY	(1u << 0)	/* check every tensor's checksum while opening */

/**
 * bitnpu_model_open() - open a GGUF file, packed or not
 * @path: the file; mapped, and read in place when packed.  An unpacked one is packed in memory.
 * @flags: BITNPU_MODEL_*
 * @model: bitnpu_model_close(); immutable, any number of sessions may share it
 * @err: optional; names the file and the field
 */
BITNPU_API int bitnpu_model_open(const char *path, uint32_t flags, struct bitnpu_model **model,
				 struct bitnpu_error *err);
/** bitnpu_model_close() - free @model (NULL is ignored) once its sessions are gone */
BITNPU_API void bitnpu_model_close(struct bitnpu_model *model);
BITNPU_API const struct bitnpu_model_info *bitnpu_model_get_info(const struct bitnpu_model *model);

/**
 * struct bitnpu_pack_options - how to pack; all zero is the default
 * @progress: optional
 * @user: handed to @progress
 */
struct bitnpu_pack_options {
	bitnpu_progress_fn *progress;
	void *user;
};

/**
 * bitnpu_pack() - write the packed model (docs/packed-format.md) of a GGUF file
 * @input: path of the GGUF file
 * @output: path of the packed file; it appears whole or not at all
 * @options: NULL for the default
 * @err: optional
 */
BITNPU_API int bitnpu_pack(const char *input, const char *output,
			   const struct bitnpu_pack_options *options, struct bitnpu_error *err);

/* ---- text ---------------------------------------------------------------------------------- */

#define BITNPU_TOKENIZE_BOS	(1u << 0)	/* prepend BOS if the model asks for one */
#define BITNPU_TOKENIZE_SPECIAL	(1u << 1)	/* recognise control tokens spelled out in the text */

/**
 * bitnpu_tokenize() - text to tokens
 * @model: whose vocabulary
 * @text: UTF-8; bytes that are not UTF-8 become byte tokens
 * @bytes: length of @text
 * @flags: BITNPU_TOKENIZE_*
 * @tokens: room for @capacity tokens, may be NULL when @capacity is 0
 * @capacity: see @count
 * @count: tokens the text needs; -ENOSPC when it is more than @capacity
 * @err: optional
 */
BITNPU_API int bitnpu_tokenize(const struct bitnpu_model *model, const char *text, size_t bytes,
			       uint32_t flags, uint32_t *tokens, size_t capacity, size_t *count,
			       struct bitnpu_error *err);

/**
 * bitnpu_token_bytes() - the bytes a token stands for
 * @model: whose vocabulary
 * @token: the token
 * @bytes: length, not counting the terminating NUL that follows
 *
 * Return: the bytes, which may be a part of a UTF-8 sequence; "" for a control token; NULL for a
 * token outside the vocabulary.
 */
BITNPU_API const char *bitnpu_token_bytes(const struct bitnpu_model *model, uint32_t token,
					  size_t *bytes);
/** bitnpu_token_is_end() - Return: whether @token ends a text or a turn (eos, eot, eom) */
BITNPU_API bool bitnpu_token_is_end(const struct bitnpu_model *model, uint32_t token);

/**
 * struct bitnpu_utf8_stream - holds back the head of a UTF-8 sequence until it is whole
 * @held: its bytes so far
 * @count: how many
 *
 * All zero is the start.
 */
struct bitnpu_utf8_stream {
	unsigned char held[4];
	unsigned int count;
};

/**
 * bitnpu_utf8_push() - add bytes, get what can be shown
 * @stream: the state
 * @bytes: what came
 * @length: how many; at most 1024
 * @out: room for 3 * (@length + 4) bytes; ill-formed sequences come out as U+FFFD
 * @flush: nothing more will come: an incomplete sequence comes out as U+FFFD
 *
 * Return: bytes written to @out, always well-formed UTF-8.
 */
BITNPU_API size_t bitnpu_utf8_push(struct bitnpu_utf8_stream *stream, const char *bytes,
				   size_t length, char *out, bool flush);

/**
 * bitnpu_chat_format() - one turn of a conversation in the model's own chat format
 * @model: whose tokenizer.chat_template says which
 * @role: "system", "user" or "assistant"
 * @text: what was said, NUL-terminated
 * @out: room for @capacity bytes, may be NULL when @capacity is 0
 * @capacity: see @bytes
 * @bytes: length of the turn, without the NUL; for "user" it ends where the assistant is to speak
 * @err: optional
 *
 * A conversation is its turns one after the other, tokenized with %BITNPU_TOKENIZE_SPECIAL; control
 * tokens that @text spells out then count as such.  An assistant's turn is only closed, since the
 * user's opened it.
 *
 * Return: 0, -ENOSPC when @capacity is too small, -ENOTSUP when the model has no known format.
 */
BITNPU_API int bitnpu_chat_format(const struct bitnpu_model *model, const char *role,
				  const char *text, char *out, size_t capacity, size_t *bytes,
				  struct bitnpu_error *err);

/* ---- sampling ------------------------------------------------------------------------------ */

struct bitnpu_sampler;

/**
 * struct bitnpu_sampler_params - how to choose the next token; all zero is greedy
 * @temperature: 0 takes the most likely token
 * @top_k: keep the k most likely, 0 keeps all
 * @top_p: keep the smallest set with this probability, 0 or 1 keeps all
 * @min_p: drop what is less likely than this share of the most likely, 0 keeps all
 * @repeat_penalty: divide positive and multiply negative logits of recent tokens, 0 or 1 for none
 * @repeat_last: how many tokens are recent, at most 2^20
 * @seed: of the random numbers; the same seed, logits and parameters give the same tokens anywhere
 *
 * They apply in this order: repeat penalty, top-k, top-p, min-p, and the temperature last, so that
 * it does not change which tokens are kept.
 */
struct bitnpu_sampler_params {
	float temperature;
	uint32_t top_k;
	float top_p;
	float min_p;
	float repeat_penalty;
	uint32_t repeat_last;
	uint64_t seed;
};

/** bitnpu_sampler_create() - -EINVAL for parameters out of range; for one thread at a time */
BITNPU_API int bitnpu_sampler_create(const struct bitnpu_sampler_params *params, uint32_t n_vocab,
				     struct bitnpu_sampler **sampler, struct bitnpu_error *err);
BITNPU_API void bitnpu_sampler_destroy(struct bitnpu_sampler *sampler);
/** bitnpu_sampler_accept() - tell the repeat penalty of a token */
BITNPU_API void bitnpu_sampler_accept(struct bitnpu_sampler *sampler, uint32_t token);
/** bitnpu_sampler_next() - Return: a token chosen from @logits (n_vocab floats, left unchanged) */
BITNPU_API uint32_t bitnpu_sampler_next(struct bitnpu_sampler *sampler, const float *logits);

/* ---- sessions ------------------------------------------------------------------------------ */

struct bitnpu_session;

/** enum bitnpu_element - type of the elements of a traced result */
enum bitnpu_element {
	BITNPU_ELEMENT_INT32,	/* exact sums of a matmul without group scales */
	BITNPU_ELEMENT_INT64,	/* exact sums of a matmul with group scales, in units of 2^-24 */
	BITNPU_ELEMENT_FLOAT,
};

/**
 * typedef bitnpu_trace_fn - sees every intermediate result of a session
 * @user: the caller's pointer
 * @layer: block, or -1 outside the blocks
 * @name: in a block, sums of "attn_q", "attn_k", "attn_v", "attn_out", "ffn_gate", "ffn_up" and
 *	"ffn_down", then the residual stream, "layer"; outside, "embedding", "norm" (the last one),
 *	the sums of "output", and "logits".  One row a token of the step; the last three are of
 *	the call's last token only
 * @element: type of the values
 * @data: the values: exact integers of a matmul or floats of the residual stream, without padding
 * @bytes: their length
 */
typedef void bitnpu_trace_fn(void *user, int layer, const char *name, enum bitnpu_element element,
			     const void *data, size_t bytes);

/**
 * enum bitnpu_step - where the float operations between the matmuls run
 * @BITNPU_STEP_AUTO: on the device if it has the float commands, is faster so (whole_steps of
 *	&struct bitnpu_device_info) and has room for the KV cache
 * @BITNPU_STEP_HOST: on the host, which then submits a list for each group of matmuls
 * @BITNPU_STEP_DEVICE: on the device, where the KV cache then is too: one list a step
 *
 * The results are the same, bit for bit.
 */
enum bitnpu_step {
	BITNPU_STEP_AUTO,
	BITNPU_STEP_HOST,
	BITNPU_STEP_DEVICE,
};

/**
 * struct bitnpu_session_params - all zero is the default
 * @n_ctx: positions of the KV cache, 0 for the smaller of the model's own and 4096
 * @n_batch: tokens of one prefill step, 0 for 128
 * @step: &enum bitnpu_step; a device that lacks commands for BITNPU_STEP_DEVICE is -ENOTSUP
 * @trace: optional; it cuts a step on the device into a list up to each result that it sees
 * @trace_user: handed to @trace
 */
struct bitnpu_session_params {
	uint32_t n_ctx;
	uint32_t n_batch;
	uint32_t step;
	bitnpu_trace_fn *trace;
	void *trace_user;
};

/**
 * struct bitnpu_session_stats - what a session has done and holds
 * @prefill_tokens: tokens of steps longer than one
 * @decode_tokens: tokens of steps of one
 * @prefill_ns: their time
 * @decode_ns: likewise
 * @device_ns: share of both spent waiting for the device
 * @submissions: jobs
 * @weight_bytes: packed weights a decode step reads
 * @kv_bytes: KV cache
 * @device_bytes: buffers created on the device, and the weights where it has memory of its own: sessions
 *	of a model share these
 * @step: BITNPU_STEP_HOST or BITNPU_STEP_DEVICE
 */
struct bitnpu_session_stats {
	uint64_t prefill_tokens, decode_tokens;
	uint64_t prefill_ns, decode_ns, device_ns;
	uint64_t submissions;
	uint64_t weight_bytes, kv_bytes, device_bytes;
	uint32_t step;
};

/**
 * bitnpu_session_create() - a KV cache and the command lists of a model on a device
 * @model: outlives the session
 * @dev: outlives the session
 * @params: NULL for the default
 * @session: bitnpu_session_destroy(); for one thread at a time
 * @err: optional
 *
 * Sessions of one model on one device share the weights there and an address space.  A job that fails
 * may therefore end all of them, as it does where a driver bans the address space (docs/uapi.md); a
 * session created after that has another one.
 */
BITNPU_API int bitnpu_session_create(struct bitnpu_model *model, struct bitnpu_device *dev,
				     const struct bitnpu_session_params *params,
				     struct bitnpu_session **session, struct bitnpu_error *err);
BITNPU_API void bitnpu_session_destroy(struct bitnpu_session *session);

/**
 * bitnpu_session_eval() - run tokens through the model
 * @session: the session; the tokens follow what its KV cache holds
 * @tokens: at least one; more than n_batch are run in steps
 * @count: how many
 * @logits: n_vocab floats after the last token, valid until the next call on the session
 * @err: optional
 *
 * Return: 0, -ENOSPC when the context is full, -EINVAL for a token outside the vocabulary; the KV
 * cache is then as before the call.
 */
BITNPU_API int bitnpu_session_eval(struct bitnpu_session *session, const uint32_t *tokens,
				   size_t count, const float **logits, struct bitnpu_error *err);
/**
 * bitnpu_sessions_eval() - run one token of each of several sessions through the model at once
 * @sessions: different ones of one model with the same n_ctx, without a trace.  They run on the
 *	first one's device, whose n_batch is the most; what they do is counted in its statistics.
 *	When some steps stay on a device, but not all of them on the same one, they run one after
 *	the other, each on its own
 * @tokens: one a session, following what its KV cache holds
 * @count: how many
 * @logits: for each session what bitnpu_session_eval() would give, bit for bit
 * @err: optional
 *
 * The weights are read once for all of them: decoding several texts costs little more than one.
 *
 * Return: as bitnpu_session_eval(), -EINVAL too for sessions that do not go together; every KV
 * cache is then as before the call.
 */
BITNPU_API int bitnpu_sessions_eval(struct bitnpu_session *const *sessions, const uint32_t *tokens,
				    size_t count, const float **logits, struct bitnpu_error *err);
/** bitnpu_session_position() - Return: tokens in the KV cache */
BITNPU_API uint32_t bitnpu_session_position(const struct bitnpu_session *session);
/** bitnpu_session_rewind() - forget every token from @position on; later positions are ignored */
BITNPU_API void bitnpu_session_rewind(struct bitnpu_session *session, uint32_t position);
BITNPU_API void bitnpu_session_get_stats(const struct bitnpu_session *session,
					 struct bitnpu_session_stats *stats);

#if defined(__cplusplus)
}
#endif

#endif /* BITNPU_H */
