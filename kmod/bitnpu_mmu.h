/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_MMU_H__
#define __BITNPU_MMU_H__

#include <linux/idr.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include <drm/drm_mm.h>

#include "bitnpu_regs.h"

struct bitnpu_device;
struct bitnpu_table;

/* Device addresses of a context; nothing is ever mapped at and near zero. */
#define BITNPU_VA_START		SZ_64K
#define BITNPU_VA_END		BIT_ULL(BITNPU_VA_BITS)

/**
 * struct bitnpu_mmu - what address spaces share
 * @asids: in use; 0 is never given out
 * @tlb_lock: one invalidation at a time
 */
struct bitnpu_mmu {
	struct ida asids;
	struct mutex tlb_lock; /* leaf */
};

/**
 * struct bitnpu_vm - an address space: page tables and who owns which device address
 * @bdev: held by the context that owns this
 * @asid: tag in the TLB
 * @lock: protects @mm and the tables
 * @mm: device addresses, in bytes
 * @root: level 0 table
 */
struct bitnpu_vm {
	struct bitnpu_device *bdev;
	u32 asid;
	struct mutex lock; /* outside tlb_lock */
	struct drm_mm mm;
	struct bitnpu_table *root;
};

int bitnpu_mmu_init(struct bitnpu_device *bdev);

/** bitnpu_vm_init() - Return: 0, -ENOMEM, or -ENOSPC when all ASIDs are in use */
int bitnpu_vm_init(struct bitnpu_vm *vm, struct bitnpu_device *bdev);

/** bitnpu_vm_fini() - nothing is mapped any more, no job uses it */
void bitnpu_vm_fini(struct bitnpu_vm *vm);

/** bitnpu_vm_root() - Return: bus address of the level 0 table, for ring entries */
dma_addr_t bitnpu_vm_root(const struct bitnpu_vm *vm);

/**
 * bitnpu_vm_map() - give memory a device address
 * @vm: address space
 * @node: the range; filled in
 * @sgt: memory, DMA mapped, all of it
 * @size: bytes, a multiple of 4096
 * @writable: the NPU may write
 *
 * A guard page that is never mapped follows each range.  Uses blocks of 2 MiB where bus and device
 * address allow.  May sleep and allocate.
 *
 * Return: 0, -ENOSPC, -ENOMEM; on error nothing is mapped.
 */
int bitnpu_vm_map(struct bitnpu_vm *vm, struct drm_mm_node *node, struct sg_table *sgt, u64 size,
		  bool writable);

/**
 * bitnpu_vm_unmap() - take it back
 * @vm: address space
 * @node: what bitnpu_vm_map() filled in
 *
 * When this returns the NPU makes no access to the memory through @node's addresses.
 */
void bitnpu_vm_unmap(struct bitnpu_vm *vm, struct drm_mm_node *node);

#endif /* __BITNPU_MMU_H__ */
