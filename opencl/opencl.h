/* SPDX-License-Identifier: MIT */
/*
 * The OpenCL engine, internally.
 *
 * device.c enumerates and judges devices, probe.c tries their instructions, variant.c lists the ways
 * to compute a MATMUL, program.c builds them through the disk cache of cache.c, plan.c turns checked
 * commands into ready kernels, tune.c finds out which are fastest and tuned.c remembers it, launch.c
 * runs them, memory.c holds buffers, engine.c is the table of operations.
 *
 * OpenCL 1.2 is all that is needed, and devices are judged by what they can do, never by who made
 * them.
 */
#ifndef BITNPU_OPENCL_H
#define BITNPU_OPENCL_H

#define CL_TARGET_OPENCL_VERSION 120

#include <pthread.h>
#include <stddef.h>

#include <CL/cl.h>

#include <libbitnpu/engine.h>
#include <libbitnpu/error.h>

/* ---- errors (status.c) --------------------------------------------------------------------- */

/** bitnpu_cl_status_name() - Return: a name such as "CL_OUT_OF_RESOURCES", never NULL */
const char *bitnpu_cl_status_name(cl_int status);

/** bitnpu_cl_status_errno() - Return: the negative errno that says the same, 0 for CL_SUCCESS */
int bitnpu_cl_status_errno(cl_int status);

/** bitnpu_cl_fail() - fill @err: @what failed with @status.  Return: the negative errno. */
int bitnpu_cl_fail(struct bitnpu_error *err, cl_int status, const char *what);
#ifdef __clang_analyzer__
/* As for bitnpu_fail(): what failed does not return 0. */
#define bitnpu_cl_fail(err, status, what) ((void)bitnpu_cl_fail(err, status, what), -EIO)
#endif

/* ---- devices (device.c) -------------------------------------------------------------------- */

/**
 * struct bitnpu_cl_caps - what a device is and can do
 * @platform: where it was found
 * @id: the device
 * @type: CL_DEVICE_TYPE_*
 * @name: CL_DEVICE_NAME, likewise @version, @driver and @platform_version
 * @compute_units: CL_DEVICE_MAX_COMPUTE_UNITS
 * @short_width: elements of a vector of shorts that its compiler prefers, 1 where it scalarizes
 * @max_group: most work-items of a group, of the device and of its first dimension
 * @max_alloc: largest buffer, bytes
 * @memory: global memory, bytes
 * @local: local memory, bytes
 * @unified: host memory is device memory
 * @exact_floats: its floats round as docs/numerics.md has them: float commands can be left to it
 * @dots: BITNPU_CL_DOT_*, ways to multiply four bytes at once that it claims
 * @shuffles: BITNPU_CL_SHUFFLE_*, likewise to exchange values within a subgroup
 * @refusal: why it cannot be used, "" when it can
 */
struct bitnpu_cl_caps {
	cl_platform_id platform;
	cl_device_id id;
	cl_device_type type;
	char name[128], version[96], driver[64], platform_version[96];
	uint32_t compute_units, short_width;
	uint64_t max_group, max_alloc, memory, local;
	bool unified, exact_floats;
	uint32_t dots, shuffles;
	char refusal[128];
};

/* Bits of &struct bitnpu_cl_caps, in the order of instructions.cl. */
#define BITNPU_CL_DOT_KHR	(1u << 0)
#define BITNPU_CL_DOT_PTX	(1u << 1)
#define BITNPU_CL_DOT_ARM	(1u << 2)
#define BITNPU_CL_DOT_AMD	(1u << 3)
#define BITNPU_CL_SHUFFLE_KHR	(1u << 0)
#define BITNPU_CL_SHUFFLE_INTEL	(1u << 1)

/* The language that kernels are written in, but for newer instructions. */
#define BITNPU_CL_STANDARD	"-cl-std=CL1.2"

/**
 * bitnpu_cl_has_hardware() - whether there may be devices that are not the host's processors
 * @dev: directory of device files, "/dev"
 *
 * Return: false when there is no file of a GPU or the like; true also without the memory to look.
 */
bool bitnpu_cl_has_hardware(const char *dev);

/** bitnpu_cl_device_count() - Return: devices of every type on every platform, 0 without an ICD */
unsigned int bitnpu_cl_device_count(void);

/**
 * bitnpu_cl_device_caps() - judge device @index
 *
 * Devices are numbered from the fastest kind to the slowest (GPU, other, CPU), those that cannot be
 * used last.
 *
 * Return: 0, or -ENODEV past the end.
 */
int bitnpu_cl_device_caps(unsigned int index, struct bitnpu_cl_caps *caps);

/* ---- disk cache (cache.c) ------------------------------------------------------------------ */

/**
 * struct bitnpu_cl_key - names an entry of the disk cache
 * @low: half of a 128-bit hash of everything that the entry depends on
 * @high: the other half
 */
struct bitnpu_cl_key {
	uint64_t low, high;
};

/**
 * bitnpu_cl_cache_dir() - where the disk cache lies
 *
 * BITNPU_CACHE_DIR, else $XDG_CACHE_HOME/bitnpu, else ~/.cache/bitnpu.
 *
 * Return: a malloc()ed path, or NULL when there is to be no cache.
 */
char *bitnpu_cl_cache_dir(void);

/**
 * bitnpu_cl_cache_load() - read an entry
 * @dir: of bitnpu_cl_cache_dir(), may be NULL
 * @key: the entry
 * @data: malloc()ed on success
 * @size: its length
 *
 * Return: whether there is an entry and it is whole; a damaged one reads as absent.
 */
bool bitnpu_cl_cache_load(const char *dir, const struct bitnpu_cl_key *key, void **data,
			  size_t *size);

/**
 * bitnpu_cl_cache_store() - write an entry; it appears whole or not at all
 * @dir: of bitnpu_cl_cache_dir(), may be NULL; made if it is not there
 * @key: the entry
 * @data: what to keep
 * @size: its length
 *
 * A cache that cannot be written is no error: the work is done again next time.
 */
void bitnpu_cl_cache_store(const char *dir, const struct bitnpu_cl_key *key, const void *data,
			   size_t size);

/* ---- instructions (probe.c) ---------------------------------------------------------------- */

/**
 * struct bitnpu_cl_instructions - what a device has that OpenCL C 1.2 has no name for
 * @dot: of what kind its product of four bytes is, "" without; in words for people
 * @shuffle: likewise how the work-items of a subgroup exchange values
 * @options: build options that say so, of instructions.cl
 */
struct bitnpu_cl_instructions {
	const char *dot, *shuffle;
	char options[96];
};

struct bitnpu_cl_device;

/**
 * bitnpu_cl_probe() - find out which instructions work
 * @dev: a device with a context; @dev->instructions is filled
 *
 * What the device claims is compiled and compared with what it must compute.  A device that claims nothing
 * compiles nothing.
 */
void bitnpu_cl_probe(struct bitnpu_cl_device *dev);

/* ---- variants (variant.c) ------------------------------------------------------------------ */

struct bitnpu_cl_variant;

/**
 * struct bitnpu_cl_choice - a way to compute a MATMUL
 * @variant: which kernel
 * @group: work-items of a group
 * @tiles: tiles of 16 rows of w that a group computes
 * @m_block: rows of x that it computes, a power of two
 */
struct bitnpu_cl_choice {
	const struct bitnpu_cl_variant *variant;
	uint32_t group, tiles, m_block;
};

/** bitnpu_cl_choice_same() - Return: whether they are the same way */
static inline bool bitnpu_cl_choice_same(const struct bitnpu_cl_choice *a,
					 const struct bitnpu_cl_choice *b)
{
	return a->variant == b->variant && a->group == b->group && a->tiles == b->tiles &&
	       a->m_block == b->m_block;
}

/* Sizes of groups that a variant has. */
#define BITNPU_CL_GROUPS 3

/**
 * struct bitnpu_cl_variant - a kernel for MATMULs
 * @name: what BITNPU_OPENCL_VARIANT takes
 * @source: of the kernel, after the common part; ends at @source_end
 * @options: build options of its own
 * @vectors: only for a device that keeps vectors of shorts
 * @instructions: its source comes after instructions.cl
 * @subgroups: the tuner tries it only where subgroups exchange values through registers
 * @fixed_tiles: the number of tiles is compiled in
 * @groups: work-items of a group, the usual number first, then others that may be faster; 0 for none
 * @max_tiles: most tiles that a group computes, a power of two
 * @max_m_block: most rows of x that a group computes, a power of two
 * @local_bytes: local memory that a group needs at most
 * @suits: whether it is for commands of @m rows of x on a device; NULL when it is used only if asked for
 *	by name or found by the tuner
 */
struct bitnpu_cl_variant {
	const char *name;
	const char *source, *source_end;
	const char *options;
	bool vectors, instructions, subgroups, fixed_tiles;
	uint32_t groups[BITNPU_CL_GROUPS];
	uint32_t max_tiles, max_m_block;
	uint32_t (*local_bytes)(const struct bitnpu_cl_choice *choice);
	bool (*suits)(const struct bitnpu_cl_caps *caps, uint32_t m);
};

/** bitnpu_cl_variants - every variant, the one that suits fewest devices first; ended by no name */
extern const struct bitnpu_cl_variant bitnpu_cl_variants[];

/** bitnpu_cl_variant_find() - Return: the variant of that name, or NULL */
const struct bitnpu_cl_variant *bitnpu_cl_variant_find(const char *name);

/** bitnpu_cl_choice_fits() - Return: whether the numbers are the variant's and the device can run it */
bool bitnpu_cl_choice_fits(const struct bitnpu_cl_caps *caps, const struct bitnpu_cl_choice *choice);

/**
 * bitnpu_cl_choice_usual() - what to compute a command with when nothing was measured
 * @caps: the device
 * @forced: the variant asked for, or NULL
 * @m: rows of x
 * @tiles: tiles of 16 rows of w
 * @choice: the choice
 *
 * Return: whether there is one.
 */
bool bitnpu_cl_choice_usual(const struct bitnpu_cl_caps *caps, const struct bitnpu_cl_variant *forced,
			    uint32_t m, uint32_t tiles, struct bitnpu_cl_choice *choice);

/**
 * bitnpu_cl_variant_forced() - the variant that BITNPU_OPENCL_VARIANT asks for
 * @caps: the device
 * @variant: NULL when it asks for none
 * @err: names the variants there are when it is none of them
 *
 * Fails also where no kernel fits the device.
 */
int bitnpu_cl_variant_forced(const struct bitnpu_cl_caps *caps,
			     const struct bitnpu_cl_variant **variant, struct bitnpu_error *err);

/** bitnpu_cl_variant_names() - those in use, in words, to @out */
void bitnpu_cl_variant_names(const struct bitnpu_cl_caps *caps,
			     const struct bitnpu_cl_variant *forced, char *out, size_t size);

/* ---- the tuner (tuned.c, tune.c) ------------------------------------------------------------ */

/**
 * struct bitnpu_cl_class - commands that one choice is made for
 * @weight_format: BITNPU_W_*
 * @output_format: BITNPU_Y_*
 * @m: log2 of the rows of x, rounded up; 6 for more than 32
 * @n: log2 of the rows of w, rounded down
 * @k: log2 of the columns, rounded down
 */
struct bitnpu_cl_class {
	uint8_t weight_format, output_format, m, n, k;
};

/**
 * struct bitnpu_cl_tuned - what was found for a class
 * @class: the class
 * @choice: the fastest
 * @usual_ns: a command's time as it usually is
 * @best_ns: and with @choice
 */
struct bitnpu_cl_tuned {
	struct bitnpu_cl_class class;
	struct bitnpu_cl_choice choice;
	uint64_t usual_ns, best_ns;
};

#define BITNPU_CL_TUNED_MAX 256

/* All that was found on a device. */
struct bitnpu_cl_tuned_list {
	size_t count;
	struct bitnpu_cl_tuned entries[BITNPU_CL_TUNED_MAX];
};

struct bitnpu_cl_class bitnpu_cl_class_of(const struct bitnpu_matmul *mm);

/** bitnpu_cl_tuned_find() - Return: what was found for @class, or NULL */
const struct bitnpu_cl_tuned *bitnpu_cl_tuned_find(const struct bitnpu_cl_tuned_list *list,
						   const struct bitnpu_cl_class *class);

/** bitnpu_cl_tuned_set() - replace or add an entry.  Return: false when the list is full. */
bool bitnpu_cl_tuned_set(struct bitnpu_cl_tuned_list *list, const struct bitnpu_cl_tuned *entry);

/**
 * bitnpu_cl_tuned_parse() - read what bitnpu_cl_tuned_format() wrote, or anybody else
 * @caps: the device
 * @text: any bytes
 * @size: how many
 * @list: filled; empty when anything is wrong
 *
 * Return: whether it is well-formed and all of it can be used on the device.
 */
bool bitnpu_cl_tuned_parse(const struct bitnpu_cl_caps *caps, const char *text, size_t size,
			   struct bitnpu_cl_tuned_list *list);

/** bitnpu_cl_tuned_format() - Return: @list as malloc()ed text of @size bytes, or NULL */
char *bitnpu_cl_tuned_format(const struct bitnpu_cl_tuned_list *list, size_t *size);

/** bitnpu_cl_tuned_key() - Return: what names it in the disk cache */
struct bitnpu_cl_key bitnpu_cl_tuned_key(const struct bitnpu_cl_caps *caps);

/** bitnpu_cl_tuned_load() - read it from the disk cache; empty when there is none that can be used */
void bitnpu_cl_tuned_load(const struct bitnpu_cl_caps *caps, const char *dir,
			  struct bitnpu_cl_tuned_list *list);
/** bitnpu_cl_tuned_store() - write it to the disk cache, if that can be */
void bitnpu_cl_tuned_store(const struct bitnpu_cl_caps *caps, const char *dir,
			   const struct bitnpu_cl_tuned_list *list);

/** bitnpu_cl_tuned_words() - @list for people, as much as fits into @size bytes of @out */
void bitnpu_cl_tuned_words(const struct bitnpu_cl_tuned_list *list, char *out, size_t size);

/**
 * bitnpu_cl_tune() - find the fastest way for commands like @mm
 * @dev: measures for at most @dev->tune_ms, but for what one kernel takes to build
 * @mm: the command
 * @usual: what it would be computed with
 * @found: its class is the caller's
 *
 * Return: false when nothing could be measured.
 */
bool bitnpu_cl_tune(struct bitnpu_cl_device *dev, const struct bitnpu_matmul *mm,
		    const struct bitnpu_cl_choice *usual, struct bitnpu_cl_tuned *found);

/* ---- an open device ------------------------------------------------------------------------ */

/**
 * struct bitnpu_cl_config - what a program is built for
 * @choice: how; @choice.tiles is the most of a group
 * @weight_format: BITNPU_W_*
 * @output_format: BITNPU_Y_*
 */
struct bitnpu_cl_config {
	struct bitnpu_cl_choice choice;
	uint8_t weight_format, output_format;
};

/* A built program; lives as long as its device. */
struct bitnpu_cl_program {
	struct bitnpu_cl_program *next;
	struct bitnpu_cl_config config;
	cl_program program;
};

/* An in-order command queue; used by one thread at a time. */
struct bitnpu_cl_stream {
	struct bitnpu_cl_stream *next;
	cl_command_queue queue;
};

/**
 * struct bitnpu_cl_device - an open device
 * @base: the core's part
 * @caps: what it can do
 * @context: of this device alone
 * @cache_dir: where binaries are kept, NULL for nowhere
 * @instructions: found by trying
 * @forced: the variant that every command is to use, or NULL
 * @tune_lock: guards @tuned, held while the tuner measures
 * @tuned: what it found
 * @tune_ms: how long it may take for a class that is not among @tuned; 0: it does not
 * @program_lock: guards @programs, held while one is built
 * @programs: built so far, for MATMULs
 * @floats: for float commands, NULL before the first
 * @stream_lock: guards @idle
 * @idle: queues that no thread is using
 */
struct bitnpu_cl_device {
	struct bitnpu_engine_device base;
	struct bitnpu_cl_caps caps;
	cl_context context;
	char *cache_dir;
	struct bitnpu_cl_instructions instructions;
	const struct bitnpu_cl_variant *forced;
	pthread_mutex_t tune_lock;
	struct bitnpu_cl_tuned_list tuned;
	uint32_t tune_ms;
	pthread_mutex_t program_lock;
	struct bitnpu_cl_program *programs;
	cl_program floats;
	pthread_mutex_t stream_lock;
	struct bitnpu_cl_stream *idle;
};

/* program.c */

/**
 * struct bitnpu_cl_source - a part of a program's text
 * @text: not ended by a NUL
 * @end: after its last character
 */
struct bitnpu_cl_source {
	const char *text, *end;
};

/**
 * bitnpu_cl_build() - a program from the disk cache or from source
 * @dev: the device
 * @sources: one after the other
 * @count: how many
 * @options: for the compiler
 * @program: clReleaseProgram()
 * @err: as everywhere; has a line of the build log
 */
int bitnpu_cl_build(struct bitnpu_cl_device *dev, const struct bitnpu_cl_source *sources,
		    size_t count, const char *options, cl_program *program,
		    struct bitnpu_error *err);

/** bitnpu_cl_program_get() - the program for @config, built or loaded on first use */
int bitnpu_cl_program_get(struct bitnpu_cl_device *dev, const struct bitnpu_cl_config *config,
			  cl_program *program, struct bitnpu_error *err);
void bitnpu_cl_programs_release(struct bitnpu_cl_device *dev);

/* The kernels' sources, embedded (program.c). */
extern const char bitnpu_cl_blocks[], bitnpu_cl_blocks_end[];
extern const char bitnpu_cl_common[], bitnpu_cl_common_end[];
extern const char bitnpu_cl_dots[], bitnpu_cl_dots_end[];
extern const char bitnpu_cl_floats[], bitnpu_cl_floats_end[];
extern const char bitnpu_cl_instructions_source[], bitnpu_cl_instructions_source_end[];
extern const char bitnpu_cl_lanes[], bitnpu_cl_lanes_end[];
extern const char bitnpu_cl_probe_source[], bitnpu_cl_probe_source_end[];
extern const char bitnpu_cl_tiles[], bitnpu_cl_tiles_end[];

/* launch.c */

/** bitnpu_cl_stream_get() - a queue for this thread alone; bitnpu_cl_stream_put() */
int bitnpu_cl_stream_get(struct bitnpu_cl_device *dev, struct bitnpu_cl_stream **stream,
			 struct bitnpu_error *err);
/** bitnpu_cl_stream_put() - give @stream back; one that @failed is not used again */
void bitnpu_cl_stream_put(struct bitnpu_cl_device *dev, struct bitnpu_cl_stream *stream,
			  bool failed);
void bitnpu_cl_streams_release(struct bitnpu_cl_device *dev);
int bitnpu_cl_execute(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
		      void *prepared, struct bitnpu_error *err);

/* memory.c */

/**
 * struct bitnpu_cl_bo - a buffer
 * @base: the core's part; @base.host is the memory itself where @in_place, else a shadow that is
 *	allocated by the first map
 * @mem: the buffer object
 * @in_place: @mem uses @base.host
 * @owned: bytes at @base.host to munmap() in the end, 0 when they are the caller's
 * @access: BITNPU_MAP_* of the last map
 */
struct bitnpu_cl_bo {
	struct bitnpu_engine_bo base;
	cl_mem mem;
	bool in_place;
	uint64_t owned;
	uint32_t access;
};

int bitnpu_cl_bo_create(struct bitnpu_engine_context *ctx, uint64_t size, uint32_t flags,
			struct bitnpu_engine_bo **bo, struct bitnpu_error *err);
int bitnpu_cl_bo_import(struct bitnpu_engine_context *ctx, const void *ptr, uint64_t size,
			uint32_t flags, struct bitnpu_engine_bo **bo, struct bitnpu_error *err);
void bitnpu_cl_bo_destroy(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo);
int bitnpu_cl_bo_map(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
		     uint32_t access, struct bitnpu_error *err);
int bitnpu_cl_bo_unmap(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
		       struct bitnpu_error *err);

/* plan.c */

/**
 * struct bitnpu_cl_launch - a command ready to enqueue
 * @kernel: all arguments set; used read-only, so several threads may enqueue it at once
 * @global: work-items
 * @local: work-items of a group
 * @index: the command's place in the list as given
 */
struct bitnpu_cl_launch {
	cl_kernel kernel;
	size_t global[2], local[2];
	uint32_t index;
};

/**
 * struct bitnpu_cl_arguments - memory of a MATMUL
 * @mem: of x, w, s (any, without scales) and y
 * @offset: into them
 */
struct bitnpu_cl_arguments {
	const cl_mem *mem[4];
	cl_ulong offset[4];
};

/**
 * bitnpu_cl_plan_matmul() - a MATMUL's kernel with all arguments set
 * @dev: the device
 * @mm: its shape
 * @choice: how to compute it
 * @args: its memory
 * @launch: all but @index is filled; its kernel is to be released even after an error, if there is one
 * @err: as everywhere
 */
int bitnpu_cl_plan_matmul(struct bitnpu_cl_device *dev, const struct bitnpu_matmul *mm,
			  const struct bitnpu_cl_choice *choice,
			  const struct bitnpu_cl_arguments *args, struct bitnpu_cl_launch *launch,
			  struct bitnpu_error *err);

/** bitnpu_cl_set_weights() - let a kernel of it read other weights */
cl_int bitnpu_cl_set_weights(cl_kernel kernel, const cl_mem *mem, cl_ulong offset);

/**
 * struct bitnpu_cl_argument - a kernel's argument
 * @value: of it
 * @size: of @value
 */
struct bitnpu_cl_argument {
	const void *value;
	size_t size;
};

/** bitnpu_cl_set_arguments() - set @kernel's arguments, the first @count */
cl_int bitnpu_cl_set_arguments(cl_kernel kernel, const struct bitnpu_cl_argument *args,
			       cl_uint count);

/**
 * struct bitnpu_cl_plan - what prepare makes of a list
 * @scratch: scores of ATTENTIONs, NULL without one
 * @scratch_lock: held while it is used; a list may be run on several queues at once
 * @count: launches, whose order is the list's.  Barriers need no entry: queues run in order
 * @launches: the launches
 */
struct bitnpu_cl_plan {
	cl_mem scratch;
	pthread_mutex_t scratch_lock;
	size_t count;
	struct bitnpu_cl_launch launches[];
};

/* floats.c */

/** bitnpu_cl_float_launches() - Return: launches that a float command takes */
uint32_t bitnpu_cl_float_launches(const struct bitnpu_float_command *op);
/** bitnpu_cl_float_scratch() - Return: bytes of scratch memory that it needs */
uint64_t bitnpu_cl_float_scratch(const struct bitnpu_float_command *op);

/**
 * bitnpu_cl_plan_float() - a float command's kernels with all arguments set
 * @dev: the device
 * @cmd: the command
 * @scratch: of bitnpu_cl_float_scratch() bytes
 * @launches: filled, but what comes after an error; kernels are the caller's to release
 * @err: as everywhere
 */
int bitnpu_cl_plan_float(struct bitnpu_cl_device *dev, const struct bitnpu_checked_cmd *cmd,
			 const cl_mem *scratch, struct bitnpu_cl_launch *launches,
			 struct bitnpu_error *err);

int bitnpu_cl_prepare(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
		      void **prepared, struct bitnpu_error *err);
void bitnpu_cl_unprepare(struct bitnpu_engine_context *ctx, void *prepared);

#endif /* BITNPU_OPENCL_H */
