// SPDX-License-Identifier: MIT
/*
 * Byte-pair merges (Sennrich et al., arXiv:1508.07909) with a priority queue.
 *
 * The textbook loop looks for the best pair again after every merge, which is quadratic in the
 * length of a word; words have no upper bound in hostile text.
 */
#include <errno.h>
#include <stdlib.h>

#include <xxhash.h>

#include "merges.h"

#define NONE UINT32_MAX

struct bitnpu_merge {
	uint32_t left, right;	/* left is NONE in a free slot */
	uint32_t rank, result;
};

struct bitnpu_word_link {
	uint32_t prev, next;	/* NONE at the ends */
};

/* A pair as it was when it was queued; it is out of date once a token of it has changed. */
struct bitnpu_word_pair {
	uint64_t order;		/* rank << 32 | index of the left token */
	uint32_t left, right;	/* tokens */
	uint32_t result;
};

int bitnpu_merges_init(struct bitnpu_merges *merges, size_t count, uint64_t seed)
{
	size_t slots = 2;
	size_t i;

	while (slots < 2 * count)
		slots *= 2;
	merges->slots = calloc(slots, sizeof(*merges->slots));
	if (!merges->slots)
		return -ENOMEM;
	for (i = 0; i < slots; i++)
		merges->slots[i].left = NONE;
	merges->mask = slots - 1;
	merges->seed = seed;
	return 0;
}

void bitnpu_merges_free(struct bitnpu_merges *merges)
{
	free(merges->slots);
	merges->slots = NULL;
}

/* The slot of the pair, or the free one where it belongs. */
static struct bitnpu_merge *find_slot(const struct bitnpu_merges *merges, uint32_t left,
				      uint32_t right)
{
	uint64_t key = (uint64_t)left << 32 | right;
	size_t at = XXH3_64bits_withSeed(&key, sizeof(key), merges->seed) & merges->mask;

	for (;;) {
		struct bitnpu_merge *slot = &merges->slots[at];

		if (slot->left == NONE || (slot->left == left && slot->right == right))
			return slot;
		at = (at + 1) & merges->mask;
	}
}

void bitnpu_merges_add(struct bitnpu_merges *merges, uint32_t left, uint32_t right, uint32_t rank,
		       uint32_t result)
{
	struct bitnpu_merge *slot = find_slot(merges, left, right);

	if (slot->left == NONE)
		*slot = (struct bitnpu_merge){ left, right, rank, result };
}

bool bitnpu_merges_find(const struct bitnpu_merges *merges, uint32_t left, uint32_t right,
			uint32_t *rank, uint32_t *result)
{
	const struct bitnpu_merge *slot = find_slot(merges, left, right);

	if (slot->left == NONE)
		return false;
	*rank = slot->rank;
	*result = slot->result;
	return true;
}

void bitnpu_word_free(struct bitnpu_word *word)
{
	free(word->tokens);
	free(word->links);
	free(word->queue);
	*word = (struct bitnpu_word){ 0 };
}

int bitnpu_word_reserve(struct bitnpu_word *word, size_t count)
{
	size_t capacity = 64;

	if (count <= word->capacity)
		return 0;
	if (count > BITNPU_WORD_MAX)
		return -ENOMEM;
	while (capacity < count)
		capacity *= 2;
	bitnpu_word_free(word);
	word->tokens = calloc(capacity, sizeof(*word->tokens));
	word->links = calloc(capacity, sizeof(*word->links));
	/* One pair a token at first; each merge takes one out and puts at most two in. */
	word->queue = calloc(2 * capacity, sizeof(*word->queue));
	if (!word->tokens || !word->links || !word->queue) {
		bitnpu_word_free(word);
		return -ENOMEM;
	}
	word->capacity = capacity;
	return 0;
}

static void queue_push(struct bitnpu_word_pair *queue, size_t *length, struct bitnpu_word_pair pair)
{
	size_t at = (*length)++;

	while (at && pair.order < queue[(at - 1) / 2].order) {
		queue[at] = queue[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	queue[at] = pair;
}

static struct bitnpu_word_pair queue_pop(struct bitnpu_word_pair *queue, size_t *length)
{
	struct bitnpu_word_pair top = queue[0];
	struct bitnpu_word_pair last = queue[--(*length)];
	size_t at = 0, child;

	while ((child = 2 * at + 1) < *length) {
		if (child + 1 < *length && queue[child + 1].order < queue[child].order)
			child++;
		if (last.order <= queue[child].order)
			break;
		queue[at] = queue[child];
		at = child;
	}
	queue[at] = last;
	return top;
}

/* Queue the pair that starts at @left, if there is one and it merges. */
static void consider(struct bitnpu_word *word, size_t *length, const struct bitnpu_merges *merges,
		     uint32_t left)
{
	struct bitnpu_word_pair pair;
	uint32_t rank;

	if (left == NONE || word->links[left].next == NONE)
		return;
	pair.left = word->tokens[left];
	pair.right = word->tokens[word->links[left].next];
	if (!bitnpu_merges_find(merges, pair.left, pair.right, &rank, &pair.result))
		return;
	pair.order = (uint64_t)rank << 32 | left;
	queue_push(word->queue, length, pair);
}

size_t bitnpu_word_merge(struct bitnpu_word *word, size_t count, const struct bitnpu_merges *merges)
{
	uint32_t *tokens = word->tokens;
	struct bitnpu_word_link *links = word->links;
	size_t queued = 0, left_over = 0;
	uint32_t i;

	for (i = 0; i < count; i++) {
		links[i].prev = i ? i - 1 : NONE;
		links[i].next = i + 1 < count ? i + 1 : NONE;
	}
	for (i = 0; i < count; i++)
		consider(word, &queued, merges, i);

	while (queued) {
		struct bitnpu_word_pair pair = queue_pop(word->queue, &queued);
		uint32_t left = (uint32_t)pair.order;
		uint32_t right = links[left].next;

		if (tokens[left] != pair.left || right == NONE || tokens[right] != pair.right)
			continue;
		tokens[left] = pair.result;
		tokens[right] = NONE;
		links[left].next = links[right].next;
		if (links[left].next != NONE)
			links[links[left].next].prev = left;
		consider(word, &queued, merges, links[left].prev);
		consider(word, &queued, merges, left);
	}

	for (i = 0; i < count; i++) {
		if (tokens[i] != NONE)
			tokens[left_over++] = tokens[i];
	}
	return left_over;
}
