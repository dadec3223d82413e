// SPDX-License-Identifier: GPL-2.0-only
/*
 * The NPU's page tables and TLB: docs/hardware.md, section 5.
 *
 * Tables are made as ranges are mapped and kept until the address space goes: drm_mm gives out the
 * smallest hole that fits, so what was mapped once is used again, and a table that stays needs no
 * invalidation of what hardware may know of its address.
 */
#include <linux/bitfield.h>
#include <linux/dma-mapping.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>

#include "bitnpu_device.h"
#include "bitnpu_mmu.h"
#include "bitnpu_regs.h"
#include "bitnpu_reset.h"

#define PAGE_BYTES	BIT_ULL(BITNPU_PAGE_SHIFT)
#define BLOCK_BYTES	BIT_ULL(BITNPU_BLOCK_SHIFT)

/**
 * struct bitnpu_table - one table of a tree
 * @entries: what the NPU reads
 * @dma: bus address of @entries
 * @child: tables of the next level; none at the last level
 */
struct bitnpu_table {
	__le64 *entries;
	dma_addr_t dma;
	struct bitnpu_table *child[];
};

static unsigned int level_shift(unsigned int level)
{
	return BITNPU_PAGE_SHIFT + BITNPU_PTE_INDEX_BITS * (BITNPU_PTE_LEVELS - 1 - level);
}

static unsigned int level_index(u64 va, unsigned int level)
{
	return va >> level_shift(level) & (BITNPU_PTE_ENTRIES - 1);
}

static struct bitnpu_table *table_create(struct bitnpu_device *bdev, unsigned int level)
{
	const size_t children = level < BITNPU_PTE_LEVELS - 1 ? BITNPU_PTE_ENTRIES : 0;
	struct bitnpu_table *table;

	table = kvzalloc(struct_size(table, child, children), GFP_KERNEL);
	if (!table)
		return NULL;
	table->entries = dma_alloc_coherent(bdev->drm.dev, BITNPU_TABLE_SIZE, &table->dma,
					    GFP_KERNEL);
	if (!table->entries) {
		kvfree(table);
		return NULL;
	}
	return table;
}

static void table_destroy(struct bitnpu_device *bdev, struct bitnpu_table *table,
			  unsigned int level)
{
	unsigned int i;

	if (!table)
		return;
	if (level < BITNPU_PTE_LEVELS - 1)
		for (i = 0; i < BITNPU_PTE_ENTRIES; i++)
			table_destroy(bdev, table->child[i], level + 1);
	dma_free_coherent(bdev->drm.dev, BITNPU_TABLE_SIZE, table->entries, table->dma);
	kvfree(table);
}

static void table_set(struct bitnpu_table *table, unsigned int index, u64 entry)
{
	WRITE_ONCE(table->entries[index], cpu_to_le64(entry));
}

static bool table_is_set(const struct bitnpu_table *table, unsigned int index)
{
	return le64_to_cpu(table->entries[index]) & BITNPU_PTE_VALID;
}

/* The table of @level that covers @va; made when there is none. */
static struct bitnpu_table *vm_table(struct bitnpu_vm *vm, u64 va, unsigned int level)
{
	struct bitnpu_table *table = vm->root;
	unsigned int i;

	for (i = 0; i < level; i++) {
		const unsigned int index = level_index(va, i);

		if (!table->child[index]) {
			table->child[index] = table_create(vm->bdev, i + 1);
			if (!table->child[index])
				return NULL;
			/* The table's zeros before the entry that leads to them. */
			dma_wmb();
			table_set(table, index, table->child[index]->dma | BITNPU_PTE_VALID);
		}
		table = table->child[index];
	}
	return table;
}

static bool vm_can_block(struct bitnpu_vm *vm, u64 va, dma_addr_t dma, u64 size)
{
	struct bitnpu_table *table;

	if (size < BLOCK_BYTES || !IS_ALIGNED(va | dma, BLOCK_BYTES))
		return false;
	table = vm_table(vm, va, BITNPU_PTE_LEVELS - 2);
	return table && !table->child[level_index(va, BITNPU_PTE_LEVELS - 2)];
}

static int vm_map_segment(struct bitnpu_vm *vm, u64 va, dma_addr_t dma, u64 size, u64 flags)
{
	while (size) {
		const bool block = vm_can_block(vm, va, dma, size);
		const unsigned int level = BITNPU_PTE_LEVELS - (block ? 2 : 1);
		const u64 step = block ? BLOCK_BYTES : PAGE_BYTES;
		struct bitnpu_table *table = vm_table(vm, va, level);

		if (!table)
			return -ENOMEM;
		table_set(table, level_index(va, level), dma | flags);
		va += step;
		dma += step;
		size -= step;
	}
	return 0;
}

static void vm_clear(struct bitnpu_vm *vm, u64 va, u64 end)
{
	while (va < end) {
		struct bitnpu_table *table = vm->root;
		unsigned int level = 0;

		while (level < BITNPU_PTE_LEVELS - 1 && table->child[level_index(va, level)])
			table = table->child[level_index(va, level++)];
		if (table_is_set(table, level_index(va, level)))
			table_set(table, level_index(va, level), 0);
		va = ALIGN_DOWN(va, BIT_ULL(level_shift(level))) + BIT_ULL(level_shift(level));
	}
}

/* Bytes of a node that are mapped: the guard page is not. */
static u64 node_end(const struct drm_mm_node *node)
{
	return node->start + node->size - PAGE_BYTES;
}

/*
 * Without power there is no TLB: the NPU is reset before it is used again.  An NPU that does not
 * answer is reset as well, because the memory must not be given to others before that.
 */
static void tlb_invalidate(struct bitnpu_device *bdev, u32 asid)
{
	struct device *dev = bdev->drm.dev;
	u32 status;
	int idx, active, ret;

	/* Between unplugging and its last reset the NPU still executes. */
	if (!drm_dev_enter(&bdev->drm, &idx)) {
		wait_for_completion(&bdev->stopped);
		return;
	}
	if (READ_ONCE(bdev->dead))
		goto exit;
	active = pm_runtime_get_if_active(dev);
	if (!active || (active < 0 && pm_runtime_status_suspended(dev)))
		goto exit;
	mutex_lock(&bdev->mmu.tlb_lock);
	regmap_write(bdev->regmap, BITNPU_TLB_COMMAND,
		     FIELD_PREP(BITNPU_TLB_OP, BITNPU_TLB_OP_ASID) |
		     FIELD_PREP(BITNPU_TLB_ASID, asid));
	ret = regmap_read_poll_timeout(bdev->regmap, BITNPU_TLB_STATUS, status,
				       !(status & BITNPU_TLB_BUSY), 1, BITNPU_RESET_TIMEOUT_US);
	mutex_unlock(&bdev->mmu.tlb_lock);
	if (ret) {
		drm_err(&bdev->drm, "TLB invalidation does not end: resetting\n");
		bitnpu_reset_request(bdev);
		flush_work(&bdev->reset_work);
	}
	if (active > 0)
		pm_runtime_put_autosuspend(dev);
exit:
	drm_dev_exit(idx);
}

static void mmu_fini(struct drm_device *drm, void *data)
{
	struct bitnpu_mmu *mmu = data;

	ida_destroy(&mmu->asids);
	mutex_destroy(&mmu->tlb_lock);
}

int bitnpu_mmu_init(struct bitnpu_device *bdev)
{
	ida_init(&bdev->mmu.asids);
	mutex_init(&bdev->mmu.tlb_lock);
	return drmm_add_action_or_reset(&bdev->drm, mmu_fini, &bdev->mmu);
}

int bitnpu_vm_init(struct bitnpu_vm *vm, struct bitnpu_device *bdev)
{
	int asid = ida_alloc_range(&bdev->mmu.asids, 1, BIT(bdev->caps.asid_bits) - 1, GFP_KERNEL);

	if (asid < 0)
		return asid;
	vm->root = table_create(bdev, 0);
	if (!vm->root) {
		ida_free(&bdev->mmu.asids, asid);
		return -ENOMEM;
	}
	vm->bdev = bdev;
	vm->asid = asid;
	mutex_init(&vm->lock);
	drm_mm_init(&vm->mm, BITNPU_VA_START, BITNPU_VA_END - BITNPU_VA_START);
	return 0;
}

void bitnpu_vm_fini(struct bitnpu_vm *vm)
{
	tlb_invalidate(vm->bdev, vm->asid);
	drm_mm_takedown(&vm->mm);
	table_destroy(vm->bdev, vm->root, 0);
	ida_free(&vm->bdev->mmu.asids, vm->asid);
	mutex_destroy(&vm->lock);
}

dma_addr_t bitnpu_vm_root(const struct bitnpu_vm *vm)
{
	return vm->root->dma;
}

int bitnpu_vm_map(struct bitnpu_vm *vm, struct drm_mm_node *node, struct sg_table *sgt, u64 size,
		  bool writable)
{
	const u64 flags = BITNPU_PTE_VALID | BITNPU_PTE_LEAF | (writable ? BITNPU_PTE_WRITE : 0);
	struct scatterlist *sg;
	u64 va, left = size;
	unsigned int i;
	int ret;

	mutex_lock(&vm->lock);
	ret = drm_mm_insert_node_generic(&vm->mm, node, size + PAGE_BYTES,
					 size >= BLOCK_BYTES ? BLOCK_BYTES : PAGE_BYTES, 0,
					 DRM_MM_INSERT_BEST);
	if (ret)
		goto unlock;
	va = node->start;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		const u64 bytes = min_t(u64, sg_dma_len(sg), left);

		ret = vm_map_segment(vm, va, sg_dma_address(sg), bytes, flags);
		if (ret)
			break;
		va += bytes;
		left -= bytes;
	}
	if (!ret && left)
		ret = -EINVAL;
	if (ret) {
		vm_clear(vm, node->start, node_end(node));
		tlb_invalidate(vm->bdev, vm->asid);
		drm_mm_remove_node(node);
	}
	/* Before the doorbell of whoever uses it. */
	dma_wmb();
unlock:
	mutex_unlock(&vm->lock);
	return ret;
}

void bitnpu_vm_unmap(struct bitnpu_vm *vm, struct drm_mm_node *node)
{
	mutex_lock(&vm->lock);
	vm_clear(vm, node->start, node_end(node));
	dma_wmb();
	tlb_invalidate(vm->bdev, vm->asid);
	drm_mm_remove_node(node);
	mutex_unlock(&vm->lock);
}
