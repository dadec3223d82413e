/* SPDX-License-Identifier: MIT */
/* A model's matrices in a device's memory, once for all sessions that run the model there. */
#ifndef BITNPU_PLACEMENT_H
#define BITNPU_PLACEMENT_H

#include "model.h"

/**
 * struct bitnpu_placement - matrices in an address space, which is also its sessions'
 * @next: of the same model
 * @sessions: that use it
 * @failed: a job in @ctx has failed, so that later ones may: no further session uses it
 * @dev: not owned; open while there is a session
 * @ctx: the address space
 * @imports: mappings of the weights
 * @import_count: how many
 * @addresses: of the matrices, by block and &enum bitnpu_matrix
 * @head: of the output head, as the matrices that a command can name
 * @head_weights: what these describe
 * @head_slices: how many
 * @weight_bytes: of all of them
 * @device_bytes: of what is the device's own memory
 *
 * @next, @sessions and @failed are protected by the model's lock, the rest does not change.
 */
struct bitnpu_placement {
	struct bitnpu_placement *next;
	size_t sessions;
	bool failed;
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_bo **imports;
	size_t import_count;
	struct bitnpu_matrix_address {
		uint64_t tiles, scales;
	} *addresses, head[BITNPU_MAX_SLICES];
	struct bitnpu_weights head_weights[BITNPU_MAX_SLICES];
	uint32_t head_slices;
	uint64_t weight_bytes, device_bytes;
};

/** bitnpu_placement_get() - that of @model on @dev, made on first use; bitnpu_placement_put() */
int bitnpu_placement_get(struct bitnpu_model *model, struct bitnpu_device *dev,
			 struct bitnpu_placement **placement, struct bitnpu_error *err);
/** bitnpu_placement_put() - a session of @model needs @placement no more (NULL is ignored) */
void bitnpu_placement_put(struct bitnpu_model *model, struct bitnpu_placement *placement);
/** bitnpu_placement_fail() - a job has failed: sessions to come use another address space */
void bitnpu_placement_fail(struct bitnpu_model *model, struct bitnpu_placement *placement);

#endif /* BITNPU_PLACEMENT_H */
