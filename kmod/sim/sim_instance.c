// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance: a parent device that stands for the silicon, with the registers, and a child that
 * the driver binds to, with the interrupt.
 */
#include <linux/dma-mapping.h>
#include <linux/regmap.h>
#include <linux/slab.h>

#include <drm/bitnpu_isa.h>

#include "sim.h"

/* One 64-byte line of ternary weights a cycle, at the clock and bus width of a small NPU. */
const struct sim_config sim_config_default = {
	.cores = 1,
	.rings = 2,
	.ring_log2 = 6,
	.asid_bits = 16,
	.mac_rows = 16,
	.mac_columns = 16,
	.sram_bytes = 256 << 10,
	.clock_khz = 500000,
	.dma_bytes = 16,
	.dma_latency = 100,
	.features = BITNPU_FEATURE_W_TERNARY | BITNPU_FEATURE_W_BINARY | BITNPU_FEATURE_W_INT8 |
		    BITNPU_FEATURE_Y_INT32 | BITNPU_FEATURE_Y_INT64,
};

static int create_parent(struct bitnpu_sim *sim)
{
	sim->parent = platform_device_register_simple("bitnpu-sim", PLATFORM_DEVID_AUTO, NULL, 0);
	if (IS_ERR(sim->parent))
		return PTR_ERR(sim->parent);
	sim->regmap = regmap_init(&sim->parent->dev, &sim_regmap_bus, sim, &sim_regmap_config);
	if (IS_ERR(sim->regmap)) {
		platform_device_unregister(sim->parent);
		return PTR_ERR(sim->regmap);
	}
	return 0;
}

/* The driver probes in here, so everything else is there and working. */
static int create_child(struct bitnpu_sim *sim)
{
	const struct resource irq = DEFINE_RES_IRQ(sim->virq);
	struct platform_device *child = platform_device_alloc("bitnpu", sim->parent->id);
	int ret;

	if (!child)
		return -ENOMEM;
	sim->child = child;
	child->dev.parent = &sim->parent->dev;
	child->platform_dma_mask = DMA_BIT_MASK(64);
	child->dev.dma_mask = &child->platform_dma_mask;
	child->dev.coherent_dma_mask = DMA_BIT_MASK(64);
	ret = platform_device_add_resources(child, &irq, 1);
	if (!ret)
		ret = platform_device_add(child);
	if (ret)
		platform_device_put(child);
	return ret;
}

static void init_state(struct bitnpu_sim *sim, const struct sim_config *config)
{
	sim->config = *config;
	spin_lock_init(&sim->lock);
	init_waitqueue_head(&sim->work_wait);
	init_waitqueue_head(&sim->reset_wait);
	INIT_WORK(&sim->reset_work, sim_reset_work);
	sim->tlb_generation = 1;
	sim->ready = true;
}

struct bitnpu_sim *sim_create(const struct sim_config *config)
{
	struct bitnpu_sim *sim = kvzalloc(sizeof(*sim), GFP_KERNEL);
	int ret;

	if (!sim)
		return ERR_PTR(-ENOMEM);
	init_state(sim, config);
	ret = create_parent(sim);
	if (ret)
		goto free;
	ret = sim_irq_init(sim);
	if (ret)
		goto destroy_parent;
	ret = sim_cores_start(sim);
	if (ret)
		goto destroy_irq;
	ret = create_child(sim);
	if (ret)
		goto stop_cores;
	return sim;

stop_cores:
	sim_cores_stop(sim);
destroy_irq:
	sim_irq_fini(sim);
destroy_parent:
	regmap_exit(sim->regmap);
	platform_device_unregister(sim->parent);
free:
	kvfree(sim);
	return ERR_PTR(ret);
}

/* To the driver this is the removal of its device, whoever has it open. */
void sim_destroy(struct bitnpu_sim *sim)
{
	platform_device_unregister(sim->child);
	sim_cores_stop(sim);
	cancel_work_sync(&sim->reset_work);
	sim_irq_fini(sim);
	regmap_exit(sim->regmap);
	platform_device_unregister(sim->parent);
	kvfree(sim);
}
