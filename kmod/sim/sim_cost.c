// SPDX-License-Identifier: GPL-2.0-only
/* SRAM and the cycle model: docs/hardware.md, section 6.  Closed forms of the sums there. */
#include <linux/math64.h>

#include <drm/bitnpu_isa.h>

#include "sim.h"

/* Bytes of SRAM for a command's fetch buffer, and for the scales of two tiles. */
#define FETCH_BYTES	BITNPU_CMD_SIZE
#define SCALE_BYTES	64
#define MAX_BURST	16

/**
 * struct shape - a MATMUL as the model sees it
 * @row_bytes: a row of x, K rounded up to 64
 * @rows: rows of x that are worked on at once
 * @burst: lines of a burst
 * @full: bursts of @burst lines in a tile
 * @rest: lines of the last burst, 0 when all are full
 * @mac: cycles a line and row of x
 */
struct shape {
	u32 row_bytes, rows, burst, full, rest, mac;
};

static u64 dma_cycles(const struct sim_config *config, u64 bytes)
{
	return div_u64(bytes + config->dma_bytes - 1, config->dma_bytes);
}

static bool is_int64(const struct bitnpu_matmul *mm)
{
	return mm->output_format == BITNPU_Y_INT64;
}

static u64 sram_bytes(const struct bitnpu_matmul *mm, u32 row_bytes, u64 rows, u32 burst)
{
	const u32 accumulators = BITNPU_TILE_ROWS * (is_int64(mm) ? 12 : 4);

	return FETCH_BYTES + rows * (row_bytes + accumulators) + 2 * BITNPU_LINE_BYTES * burst +
	       (is_int64(mm) ? SCALE_BYTES : 0);
}

static bool find_shape(const struct sim_config *config, const struct bitnpu_matmul *mm,
		       struct shape *shape)
{
	const u32 sram = config->sram_bytes;
	u64 fixed, row;

	shape->row_bytes = ALIGN(mm->k, BITNPU_ADDR_ALIGN);
	shape->burst = min_t(u32, mm->lines, MAX_BURST);
	fixed = sram_bytes(mm, shape->row_bytes, 0, shape->burst);
	row = sram_bytes(mm, shape->row_bytes, 1, shape->burst) - fixed;
	if (sram >= fixed + row) {
		shape->rows = min_t(u64, mm->m, div64_u64(sram - fixed, row));
	} else {
		shape->burst = 1;
		shape->rows = 1;
		if (sram_bytes(mm, shape->row_bytes, 1, 1) > sram)
			return false;
	}
	shape->full = mm->lines / shape->burst;
	shape->rest = mm->lines % shape->burst;
	shape->mac = DIV_ROUND_UP(BITNPU_TILE_ROWS * mm->line_k,
				  config->mac_rows * config->mac_columns);
	return true;
}

/* Computing on all bursts of all tiles, each while the next one is loaded. */
static u64 burst_cycles(const struct sim_config *config, const struct bitnpu_matmul *mm,
			const struct shape *shape, u32 rows)
{
	const u64 mac_full = (u64)rows * shape->mac * shape->burst;
	const u64 mac_rest = (u64)rows * shape->mac * shape->rest;
	const u64 load_full = dma_cycles(config, BITNPU_LINE_BYTES * shape->burst);
	const u64 load_rest = dma_cycles(config, BITNPU_LINE_BYTES * shape->rest);
	const u64 tiles = mm->tiles;

	if (!shape->rest)
		return (tiles * shape->full - 1) * max(mac_full, load_full) + mac_full;
	return tiles * (shape->full - 1) * max(mac_full, load_full) +
	       tiles * max(mac_full, load_rest) + (tiles - 1) * max(mac_rest, load_full) + mac_rest;
}

static void add_pass(const struct sim_config *config, const struct bitnpu_matmul *mm,
		     const struct shape *shape, u32 rows, u64 passes, struct sim_cost *cost)
{
	const u32 element = is_int64(mm) ? 8 : 4;
	const u32 last = mm->n - (mm->tiles - 1) * BITNPU_TILE_ROWS;
	const u64 load_x = dma_cycles(config, (u64)rows * shape->row_bytes);
	const u64 load_first = dma_cycles(config, BITNPU_LINE_BYTES * shape->burst);
	const u64 load_scales = mm->tiles * dma_cycles(config, 32ULL * mm->groups);
	const u64 store = rows * ((mm->tiles - 1) * dma_cycles(config, BITNPU_TILE_ROWS * element) +
				  dma_cycles(config, last * element));
	const u64 load_lines = mm->tiles *
		(shape->full * load_first + dma_cycles(config, BITNPU_LINE_BYTES * shape->rest));

	cost->cycles += passes * (2 * config->dma_latency + load_x + load_first +
				  burst_cycles(config, mm, shape, rows) + load_scales + store);
	cost->mac_cycles += passes * rows * shape->mac * mm->lines * mm->tiles;
	cost->dma_cycles += passes * (load_x + load_lines + load_scales + store);
	cost->bytes_read += passes * ((u64)rows * shape->row_bytes + mm->w_bytes + mm->s_bytes);
	cost->bytes_written += passes * rows * mm->n * element;
}

bool sim_cost_matmul(const struct sim_config *config, const struct bitnpu_matmul *mm,
		     struct sim_cost *cost)
{
	struct shape shape;
	u32 left;

	if (!find_shape(config, mm, &shape))
		return false;
	left = mm->m % shape.rows;
	add_pass(config, mm, &shape, shape.rows, mm->m / shape.rows, cost);
	if (left)
		add_pass(config, mm, &shape, left, 1, cost);
	cost->macs += (u64)mm->m * mm->n * mm->k;
	cost->sram_high_water = max_t(u32, cost->sram_high_water,
				      sram_bytes(mm, shape.row_bytes, shape.rows, shape.burst));
	return true;
}

void sim_cost_fetch(const struct sim_config *config, struct sim_cost *cost)
{
	const u64 cycles = dma_cycles(config, BITNPU_CMD_SIZE);

	cost->cycles += config->dma_latency + cycles;
	cost->dma_cycles += cycles;
	cost->bytes_read += BITNPU_CMD_SIZE;
}
