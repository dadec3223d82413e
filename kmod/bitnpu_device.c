// SPDX-License-Identifier: GPL-2.0-only
/* One NPU, whatever bus it is on: capabilities, start, interrupt, removal. */
#include <linux/bitfield.h>
#include <linux/dma-map-ops.h>
#include <linux/interrupt.h>
#include <linux/pm_runtime.h>

#include <drm/bitnpu_isa.h>
#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>

#include "bitnpu_device.h"
#include "bitnpu_drv.h"
#include "bitnpu_perf.h"
#include "bitnpu_reset.h"

#define AUTOSUSPEND_MS		100
/* Section 8, step 7 of the recovery. */
#define RESET_TRIES		3

static u32 read_reg(struct bitnpu_device *bdev, unsigned int reg)
{
	u32 value = 0;

	regmap_read(bdev->regmap, reg, &value);
	return value;
}

static int check_version(struct bitnpu_device *bdev, struct device *dev)
{
	struct bitnpu_caps *caps = &bdev->caps;
	const u32 id = read_reg(bdev, BITNPU_ID);

	if (id != BITNPU_ID_VALUE)
		return dev_err_probe(dev, -ENODEV, "register ID is 0x%08x, not 0x%08x\n", id,
				     BITNPU_ID_VALUE);
	caps->hw_version = read_reg(bdev, BITNPU_HW_VERSION);
	if (FIELD_GET(BITNPU_VERSION_MAJOR, caps->hw_version) != BITNPU_HW_MAJOR)
		return dev_err_probe(dev, -ENODEV, "hardware version 0x%08x is not known\n",
				     caps->hw_version);
	caps->isa_version = read_reg(bdev, BITNPU_ISA_VERSION);
	if (FIELD_GET(BITNPU_VERSION_MAJOR, caps->isa_version) != BITNPU_ISA_VERSION_MAJOR)
		return dev_err_probe(dev, -ENODEV, "command set version 0x%08x is not known\n",
				     caps->isa_version);
	return 0;
}

static int check_range(struct device *dev, const char *name, u32 value, u32 low, u32 high)
{
	if (value >= low && value <= high)
		return 0;
	return dev_err_probe(dev, -ENODEV, "capability %s is %u, not %u to %u\n", name, value, low,
			     high);
}

static int check_caps(struct bitnpu_device *bdev, struct device *dev)
{
	const struct bitnpu_caps *caps = &bdev->caps;
	int ret;

	ret = check_range(dev, "cores", caps->cores, 1, BITNPU_MAX_CORES);
	if (!ret)
		ret = check_range(dev, "rings", caps->rings, 2, BITNPU_MAX_RINGS);
	if (!ret)
		ret = check_range(dev, "ring size", caps->ring_log2, BITNPU_MIN_RING_LOG2,
				  BITNPU_MAX_RING_LOG2);
	if (!ret)
		ret = check_range(dev, "ASID bits", caps->asid_bits, 1, 16);
	if (!ret)
		ret = check_range(dev, "device address bits",
				  FIELD_GET(BITNPU_ADDRESS_VA_BITS, read_reg(bdev, BITNPU_ADDRESS)),
				  BITNPU_VA_BITS, BITNPU_VA_BITS);
	if (!ret)
		ret = check_range(dev, "bus address bits", caps->bus_bits, 32, 52);
	return ret;
}

static int read_caps(struct bitnpu_device *bdev, struct device *dev)
{
	struct bitnpu_caps *caps = &bdev->caps;
	const u32 geometry = read_reg(bdev, BITNPU_GEOMETRY);
	const u32 mac = read_reg(bdev, BITNPU_MAC_ARRAY);
	const u32 dma = read_reg(bdev, BITNPU_DMA);

	caps->implementation = read_reg(bdev, BITNPU_IMPLEMENTATION);
	caps->features = read_reg(bdev, BITNPU_FEATURES_LO) |
			 (u64)read_reg(bdev, BITNPU_FEATURES_HI) << 32;
	caps->cores = FIELD_GET(BITNPU_GEOMETRY_CORES, geometry);
	caps->rings = FIELD_GET(BITNPU_GEOMETRY_RINGS, geometry);
	caps->ring_log2 = FIELD_GET(BITNPU_GEOMETRY_RING_LOG2, geometry);
	caps->asid_bits = FIELD_GET(BITNPU_GEOMETRY_ASID_BITS, geometry);
	caps->bus_bits = FIELD_GET(BITNPU_ADDRESS_BUS_BITS, read_reg(bdev, BITNPU_ADDRESS));
	caps->mac_rows = FIELD_GET(BITNPU_MAC_ARRAY_ROWS, mac);
	caps->mac_columns = FIELD_GET(BITNPU_MAC_ARRAY_COLUMNS, mac);
	caps->sram_bytes = read_reg(bdev, BITNPU_SRAM_SIZE);
	caps->clock_khz = read_reg(bdev, BITNPU_CLOCK_KHZ);
	caps->dma_bytes = FIELD_GET(BITNPU_DMA_BYTES, dma);
	caps->dma_latency = FIELD_GET(BITNPU_DMA_LATENCY, dma);
	return check_caps(bdev, dev);
}

int bitnpu_device_reset(struct bitnpu_device *bdev)
{
	u32 status;

	regmap_write(bdev->regmap, BITNPU_CONTROL, BITNPU_CONTROL_RESET);
	return regmap_read_poll_timeout(bdev->regmap, BITNPU_HW_STATUS, status,
					status & BITNPU_HW_STATUS_READY, 10,
					BITNPU_RESET_TIMEOUT_US) ? -EIO : 0;
}

int bitnpu_device_start(struct bitnpu_device *bdev)
{
	unsigned int i, try;
	int ret = -EIO;

	/* The TLB does not answer now, and who unmaps must not take that for an answer. */
	mutex_lock(&bdev->mmu.tlb_lock);
	for (try = 0; ret && try < RESET_TRIES; try++)
		ret = bitnpu_device_reset(bdev);
	mutex_unlock(&bdev->mmu.tlb_lock);
	if (ret)
		return ret;
	regmap_write(bdev->regmap, BITNPU_IRQ_MASK,
		     BITNPU_IRQ_ERROR | GENMASK(bdev->caps.rings - 1, 0));
	for (i = 0; i < bdev->caps.rings; i++)
		bitnpu_ring_start(&bdev->rings[i]);
	regmap_write(bdev->regmap, BITNPU_CONTROL, BITNPU_CONTROL_ENABLE);
	return 0;
}

void bitnpu_device_isolate(struct bitnpu_device *bdev)
{
	if (bdev->isolate)
		bdev->isolate(bdev->drm.dev);
	else
		drm_warn(&bdev->drm, "its bus cannot cut it off: it may access freed memory\n");
}

void bitnpu_device_quiesce(struct bitnpu_device *bdev)
{
	regmap_write(bdev->regmap, BITNPU_CONTROL, 0);
	regmap_write(bdev->regmap, BITNPU_IRQ_MASK, 0);
	synchronize_irq(bdev->irq);
}

/*
 * The line stays masked while this runs (IRQF_ONESHOT); a bit that is set meanwhile asserts it
 * again.  The registers are there until the interrupt is freed, so what is asserted is cleared even
 * while the device is being removed: else the line would come back at once, for as long as that
 * takes.
 */
static irqreturn_t irq_thread(int irq, void *data)
{
	struct bitnpu_device *bdev = data;
	u32 pending = 0;
	int idx;

	regmap_read(bdev->regmap, BITNPU_IRQ_PENDING, &pending);
	if (!pending)
		return IRQ_NONE;
	regmap_write(bdev->regmap, BITNPU_IRQ_STATUS, pending);
	if (drm_dev_enter(&bdev->drm, &idx)) {
		bitnpu_rings_irq(bdev, pending);
		drm_dev_exit(idx);
	}
	return IRQ_HANDLED;
}

static void device_release(struct drm_device *drm, void *data)
{
	bitnpu_rings_release(data);
}

static int init_software(struct bitnpu_device *bdev)
{
	int ret;

	ret = drmm_mutex_init(&bdev->drm, &bdev->perf_lock);
	if (!ret)
		ret = bitnpu_mmu_init(bdev);
	if (!ret)
		ret = bitnpu_reset_init(bdev);
	return ret;
}

static int init_dma(struct bitnpu_device *bdev, struct device *dev)
{
	int ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(bdev->caps.bus_bits));

	if (ret)
		return dev_err_probe(dev, ret, "no DMA with %u address bits\n",
				     bdev->caps.bus_bits);
	dma_set_max_seg_size(dev, UINT_MAX);
	bdev->coherent = dev_is_dma_coherent(dev);
	return 0;
}

static void enable_pm(struct device *dev)
{
	pm_runtime_get_noresume(dev);
	pm_runtime_set_active(dev);
	pm_runtime_set_autosuspend_delay(dev, AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);
	pm_runtime_enable(dev);
}

static void disable_pm(struct device *dev)
{
	pm_runtime_disable(dev);
	pm_runtime_dont_use_autosuspend(dev);
	pm_runtime_set_suspended(dev);
	pm_runtime_put_noidle(dev);
}

static int start_device(struct bitnpu_device *bdev, struct device *dev)
{
	int ret = bitnpu_device_start(bdev);

	if (ret)
		return dev_err_probe(dev, ret, "the NPU is not ready after reset\n");
	ret = request_threaded_irq(bdev->irq, NULL, irq_thread, IRQF_ONESHOT, dev_name(dev), bdev);
	if (ret) {
		bitnpu_device_reset(bdev);
		return dev_err_probe(dev, ret, "interrupt %d\n", bdev->irq);
	}
	return 0;
}

static void log_device(struct bitnpu_device *bdev)
{
	const struct bitnpu_caps *caps = &bdev->caps;

	drm_info(&bdev->drm, "hardware %u.%u, %u cores of %u x %u MACs, %u KiB SRAM, %u rings\n",
		 (u32)FIELD_GET(BITNPU_VERSION_MAJOR, caps->hw_version),
		 (u32)FIELD_GET(BITNPU_VERSION_MINOR, caps->hw_version), caps->cores,
		 caps->mac_rows, caps->mac_columns, caps->sram_bytes >> 10, caps->rings);
}

int bitnpu_device_probe(struct device *dev, struct regmap *regmap, int irq,
			void (*isolate)(struct device *dev))
{
	struct bitnpu_device *bdev;
	int ret;

	bdev = devm_drm_dev_alloc(dev, &bitnpu_drm_driver, struct bitnpu_device, drm);
	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	bdev->regmap = regmap;
	bdev->irq = irq;
	bdev->isolate = isolate;
	init_completion(&bdev->stopped);
	dev_set_drvdata(dev, bdev);

	ret = check_version(bdev, dev);
	if (!ret)
		ret = bitnpu_device_reset(bdev);
	if (!ret)
		ret = read_caps(bdev, dev);
	if (!ret)
		ret = init_dma(bdev, dev);
	if (!ret)
		ret = init_software(bdev);
	if (ret)
		return ret;
	ret = bitnpu_rings_init(bdev);
	if (ret)
		return dev_err_probe(dev, ret, "rings\n");
	ret = drmm_add_action(&bdev->drm, device_release, bdev);
	if (ret) {
		bitnpu_rings_shutdown(bdev);
		bitnpu_rings_release(bdev);
		return ret;
	}
	ret = start_device(bdev, dev);
	if (ret)
		goto shutdown_rings;
	enable_pm(dev);
	bitnpu_debugfs_init(bdev);
	ret = drm_dev_register(&bdev->drm, 0);
	if (ret)
		goto stop;
	log_device(bdev);
	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
	return 0;

stop:
	disable_pm(dev);
	bitnpu_device_quiesce(bdev);
	free_irq(irq, bdev);
shutdown_rings:
	bitnpu_rings_shutdown(bdev);
	return ret;
}

void bitnpu_device_remove(struct device *dev)
{
	struct bitnpu_device *bdev = dev_get_drvdata(dev);

	/* Nobody is between drm_dev_enter() and drm_dev_exit() after this, nor comes in. */
	drm_dev_unplug(&bdev->drm);
	pm_runtime_get_sync(dev);
	bitnpu_reset_shutdown(bdev);
	bitnpu_device_quiesce(bdev);
	free_irq(bdev->irq, bdev);
	if (bitnpu_device_reset(bdev))
		bitnpu_device_isolate(bdev);
	complete_all(&bdev->stopped);
	bitnpu_rings_shutdown(bdev);
	disable_pm(dev);
}
