// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI glue: registers in BAR 0, one interrupt.  No number is assigned yet: a vendor adds a table of
 * his own, or tries it with
 *	echo "VENDOR DEVICE" > /sys/bus/pci/drivers/bitnpu/new_id
 */
#include <linux/pci.h>

#include "bitnpu_device.h"
#include "bitnpu_drv.h"

static const struct regmap_config bitnpu_regmap_config = {
	.reg_bits = 32,
	.val_bits = 32,
	.reg_stride = 4,
	.max_register = BITNPU_REG_WINDOW - 4,
	.fast_io = true,
};

static void isolate(struct device *dev)
{
	pci_clear_master(to_pci_dev(dev));
}

static int bitnpu_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct regmap *regmap;
	void __iomem *base;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return dev_err_probe(dev, ret, "cannot be enabled\n");
	if (pci_resource_len(pdev, 0) < BITNPU_REG_WINDOW)
		return dev_err_probe(dev, -ENODEV, "BAR 0 has %pa bytes, not %u\n",
				     &(resource_size_t){ pci_resource_len(pdev, 0) },
				     BITNPU_REG_WINDOW);
	base = pcim_iomap(pdev, 0, BITNPU_REG_WINDOW);
	if (!base)
		return -ENOMEM;
	regmap = devm_regmap_init_mmio(dev, base, &bitnpu_regmap_config);
	if (IS_ERR(regmap))
		return PTR_ERR(regmap);
	pci_set_master(pdev);
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_ALL_TYPES);
	if (ret < 0)
		return dev_err_probe(dev, ret, "no interrupt\n");
	ret = bitnpu_device_probe(dev, regmap, pci_irq_vector(pdev, 0), isolate);
	if (ret)
		pci_free_irq_vectors(pdev);
	return ret;
}

static void bitnpu_pci_remove(struct pci_dev *pdev)
{
	bitnpu_device_remove(&pdev->dev);
	pci_free_irq_vectors(pdev);
}

/* Without .id_table as yet: with an empty one the PCI core would refuse every new_id. */
static struct pci_driver bitnpu_pci_driver = {
	.name = "bitnpu",
	.probe = bitnpu_pci_probe,
	.remove = bitnpu_pci_remove,
	.driver.pm = pm_ptr(&bitnpu_pm_ops),
};

int bitnpu_pci_register(void)
{
	return IS_ENABLED(CONFIG_PCI) ? pci_register_driver(&bitnpu_pci_driver) : 0;
}

void bitnpu_pci_unregister(void)
{
	if (IS_ENABLED(CONFIG_PCI))
		pci_unregister_driver(&bitnpu_pci_driver);
}
