// SPDX-License-Identifier: MIT
/*
 * Placing a model on a device.  Sessions share what is placed: a device that has memory of its own
 * holds the weights once, and the KV caches lie in one address space, so that one command list can
 * take several sequences further (device_group.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "placement.h"

/*
 * Map the pages that @ptr lies on.  Neighbours in the file may share a page and be mapped twice,
 * which is harmless: the mappings are read-only.
 */
static int import(struct bitnpu_placement *p, const void *ptr, uint64_t bytes, uint64_t *addr,
		  struct bitnpu_error *err)
{
	uintptr_t offset = (uintptr_t)ptr % (uintptr_t)sysconf(_SC_PAGESIZE);
	struct bitnpu_bo *bo;
	int ret = bitnpu_bo_import(p->ctx, (const char *)ptr - offset, bytes + offset,
				   BITNPU_BO_READ_ONLY, &bo, err);

	if (ret)
		return ret;
	p->imports[p->import_count++] = bo;
	p->weight_bytes += bytes;
	if (!bitnpu_device_get_info(p->dev)->unified)
		p->device_bytes += bytes + offset;
	*addr = bitnpu_bo_address(bo) + offset;
	return 0;
}

static int import_matrix(struct bitnpu_placement *p, const struct bitnpu_weights *w,
			 struct bitnpu_matrix_address *address, struct bitnpu_error *err)
{
	int ret = import(p, w->tiles, w->tiles_bytes, &address->tiles, err);

	if (!ret && w->scales)
		ret = import(p, w->scales, w->scales_bytes, &address->scales, err);
	return ret;
}

static int import_all(struct bitnpu_placement *p, const struct bitnpu_model *model,
		      struct bitnpu_error *err)
{
	size_t matrices = (size_t)model->info.n_layer * BITNPU_MATRICES;
	int ret = 0;

	p->addresses = calloc(matrices, sizeof(*p->addresses));
	p->imports = calloc((matrices + BITNPU_MAX_SLICES) * 2, sizeof(struct bitnpu_bo *));
	if (!p->addresses || !p->imports)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	for (size_t i = 0; !ret && i < matrices; i++)
		ret = import_matrix(p,
				    &model->layers[i / BITNPU_MATRICES].matrices[i % BITNPU_MATRICES],
				    &p->addresses[i], err);
	p->head_slices = bitnpu_weights_slices(&model->head);
	for (uint32_t i = 0; !ret && i < p->head_slices; i++) {
		bitnpu_weights_slice(&model->head, i, &p->head_weights[i]);
		ret = import_matrix(p, &p->head_weights[i], &p->head[i], err);
	}
	return ret;
}

static void destroy(struct bitnpu_placement *p)
{
	while (p->import_count)
		bitnpu_bo_destroy(p->imports[--p->import_count]);
	free(p->imports);
	free(p->addresses);
	bitnpu_context_destroy(p->ctx);
	free(p);
}

static int create(const struct bitnpu_model *model, struct bitnpu_device *dev,
		  struct bitnpu_placement **out, struct bitnpu_error *err)
{
	struct bitnpu_placement *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	p->dev = dev;
	ret = bitnpu_context_create(dev, &p->ctx, err);
	if (!ret)
		ret = import_all(p, model, err);
	if (ret) {
		destroy(p);
		return ret;
	}
	*out = p;
	return 0;
}

/* Caller holds the model's lock, here and below. */
static struct bitnpu_placement *find(const struct bitnpu_model *model, const struct bitnpu_device *dev)
{
	struct bitnpu_placement *p = model->placements;

	while (p && (p->dev != dev || p->failed))
		p = p->next;
	return p;
}

int bitnpu_placement_get(struct bitnpu_model *model, struct bitnpu_device *dev,
			 struct bitnpu_placement **out, struct bitnpu_error *err)
{
	struct bitnpu_placement *p;
	int ret = 0;

	/* Also while it is made: who else wants one wants this one. */
	pthread_mutex_lock(&model->lock);
	p = find(model, dev);
	if (!p) {
		ret = create(model, dev, &p, err);
		if (ret)
			goto unlock;
		p->next = model->placements;
		model->placements = p;
	}
	p->sessions++;
	*out = p;
unlock:
	pthread_mutex_unlock(&model->lock);
	return ret;
}

static void unlink_placement(struct bitnpu_model *model, const struct bitnpu_placement *placement)
{
	struct bitnpu_placement **p = &model->placements;

	while (*p != placement)
		p = &(*p)->next;
	*p = placement->next;
}

void bitnpu_placement_put(struct bitnpu_model *model, struct bitnpu_placement *placement)
{
	bool last;

	if (!placement)
		return;
	pthread_mutex_lock(&model->lock);
	last = --placement->sessions == 0;
	if (last)
		unlink_placement(model, placement);
	pthread_mutex_unlock(&model->lock);
	if (last)
		destroy(placement);
}

void bitnpu_placement_fail(struct bitnpu_model *model, struct bitnpu_placement *placement)
{
	pthread_mutex_lock(&model->lock);
	placement->failed = true;
	pthread_mutex_unlock(&model->lock);
}
