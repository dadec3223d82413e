// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address translation and a core's access to memory: docs/hardware.md, section 5.
 *
 * An invalidation raises the TLB's generation, which empties every core's TLB, and is busy as long
 * as a core is still in the access that it was in at that moment: see sim_tlb_busy().
 */
#include <linux/highmem.h>
#include <linux/sched.h>

#include "sim.h"

/* Accesses after which a core lets others run and shows progress. */
#define ACCESSES_A_PERIOD	4096

void sim_tlb_invalidate(struct bitnpu_sim *sim)
{
	unsigned int i;

	WRITE_ONCE(sim->tlb_generation, sim->tlb_generation + 1);
	/* Pairs with access_begin(): the core sees the generation, or we see its access. */
	smp_mb();
	for (i = 0; i < sim->config.cores; i++)
		sim->cores[i].seen = READ_ONCE(sim->cores[i].access);
}

bool sim_tlb_busy(struct bitnpu_sim *sim)
{
	unsigned int i;

	for (i = 0; i < sim->config.cores; i++) {
		const struct sim_core *core = &sim->cores[i];

		/* Pairs with access_end(): what the access read or wrote is done. */
		if (core->seen & 1 && smp_load_acquire(&core->access) == core->seen)
			return true;
	}
	return false;
}

/*
 * An access is not preempted: an invalidation waits for it, and silicon does not stop halfway
 * because a host is busy.
 *
 * Return: the generation whose translations may be used until access_end().
 */
static u64 access_begin(struct sim_core *core)
{
	preempt_disable();
	WRITE_ONCE(core->access, core->access + 1);
	/* Pairs with sim_tlb_invalidate(). */
	smp_mb();
	return READ_ONCE(core->sim->tlb_generation);
}

static void access_end(struct sim_core *core)
{
	/* Pairs with sim_tlb_busy(). */
	smp_store_release(&core->access, core->access + 1);
	preempt_enable();
}

static bool entry_malformed(u64 entry, unsigned int level)
{
	const bool leaf = entry & BITNPU_PTE_LEAF;
	const u64 known = BITNPU_PTE_VALID | BITNPU_PTE_LEAF | BITNPU_PTE_ADDR |
			  (leaf ? BITNPU_PTE_WRITE : 0);

	if (entry & ~known)
		return true;
	if (level == 0)
		return leaf;
	if (level == BITNPU_PTE_LEVELS - 1)
		return !leaf;
	return leaf && entry & (BIT_ULL(BITNPU_BLOCK_SHIFT) - 1) & BITNPU_PTE_ADDR;
}

static u32 walk(struct sim_dma *dma, u64 addr, struct sim_translation *found)
{
	struct bitnpu_sim *sim = dma->core->sim;
	u64 table = dma->root;
	unsigned int level;

	if (addr >> BITNPU_VA_BITS)
		return BITNPU_HW_FAULT_TRANSLATION;
	for (level = 0; level < BITNPU_PTE_LEVELS; level++) {
		const unsigned int shift = BITNPU_PAGE_SHIFT +
			BITNPU_PTE_INDEX_BITS * (BITNPU_PTE_LEVELS - 1 - level);
		const u64 index = addr >> shift & (BITNPU_PTE_ENTRIES - 1);
		const u64 offset = addr & (BIT_ULL(shift) - 1) & ~(BIT_ULL(BITNPU_PAGE_SHIFT) - 1);
		__le64 raw;
		u64 entry;

		if (sim_bus_read(sim, &raw, table + 8 * index, sizeof(raw)))
			return BITNPU_HW_FAULT_TABLE;
		entry = le64_to_cpu(raw);
		if (!(entry & BITNPU_PTE_VALID))
			return BITNPU_HW_FAULT_TRANSLATION;
		if (entry_malformed(entry, level))
			return BITNPU_HW_FAULT_TABLE;
		table = entry & BITNPU_PTE_ADDR;
		if (!(entry & BITNPU_PTE_LEAF))
			continue;
		found->writable = entry & BITNPU_PTE_WRITE;
		if (sim_bus_phys(sim, table + offset, &found->phys))
			return BITNPU_HW_FAULT_BUS_READ;
		return BITNPU_HW_FAULT_NONE;
	}
	return BITNPU_HW_FAULT_TABLE;
}

static u32 translate(struct sim_dma *dma, u64 addr, u64 generation, struct sim_translation **out)
{
	const u64 page = addr >> BITNPU_PAGE_SHIFT;
	struct sim_core *core = dma->core;
	struct sim_translation *entry = &core->tlb[(page ^ page >> 6) % SIM_TLB_ENTRIES];
	u32 fault;

	*out = entry;
	if (likely(entry->generation == generation && entry->page == page &&
		   entry->asid == dma->asid))
		return BITNPU_HW_FAULT_NONE;
	atomic64_inc(&core->sim->tlb_misses);
	entry->generation = 0;
	fault = walk(dma, addr, entry);
	if (fault)
		return fault;
	entry->generation = generation;
	entry->page = page;
	entry->asid = dma->asid;
	return BITNPU_HW_FAULT_NONE;
}

static int fail(struct sim_dma *dma, u32 fault, u64 addr)
{
	dma->fault = fault;
	dma->fault_addr = addr;
	return -EFAULT;
}

/* A long list shows that it makes progress, and notices that it is to be abandoned. */
static int keep_going(struct sim_dma *dma)
{
	struct sim_core *core = dma->core;

	if (unlikely(READ_ONCE(core->abort)))
		return -EINTR;
	if (unlikely(++dma->accesses % ACCESSES_A_PERIOD == 0)) {
		struct sim_ring *ring = &core->sim->rings[core->ring];

		WRITE_ONCE(ring->progress, ring->progress + 1);
		cond_resched();
	}
	return 0;
}

static int sim_load(struct bitnpu_dma *base, void *dst, __u64 addr, __u32 len)
{
	struct sim_dma *dma = container_of(base, struct sim_dma, dma);
	struct bitnpu_sim *sim = dma->core->sim;
	struct sim_translation *entry;
	int ret = keep_going(dma);
	u32 fault;

	if (ret)
		return ret;
	fault = translate(dma, addr, access_begin(dma->core), &entry);
	if (!fault) {
		const phys_addr_t phys = entry->phys + (addr & (BITNPU_TABLE_SIZE - 1));

		memcpy_from_page(dst, pfn_to_page(PHYS_PFN(phys)), offset_in_page(phys), len);
	}
	access_end(dma->core);
	if (sim_fault(sim, SIM_FAULT_PAGE_FAULT))
		fault = BITNPU_HW_FAULT_TRANSLATION;
	if (sim_fault(sim, SIM_FAULT_BUS_READ))
		fault = BITNPU_HW_FAULT_BUS_READ;
	return fault ? fail(dma, fault, addr) : 0;
}

static int sim_store(struct bitnpu_dma *base, __u64 addr, const void *src, __u32 len)
{
	struct sim_dma *dma = container_of(base, struct sim_dma, dma);
	struct bitnpu_sim *sim = dma->core->sim;
	struct sim_translation *entry;
	int ret = keep_going(dma);
	u8 data[BITNPU_LINE_BYTES];
	u32 fault;

	if (ret)
		return ret;
	memcpy(data, src, len);
	if (sim_fault(sim, SIM_FAULT_BIT_FLIP))
		data[0] ^= 1;
	fault = translate(dma, addr, access_begin(dma->core), &entry);
	if (!fault && !entry->writable)
		fault = BITNPU_HW_FAULT_PERMISSION;
	if (fault == BITNPU_HW_FAULT_BUS_READ || sim_fault(sim, SIM_FAULT_BUS_WRITE))
		fault = BITNPU_HW_FAULT_BUS_WRITE;
	if (!fault) {
		const phys_addr_t phys = entry->phys + (addr & (BITNPU_TABLE_SIZE - 1));

		memcpy_to_page(pfn_to_page(PHYS_PFN(phys)), offset_in_page(phys), data, len);
	}
	access_end(dma->core);
	return fault ? fail(dma, fault, addr) : 0;
}

void sim_dma_init(struct sim_dma *dma, struct sim_core *core, u32 asid, u64 root)
{
	*dma = (struct sim_dma){
		.dma = { .load = sim_load, .store = sim_store },
		.core = core,
		.asid = asid,
		.root = root,
	};
}
