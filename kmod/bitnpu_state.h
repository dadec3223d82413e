/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_STATE_H__
#define __BITNPU_STATE_H__

#include <linux/ktime.h>
#include <linux/types.h>

#include "bitnpu_regs.h"

struct bitnpu_device;
struct drm_printer;

/* Entries of a ring that are kept, from the first in flight. */
#define BITNPU_STATE_ENTRIES	8
#define BITNPU_STATE_REGISTERS	32

/**
 * struct bitnpu_state_entry - an entry in flight
 * @queue: of its job
 * @number: of its job
 * @ms: since it was given to the ring
 * @error: that it will end with anyway
 * @entry: as in memory
 * @record: in its slot, not necessarily of this entry
 */
struct bitnpu_state_entry {
	u32 queue;
	u64 number;
	s64 ms;
	int error;
	struct bitnpu_ring_entry entry;
	struct bitnpu_record record;
};

/**
 * struct bitnpu_state - a snapshot of a device: registers, and the entries in flight of each ring
 * @time: when it was taken
 * @powered: registers were read
 * @rings: number of @ring that are used
 * @resets: of the device
 * @lost_irqs: of the device
 * @registers: in the order of the table that prints them
 * @ring: head and tail as the driver counts them, its registers, and @kept of its entries
 */
struct bitnpu_state {
	ktime_t time;
	bool powered;
	u32 rings, resets, lost_irqs;
	u32 registers[BITNPU_STATE_REGISTERS];
	struct bitnpu_state_ring {
		u32 head, tail, kept;
		bool stopped, closed;
		u32 registers[BITNPU_STATE_REGISTERS];
		struct bitnpu_state_entry entry[BITNPU_STATE_ENTRIES];
	} ring[BITNPU_MAX_RINGS];
};

/**
 * bitnpu_state_take() - fill a snapshot
 * @bdev: the device
 * @state: filled
 * @powered: registers may be read
 *
 * No allocation, no sleep.  Reading changes nothing but what counters latch.
 */
void bitnpu_state_take(struct bitnpu_device *bdev, struct bitnpu_state *state, bool powered);

void bitnpu_state_print(const struct bitnpu_state *state, struct drm_printer *p);

#endif /* __BITNPU_STATE_H__ */
