// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power: each job holds a runtime reference from submission to completion, so the NPU loses power
 * only when it is idle, and everything it knew is written again when it gets it back.
 */
#include <linux/pm_runtime.h>

#include "bitnpu_device.h"
#include "bitnpu_reset.h"

/* How long system suspend waits for jobs that run. */
#define SUSPEND_IDLE_MS		5000

static int bitnpu_runtime_suspend(struct device *dev)
{
	bitnpu_device_quiesce(dev_get_drvdata(dev));
	return 0;
}

static int bitnpu_runtime_resume(struct device *dev)
{
	struct bitnpu_device *bdev = dev_get_drvdata(dev);
	int ret = bdev->dead ? -ENODEV : bitnpu_device_start(bdev);

	if (ret)
		bitnpu_reset_give_up(bdev);
	return ret;
}

static int bitnpu_suspend(struct device *dev)
{
	struct bitnpu_device *bdev = dev_get_drvdata(dev);
	int ret;

	bitnpu_rings_suspend(bdev);
	ret = bitnpu_rings_idle(bdev, SUSPEND_IDLE_MS);
	if (!ret) {
		bitnpu_reset_flush(bdev);
		ret = pm_runtime_force_suspend(dev);
	}
	if (ret)
		bitnpu_rings_resume(bdev);
	return ret;
}

static int bitnpu_resume(struct device *dev)
{
	int ret = pm_runtime_force_resume(dev);

	/* Also without the device: what waits is to end. */
	bitnpu_rings_resume(dev_get_drvdata(dev));
	return ret;
}

const struct dev_pm_ops bitnpu_pm_ops = {
	RUNTIME_PM_OPS(bitnpu_runtime_suspend, bitnpu_runtime_resume, NULL)
	SYSTEM_SLEEP_PM_OPS(bitnpu_suspend, bitnpu_resume)
};
