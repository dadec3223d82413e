// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device looks like, as text: for debugfs and for dumps.  No contents of buffers.
 */
#include <linux/regmap.h>

#include <drm/drm_print.h>

#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_job.h"
#include "bitnpu_state.h"

struct bitnpu_register {
	const char *name;
	unsigned int offset;
};

static const struct bitnpu_register bitnpu_registers[] = {
	{ "HW_VERSION", BITNPU_HW_VERSION },
	{ "ISA_VERSION", BITNPU_ISA_VERSION },
	{ "IMPLEMENTATION", BITNPU_IMPLEMENTATION },
	{ "GEOMETRY", BITNPU_GEOMETRY },
	{ "CONTROL", BITNPU_CONTROL },
	{ "STATUS", BITNPU_HW_STATUS },
	{ "ERROR", BITNPU_ERROR },
	{ "ERROR_ADDR_LO", BITNPU_ERROR_ADDR_LO },
	{ "ERROR_ADDR_HI", BITNPU_ERROR_ADDR_HI },
	{ "IRQ_STATUS", BITNPU_IRQ_STATUS },
	{ "IRQ_MASK", BITNPU_IRQ_MASK },
	{ "TLB_STATUS", BITNPU_TLB_STATUS },
};

static const struct bitnpu_register bitnpu_ring_registers[] = {
	{ "BASE_LO", BITNPU_RING_BASE_LO },
	{ "BASE_HI", BITNPU_RING_BASE_HI },
	{ "RECORDS_LO", BITNPU_RING_RECORDS_LO },
	{ "RECORDS_HI", BITNPU_RING_RECORDS_HI },
	{ "SIZE", BITNPU_RING_SIZE },
	{ "CONTROL", BITNPU_RING_CONTROL },
	{ "STATUS", BITNPU_RING_STATUS },
	{ "HEAD", BITNPU_RING_HEAD },
	{ "TAIL", BITNPU_RING_TAIL },
	{ "PROGRESS", BITNPU_RING_PROGRESS },
	{ "COMMAND", BITNPU_RING_COMMAND },
};

static_assert(ARRAY_SIZE(bitnpu_registers) <= BITNPU_STATE_REGISTERS);
static_assert(ARRAY_SIZE(bitnpu_ring_registers) <= BITNPU_STATE_REGISTERS);

static void bitnpu_state_take_entries(struct bitnpu_ring *ring, struct bitnpu_state_ring *state)
{
	struct bitnpu_state_entry *entry;
	struct bitnpu_job *job;
	unsigned long flags;
	u32 i, slot;

	spin_lock_irqsave(&ring->lock, flags);
	state->head = ring->head;
	state->tail = ring->tail;
	state->stopped = ring->stopped;
	state->closed = ring->closed;
	state->kept = ring->closed ? 0 : min(ring->tail - ring->head, BITNPU_STATE_ENTRIES);
	for (i = 0; i < state->kept; i++) {
		slot = (ring->head + i) & (BIT(ring->log2) - 1);
		job = ring->inflight[slot];
		entry = &state->entry[i];
		entry->queue = job->queue->number;
		entry->number = job->number;
		entry->ms = ktime_ms_delta(ktime_get(), job->emitted);
		entry->error = job->error;
		entry->entry = ring->entries[slot];
		entry->record = ring->records[slot];
	}
	spin_unlock_irqrestore(&ring->lock, flags);
}

void bitnpu_state_take(struct bitnpu_device *bdev, struct bitnpu_state *state, bool powered)
{
	u32 i, r;

	state->time = ktime_get_boottime();
	state->powered = powered;
	state->rings = bdev->caps.rings;
	state->resets = atomic_read(&bdev->resets);
	state->lost_irqs = atomic_read(&bdev->lost_irqs);
	for (i = 0; powered && i < ARRAY_SIZE(bitnpu_registers); i++)
		regmap_read(bdev->regmap, bitnpu_registers[i].offset, &state->registers[i]);

	for (r = 0; r < state->rings; r++) {
		for (i = 0; powered && i < ARRAY_SIZE(bitnpu_ring_registers); i++)
			regmap_read(bdev->regmap,
				    BITNPU_RING(r, bitnpu_ring_registers[i].offset),
				    &state->ring[r].registers[i]);
		bitnpu_state_take_entries(&bdev->rings[r], &state->ring[r]);
	}
}

static void bitnpu_state_print_registers(const struct bitnpu_register *table, size_t count,
					 const u32 *values, struct drm_printer *p)
{
	size_t i;

	for (i = 0; i < count; i++)
		drm_printf(p, "  %s: %#x\n", table[i].name, values[i]);
}

static void bitnpu_state_print_entry(const struct bitnpu_state_entry *entry, struct drm_printer *p)
{
	const struct bitnpu_ring_entry *e = &entry->entry;
	const struct bitnpu_record *r = &entry->record;

	drm_printf(p, "  job: queue %u number %llu ms %lld error %d\n", entry->queue,
		   entry->number, entry->ms, entry->error);
	drm_printf(p, "    entry: control %#x asid %u sequence %llu root %#llx list %#llx+%u\n",
		   le32_to_cpu(e->control), le32_to_cpu(e->asid), le64_to_cpu(e->sequence),
		   le64_to_cpu(e->root), le64_to_cpu(e->list_addr), le32_to_cpu(e->list_size));
	drm_printf(p, "    record: sequence %llu check %s status %u index %u field %u\n",
		   le64_to_cpu(r->sequence),
		   r->check == bitnpu_record_check(r) ? "right" : "wrong",
		   le32_to_cpu(r->status), le32_to_cpu(r->index), le32_to_cpu(r->field));
	drm_printf(p, "    fault: kind %u addr %#llx\n", le32_to_cpu(r->fault),
		   le64_to_cpu(r->addr));
}

void bitnpu_state_print(const struct bitnpu_state *state, struct drm_printer *p)
{
	const struct bitnpu_state_ring *ring;
	u32 i, r;

	drm_printf(p, "time_ms: %lld\n", ktime_to_ms(state->time));
	drm_printf(p, "resets: %u\n", state->resets);
	drm_printf(p, "lost_interrupts: %u\n", state->lost_irqs);
	if (state->powered) {
		drm_puts(p, "registers:\n");
		bitnpu_state_print_registers(bitnpu_registers, ARRAY_SIZE(bitnpu_registers),
					     state->registers, p);
	}
	for (r = 0; r < state->rings; r++) {
		ring = &state->ring[r];
		drm_printf(p, "ring %u: head %u tail %u%s%s\n", r, ring->head, ring->tail,
			   ring->stopped ? " stopped" : "", ring->closed ? " closed" : "");
		if (state->powered)
			bitnpu_state_print_registers(bitnpu_ring_registers,
						     ARRAY_SIZE(bitnpu_ring_registers),
						     ring->registers, p);
		for (i = 0; i < ring->kept; i++)
			bitnpu_state_print_entry(&ring->entry[i], p);
	}
}
