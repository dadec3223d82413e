// SPDX-License-Identifier: MIT
/* A session's memory on the device: where the model's matrices are, and the x and y buffers. */
#include <errno.h>
#include <stdlib.h>

#include "session.h"

static void set_site(struct bitnpu_site *site, const struct bitnpu_weights *w,
		     const struct bitnpu_matrix_address *address)
{
	site->w = w;
	site->w_addr = address->tiles;
	site->s_addr = address->scales;
}

int bitnpu_session_place(struct bitnpu_session *s, struct bitnpu_error *err)
{
	const struct bitnpu_model *model = s->model;
	size_t matrices = (size_t)model->info.n_layer * BITNPU_MATRICES;
	int ret = bitnpu_placement_get(s->model, s->dev, &s->placement, err);

	if (ret)
		return ret;
	s->ctx = s->placement->ctx;
	s->stats.weight_bytes = s->placement->weight_bytes;
	s->stats.device_bytes = s->placement->device_bytes;
	s->sites = calloc(matrices, sizeof(*s->sites));
	if (!s->sites)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	for (size_t i = 0; i < matrices; i++)
		set_site(&s->sites[i],
			 &model->layers[i / BITNPU_MATRICES].matrices[i % BITNPU_MATRICES],
			 &s->placement->addresses[i]);
	s->head_slices = s->placement->head_slices;
	for (uint32_t i = 0; i < s->head_slices; i++)
		set_site(&s->head[i], &s->placement->head_weights[i], &s->placement->head[i]);
	return 0;
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
