// SPDX-License-Identifier: MIT
/*
 * Commands on kernels: x is laid out once for all that read it alike, then the tiles of all commands
 * are the passes of one loop.  What a tile gives does not depend on who computes it, nor when.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"

/* Commands whose tiles are one loop. */
#define MOST_JOBS 16
/*
 * Passes a thread, enough to even out what neighbours take: its own read memory that is one after the
 * other.  And the least that one is worth.
 */
#define PASSES_PER_THREAD 12
#define LEAST_LINES 512

/**
 * struct job - a command's share of the work
 * @cmd: the command
 * @kernel: for its format and number of rows
 * @scales: the level's
 * @x: laid out
 * @x_sums: sums of x by segment and row
 * @lays_out: @x is not an earlier job's
 * @segment: columns that share a scale, K rounded up to 64 without scales
 * @segments: how many, the last may be shorter
 * @first_pass: in the loop over tiles
 * @pass_tiles: tiles a pass
 * @first_row: in the loop over rows, for those that lay out
 */
struct job {
	const struct bitnpu_checked_cmd *cmd;
	const struct bitnpu_cpu_kernel *kernel;
	const struct bitnpu_cpu_scales *scales;
	struct bitnpu_cpu_x x;
	int32_t *x_sums;
	bool lays_out;
	uint32_t segment, segments;
	uint32_t first_pass, pass_tiles, first_row;
};

/**
 * struct batch - jobs that run at once
 * @jobs: the jobs
 * @count: how many
 * @row: first row of x of this round
 * @memory: what the jobs' x and x_sums point into
 */
struct batch {
	struct job jobs[MOST_JOBS];
	uint32_t count;
	uint32_t row;
	uint8_t *memory;
};

static const uint8_t *host(const struct bitnpu_operand *op)
{
	return (const uint8_t *)op->bo->host + op->offset;
}

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/* ---- laying out ------------------------------------------------------------------------------ */

static int32_t sum_block(const int8_t *values, uint32_t count)
{
	int32_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += values[i];
	return sum;
}

static void sum_segments(const struct job *job, uint32_t row, uint32_t column, const int8_t *values)
{
	/* Segments are powers of two, or one holds everything: each half lies in one. */
	for (uint32_t half = 0; half < BITNPU_CPU_BLOCK; half += BITNPU_CPU_BLOCK / 2) {
		uint32_t segment = (column + half) / job->segment;

		if (segment < job->segments)
			job->x_sums[segment * job->x.rows + row] +=
				sum_block(values + half, BITNPU_CPU_BLOCK / 2);
	}
}

/* The bytes past K need not be zero in the command's x. */
static void lay_out_row(const struct batch *batch, const struct job *job, uint32_t row)
{
	const struct bitnpu_matmul *mm = &job->cmd->mm;
	const int8_t *values = (const int8_t *)host(&job->cmd->x) +
			       (size_t)(batch->row + row) * mm->x_stride;
	uint32_t whole = mm->k / BITNPU_CPU_BLOCK * BITNPU_CPU_BLOCK;
	int8_t tail[BITNPU_CPU_BLOCK] __attribute__((aligned(64))) = { 0 };

	for (uint32_t segment = 0; segment < job->segments; segment++)
		job->x_sums[segment * job->x.rows + row] = 0;
	for (uint32_t column = 0; column < whole; column += BITNPU_CPU_BLOCK)
		sum_segments(job, row, column, values + column);
	if (whole)
		job->kernel->lay_out(&job->x, row, 0, values, whole);
	if (whole == mm->k)
		return;
	memcpy(tail, values + whole, mm->k - whole);
	sum_segments(job, row, whole, tail);
	job->kernel->lay_out(&job->x, row, whole, tail, BITNPU_CPU_BLOCK);
}

static void row_pass(void *arg, uint32_t index, unsigned int thread)
{
	const struct batch *batch = arg;
	uint32_t j = batch->count;

	/* The last that begins at or before this row, and has rows of its own. */
	while (j-- > 0)
		if (batch->jobs[j].lays_out && batch->jobs[j].first_row <= index)
			break;
	lay_out_row(batch, &batch->jobs[j], index - batch->jobs[j].first_row);
}

/* ---- tiles ----------------------------------------------------------------------------------- */

static inline int32_t weight_sum(uint8_t format, int32_t codes, int32_t x_sum)
{
	if (format == BITNPU_W_TERNARY)
		return codes - x_sum;
	return format == BITNPU_W_BINARY ? 2 * codes - x_sum : codes;
}

/* weight_sum() of a row of a tile; a loop for each format, so that it is one of vectors */
static void make_weight_sums(uint8_t format, int32_t *sums, int32_t x_sum)
{
	if (format == BITNPU_W_TERNARY)
		for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r++)
			sums[r] = weight_sum(BITNPU_W_TERNARY, sums[r], x_sum);
	else if (format == BITNPU_W_BINARY)
		for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r++)
			sums[r] = weight_sum(BITNPU_W_BINARY, sums[r], x_sum);
}

static uint32_t rows_of_tile(const struct bitnpu_matmul *mm, uint32_t tile)
{
	uint32_t left = mm->n - tile * BITNPU_TILE_ROWS;

	return left < BITNPU_TILE_ROWS ? left : BITNPU_TILE_ROWS;
}

static uint8_t *result(const struct batch *batch, const struct job *job, uint32_t tile, uint32_t row,
		       uint32_t element)
{
	return (uint8_t *)host(&job->cmd->y) +
	       (size_t)(batch->row + row) * job->cmd->mm.y_stride +
	       (size_t)tile * BITNPU_TILE_ROWS * element;
}

static void run_int32(const struct batch *batch, const struct job *job, uint32_t tile)
{
	const struct bitnpu_matmul *mm = &job->cmd->mm;
	const uint8_t *w = host(&job->cmd->w) + (size_t)tile * mm->lines * BITNPU_LINE_BYTES;
	int32_t sums[BITNPU_CPU_ROWS][BITNPU_TILE_ROWS];
	uint32_t columns = rows_of_tile(mm, tile);

	job->kernel->sums(w, mm->lines, &job->x, 0, sums);
	for (uint32_t row = 0; row < job->x.rows; row++) {
		uint8_t *y = result(batch, job, tile, row, sizeof(int32_t));

		make_weight_sums(mm->weight_format, sums[row], job->x_sums[row]);
		if (columns == BITNPU_TILE_ROWS)
			memcpy(y, sums[row], sizeof(sums[row]));
		else
			memcpy(y, sums[row], columns * sizeof(int32_t));
	}
}

static const uint8_t *halves_of(const struct job *job, uint32_t tile, uint32_t group)
{
	return host(&job->cmd->s) +
	       ((size_t)tile * job->segments + group) * 2 * BITNPU_TILE_ROWS;
}

/* Whether kernels can take all of a tile's scales. */
static bool are_narrow(const struct job *job, uint32_t tile)
{
	const uint16_t *halves = (const uint16_t *)halves_of(job, tile, 0);
	uint16_t wide = 0;

	if (!job->kernel->scaled || job->segment > BITNPU_CPU_SCALED_COLUMNS)
		return false;
	for (uint32_t group = 0; group < job->segments; group++, halves += BITNPU_TILE_ROWS)
		for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r++)
			wide |= (halves[r] & 0x7fff) > BITNPU_CPU_NARROW_HALF;
	return !wide;
}

static void run_narrow(const struct job *job, uint32_t tile, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const struct bitnpu_matmul *mm = &job->cmd->mm;
	int32_t scales[BITNPU_CPU_SCALED_GROUPS][BITNPU_TILE_ROWS] __attribute__((aligned(64)));
	const uint32_t lines = job->segment / mm->line_k, most = BITNPU_CPU_SCALED_GROUPS;
	struct bitnpu_cpu_scaled in = {
		.w = host(&job->cmd->w) + (size_t)tile * mm->lines * BITNPU_LINE_BYTES,
		.group = lines,
		.scales = (const int32_t(*)[BITNPU_TILE_ROWS])scales,
		.x_sums = job->x_sums,
	};

	for (uint32_t group = 0; group < job->segments; group += most) {
		const uint32_t left = job->segments - group, left_lines = mm->lines - group * lines;

		in.column = group * job->segment;
		in.lines = left_lines < most * lines ? left_lines : most * lines;
		job->scales->convert(halves_of(job, tile, group), left < most ? left : most, scales);
		job->kernel->scaled(&in, &job->x, totals);
		in.w += (size_t)in.lines * BITNPU_LINE_BYTES;
		in.x_sums += (size_t)most * job->x.rows;
	}
}

/* Modulo 2^64 */
static int64_t add_scaled(int64_t total, int64_t scale, int64_t sum)
{
	return (int64_t)((uint64_t)total + (uint64_t)scale * (uint64_t)sum);
}

/* Any scales, any groups. */
static void run_wide(const struct job *job, uint32_t tile, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const struct bitnpu_matmul *mm = &job->cmd->mm;
	const uint8_t *w = host(&job->cmd->w) + (size_t)tile * mm->lines * BITNPU_LINE_BYTES;
	const uint32_t lines = job->segment / mm->line_k, rows = job->x.rows;
	int32_t sums[BITNPU_CPU_ROWS][BITNPU_TILE_ROWS];

	for (uint32_t group = 0; group < job->segments; group++) {
		const uint32_t first = group * lines, left = mm->lines - first;
		const uint8_t *s = halves_of(job, tile, group);
		int64_t scales[BITNPU_TILE_ROWS];

		for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r++)
			scales[r] = bitnpu_half_to_fixed(s[2 * r] | s[2 * r + 1] << 8);
		job->kernel->sums(w + (size_t)first * BITNPU_LINE_BYTES, left < lines ? left : lines,
				  &job->x, group * job->segment, sums);
		for (uint32_t row = 0; row < rows; row++)
			for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r++)
				totals[row][r] = add_scaled(
					totals[row][r], scales[r],
					weight_sum(mm->weight_format, sums[row][r],
						   job->x_sums[group * rows + row]));
	}
}

static void run_int64(const struct batch *batch, const struct job *job, uint32_t tile)
{
	static const uint8_t plain[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	const uint32_t columns = rows_of_tile(&job->cmd->mm, tile);
	int64_t totals[BITNPU_CPU_ROWS][BITNPU_TILE_ROWS];
	const bool narrow = are_narrow(job, tile);
	const uint8_t *order = narrow ? job->scales->order : plain;

	memset(totals, 0, job->x.rows * sizeof(totals[0]));
	if (narrow)
		run_narrow(job, tile, totals);
	else
		run_wide(job, tile, totals);
	for (uint32_t row = 0; row < job->x.rows; row++) {
		int64_t *y = (int64_t *)result(batch, job, tile, row, sizeof(int64_t));

		for (uint32_t r = 0; r < columns; r++)
			y[r] = totals[row][order[r]];
	}
}

static void tile_pass(void *arg, uint32_t index, unsigned int thread)
{
	const struct batch *batch = arg;
	const struct job *job = &batch->jobs[batch->count - 1];
	uint32_t tile, end;

	while (job->first_pass > index)
		job--;
	tile = (index - job->first_pass) * job->pass_tiles;
	end = tile + job->pass_tiles < job->cmd->mm.tiles ? tile + job->pass_tiles :
							    job->cmd->mm.tiles;
	for (; tile < end; tile++) {
		if (job->cmd->mm.groups)
			run_int64(batch, job, tile);
		else
			run_int32(batch, job, tile);
	}
}

/* ---- batches --------------------------------------------------------------------------------- */

/* A job before @job that lays out the same rows in the same way, or NULL. */
static const struct job *find_same_x(const struct batch *batch, const struct job *job)
{
	for (const struct job *other = batch->jobs; other < job; other++)
		if (other->lays_out && host(&other->cmd->x) == host(&job->cmd->x) &&
		    other->cmd->mm.x_stride == job->cmd->mm.x_stride &&
		    other->cmd->mm.k == job->cmd->mm.k && other->x.rows == job->x.rows &&
		    other->kernel->lay_out == job->kernel->lay_out && other->segment == job->segment)
			return other;
	return NULL;
}

/* Begin the batch's round at batch->row; Return: rows to lay out. */
static uint32_t begin_round(struct batch *batch, const struct bitnpu_cpu_level *level,
			    const struct bitnpu_checked_cmd *cmds, size_t count)
{
	uint32_t rows = 0;

	batch->count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct bitnpu_matmul *mm = &cmds[i].mm;
		struct job *job = &batch->jobs[batch->count];
		const struct job *same;

		if (mm->m <= batch->row)
			continue;
		*job = (struct job){ .cmd = &cmds[i] };
		job->x.rows = mm->m - batch->row < BITNPU_CPU_ROWS ? mm->m - batch->row :
								     BITNPU_CPU_ROWS;
		job->x.columns = round_up(mm->k, BITNPU_CPU_BLOCK);
		job->kernel = level->kernel(mm->weight_format, job->x.rows,
					    mm->groups ? 1u << mm->group_shift : 0);
		job->scales = level->scales;
		job->segment = mm->groups ? 1u << mm->group_shift : job->x.columns;
		job->segments = mm->groups ? mm->groups : 1;
		same = find_same_x(batch, job);
		batch->count++;
		if (same) {
			job->x = same->x;
			job->first_row = same->first_row;
			continue;
		}
		job->lays_out = true;
		job->first_row = rows;
		rows += job->x.rows;
	}
	return rows;
}

/* Place what the jobs lay out at @memory, NULL to count only; Return: bytes. */
static size_t place(struct batch *batch, uint8_t *memory)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < batch->count; i++) {
		struct job *job = &batch->jobs[i];
		const struct job *same = find_same_x(batch, job);

		if (!job->lays_out) {
			job->x.data = same->x.data;
			job->x_sums = same->x_sums;
			continue;
		}
		job->x.data = memory ? memory + bytes : NULL;
		bytes += round_up((size_t)job->x.rows * job->x.columns * job->kernel->x_bytes,
				  BITNPU_CPU_BLOCK);
		job->x_sums = memory ? (int32_t *)(memory + bytes) : NULL;
		bytes += round_up((size_t)job->segments * job->x.rows * sizeof(int32_t),
				  BITNPU_CPU_BLOCK);
	}
	return bytes;
}

static uint32_t split_tiles(struct batch *batch, unsigned int threads)
{
	uint64_t lines = 0, share;
	uint32_t passes = 0;

	for (uint32_t i = 0; i < batch->count; i++)
		lines += (uint64_t)batch->jobs[i].cmd->mm.tiles * batch->jobs[i].cmd->mm.lines *
			 batch->jobs[i].x.rows;
	share = lines / (threads * PASSES_PER_THREAD);
	share = share > LEAST_LINES ? share : LEAST_LINES;
	for (uint32_t i = 0; i < batch->count; i++) {
		struct job *job = &batch->jobs[i];
		uint64_t tiles = share / ((uint64_t)job->cmd->mm.lines * job->x.rows);

		job->pass_tiles = tiles < 1 ? 1 : tiles > job->cmd->mm.tiles ? job->cmd->mm.tiles : tiles;
		job->first_pass = passes;
		passes += (job->cmd->mm.tiles - 1) / job->pass_tiles + 1;
	}
	return passes;
}

static int run_round(struct batch *batch, struct bitnpu_pool *pool, uint32_t rows)
{
	uint8_t *memory = aligned_alloc(BITNPU_CPU_BLOCK, place(batch, NULL));

	if (!memory)
		return -ENOMEM;
	place(batch, memory);
	bitnpu_pool_run(pool, rows, row_pass, batch);
	bitnpu_pool_run(pool, split_tiles(batch, bitnpu_pool_threads(pool)), tile_pass, batch);
	free(memory);
	return 0;
}

static int run_batch(const struct bitnpu_cpu_level *level, struct bitnpu_pool *pool,
		     const struct bitnpu_checked_cmd *cmds, size_t count)
{
	struct batch batch = { .row = 0 };

	for (;; batch.row += BITNPU_CPU_ROWS) {
		uint32_t rows = begin_round(&batch, level, cmds, count);
		int ret;

		if (!batch.count)
			return 0;
		ret = run_round(&batch, pool, rows);
		if (ret)
			return ret;
	}
}

int bitnpu_cpu_matmuls(const struct bitnpu_cpu_level *level, struct bitnpu_pool *pool,
		       const struct bitnpu_checked_cmd *cmds, size_t count)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < count; i += MOST_JOBS)
		ret = run_batch(level, pool, cmds + i,
				count - i < MOST_JOBS ? count - i : MOST_JOBS);
	return ret;
}
