// SPDX-License-Identifier: MIT
/* A session's memory on the device: the model's matrices, mapped in place, and the x and y buffers.
 * */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "session.h"

/*
 * Map the pages that @ptr lies on.  Neighbours in the file may share a page and be mapped twice,
 * which is harmless: the mappings are read-only.
 */
static int import(struct bitnpu_session *s, const void *ptr, uint64_t bytes, uint64_t *addr,
		  struct bitnpu_error *err)
{
	uintptr_t offset = (uintptr_t)ptr % (uintptr_t)sysconf(_SC_PAGESIZE);
	struct bitnpu_bo *bo;
	int ret = bitnpu_bo_import(s->ctx, (const char *)ptr - offset, bytes + offset,
				   BITNPU_BO_READ_ONLY, &bo, err);

	if (ret)
		return ret;
	s->imports[s->import_count++] = bo;
	s->stats.weight_bytes += bytes;
	if (!bitnpu_device_get_info(s->dev)->unified)
		s->stats.device_bytes += bytes + offset;
	*addr = bitnpu_bo_address(bo) + offset;
	return 0;
}

static int import_matrix(struct bitnpu_session *s, const struct bitnpu_weights *w,
			 struct bitnpu_site *site, struct bitnpu_error *err)
{
	int ret = import(s, w->tiles, w->tiles_bytes, &site->w_addr, err);

	site->w = w;
	if (!ret && w->scales)
		ret = import(s, w->scales, w->scales_bytes, &site->s_addr, err);
	return ret;
}

int bitnpu_session_import(struct bitnpu_session *s, struct bitnpu_error *err)
{
	const struct bitnpu_model *model = s->model;
	size_t matrices = (size_t)model->info.n_layer * BITNPU_MATRICES;
	int ret = 0;

	s->sites = calloc(matrices, sizeof(*s->sites));
	s->imports = calloc((matrices + BITNPU_MAX_SLICES) * 2, sizeof(struct bitnpu_bo *));
	if (!s->sites || !s->imports)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	for (size_t i = 0; !ret && i < matrices; i++)
		ret = import_matrix(s,
				    &model->layers[i / BITNPU_MATRICES].matrices[i % BITNPU_MATRICES],
				    &s->sites[i], err);
	s->head_slices = bitnpu_weights_slices(&model->head);
	for (uint32_t i = 0; !ret && i < s->head_slices; i++) {
		bitnpu_weights_slice(&model->head, i, &s->head_weights[i]);
		ret = import_matrix(s, &s->head_weights[i], &s->head[i], err);
	}
	return ret;
}

void bitnpu_session_unimport(struct bitnpu_session *s)
{
	while (s->import_count)
		bitnpu_bo_destroy(s->imports[--s->import_count]);
	free(s->imports);
	free(s->sites);
}

static uint32_t sums_stride(const struct bitnpu_site *site)
{
	return bitnpu_row_bytes(site->w->n, bitnpu_sum_bytes(site->w));
}

/* GATE has one stride for both of its inputs. */
static uint32_t gate_stride(const struct bitnpu_site *layer)
{
	const uint32_t gate = sums_stride(&layer[BITNPU_FFN_GATE]);
	const uint32_t up = sums_stride(&layer[BITNPU_FFN_UP]);

	return gate > up ? gate : up;
}

/* Place @rows rows of sums after @used bytes of y.  Return: bytes used then. */
static uint64_t place(struct bitnpu_site *site, uint64_t used, uint32_t rows, uint32_t stride)
{
	site->y_offset = used;
	site->y_stride = stride;
	return used + (uint64_t)site->y_stride * rows;
}

static uint64_t place_head(struct bitnpu_session *s, uint32_t rows)
{
	uint64_t used = 0;

	for (uint32_t i = 0; i < s->head_slices; i++)
		used = place(&s->head[i], used, rows, sums_stride(&s->head[i]));
	return used;
}

int bitnpu_session_buffers(struct bitnpu_session *s, struct bitnpu_error *err)
{
	uint64_t x_bytes = (uint64_t)bitnpu_row_bytes(s->head[0].w->k, 1) * s->params.n_batch;
	uint64_t y_bytes = place_head(s, 1), rows = 1;
	int ret;

	for (uint32_t layer = 0; layer < s->model->info.n_layer; layer++) {
		uint64_t used[BITNPU_STAGES] = { 0 };

		for (int matrix = 0; matrix < BITNPU_MATRICES; matrix++) {
			struct bitnpu_site *sites = &s->sites[layer * BITNPU_MATRICES];
			struct bitnpu_site *site = &sites[matrix];
			const bool gated = bitnpu_stage_of(matrix) == BITNPU_STAGE_GATE_UP;
			uint64_t *stage = &used[bitnpu_stage_of(matrix)];
			uint64_t x = (uint64_t)bitnpu_row_bytes(site->w->k, 1) * s->params.n_batch;

			*stage = place(site, *stage, s->params.n_batch,
				       gated ? gate_stride(sites) : sums_stride(site));
			y_bytes = *stage > y_bytes ? *stage : y_bytes;
			x_bytes = x > x_bytes ? x : x_bytes;
		}
	}
	/* As many rows of the head as fit what the blocks need anyway. */
	while (rows < s->params.n_batch && place_head(s, rows + 1) <= y_bytes)
		rows++;
	s->head_rows = rows;
	place_head(s, rows);
	s->head_lists = calloc(s->head_rows, sizeof(struct bitnpu_cmdlist *));
	if (!s->head_lists)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	ret = bitnpu_bo_create(s->ctx, x_bytes, 0, &s->x, err);
	if (!ret)
		ret = bitnpu_bo_create(s->ctx, y_bytes, 0, &s->y, err);
	if (!ret)
		s->stats.device_bytes += bitnpu_bo_size(s->x) + bitnpu_bo_size(s->y);
	return ret;
}
