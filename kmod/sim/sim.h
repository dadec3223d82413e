/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Simulated silicon: an implementation of docs/hardware.md.  It knows the driver's register names
 * (bitnpu_regs.h) and nothing else of it.
 */
#ifndef __BITNPU_SIM_H__
#define __BITNPU_SIM_H__

#include <linux/atomic.h>
#include <linux/irq_work.h>
#include <linux/platform_device.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../../libbitnpu/datapath.h"
#include "../bitnpu_regs.h"

struct irq_domain;
struct regmap;
struct task_struct;

/**
 * struct sim_config - the geometry of an instance; constant while it lives
 * @cores: 1 to 16
 * @rings: 2 to 16
 * @ring_log2: 4 to 16
 * @asid_bits: 1 to 16
 * @mac_rows: of the MAC array, 1 to 65535
 * @mac_columns: likewise
 * @sram_bytes: of a core
 * @clock_khz: of the counters
 * @dma_bytes: a cycle, 1 to 65535
 * @dma_latency: cycles, 0 to 65535
 * @features: BITNPU_FEATURE_*
 */
struct sim_config {
	u32 cores, rings, ring_log2, asid_bits;
	u32 mac_rows, mac_columns;
	u32 sram_bytes, clock_khz;
	u32 dma_bytes, dma_latency;
	u64 features;
};

extern const struct sim_config sim_config_default;

/**
 * enum sim_fault - what can be spoiled; docs/simulator.md
 * @SIM_FAULT_HANG: an entry does not end
 * @SIM_FAULT_RING_RESET: a ring reset does not end
 * @SIM_FAULT_RESET: a full reset does not end
 * @SIM_FAULT_LOST_IRQ: an entry ends without its interrupt
 * @SIM_FAULT_LOST_DOORBELL: a write to TAIL is not seen
 * @SIM_FAULT_BUS_READ: a read of a job's memory fails
 * @SIM_FAULT_BUS_WRITE: a write fails
 * @SIM_FAULT_BUS_FETCH: the read of a ring entry fails
 * @SIM_FAULT_BUS_RECORD: the write of a record fails
 * @SIM_FAULT_PAGE_FAULT: a mapped page is not found
 * @SIM_FAULT_RECORD_CHECK: a record has a wrong check word
 * @SIM_FAULT_RECORD_SEQUENCE: a record has a wrong sequence number
 * @SIM_FAULT_BIT_FLIP: one bit of what a job writes is wrong
 * @SIM_FAULT_COUNT: number of kinds
 */
enum sim_fault {
	SIM_FAULT_HANG,
	SIM_FAULT_RING_RESET,
	SIM_FAULT_RESET,
	SIM_FAULT_LOST_IRQ,
	SIM_FAULT_LOST_DOORBELL,
	SIM_FAULT_BUS_READ,
	SIM_FAULT_BUS_WRITE,
	SIM_FAULT_BUS_FETCH,
	SIM_FAULT_BUS_RECORD,
	SIM_FAULT_PAGE_FAULT,
	SIM_FAULT_RECORD_CHECK,
	SIM_FAULT_RECORD_SEQUENCE,
	SIM_FAULT_BIT_FLIP,
	SIM_FAULT_COUNT,
};

/**
 * struct sim_cost - what commands cost (docs/hardware.md, section 6); also the counters
 * @cycles: in which a core executes
 * @mac_cycles: of these, in which the MAC array works
 * @dma_cycles: in which its DMA moves data
 * @stall_cycles: @cycles without @mac_cycles
 * @bytes_read: as the model has it, not as the datapath's loops do
 * @bytes_written: likewise
 * @macs: M * N * K
 * @commands: completed
 * @sram_high_water: bytes
 */
struct sim_cost {
	u64 cycles, mac_cycles, dma_cycles, stall_cycles;
	u64 bytes_read, bytes_written;
	u64 macs, commands;
	u32 sram_high_water;
};

/**
 * struct sim_ring - registers and state of a ring
 * @base: register BASE
 * @records: register RECORDS
 * @log2: register SIZE
 * @enabled: STATUS.ENABLED
 * @stopping: ENABLE was cleared while an entry executes
 * @error: STATUS.ERROR
 * @head: register HEAD
 * @tail: register TAIL
 * @active: the core that executes entry @head, or NULL
 * @resetting: RESET was written and has not taken effect
 * @stuck: that reset never will (fault injection)
 * @progress: written by the core without the lock
 * @command: likewise
 */
struct sim_ring {
	u64 base, records;
	u32 log2;
	bool enabled, stopping, error;
	u32 head, tail;
	struct sim_core *active;
	bool resetting, stuck;
	u32 progress, command;
};

#define SIM_TLB_ENTRIES		64

/**
 * struct sim_translation - one entry of a core's TLB
 * @generation: of the TLB when it was filled; 0: empty
 * @page: number of the device page
 * @asid: address space
 * @writable: has WRITE
 * @phys: of the page in the host's memory
 */
struct sim_translation {
	u64 generation;
	u64 page;
	u32 asid;
	bool writable;
	phys_addr_t phys;
};

/**
 * struct sim_core - a core
 * @sim: the instance
 * @task: its thread
 * @ring: number of the ring whose entry it executes
 * @abort: the entry is to be abandoned; set under the instance's lock
 * @access: odd while an access to the host's memory is under way
 * @seen: @access when a TLB invalidation was asked for
 * @tlb: used by @task alone; entries of older generations count for nothing
 */
struct sim_core {
	struct bitnpu_sim *sim;
	struct task_struct *task;
	u32 ring;
	bool abort;
	unsigned long access, seen;
	struct sim_translation tlb[SIM_TLB_ENTRIES];
};

/**
 * struct bitnpu_sim - one instance
 * @config: geometry
 * @parent: what stands for the silicon
 * @regmap: the registers, on @parent
 * @child: what the driver binds to; has the interrupt
 * @domain: with one interrupt
 * @virq: its number
 * @irq_work: raises it in hard interrupt context
 * @irq_lock: protects @irq_status, @irq_mask, @irq_masked; innermost
 * @irq_status: register
 * @irq_mask: register
 * @irq_masked: by the interrupt chip
 * @lock: protects the rest
 * @enabled: CONTROL.ENABLE
 * @ready: STATUS.READY
 * @error: register ERROR
 * @error_addr: register ERROR_ADDR
 * @work_wait: cores wait here for entries, and for the end of a hang
 * @reset_wait: a full reset waits here for cores
 * @reset_work: does the full reset
 * @tlb_generation: raised by each invalidation
 * @total: the counters, with @entries and @tlb_misses
 * @entries: completed
 * @tlb_misses: page-table walks
 * @latched: high half of the counter that was read last
 * @next_ring: whose turn it is
 * @rings: the first config.rings are there
 * @cores: the first config.cores are there
 * @fault: how many of each kind are still to be spoiled
 */
struct bitnpu_sim {
	struct sim_config config;
	struct platform_device *parent, *child;
	struct regmap *regmap;
	struct irq_domain *domain;
	unsigned int virq;
	struct irq_work irq_work;
	raw_spinlock_t irq_lock;
	u32 irq_status, irq_mask;
	bool irq_masked;
	spinlock_t lock; /* outside irq_lock */
	bool enabled, ready;
	u32 error;
	u64 error_addr;
	wait_queue_head_t work_wait, reset_wait;
	struct work_struct reset_work;
	u64 tlb_generation;
	struct sim_cost total;
	u64 entries;
	atomic64_t tlb_misses;
	u32 latched;
	u32 next_ring;
	struct sim_ring rings[BITNPU_MAX_RINGS];
	struct sim_core cores[BITNPU_MAX_CORES];
	atomic_t fault[SIM_FAULT_COUNT];
};

/* sim_instance.c */
struct bitnpu_sim *sim_create(const struct sim_config *config);
void sim_destroy(struct bitnpu_sim *sim);

/* sim_regs.c */
extern const struct regmap_config sim_regmap_config;
extern const struct regmap_bus sim_regmap_bus;
void sim_reset_registers(struct bitnpu_sim *sim);
void sim_reset_work(struct work_struct *work);

/** sim_ring_reset() - the ring's registers after a ring reset; under the lock */
void sim_ring_reset(struct sim_ring *ring);

/** sim_device_error() - section 7.2; @ring stops, others go on unless @kind is INTERNAL */
void sim_device_error(struct bitnpu_sim *sim, u32 kind, u32 ring, u64 addr);

/* sim_irq.c */
int sim_irq_init(struct bitnpu_sim *sim);
void sim_irq_fini(struct bitnpu_sim *sim);

/** sim_irq_set() - set bits of IRQ_STATUS; any context */
void sim_irq_set(struct bitnpu_sim *sim, u32 bits);
void sim_irq_clear(struct bitnpu_sim *sim, u32 bits);
void sim_irq_enable(struct bitnpu_sim *sim, u32 mask);

/* sim_core.c */
int sim_cores_start(struct bitnpu_sim *sim);
void sim_cores_stop(struct bitnpu_sim *sim);

/* sim_exec.c */

/**
 * sim_execute() - run the command list of an entry
 * @core: whose entry it is
 * @entry: of type RUN
 * @record: gets status, fault and cost; the rest is zero
 *
 * Return: 0, also when the list failed; -EINTR when the core is to abandon the entry.
 */
int sim_execute(struct sim_core *core, const struct bitnpu_ring_entry *entry,
		struct bitnpu_record *record);

/* sim_mmu.c */

/**
 * struct sim_dma - a core's access to one address space
 * @dma: what the datapath calls
 * @core: the core
 * @asid: TLB tag
 * @root: bus address of the level 0 table
 * @fault: &enum bitnpu_hw_fault of the access that failed
 * @fault_addr: device address
 * @accesses: since the entry began
 */
struct sim_dma {
	struct bitnpu_dma dma;
	struct sim_core *core;
	u32 asid;
	u64 root;
	u32 fault;
	u64 fault_addr;
	u32 accesses;
};

void sim_dma_init(struct sim_dma *dma, struct sim_core *core, u32 asid, u64 root);
void sim_tlb_invalidate(struct bitnpu_sim *sim);
bool sim_tlb_busy(struct bitnpu_sim *sim);

/* sim_bus.c: @addr and @len do not cross a page.  Return: 0, or -EIO for a bus error. */
int sim_bus_read(struct bitnpu_sim *sim, void *dst, u64 addr, u32 len);
int sim_bus_write(struct bitnpu_sim *sim, u64 addr, const void *src, u32 len);

/** sim_bus_phys() - the host's address of a bus address; 0 or -EIO */
int sim_bus_phys(struct bitnpu_sim *sim, u64 addr, phys_addr_t *phys);

/* sim_cost.c */

/**
 * sim_cost_matmul() - what a MATMUL costs, and whether it fits the SRAM
 * @config: geometry
 * @mm: checked
 * @cost: it is added here
 *
 * Return: false when it does not fit; nothing was added then.
 */
bool sim_cost_matmul(const struct sim_config *config, const struct bitnpu_matmul *mm,
		     struct sim_cost *cost);

/** sim_cost_fetch() - what the fetch of a command costs */
void sim_cost_fetch(const struct sim_config *config, struct sim_cost *cost);

/* sim_configfs.c */
int sim_configfs_init(bool create_default);
void sim_configfs_exit(void);

/** sim_fault() - Return: whether this occurrence is to be spoiled */
static inline bool sim_fault(struct bitnpu_sim *sim, enum sim_fault kind)
{
	return unlikely(atomic_read(&sim->fault[kind])) &&
	       atomic_dec_if_positive(&sim->fault[kind]) >= 0;
}

#endif /* __BITNPU_SIM_H__ */
