// SPDX-License-Identifier: GPL-2.0-only
/* Execution of a ring entry: docs/hardware.md, section 3. */
#include <linux/sched.h>
#include <linux/sizes.h>

#include <drm/bitnpu_isa.h>

#include "sim.h"

/* Multiply-accumulates between two looks at the clock: about a millisecond. */
#define MACS_A_CHUNK	SZ_1M

static void set_fault(struct bitnpu_record *record, const struct bitnpu_fault *fault)
{
	record->status = cpu_to_le32(fault->status);
	record->field = cpu_to_le32(fault->field);
	record->addr = cpu_to_le64(fault->addr);
}

/* What a memory fault is in the command set's terms (section 7.1). */
static void set_memory_fault(struct bitnpu_record *record, const struct sim_dma *dma)
{
	u32 status = BITNPU_STATUS_DEVICE;

	if (dma->fault == BITNPU_HW_FAULT_TRANSLATION)
		status = BITNPU_STATUS_UNMAPPED;
	if (dma->fault == BITNPU_HW_FAULT_PERMISSION)
		status = BITNPU_STATUS_READ_ONLY;
	record->status = cpu_to_le32(status);
	record->fault = cpu_to_le32(dma->fault);
	record->addr = cpu_to_le64(dma->fault_addr);
}

static bool overlaps(u64 a, u64 a_bytes, u64 b, u64 b_bytes)
{
	return b_bytes && a <= b + (b_bytes - 1) && b <= a + (a_bytes - 1);
}

/* The checks past bitnpu_cmd_check(): OVERLAP, then SRAM. */
static u32 check_matmul(struct bitnpu_sim *sim, const struct bitnpu_matmul *mm,
			struct bitnpu_fault *fault)
{
	struct sim_cost cost = {};

	if (overlaps(mm->y_addr, mm->y_bytes, mm->x_addr, mm->x_bytes) ||
	    overlaps(mm->y_addr, mm->y_bytes, mm->w_addr, mm->w_bytes) ||
	    overlaps(mm->y_addr, mm->y_bytes, mm->s_addr, mm->s_bytes)) {
		*fault = (struct bitnpu_fault){
			.status = BITNPU_STATUS_OVERLAP,
			.field = offsetof(struct bitnpu_cmd_matmul, y_addr),
			.addr = mm->y_addr,
		};
	} else if (!sim_cost_matmul(&sim->config, mm, &cost)) {
		*fault = (struct bitnpu_fault){
			.status = BITNPU_STATUS_UNSUPPORTED,
			.field = offsetof(struct bitnpu_cmd_matmul, k),
			.addr = mm->k,
		};
	} else {
		return BITNPU_STATUS_OK;
	}
	return fault->status;
}

/* Read command @index and check it.  Return: 1 to go on, 0 when the list has failed, -EINTR. */
static int fetch(struct sim_dma *dma, u64 addr, u32 index, struct bitnpu_matmul *mm, u8 *opcode,
		 struct bitnpu_record *record)
{
	struct bitnpu_sim *sim = dma->core->sim;
	struct bitnpu_fault fault;
	u8 cmd[BITNPU_CMD_SIZE];
	int ret = dma->dma.load(&dma->dma, cmd, addr + (u64)index * sizeof(cmd), sizeof(cmd));

	record->index = cpu_to_le32(index);
	if (ret == -EINTR)
		return ret;
	if (ret) {
		set_memory_fault(record, dma);
		return 0;
	}
	*opcode = cmd[0];
	if (bitnpu_cmd_check(cmd, sim->config.features, mm, &fault) ||
	    (*opcode == BITNPU_OP_MATMUL && check_matmul(sim, mm, &fault))) {
		set_fault(record, &fault);
		return 0;
	}
	record->index = 0;
	return 1;
}

static int run_matmul(struct sim_dma *dma, const struct bitnpu_matmul *mm)
{
	const u64 tile_macs = (u64)mm->m * BITNPU_TILE_ROWS * mm->k;
	const u32 chunk = tile_macs < MACS_A_CHUNK ? div_u64(MACS_A_CHUNK, tile_macs) : 1;
	struct sim_ring *ring = &dma->core->sim->rings[dma->core->ring];
	u32 tile;

	for (tile = 0; tile < mm->tiles; tile += chunk) {
		int ret = bitnpu_matmul_tiles(mm, tile, min(chunk, mm->tiles - tile), &dma->dma);

		if (ret)
			return ret;
		WRITE_ONCE(ring->progress, ring->progress + 1);
		cond_resched();
	}
	return 0;
}

static int check_list(struct sim_dma *dma, u64 addr, u32 count, struct bitnpu_record *record)
{
	u32 index;

	for (index = 0; index < count; index++) {
		struct bitnpu_matmul mm;
		u8 opcode;
		int ret = fetch(dma, addr, index, &mm, &opcode, record);

		if (ret <= 0)
			return ret;
	}
	return 1;
}

static int run_list(struct sim_dma *dma, u64 addr, u32 count, struct bitnpu_record *record,
		    struct sim_cost *cost)
{
	struct bitnpu_sim *sim = dma->core->sim;
	struct sim_ring *ring = &sim->rings[dma->core->ring];
	u32 index;

	for (index = 0; index < count; index++) {
		struct bitnpu_matmul mm;
		u8 opcode;
		int ret;

		WRITE_ONCE(ring->command, index);
		ret = fetch(dma, addr, index, &mm, &opcode, record);
		if (ret <= 0)
			return ret;
		sim_cost_fetch(&sim->config, cost);
		if (opcode == BITNPU_OP_MATMUL) {
			ret = run_matmul(dma, &mm);
			if (ret == -EINTR)
				return ret;
			if (ret) {
				record->index = cpu_to_le32(index);
				set_memory_fault(record, dma);
				return 0;
			}
			sim_cost_matmul(&sim->config, &mm, cost);
		}
		cost->commands++;
		WRITE_ONCE(ring->progress, ring->progress + 1);
	}
	return 0;
}

static void add_cost(struct bitnpu_sim *sim, const struct sim_cost *cost)
{
	struct sim_cost *total = &sim->total;
	unsigned long flags;

	spin_lock_irqsave(&sim->lock, flags);
	total->cycles += cost->cycles;
	total->mac_cycles += cost->mac_cycles;
	total->dma_cycles += cost->dma_cycles;
	total->stall_cycles += cost->stall_cycles;
	total->bytes_read += cost->bytes_read;
	total->bytes_written += cost->bytes_written;
	total->macs += cost->macs;
	total->commands += cost->commands;
	total->sram_high_water = max(total->sram_high_water, cost->sram_high_water);
	spin_unlock_irqrestore(&sim->lock, flags);
}

static void set_cost(struct bitnpu_record *record, const struct sim_cost *cost)
{
	record->cycles = cpu_to_le64(cost->cycles);
	record->mac_cycles = cpu_to_le64(cost->mac_cycles);
	record->dma_cycles = cpu_to_le64(cost->dma_cycles);
	record->stall_cycles = cpu_to_le64(cost->stall_cycles);
	record->bytes_read = cpu_to_le64(cost->bytes_read);
	record->bytes_written = cpu_to_le64(cost->bytes_written);
	record->macs = cpu_to_le64(cost->macs);
	record->commands = cpu_to_le32(cost->commands);
	record->sram_high_water = cpu_to_le32(cost->sram_high_water);
}

int sim_execute(struct sim_core *core, const struct bitnpu_ring_entry *entry,
		struct bitnpu_record *record)
{
	const u64 addr = le64_to_cpu(entry->list_addr);
	const u32 size = le32_to_cpu(entry->list_size);
	struct sim_cost cost = {};
	struct sim_dma dma;
	int ret;

	if (!size || size % BITNPU_CMD_SIZE || addr % BITNPU_CMD_SIZE) {
		record->status = cpu_to_le32(BITNPU_STATUS_LENGTH);
		record->addr = cpu_to_le64(size);
		return 0;
	}
	sim_dma_init(&dma, core, le32_to_cpu(entry->asid), le64_to_cpu(entry->root));
	ret = check_list(&dma, addr, size / BITNPU_CMD_SIZE, record);
	if (ret > 0)
		ret = run_list(&dma, addr, size / BITNPU_CMD_SIZE, record, &cost);
	if (ret)
		return ret;
	cost.stall_cycles = cost.cycles - cost.mac_cycles;
	set_cost(record, &cost);
	add_cost(core->sim, &cost);
	return 0;
}
