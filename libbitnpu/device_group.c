// SPDX-License-Identifier: MIT
/*
 * Groups: the next tokens of several sequences in one list on the device, which reads the weights once
 * for all of them.  The list names every member's KV cache, so that it lasts as long as all stay.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device_step.h"

/* The lists hold the members' caches: they go with the first to leave. */
static void release(struct bitnpu_device_group *group)
{
	bitnpu_lists_free(&group->lists);
	bitnpu_bo_destroy(group->logits);
	bitnpu_bo_destroy(group->input);
	group->logits = NULL;
	group->input = NULL;
}

static void destroy(struct bitnpu_device_group *group)
{
	release(group);
	pthread_mutex_destroy(&group->lock);
	free(group);
}

void bitnpu_device_group_leave(struct bitnpu_session *s)
{
	struct bitnpu_device_group *group = s->group;
	bool last;

	if (!group)
		return;
	s->group = NULL;
	pthread_mutex_lock(&group->lock);
	release(group);
	last = --group->left == 0;
	pthread_mutex_unlock(&group->lock);
	if (last)
		destroy(group);
}

static int build(struct bitnpu_device_group *group, struct bitnpu_error *err)
{
	struct bitnpu_session *first = group->members[0];
	struct bitnpu_batch batch = {
		.members = group->members,
		.sequences = group->count,
		.rows = 1,
	};
	int ret = bitnpu_device_input_create(first, group->count, &group->input, err);

	if (!ret)
		ret = bitnpu_bo_create(first->ctx, (uint64_t)group->count * bitnpu_logits_stride(first),
				       0, &group->logits, err);
	if (ret)
		return ret;
	batch.input = bitnpu_bo_address(group->input);
	batch.logits = bitnpu_bo_address(group->logits);
	return bitnpu_device_lists_build(&batch, true, &group->lists, err);
}

static int create(struct bitnpu_session *const *members, uint32_t count,
		  struct bitnpu_device_group **out, struct bitnpu_error *err)
{
	struct bitnpu_device_group *group = calloc(1, sizeof(*group) + count * sizeof(*members));
	int ret;

	if (!group)
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	if (pthread_mutex_init(&group->lock, NULL)) {
		free(group);
		return bitnpu_fail(err, -ENOMEM, "session: out of memory");
	}
	group->count = count;
	memcpy(group->members, members, count * sizeof(*members));
	ret = build(group, err);
	if (ret) {
		destroy(group);
		return ret;
	}
	*out = group;
	return 0;
}

/* A group is what it was as long as all of its members say so. */
static bool is_group(const struct bitnpu_device_group *group, struct bitnpu_session *const *members,
		     uint32_t count)
{
	if (!group || group->count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (members[i]->group != group || group->members[i] != members[i])
			return false;
	return true;
}

int bitnpu_device_group_get(struct bitnpu_session *const *members, uint32_t count,
			    struct bitnpu_device_group **out, struct bitnpu_error *err)
{
	struct bitnpu_device_group *group = members[0]->group;
	int ret;

	if (is_group(group, members, count)) {
		*out = group;
		return 0;
	}
	for (uint32_t i = 0; i < count; i++)
		bitnpu_device_group_leave(members[i]);
	ret = create(members, count, &group, err);
	if (ret)
		return ret;
	group->left = count;
	for (uint32_t i = 0; i < count; i++)
		members[i]->group = group;
	*out = group;
	return 0;
}
