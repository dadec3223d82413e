// SPDX-License-Identifier: MIT
/* Submissions of a session, and what its trace callback sees of their results. */
#include <string.h>

#include "session.h"

int bitnpu_session_run(struct bitnpu_session *s, struct bitnpu_cmdlist *list,
		       struct bitnpu_error *err)
{
	uint64_t begin = bitnpu_now_ns();
	int ret = bitnpu_queue_run(s->queue, list, err);

	s->stats.submissions++;
	s->stats.device_ns += bitnpu_now_ns() - begin;
	if (ret)
		bitnpu_placement_fail(s->model, s->placement);
	return ret;
}

void bitnpu_trace(const struct bitnpu_session *s, int layer, const char *name,
		  enum bitnpu_element element, const void *data, size_t bytes)
{
	if (s->params.trace)
		s->params.trace(s->params.trace_user, layer, name, element, data, bytes);
}

enum bitnpu_element bitnpu_element_of(const struct bitnpu_weights *w)
{
	return w->output == BITNPU_Y_INT64 ? BITNPU_ELEMENT_INT64 : BITNPU_ELEMENT_INT32;
}

/* Rows are packed first. */
void bitnpu_trace_sums(const struct bitnpu_session *s, uint32_t layer, enum bitnpu_matrix matrix,
		       uint32_t rows, const unsigned char *y)
{
	const struct bitnpu_site *site = &s->sites[layer * BITNPU_MATRICES + matrix];
	size_t row_bytes = (size_t)site->w->n * bitnpu_sum_bytes(site->w);

	if (!s->params.trace)
		return;
	for (uint32_t row = 0; row < rows; row++)
		memcpy(s->trace_rows + row * row_bytes,
		       y + site->y_offset + (size_t)row * site->y_stride, row_bytes);
	bitnpu_trace(s, (int)layer, bitnpu_matrix_name(matrix), bitnpu_element_of(site->w),
		     s->trace_rows, rows * row_bytes);
}
