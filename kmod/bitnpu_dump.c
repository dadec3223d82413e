// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dumps: a snapshot taken where nothing may be allocated, made into text where it may.
 */
#include <linux/devcoredump.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <drm/bitnpu_accel.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>

#include "bitnpu_device.h"
#include "bitnpu_dump.h"
#include "bitnpu_state.h"

#define BITNPU_DUMP_BYTES	(64 * 1024)

/**
 * struct bitnpu_dump - a device's one snapshot
 * @bdev: the device
 * @work: makes it into text
 * @busy: bit 0: taken and not yet made into text
 * @reason: why it was taken
 * @ring: whose first job was the reason, or -1
 * @state: the snapshot
 */
struct bitnpu_dump {
	struct bitnpu_device *bdev;
	struct work_struct work;
	unsigned long busy;
	const char *reason;
	int ring;
	struct bitnpu_state state;
};

static void bitnpu_dump_work(struct work_struct *work)
{
	struct bitnpu_dump *dump = container_of(work, struct bitnpu_dump, work);
	struct drm_print_iterator iterator = { .remain = BITNPU_DUMP_BYTES };
	struct drm_printer p;
	void *text;

	text = vzalloc(BITNPU_DUMP_BYTES);
	if (text) {
		iterator.data = text;
		p = drm_coredump_printer(&iterator);
		drm_printf(&p, "driver: " DRM_BITNPU_DRIVER_NAME "\nreason: %s\nring: %d\n",
			   dump->reason, dump->ring);
		bitnpu_state_print(&dump->state, &p);
		/* Takes the text. */
		dev_coredumpv(dump->bdev->drm.dev, text, BITNPU_DUMP_BYTES - iterator.remain,
			      GFP_KERNEL);
	}
	clear_bit_unlock(0, &dump->busy);
}

void bitnpu_dump(struct bitnpu_device *bdev, struct bitnpu_ring *ring, const char *reason)
{
	struct bitnpu_dump *dump = bdev->dump;

	if (test_and_set_bit_lock(0, &dump->busy))
		return;
	dump->reason = reason;
	dump->ring = ring ? ring->index : -1;
	bitnpu_state_take(bdev, &dump->state, true);
	queue_work(system_unbound_wq, &dump->work);
}

static void bitnpu_dump_fini(struct drm_device *drm, void *data)
{
	kvfree(data);
}

int bitnpu_dump_init(struct bitnpu_device *bdev)
{
	struct bitnpu_dump *dump = kvzalloc(sizeof(*dump), GFP_KERNEL);

	if (!dump)
		return -ENOMEM;
	dump->bdev = bdev;
	INIT_WORK(&dump->work, bitnpu_dump_work);
	bdev->dump = dump;
	return drmm_add_action_or_reset(&bdev->drm, bitnpu_dump_fini, dump);
}

void bitnpu_dump_shutdown(struct bitnpu_device *bdev)
{
	disable_work_sync(&bdev->dump->work);
}
