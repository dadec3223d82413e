/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_DRV_H__
#define __BITNPU_DRV_H__

#include <drm/drm_drv.h>

extern const struct drm_driver bitnpu_drm_driver;

/** bitnpu_timeout_ms - module parameter: a job without progress for so long is ended */
extern unsigned int bitnpu_timeout_ms;

/** bitnpu_job_limit_ms - module parameter: a job that runs longer is ended; 0: no limit */
extern unsigned int bitnpu_job_limit_ms;

/* Bus glue: each finds the registers and the interrupt, and calls bitnpu_device_probe(). */
int bitnpu_platform_register(void);
void bitnpu_platform_unregister(void);
int bitnpu_pci_register(void);
void bitnpu_pci_unregister(void);

#endif /* __BITNPU_DRV_H__ */
