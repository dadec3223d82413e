/* SPDX-License-Identifier: MIT */
/* Byte-pair merges: the table of pairs, and merging a word.  A table is immutable once filled. */
#ifndef BITNPU_MERGES_H
#define BITNPU_MERGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct bitnpu_merges - hash table of pairs, open addressing
 * @slots: @mask + 1 of them, at most half in use; owned
 * @mask: number of slots less one
 * @seed: keys the hash, so that a file cannot choose collisions
 */
struct bitnpu_merges {
	struct bitnpu_merge *slots;
	size_t mask;
	uint64_t seed;
};

/** bitnpu_merges_init() - make room for @count pairs; -ENOMEM */
int bitnpu_merges_init(struct bitnpu_merges *merges, size_t count, uint64_t seed);
void bitnpu_merges_free(struct bitnpu_merges *merges);

/**
 * bitnpu_merges_add() - @left followed by @right becomes @result; lower ranks go first
 *
 * A pair that is there already keeps its rank.  No more pairs may be added than there is room for.
 */
void bitnpu_merges_add(struct bitnpu_merges *merges, uint32_t left, uint32_t right, uint32_t rank,
		       uint32_t result);
/** bitnpu_merges_find() - Return: false when @left and @right do not merge */
bool bitnpu_merges_find(const struct bitnpu_merges *merges, uint32_t left, uint32_t right,
			uint32_t *rank, uint32_t *result);

/**
 * struct bitnpu_word - room to merge a word in; all zero is empty
 * @tokens: room for @capacity tokens
 * @capacity: longest word so far, tokens
 * @links: neighbours of each token
 * @queue: pairs that may merge, a binary heap
 */
struct bitnpu_word {
	uint32_t *tokens;
	size_t capacity;
	struct bitnpu_word_link *links;
	struct bitnpu_word_pair *queue;
};

#define BITNPU_WORD_MAX (UINT32_C(1) << 30)

/** bitnpu_word_reserve() - make room for @count tokens, at most BITNPU_WORD_MAX; -ENOMEM */
int bitnpu_word_reserve(struct bitnpu_word *word, size_t count);
void bitnpu_word_free(struct bitnpu_word *word);

/**
 * bitnpu_word_merge() - apply the merges to @word->tokens until none applies
 * @word: its first @count tokens are those of the single bytes, then the result
 * @count: tokens now; room for them was reserved
 * @merges: the table
 *
 * The pair of lowest rank goes first, of equal ones the leftmost: O(count log count).
 * Return: tokens left.
 */
size_t bitnpu_word_merge(struct bitnpu_word *word, size_t count,
			 const struct bitnpu_merges *merges);

#endif /* BITNPU_MERGES_H */
