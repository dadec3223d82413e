// SPDX-License-Identifier: MIT
/*
 * The tuner: times every way to compute a class of commands on the device itself and keeps the fastest.
 *
 * It works on memory of its own, more than caches hold, so that creating a command list touches no buffer.
 * Ways are timed in turns, because machines drift.
 */
#include "opencl.h"

#include <stdlib.h>
#include <time.h>

/* Bytes of weights that a sample reads at least, and rows of x that stand for any number of them. */
#define SCRATCH_BYTES	(64u << 20)
#define MOST_ROWS	256
#define MOST_COLUMNS	32768
/* A sample takes as long, if there are weights for it. */
#define SAMPLE_NS	10000000
#define ROUNDS		4
/* What is so much slower than the fastest is not timed again; what is so little faster is not used. */
#define HOPELESS	1.3
#define WORTH_IT	1.02
#define MOST_TRIALS	96

/**
 * struct trial - a way to compute the command
 * @choice: which
 * @launch: of it
 * @best_ns: a command's time in the fastest sample, UINT64_MAX before the first
 */
struct trial {
	struct bitnpu_cl_choice choice;
	struct bitnpu_cl_launch launch;
	uint64_t best_ns;
};

/**
 * struct tuning - a class being timed
 * @dev: where
 * @stream: on what queue
 * @mm: a command of the class, not too large
 * @mem: its operands: x, w, s, y
 * @w_stride: from one copy of the weights to the next
 * @copies: of the weights
 * @count: commands in a sample
 * @deadline_ns: when to stop
 * @trials: ways, the usual one first
 * @trial_count: how many
 */
struct tuning {
	struct bitnpu_cl_device *dev;
	struct bitnpu_cl_stream *stream;
	struct bitnpu_matmul mm;
	cl_mem mem[4];
	uint64_t w_stride;
	uint32_t copies, count;
	uint64_t deadline_ns;
	struct trial trials[MOST_TRIALS];
	size_t trial_count;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

/* A smaller command of the same class, as far as speed goes. */
static void shrink(struct bitnpu_matmul *mm)
{
	if (mm->m > MOST_ROWS)
		mm->m = MOST_ROWS;
	if (mm->n > MOST_COLUMNS)
		mm->n = MOST_COLUMNS;
	while (mm->n > 16 && 64ull * ((mm->n + 15) / 16) * mm->lines > SCRATCH_BYTES)
		mm->n /= 2;
	mm->tiles = (mm->n + 15) / 16;
	mm->x_stride = round_up(mm->k, 64);
	mm->y_stride = round_up(mm->n * (mm->output_format == BITNPU_Y_INT64 ? 8ull : 4ull), 64);
}

static cl_int make_operand(struct tuning *t, unsigned int i, uint64_t bytes, cl_uint pattern)
{
	cl_int status;

	bytes = round_up(bytes, 64);
	t->mem[i] = clCreateBuffer(t->dev->context, CL_MEM_READ_WRITE, bytes, NULL, &status);
	if (!t->mem[i])
		return status;
	return clEnqueueFillBuffer(t->stream->queue, t->mem[i], &pattern, sizeof(pattern), 0, bytes, 0,
				   NULL, NULL);
}

/* Whatever is in them: the work is the same for all values. */
static cl_int make_operands(struct tuning *t)
{
	const struct bitnpu_matmul *mm = &t->mm;
	const uint64_t w_bytes = 64ull * mm->tiles * mm->lines;
	const uint64_t s_bytes = 32ull * mm->tiles * (mm->groups ? mm->groups : 1);
	cl_int status;

	t->w_stride = w_bytes;
	t->copies = w_bytes < SCRATCH_BYTES ? SCRATCH_BYTES / w_bytes : 1;
	status = make_operand(t, 0, (uint64_t)mm->m * mm->x_stride, 0x13579bdf);
	if (!status)
		status = make_operand(t, 1, t->copies * w_bytes, 0x12345678);
	if (!status)
		status = make_operand(t, 2, s_bytes, 0x2c002c00);
	if (!status)
		status = make_operand(t, 3, (uint64_t)mm->m * mm->y_stride, 0);
	return status ? status : clFinish(t->stream->queue);
}

/* Return: nanoseconds for each of @count commands (not 0) with weights of their own, 0 on failure. */
static uint64_t sample(struct tuning *t, const struct trial *trial, uint32_t count)
{
	const struct bitnpu_cl_launch *launch = &trial->launch;
	const uint64_t begin = now_ns();
	cl_int status = CL_SUCCESS;
	uint64_t ns;

	for (uint32_t i = 0; i < count && !status; i++) {
		status = bitnpu_cl_set_weights(launch->kernel, &t->mem[1], i % t->copies * t->w_stride);
		if (!status)
			status = clEnqueueNDRangeKernel(t->stream->queue, launch->kernel, 2, NULL,
							launch->global, launch->local, 0, NULL, NULL);
	}
	if (clFinish(t->stream->queue) || status || !count)
		return 0;
	ns = (now_ns() - begin) / count;
	return ns ? ns : 1;
}

/* Build a way and run it once; one that fails is none. */
static void add_trial(struct tuning *t, const struct bitnpu_cl_choice *choice)
{
	struct trial *trial = &t->trials[t->trial_count];
	const struct bitnpu_cl_arguments args = {
		.mem = { &t->mem[0], &t->mem[1], &t->mem[2], &t->mem[3] },
	};

	if (t->trial_count == MOST_TRIALS || now_ns() >= t->deadline_ns)
		return;
	for (size_t i = 0; i < t->trial_count; i++)
		if (bitnpu_cl_choice_same(&t->trials[i].choice, choice))
			return;
	*trial = (struct trial){ .choice = *choice, .best_ns = UINT64_MAX };
	if (bitnpu_cl_plan_matmul(t->dev, &t->mm, choice, &args, &trial->launch, NULL) ||
	    !sample(t, trial, 1)) {
		if (trial->launch.kernel)
			clReleaseKernel(trial->launch.kernel);
		return;
	}
	t->trial_count++;
}

/* Kernels for vectors where the device keeps them, the others elsewhere. */
static bool is_candidate(const struct bitnpu_cl_device *dev, const struct bitnpu_cl_variant *variant,
			 bool vectors)
{
	return variant->vectors == vectors &&
	       (!variant->subgroups || dev->instructions.shuffle[0]);
}

static void add_trials(struct tuning *t, const struct bitnpu_cl_choice *usual)
{
	const struct bitnpu_cl_caps *caps = &t->dev->caps;

	add_trial(t, usual);
	for (const struct bitnpu_cl_variant *v = bitnpu_cl_variants; v->name; v++) {
		struct bitnpu_cl_choice c = { .variant = v };

		if (!is_candidate(t->dev, v, usual->variant->vectors))
			continue;
		for (unsigned int g = 0; g < BITNPU_CL_GROUPS; g++) {
			c.group = v->groups[g];
			for (c.m_block = v->max_m_block; c.m_block; c.m_block /= 2) {
				/* Rows that are not there, or weights that are read twice. */
				if (c.m_block >= 2 * t->mm.m ||
				    (!v->fixed_tiles && c.m_block < v->max_m_block &&
				     c.m_block < t->mm.m))
					continue;
				for (c.tiles = 1; c.tiles <= v->max_tiles; c.tiles *= 2)
					if (bitnpu_cl_choice_fits(caps, &c))
						add_trial(t, &c);
			}
		}
	}
}

/* In turns: all ways once, then those that may be the fastest again and again. */
static void time_trials(struct tuning *t)
{
	uint64_t best = UINT64_MAX, ns = sample(t, &t->trials[0], 1);

	t->count = ns && ns < SAMPLE_NS ? SAMPLE_NS / ns : 1;
	if (t->count > t->copies)
		t->count = t->copies;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < t->trial_count; i++) {
			struct trial *trial = &t->trials[i];

			if (round && i && trial->best_ns > HOPELESS * best)
				continue;
			/* The first round is not left out, or a way would have no time at all. */
			if (round && now_ns() >= t->deadline_ns)
				return;
			ns = sample(t, trial, t->count);
			if (ns && ns < trial->best_ns)
				trial->best_ns = ns;
			if (trial->best_ns < best)
				best = trial->best_ns;
		}
	}
}

static void pick(const struct tuning *t, struct bitnpu_cl_tuned *found)
{
	const struct trial *best = &t->trials[0];

	for (size_t i = 1; i < t->trial_count; i++)
		if (t->trials[i].best_ns < best->best_ns)
			best = &t->trials[i];
	if (t->trials[0].best_ns <= WORTH_IT * best->best_ns)
		best = &t->trials[0];
	found->choice = best->choice;
	found->usual_ns = t->trials[0].best_ns;
	found->best_ns = best->best_ns;
}

bool bitnpu_cl_tune(struct bitnpu_cl_device *dev, const struct bitnpu_matmul *mm,
		    const struct bitnpu_cl_choice *usual, struct bitnpu_cl_tuned *found)
{
	struct tuning *t = calloc(1, sizeof(*t));
	bool good = false;

	if (!t)
		return false;
	t->dev = dev;
	t->mm = *mm;
	t->deadline_ns = now_ns() + dev->tune_ms * 1000000ull;
	shrink(&t->mm);
	if (bitnpu_cl_stream_get(dev, &t->stream, NULL))
		goto free;
	if (!make_operands(t)) {
		add_trials(t, usual);
		if (t->trial_count && bitnpu_cl_choice_same(&t->trials[0].choice, usual)) {
			time_trials(t);
			pick(t, found);
			good = found->best_ns != UINT64_MAX;
		}
	}
	for (size_t i = 0; i < t->trial_count; i++)
		clReleaseKernel(t->trials[i].launch.kernel);
	for (unsigned int i = 0; i < 4; i++)
		if (t->mem[i])
			clReleaseMemObject(t->mem[i]);
	bitnpu_cl_stream_put(dev, t->stream, !good);
free:
	free(t);
	return good;
}
