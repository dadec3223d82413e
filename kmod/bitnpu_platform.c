// SPDX-License-Identifier: GPL-2.0-only
/*
 * Platform glue: an NPU in a device tree, with registers of its own, or a cell of a larger device
 * whose driver hands the registers down as a regmap, as MFD drivers do.
 */
#include <linux/clk.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#include "bitnpu_device.h"
#include "bitnpu_drv.h"

static const struct regmap_config bitnpu_regmap_config = {
	.reg_bits = 32,
	.val_bits = 32,
	.reg_stride = 4,
	.max_register = BITNPU_REG_WINDOW - 4,
	.fast_io = true,
};

static struct regmap *find_regmap(struct platform_device *pdev)
{
	struct regmap *regmap;
	void __iomem *base;

	if (platform_get_resource(pdev, IORESOURCE_MEM, 0)) {
		base = devm_platform_ioremap_resource(pdev, 0);
		if (IS_ERR(base))
			return ERR_CAST(base);
		return devm_regmap_init_mmio(&pdev->dev, base, &bitnpu_regmap_config);
	}
	regmap = pdev->dev.parent ? dev_get_regmap(pdev->dev.parent, NULL) : NULL;
	return regmap ?: ERR_PTR(-ENODEV);
}

/**
 * struct bitnpu_clocks - the clocks of the device tree node, if it has any
 * @count: how many
 * @clocks: managed by the device
 */
struct bitnpu_clocks {
	int count;
	struct clk_bulk_data *clocks;
};

static void disable_clocks(void *data)
{
	struct bitnpu_clocks *clocks = data;

	clk_bulk_disable_unprepare(clocks->count, clocks->clocks);
}

static int enable_clocks(struct device *dev)
{
	struct bitnpu_clocks *clocks = devm_kzalloc(dev, sizeof(*clocks), GFP_KERNEL);
	int ret;

	if (!clocks)
		return -ENOMEM;
	clocks->count = devm_clk_bulk_get_all(dev, &clocks->clocks);
	if (clocks->count < 0)
		return dev_err_probe(dev, clocks->count, "clocks\n");
	ret = clk_bulk_prepare_enable(clocks->count, clocks->clocks);
	if (ret)
		return dev_err_probe(dev, ret, "clocks\n");
	return devm_add_action_or_reset(dev, disable_clocks, clocks);
}

static int bitnpu_platform_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct regmap *regmap;
	int irq, ret;

	ret = enable_clocks(dev);
	if (ret)
		return ret;
	regmap = find_regmap(pdev);
	if (IS_ERR(regmap))
		return dev_err_probe(dev, PTR_ERR(regmap), "no registers\n");
	irq = platform_get_irq(pdev, 0);
	if (irq < 0)
		return irq;
	return bitnpu_device_probe(dev, regmap, irq, NULL);
}

static void bitnpu_platform_remove(struct platform_device *pdev)
{
	bitnpu_device_remove(&pdev->dev);
}

static const struct of_device_id bitnpu_of_match[] = {
	{ .compatible = "bitnpu,npu-1.0" },
	{ }
};
MODULE_DEVICE_TABLE(of, bitnpu_of_match);

static const struct platform_device_id bitnpu_platform_ids[] = {
	{ .name = "bitnpu" },
	{ }
};
MODULE_DEVICE_TABLE(platform, bitnpu_platform_ids);

static struct platform_driver bitnpu_platform_driver = {
	.probe = bitnpu_platform_probe,
	.remove = bitnpu_platform_remove,
	.id_table = bitnpu_platform_ids,
	.driver = {
		.name = "bitnpu",
		.pm = pm_ptr(&bitnpu_pm_ops),
		.of_match_table = bitnpu_of_match,
	},
};

int bitnpu_platform_register(void)
{
	return platform_driver_register(&bitnpu_platform_driver);
}

void bitnpu_platform_unregister(void)
{
	platform_driver_unregister(&bitnpu_platform_driver);
}
