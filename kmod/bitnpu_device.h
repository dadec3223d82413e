/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_DEVICE_H__
#define __BITNPU_DEVICE_H__

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/regmap.h>
#include <linux/workqueue.h>

#include <drm/drm_device.h>

#include "bitnpu_mmu.h"
#include "bitnpu_regs.h"
#include "bitnpu_ring.h"

struct bitnpu_dump;

/**
 * struct bitnpu_caps - what the NPU says of itself, checked at probe (docs/hardware.md, section
 * 2.1)
 * @hw_version: register HW_VERSION
 * @isa_version: register ISA_VERSION
 * @implementation: register IMPLEMENTATION
 * @features: BITNPU_FEATURE_*
 * @cores: 1 to 16
 * @rings: 2 to 16
 * @ring_log2: log2 of the entries of the largest ring
 * @asid_bits: width of an ASID
 * @bus_bits: width of a bus address
 * @mac_rows: outputs of a core's MAC array
 * @mac_columns: its inputs
 * @sram_bytes: a core's SRAM
 * @clock_khz: of cores and counters
 * @dma_bytes: a cycle and core
 * @dma_latency: cycles to the first byte
 */
struct bitnpu_caps {
	u32 hw_version, isa_version, implementation;
	u64 features;
	u32 cores, rings, ring_log2, asid_bits;
	u32 bus_bits;
	u32 mac_rows, mac_columns;
	u32 sram_bytes, clock_khz;
	u32 dma_bytes, dma_latency;
};

/**
 * struct bitnpu_device - one NPU
 * @drm: the DRM device; lives until the last file is closed, longer than the hardware
 * @regmap: registers; only between drm_dev_enter() and drm_dev_exit(), and while powered
 * @irq: the NPU's one interrupt
 * @isolate: see bitnpu_device_probe(); may be NULL
 * @coherent: its bus sees the host's caches
 * @caps: constant after probe
 * @mmu: address spaces and the TLB
 * @rings: the first @caps.rings are in use
 * @scheds: of the rings, for entities, which choose among them
 * @reset_wq: ordered: whatever may reset something runs here, one after the other
 * @reset_work: a full reset that was asked for
 * @watch_work: looks at the progress of jobs while there are any in flight
 * @dump: snapshot for devcoredump
 * @resets: since probe, ring resets included
 * @lost_irqs: jobs found complete without an interrupt, since probe
 * @dead: no reset helped: all jobs end with ENODEV.  Set once.
 * @stopped: it was removed, and accesses no memory any more
 * @perf_lock: reading a counter's low half latches its high half: one reader at a time
 */
struct bitnpu_device {
	struct drm_device drm;
	struct regmap *regmap;
	int irq;
	void (*isolate)(struct device *dev);
	bool coherent;
	struct bitnpu_caps caps;
	struct bitnpu_mmu mmu;
	struct bitnpu_ring rings[BITNPU_MAX_RINGS];
	struct drm_gpu_scheduler *scheds[BITNPU_MAX_RINGS];
	struct workqueue_struct *reset_wq;
	struct work_struct reset_work;
	struct delayed_work watch_work;
	struct bitnpu_dump *dump;
	atomic_t resets, lost_irqs;
	bool dead;
	struct completion stopped;
	struct mutex perf_lock; /* leaf */
};

static inline struct bitnpu_device *to_bitnpu_device(struct drm_device *drm)
{
	return container_of(drm, struct bitnpu_device, drm);
}

extern const struct dev_pm_ops bitnpu_pm_ops;

/**
 * bitnpu_device_probe() - the one probe, for every bus
 * @dev: bus device; its driver data becomes the &struct bitnpu_device
 * @regmap: registers, 32 bits wide, usable in atomic context
 * @irq: number of the interrupt
 * @isolate: cuts the NPU off from memory, for when no reset does, and before that memory is freed;
 *	may sleep.  NULL: the bus cannot.
 *
 * Return: 0 or a negative errno, logged with dev_err_probe().
 */
int bitnpu_device_probe(struct device *dev, struct regmap *regmap, int irq,
			void (*isolate)(struct device *dev));

/**
 * bitnpu_device_remove() - the reverse, also when the hardware is already gone
 * @dev: bus device
 *
 * Jobs that have not ended end with ENODEV.  Open files stay, and get ENODEV.
 */
void bitnpu_device_remove(struct device *dev);

/** bitnpu_device_reset() - full reset (section 8).  Return: 0, or -EIO when it is not ready then */
int bitnpu_device_reset(struct bitnpu_device *bdev);

/**
 * bitnpu_device_start() - bring the NPU up after power-on or full reset (section 8)
 * @bdev: powered
 *
 * Full reset, rings programmed and enabled, interrupts unmasked.  Jobs that were in flight are
 * written again: see bitnpu_ring_start().
 *
 * Return: 0, or -EIO when it does not become ready.
 */
int bitnpu_device_start(struct bitnpu_device *bdev);

/** bitnpu_device_isolate() - it cannot be reset, and memory that it may access will be freed */
void bitnpu_device_isolate(struct bitnpu_device *bdev);

/** bitnpu_device_quiesce() - mask interrupts, stop serving rings, wait for the interrupt thread */
void bitnpu_device_quiesce(struct bitnpu_device *bdev);

#endif /* __BITNPU_DEVICE_H__ */
