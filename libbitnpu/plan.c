// SPDX-License-Identifier: MIT
/*
 * Plans: the command lists of a step, by number of tokens.  Matmuls that read the same activations
 * share a list, without barriers between them, so an engine may run them at once.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#include "session.h"

enum bitnpu_stage bitnpu_stage_of(enum bitnpu_matrix matrix)
{
	switch (matrix) {
	case BITNPU_ATTN_Q:
	case BITNPU_ATTN_K:
	case BITNPU_ATTN_V:
		return BITNPU_STAGE_QKV;
	case BITNPU_ATTN_OUT:
		return BITNPU_STAGE_ATTN_OUT;
	case BITNPU_FFN_GATE:
	case BITNPU_FFN_UP:
		return BITNPU_STAGE_GATE_UP;
	default:
		return BITNPU_STAGE_DOWN;
	}
}

struct bitnpu_cmd_matmul bitnpu_matmul_of(const struct bitnpu_session *s,
					  const struct bitnpu_site *site, uint32_t m)
{
	const struct bitnpu_weights *w = site->w;

	return (struct bitnpu_cmd_matmul){
		.opcode = BITNPU_OP_MATMUL,
		.weight_format = w->format,
		.output_format = w->output,
		.m = htole32(m),
		.n = htole32(w->n),
		.k = htole32(w->k),
		.x_addr = htole64(bitnpu_bo_address(s->x)),
		.w_addr = htole64(site->w_addr),
		.s_addr = htole64(site->s_addr),
		.y_addr = htole64(bitnpu_bo_address(s->y) + site->y_offset),
		.x_stride = htole32(bitnpu_row_bytes(w->k, 1)),
		.y_stride = htole32(site->y_stride),
		.group_shift = w->group_shift,
	};
}

static int build_stage(struct bitnpu_session *s, uint32_t layer, enum bitnpu_stage stage,
		       uint32_t m, struct bitnpu_cmdlist **list, struct bitnpu_error *err)
{
	struct bitnpu_cmd_matmul cmds[BITNPU_MATRICES];
	size_t count = 0;

	for (int matrix = 0; matrix < BITNPU_MATRICES; matrix++)
		if (bitnpu_stage_of(matrix) == stage)
			cmds[count++] = bitnpu_matmul_of(
				s, &s->sites[layer * BITNPU_MATRICES + matrix], m);
	return bitnpu_cmdlist_create(s->ctx, cmds, count * sizeof(cmds[0]), list, err);
}

void bitnpu_lists_free(struct bitnpu_lists *lists)
{
	for (size_t i = 0; i < lists->count; i++)
		bitnpu_cmdlist_destroy(lists->list[i]);
	free(lists->list);
	*lists = (struct bitnpu_lists){ 0 };
}

static void free_plan(struct bitnpu_plan *plan)
{
	bitnpu_lists_free(&plan->lists);
	bitnpu_lists_free(&plan->with_head);
	bitnpu_bo_destroy(plan->input);
	*plan = (struct bitnpu_plan){ 0 };
}

static int build_plan(struct bitnpu_session *s, uint32_t m, struct bitnpu_plan *plan,
		      struct bitnpu_error *err)
{
	size_t count = (size_t)s->model->info.n_layer * BITNPU_STAGES;
	struct bitnpu_lists *lists = &plan->lists;
	int ret = 0;

	lists->list = calloc(count, sizeof(struct bitnpu_cmdlist *));
	if (!lists->list)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	for (; !ret && lists->count < count; lists->count += !ret)
		ret = build_stage(s, lists->count / BITNPU_STAGES, lists->count % BITNPU_STAGES, m,
				  &lists->list[lists->count], err);
	if (ret)
		free_plan(plan);
	else
		plan->m = m;
	return ret;
}

int bitnpu_plan_head(struct bitnpu_session *s, uint32_t rows, struct bitnpu_cmdlist **list,
		     struct bitnpu_error *err)
{
	struct bitnpu_cmd_matmul cmds[BITNPU_MAX_SLICES];
	int ret = 0;

	for (uint32_t i = 0; i < s->head_slices; i++)
		cmds[i] = bitnpu_matmul_of(s, &s->head[i], rows);
	if (!s->head_lists[rows - 1])
		ret = bitnpu_cmdlist_create(s->ctx, cmds, s->head_slices * sizeof(cmds[0]),
					    &s->head_lists[rows - 1], err);
	*list = s->head_lists[rows - 1];
	return ret;
}

/* A plan of one token or a whole batch is never given up for a remainder's. */
static bool is_kept(const struct bitnpu_session *s, const struct bitnpu_plan *plan)
{
	return plan->m == 1 || plan->m == s->params.n_batch;
}

struct bitnpu_plan *bitnpu_plan_find(struct bitnpu_session *s, uint32_t m)
{
	struct bitnpu_plan *oldest = NULL;

	for (int i = 0; i < BITNPU_PLANS; i++) {
		struct bitnpu_plan *plan = &s->plans[i];

		if (plan->m == m)
			return plan;
		if (!is_kept(s, plan) && (!oldest || plan->last_use < oldest->last_use))
			oldest = plan;
	}
	free_plan(oldest);
	return oldest;
}

int bitnpu_plan_get(struct bitnpu_session *s, uint32_t m, const struct bitnpu_plan **out,
		    struct bitnpu_error *err)
{
	struct bitnpu_plan *plan = bitnpu_plan_find(s, m);
	int ret = plan->m ? 0 : build_plan(s, m, plan, err);

	if (ret)
		return ret;
	plan->last_use = ++s->uses;
	*out = plan;
	return 0;
}

void bitnpu_plan_free_all(struct bitnpu_session *s)
{
	for (int i = 0; i < BITNPU_PLANS; i++)
		free_plan(&s->plans[i]);
	for (uint32_t i = 0; s->head_lists && i < s->head_rows; i++)
		bitnpu_cmdlist_destroy(s->head_lists[i]);
	free(s->head_lists);
}
