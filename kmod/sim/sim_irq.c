// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt line: level-triggered, in an irq_domain of its own.  irq_work raises it, because an
 * interrupt comes in hard interrupt context and cores are threads.
 */
#include <linux/irq.h>
#include <linux/irqdomain.h>

#include "sim.h"

static bool line_asserted(struct bitnpu_sim *sim)
{
	lockdep_assert_held(&sim->irq_lock);
	return (sim->irq_status & sim->irq_mask) && !sim->irq_masked;
}

static void raise_irq(struct irq_work *work)
{
	struct bitnpu_sim *sim = container_of(work, struct bitnpu_sim, irq_work);
	bool asserted;

	raw_spin_lock(&sim->irq_lock);
	asserted = line_asserted(sim);
	raw_spin_unlock(&sim->irq_lock);
	if (asserted)
		generic_handle_irq(sim->virq);
}

static void change(struct bitnpu_sim *sim, u32 *reg, u32 clear, u32 set)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&sim->irq_lock, flags);
	*reg = (*reg & ~clear) | set;
	if (line_asserted(sim))
		irq_work_queue(&sim->irq_work);
	raw_spin_unlock_irqrestore(&sim->irq_lock, flags);
}

void sim_irq_set(struct bitnpu_sim *sim, u32 bits)
{
	change(sim, &sim->irq_status, 0, bits);
}

void sim_irq_clear(struct bitnpu_sim *sim, u32 bits)
{
	change(sim, &sim->irq_status, bits, 0);
}

void sim_irq_enable(struct bitnpu_sim *sim, u32 mask)
{
	change(sim, &sim->irq_mask, ~0u, mask);
}

static void chip_set_masked(struct irq_data *data, bool masked)
{
	struct bitnpu_sim *sim = irq_data_get_irq_chip_data(data);
	unsigned long flags;

	raw_spin_lock_irqsave(&sim->irq_lock, flags);
	sim->irq_masked = masked;
	if (line_asserted(sim))
		irq_work_queue(&sim->irq_work);
	raw_spin_unlock_irqrestore(&sim->irq_lock, flags);
}

static void chip_mask(struct irq_data *data)
{
	chip_set_masked(data, true);
}

static void chip_unmask(struct irq_data *data)
{
	chip_set_masked(data, false);
}

static struct irq_chip sim_chip = {
	.name = "bitnpu-sim",
	.irq_mask = chip_mask,
	.irq_unmask = chip_unmask,
	.flags = IRQCHIP_SKIP_SET_WAKE,
};

static int domain_map(struct irq_domain *domain, unsigned int virq, irq_hw_number_t hwirq)
{
	irq_set_chip_and_handler(virq, &sim_chip, handle_level_irq);
	irq_set_chip_data(virq, domain->host_data);
	irq_set_noprobe(virq);
	return 0;
}

static const struct irq_domain_ops sim_domain_ops = {
	.map = domain_map,
};

int sim_irq_init(struct bitnpu_sim *sim)
{
	struct fwnode_handle *fwnode = irq_domain_alloc_named_id_fwnode("bitnpu-sim",
									sim->parent->id);

	if (!fwnode)
		return -ENOMEM;
	raw_spin_lock_init(&sim->irq_lock);
	sim->irq_masked = true;
	sim->irq_work = IRQ_WORK_INIT_HARD(raise_irq);
	sim->domain = irq_domain_create_linear(fwnode, 1, &sim_domain_ops, sim);
	if (!sim->domain)
		goto free_fwnode;
	sim->virq = irq_create_mapping(sim->domain, 0);
	if (!sim->virq)
		goto remove_domain;
	return 0;

remove_domain:
	irq_domain_remove(sim->domain);
free_fwnode:
	irq_domain_free_fwnode(fwnode);
	return -ENOMEM;
}

void sim_irq_fini(struct bitnpu_sim *sim)
{
	struct fwnode_handle *fwnode = sim->domain->fwnode;

	irq_work_sync(&sim->irq_work);
	irq_dispose_mapping(sim->virq);
	irq_domain_remove(sim->domain);
	irq_domain_free_fwnode(fwnode);
}
