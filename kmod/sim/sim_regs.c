// SPDX-License-Identifier: GPL-2.0-only
/* The register file: docs/hardware.md, section 2, with its side effects. */
#include <linux/bitfield.h>
#include <linux/regmap.h>

#include <drm/bitnpu_isa.h>

#include "sim.h"

#define VERSION(major, minor)	(FIELD_PREP(BITNPU_VERSION_MAJOR, major) | \
				 FIELD_PREP(BITNPU_VERSION_MINOR, minor))

static void set_half(u64 *value, bool high, u32 half)
{
	if (high)
		*value = (u32)*value | (u64)half << 32;
	else
		*value = (*value & ~(u64)U32_MAX) | half;
}

void sim_ring_reset(struct sim_ring *ring)
{
	ring->enabled = false;
	ring->stopping = false;
	ring->error = false;
	ring->head = 0;
	ring->tail = 0;
	ring->progress = 0;
	ring->command = 0;
	ring->resetting = false;
	ring->stuck = false;
}

static bool busy(const struct bitnpu_sim *sim)
{
	unsigned int i;

	for (i = 0; i < sim->config.rings; i++)
		if (sim->rings[i].active)
			return true;
	return false;
}

/* Reset values of all registers; no core is executing. */
void sim_reset_registers(struct bitnpu_sim *sim)
{
	lockdep_assert_held(&sim->lock);
	memset(sim->rings, 0, sizeof(sim->rings));
	memset(&sim->total, 0, sizeof(sim->total));
	sim->entries = 0;
	atomic64_set(&sim->tlb_misses, 0);
	sim->latched = 0;
	sim->next_ring = 0;
	sim->enabled = false;
	sim->error = 0;
	sim->error_addr = 0;
	sim_irq_enable(sim, 0);
	sim_irq_clear(sim, ~0u);
	sim_tlb_invalidate(sim);
}

/* A full reset is done when every core has let go of its entry. */
void sim_reset_work(struct work_struct *work)
{
	struct bitnpu_sim *sim = container_of(work, struct bitnpu_sim, reset_work);

	if (sim_fault(sim, SIM_FAULT_RESET))
		return;
	wait_event(sim->reset_wait, !busy(sim));
	spin_lock_irq(&sim->lock);
	sim_reset_registers(sim);
	sim->ready = true;
	spin_unlock_irq(&sim->lock);
}

static void full_reset(struct bitnpu_sim *sim)
{
	unsigned int i;

	sim->ready = false;
	/* Registers read as zero now, so the line is low as well. */
	sim_irq_enable(sim, 0);
	sim_irq_clear(sim, ~0u);
	for (i = 0; i < sim->config.cores; i++)
		WRITE_ONCE(sim->cores[i].abort, true);
	wake_up_all(&sim->work_wait);
	schedule_work(&sim->reset_work);
}

static void ring_reset(struct bitnpu_sim *sim, struct sim_ring *ring)
{
	ring->resetting = true;
	if (sim_fault(sim, SIM_FAULT_RING_RESET)) {
		ring->stuck = true;
	} else if (ring->active) {
		WRITE_ONCE(ring->active->abort, true);
		wake_up_all(&sim->work_wait);
	} else {
		sim_ring_reset(ring);
	}
}

void sim_device_error(struct bitnpu_sim *sim, u32 kind, u32 ring, u64 addr)
{
	unsigned long flags;

	spin_lock_irqsave(&sim->lock, flags);
	sim->rings[ring].error = true;
	if (kind == BITNPU_HW_ERROR_INTERNAL)
		sim->enabled = false;
	if (!sim->error) {
		sim->error = FIELD_PREP(BITNPU_ERROR_KIND, kind) |
			     FIELD_PREP(BITNPU_ERROR_RING, ring);
		sim->error_addr = addr;
	}
	sim_irq_set(sim, BITNPU_IRQ_ERROR);
	spin_unlock_irqrestore(&sim->lock, flags);
}

static u32 read_capability(const struct bitnpu_sim *sim, unsigned int reg)
{
	const struct sim_config *config = &sim->config;

	switch (reg) {
	case BITNPU_ID:
		return BITNPU_ID_VALUE;
	case BITNPU_HW_VERSION:
		return VERSION(BITNPU_HW_MAJOR, BITNPU_HW_MINOR);
	case BITNPU_ISA_VERSION:
		return VERSION(BITNPU_ISA_VERSION_MAJOR, BITNPU_ISA_VERSION_MINOR);
	case BITNPU_FEATURES_LO:
		return lower_32_bits(config->features);
	case BITNPU_FEATURES_HI:
		return upper_32_bits(config->features);
	case BITNPU_GEOMETRY:
		return FIELD_PREP(BITNPU_GEOMETRY_CORES, config->cores) |
		       FIELD_PREP(BITNPU_GEOMETRY_RINGS, config->rings) |
		       FIELD_PREP(BITNPU_GEOMETRY_RING_LOG2, config->ring_log2) |
		       FIELD_PREP(BITNPU_GEOMETRY_ASID_BITS, config->asid_bits);
	case BITNPU_ADDRESS:
		return FIELD_PREP(BITNPU_ADDRESS_VA_BITS, BITNPU_VA_BITS) |
		       FIELD_PREP(BITNPU_ADDRESS_BUS_BITS, 52);
	case BITNPU_MAC_ARRAY:
		return FIELD_PREP(BITNPU_MAC_ARRAY_ROWS, config->mac_rows) |
		       FIELD_PREP(BITNPU_MAC_ARRAY_COLUMNS, config->mac_columns);
	case BITNPU_SRAM_SIZE:
		return config->sram_bytes;
	case BITNPU_CLOCK_KHZ:
		return config->clock_khz;
	case BITNPU_DMA:
		return FIELD_PREP(BITNPU_DMA_BYTES, config->dma_bytes) |
		       FIELD_PREP(BITNPU_DMA_LATENCY, config->dma_latency);
	default:
		return 0;
	}
}

static u64 counter(const struct bitnpu_sim *sim, unsigned int reg)
{
	const struct sim_cost *total = &sim->total;

	switch (reg) {
	case BITNPU_COUNTER_CYCLES_BUSY:
		return total->cycles;
	case BITNPU_COUNTER_CYCLES_MAC:
		return total->mac_cycles;
	case BITNPU_COUNTER_CYCLES_DMA:
		return total->dma_cycles;
	case BITNPU_COUNTER_CYCLES_STALL:
		return total->stall_cycles;
	case BITNPU_COUNTER_BYTES_READ:
		return total->bytes_read;
	case BITNPU_COUNTER_BYTES_WRITTEN:
		return total->bytes_written;
	case BITNPU_COUNTER_MACS:
		return total->macs;
	case BITNPU_COUNTER_COMMANDS:
		return total->commands;
	case BITNPU_COUNTER_ENTRIES:
		return sim->entries;
	case BITNPU_COUNTER_TLB_MISSES:
		return atomic64_read(&sim->tlb_misses);
	default:
		return 0;
	}
}

static u32 read_counter(struct bitnpu_sim *sim, unsigned int reg)
{
	u64 value;

	if (reg == BITNPU_SRAM_HIGH_WATER)
		return sim->total.sram_high_water;
	if (reg & 4)
		return sim->latched;
	value = counter(sim, reg);
	sim->latched = upper_32_bits(value);
	return lower_32_bits(value);
}

static u32 read_ring(const struct sim_ring *ring, unsigned int reg)
{
	switch (reg) {
	case BITNPU_RING_BASE_LO:
		return lower_32_bits(ring->base);
	case BITNPU_RING_BASE_HI:
		return upper_32_bits(ring->base);
	case BITNPU_RING_RECORDS_LO:
		return lower_32_bits(ring->records);
	case BITNPU_RING_RECORDS_HI:
		return upper_32_bits(ring->records);
	case BITNPU_RING_SIZE:
		return ring->log2;
	case BITNPU_RING_CONTROL:
		return (ring->enabled && !ring->stopping ? BITNPU_RING_CONTROL_ENABLE : 0) |
		       (ring->resetting ? BITNPU_RING_CONTROL_RESET : 0);
	case BITNPU_RING_STATUS:
		return (ring->enabled ? BITNPU_RING_STATUS_ENABLED : 0) |
		       (ring->active ? BITNPU_RING_STATUS_ACTIVE : 0) |
		       (ring->error ? BITNPU_RING_STATUS_ERROR : 0);
	case BITNPU_RING_HEAD:
		return ring->head;
	case BITNPU_RING_TAIL:
		return ring->tail;
	case BITNPU_RING_PROGRESS:
		return READ_ONCE(ring->progress);
	case BITNPU_RING_COMMAND:
		return READ_ONCE(ring->command);
	default:
		return 0;
	}
}

static u32 read_control(struct bitnpu_sim *sim, unsigned int reg)
{
	switch (reg) {
	case BITNPU_ERROR:
		return sim->error;
	case BITNPU_ERROR_ADDR_LO:
		return lower_32_bits(sim->error_addr);
	case BITNPU_ERROR_ADDR_HI:
		return upper_32_bits(sim->error_addr);
	case BITNPU_IRQ_STATUS:
		return READ_ONCE(sim->irq_status);
	case BITNPU_IRQ_MASK:
		return READ_ONCE(sim->irq_mask);
	case BITNPU_IRQ_PENDING:
		return READ_ONCE(sim->irq_status) & READ_ONCE(sim->irq_mask);
	case BITNPU_TLB_STATUS:
		return sim_tlb_busy(sim) ? BITNPU_TLB_BUSY : 0;
	default:
		return 0;
	}
}

static u32 read_locked(struct bitnpu_sim *sim, unsigned int reg)
{
	if (reg < BITNPU_CONTROL)
		return read_capability(sim, reg);
	if (reg == BITNPU_CONTROL)
		return sim->enabled ? BITNPU_CONTROL_ENABLE : 0;
	if (reg == BITNPU_HW_STATUS)
		return (sim->ready ? BITNPU_HW_STATUS_READY : 0) |
		       (sim->ready && busy(sim) ? BITNPU_HW_STATUS_BUSY : 0) |
		       (sim->ready && sim->error ? BITNPU_HW_STATUS_ERROR : 0);
	if (!sim->ready)
		return 0;
	if (reg < BITNPU_COUNTER_CYCLES_BUSY)
		return read_control(sim, reg);
	if (reg < BITNPU_RING_BLOCK)
		return read_counter(sim, reg);
	reg -= BITNPU_RING_BLOCK;
	if (reg / BITNPU_RING_BLOCK_SIZE < sim->config.rings)
		return read_ring(&sim->rings[reg / BITNPU_RING_BLOCK_SIZE],
				 reg % BITNPU_RING_BLOCK_SIZE);
	return 0;
}

static bool ring_ill_set(const struct bitnpu_sim *sim, const struct sim_ring *ring)
{
	return ring->log2 < BITNPU_MIN_RING_LOG2 || ring->log2 > sim->config.ring_log2 ||
	       ring->base % BITNPU_TABLE_SIZE || ring->records % BITNPU_TABLE_SIZE;
}

/* Return: a device error, or none. */
static u32 enable_ring(const struct bitnpu_sim *sim, struct sim_ring *ring, bool enable)
{
	if (enable && !ring->enabled) {
		if (ring_ill_set(sim, ring))
			return BITNPU_HW_ERROR_OVERRUN;
		ring->head = 0;
		ring->tail = 0;
		ring->enabled = true;
	} else if (!enable && ring->enabled) {
		ring->stopping = ring->active;
		ring->enabled = ring->active;
	}
	return BITNPU_HW_ERROR_NONE;
}

static u32 write_tail(struct bitnpu_sim *sim, struct sim_ring *ring, u32 tail)
{
	if (sim_fault(sim, SIM_FAULT_LOST_DOORBELL))
		return BITNPU_HW_ERROR_NONE;
	ring->tail = tail;
	if (ring->enabled && tail - ring->head > BIT(ring->log2))
		return BITNPU_HW_ERROR_OVERRUN;
	wake_up(&sim->work_wait);
	return BITNPU_HW_ERROR_NONE;
}

static u32 write_ring(struct bitnpu_sim *sim, struct sim_ring *ring, unsigned int reg, u32 value)
{
	switch (reg) {
	case BITNPU_RING_BASE_LO:
	case BITNPU_RING_BASE_HI:
		if (!ring->enabled)
			set_half(&ring->base, reg & 4, value);
		break;
	case BITNPU_RING_RECORDS_LO:
	case BITNPU_RING_RECORDS_HI:
		if (!ring->enabled)
			set_half(&ring->records, reg & 4, value);
		break;
	case BITNPU_RING_SIZE:
		if (!ring->enabled)
			ring->log2 = value;
		break;
	case BITNPU_RING_CONTROL:
		if (value & BITNPU_RING_CONTROL_RESET)
			ring_reset(sim, ring);
		else if (!ring->resetting)
			return enable_ring(sim, ring, value & BITNPU_RING_CONTROL_ENABLE);
		break;
	case BITNPU_RING_TAIL:
		return write_tail(sim, ring, value);
	}
	return BITNPU_HW_ERROR_NONE;
}

static void write_control(struct bitnpu_sim *sim, unsigned int reg, u32 value)
{
	switch (reg) {
	case BITNPU_CONTROL:
		sim->enabled = value & BITNPU_CONTROL_ENABLE;
		if (sim->enabled)
			wake_up_all(&sim->work_wait);
		break;
	case BITNPU_IRQ_STATUS:
		sim_irq_clear(sim, value);
		break;
	case BITNPU_IRQ_MASK:
		sim_irq_enable(sim, value & (BITNPU_IRQ_RINGS | BITNPU_IRQ_ERROR));
		break;
	case BITNPU_TLB_COMMAND:
		/* One ASID or all: emptying the whole TLB does both. */
		if (FIELD_GET(BITNPU_TLB_OP, value) == BITNPU_TLB_OP_ASID ||
		    FIELD_GET(BITNPU_TLB_OP, value) == BITNPU_TLB_OP_ALL)
			sim_tlb_invalidate(sim);
		break;
	}
}

static int sim_reg_read(void *context, unsigned int reg, unsigned int *value)
{
	struct bitnpu_sim *sim = context;
	unsigned long flags;

	spin_lock_irqsave(&sim->lock, flags);
	*value = read_locked(sim, reg);
	spin_unlock_irqrestore(&sim->lock, flags);
	return 0;
}

static int sim_reg_write(void *context, unsigned int reg, unsigned int value)
{
	struct bitnpu_sim *sim = context;
	u32 error = BITNPU_HW_ERROR_NONE, ring = 0;
	unsigned long flags;

	spin_lock_irqsave(&sim->lock, flags);
	if (reg == BITNPU_CONTROL && value & BITNPU_CONTROL_RESET) {
		full_reset(sim);
	} else if (sim->ready && reg < BITNPU_RING_BLOCK) {
		write_control(sim, reg, value);
	} else if (sim->ready) {
		ring = (reg - BITNPU_RING_BLOCK) / BITNPU_RING_BLOCK_SIZE;
		if (ring < sim->config.rings)
			error = write_ring(sim, &sim->rings[ring], reg % BITNPU_RING_BLOCK_SIZE,
					   value);
	}
	spin_unlock_irqrestore(&sim->lock, flags);
	if (error)
		sim_device_error(sim, error, ring, 0);
	return 0;
}

const struct regmap_config sim_regmap_config = {
	.reg_bits = 32,
	.val_bits = 32,
	.reg_stride = 4,
	.max_register = BITNPU_REG_WINDOW - 4,
	.fast_io = true,
};

const struct regmap_bus sim_regmap_bus = {
	.fast_io = true,
	.reg_read = sim_reg_read,
	.reg_write = sim_reg_write,
};
