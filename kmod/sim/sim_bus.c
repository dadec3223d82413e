// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host as the NPU's bus sees it: a bus address is what the DMA API gave the driver for the
 * child device; what is not memory answers with an error.
 */
#include <linux/dma-direct.h>
#include <linux/highmem.h>
#include <linux/mm.h>

#include "sim.h"

int sim_bus_phys(struct bitnpu_sim *sim, u64 addr, phys_addr_t *phys)
{
	*phys = dma_to_phys(&sim->child->dev, addr);
	return pfn_valid(PHYS_PFN(*phys)) && page_is_ram(PHYS_PFN(*phys)) ? 0 : -EIO;
}

int sim_bus_read(struct bitnpu_sim *sim, void *dst, u64 addr, u32 len)
{
	phys_addr_t phys;

	if (sim_bus_phys(sim, addr, &phys))
		return -EIO;
	memcpy_from_page(dst, pfn_to_page(PHYS_PFN(phys)), offset_in_page(phys), len);
	return 0;
}

int sim_bus_write(struct bitnpu_sim *sim, u64 addr, const void *src, u32 len)
{
	phys_addr_t phys;

	if (sim_bus_phys(sim, addr, &phys))
		return -EIO;
	memcpy_to_page(pfn_to_page(PHYS_PFN(phys)), offset_in_page(phys), src, len);
	return 0;
}
