// SPDX-License-Identifier: GPL-2.0-only
/* A core: takes entries from the rings in turn, executes them, writes their records. */
#include <linux/bitfield.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include "sim.h"

static bool ring_has_work(const struct sim_ring *ring)
{
	return ring->enabled && !ring->stopping && !ring->error && !ring->active &&
	       !ring->resetting && ring->head != ring->tail;
}

/* Give @core the next entry, if there is one. */
static bool take_entry(struct sim_core *core)
{
	struct bitnpu_sim *sim = core->sim;
	const u32 rings = sim->config.rings;
	bool taken = false;
	u32 i;

	spin_lock_irq(&sim->lock);
	for (i = 0; sim->ready && sim->enabled && i < rings && !taken; i++) {
		const u32 r = (sim->next_ring + i) % rings;

		if (!ring_has_work(&sim->rings[r]))
			continue;
		sim->rings[r].active = core;
		core->ring = r;
		core->abort = false;
		sim->next_ring = (r + 1) % rings;
		taken = true;
	}
	spin_unlock_irq(&sim->lock);
	return taken;
}

static u64 slot(const struct sim_ring *ring, u64 base, u32 bytes)
{
	return base + (u64)bytes * (ring->head & (BIT(ring->log2) - 1));
}

static bool entry_malformed(struct bitnpu_sim *sim, const struct bitnpu_ring_entry *entry)
{
	const u32 control = le32_to_cpu(entry->control);
	const u64 root = le64_to_cpu(entry->root);
	const u32 asid = le32_to_cpu(entry->asid);
	unsigned int i;

	if (control & ~(BITNPU_ENTRY_TYPE | BITNPU_ENTRY_IRQ))
		return true;
	for (i = 0; i < ARRAY_SIZE(entry->reserved); i++)
		if (entry->reserved[i])
			return true;
	switch (FIELD_GET(BITNPU_ENTRY_TYPE, control)) {
	case BITNPU_ENTRY_NOP:
		return asid || root || entry->list_addr || entry->list_size;
	case BITNPU_ENTRY_RUN:
		return asid >> sim->config.asid_bits || root % BITNPU_TABLE_SIZE;
	default:
		return true;
	}
}

static void hang(struct sim_core *core)
{
	wait_event_idle(core->sim->work_wait, READ_ONCE(core->abort) || kthread_should_stop());
}

/* Return: 0 when the record is to be written, -EINTR when the entry was abandoned. */
static int execute(struct sim_core *core, const struct bitnpu_ring_entry *entry,
		   struct bitnpu_record *record)
{
	struct bitnpu_sim *sim = core->sim;

	memset(record, 0, sizeof(*record));
	if (sim_fault(sim, SIM_FAULT_HANG)) {
		hang(core);
		return -EINTR;
	}
	if (FIELD_GET(BITNPU_ENTRY_TYPE, le32_to_cpu(entry->control)) == BITNPU_ENTRY_RUN) {
		int ret = sim_execute(core, entry, record);

		if (ret)
			return ret;
	}
	record->sequence = entry->sequence;
	if (sim_fault(sim, SIM_FAULT_RECORD_SEQUENCE))
		record->sequence = cpu_to_le64(le64_to_cpu(entry->sequence) + 1);
	record->check = bitnpu_record_check(record);
	if (sim_fault(sim, SIM_FAULT_RECORD_CHECK))
		record->check = ~record->check;
	return 0;
}

static int write_record(struct sim_core *core, u64 addr, const struct bitnpu_record *record)
{
	if (sim_fault(core->sim, SIM_FAULT_BUS_RECORD))
		return -EIO;
	return sim_bus_write(core->sim, addr, record, sizeof(*record));
}

/* The ring goes on with its next entry, or is reset if that was asked for. */
static void finish(struct sim_core *core, bool completed, bool irq)
{
	struct bitnpu_sim *sim = core->sim;
	struct sim_ring *ring = &sim->rings[core->ring];

	spin_lock_irq(&sim->lock);
	ring->active = NULL;
	if (ring->resetting && !ring->stuck) {
		sim_ring_reset(ring);
	} else if (completed && !core->abort) {
		ring->head++;
		sim->entries++;
		if (irq && !sim_fault(sim, SIM_FAULT_LOST_IRQ))
			sim_irq_set(sim, BITNPU_IRQ_RING(core->ring));
	}
	if (ring->stopping) {
		ring->stopping = false;
		ring->enabled = false;
	}
	spin_unlock_irq(&sim->lock);
	wake_up_all(&sim->reset_wait);
	wake_up_all(&sim->work_wait);
}

static void run_entry(struct sim_core *core)
{
	struct bitnpu_sim *sim = core->sim;
	struct sim_ring *ring = &sim->rings[core->ring];
	const u64 entry_addr = slot(ring, ring->base, sizeof(struct bitnpu_ring_entry));
	const u64 record_addr = slot(ring, ring->records, sizeof(struct bitnpu_record));
	struct bitnpu_ring_entry entry = {};
	struct bitnpu_record record;
	bool completed = false;

	if (sim_fault(sim, SIM_FAULT_BUS_FETCH) ||
	    sim_bus_read(sim, &entry, entry_addr, sizeof(entry))) {
		sim_device_error(sim, BITNPU_HW_ERROR_FETCH, core->ring, entry_addr);
	} else if (entry_malformed(sim, &entry)) {
		sim_device_error(sim, BITNPU_HW_ERROR_ENTRY, core->ring, entry_addr);
	} else if (!execute(core, &entry, &record)) {
		completed = !write_record(core, record_addr, &record);
		if (!completed)
			sim_device_error(sim, BITNPU_HW_ERROR_RECORD, core->ring, record_addr);
	}
	finish(core, completed, le32_to_cpu(entry.control) & BITNPU_ENTRY_IRQ);
}

static int core_thread(void *data)
{
	struct sim_core *core = data;

	for (;;) {
		bool taken = false;

		wait_event_interruptible(core->sim->work_wait,
					 kthread_should_stop() || (taken = take_entry(core)));
		if (taken)
			run_entry(core);
		else if (kthread_should_stop())
			return 0;
	}
}

void sim_cores_stop(struct bitnpu_sim *sim)
{
	unsigned int i;

	spin_lock_irq(&sim->lock);
	sim->enabled = false;
	for (i = 0; i < sim->config.cores; i++)
		WRITE_ONCE(sim->cores[i].abort, true);
	spin_unlock_irq(&sim->lock);
	for (i = 0; i < sim->config.cores; i++) {
		if (sim->cores[i].task)
			kthread_stop(sim->cores[i].task);
	}
}

int sim_cores_start(struct bitnpu_sim *sim)
{
	unsigned int i;

	for (i = 0; i < sim->config.cores; i++) {
		struct sim_core *core = &sim->cores[i];
		struct task_struct *task;

		core->sim = sim;
		task = kthread_run(core_thread, core, "bitnpu_sim%d/%u", sim->parent->id, i);
		if (IS_ERR(task)) {
			sim_cores_stop(sim);
			return PTR_ERR(task);
		}
		/* Silicon does not wait for its turn: a reset takes effect in the time it has. */
		set_user_nice(task, MIN_NICE);
		core->task = task;
	}
	return 0;
}
