// SPDX-License-Identifier: MIT
/*
 * Choosing the next token.
 *
 * The order is llama.cpp's default: repeat penalty, top-k, top-p, min-p, and the temperature last,
 * so that it does not change which tokens are kept.  Sources: top-k, Fan et al., arXiv:1805.04833;
 * top-p, Holtzman et al., arXiv:1904.09751; min-p, Nguyen et al., arXiv:2407.01082; repeat penalty,
 * Keskar et al., arXiv:1909.05858; xoshiro256** and splitmix64, Blackman and Vigna,
 * arXiv:1805.01407.
 *
 * Everything is a fixed sequence of IEEE operations on floats and doubles with the pinned exponential, so
 * the same seed gives the same tokens on any machine.
 */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "error.h"
#include "hostops.h"

#define REPEAT_LAST_MAX (UINT32_C(1) << 20)
/* Logits are looked at by blocks, of which few hold one that can be chosen. */
#define BLOCK 64

/* A token that may be chosen. */
struct candidate {
	float logit;		/* never NaN nor +infinity */
	uint32_t token;
};

/**
 * struct bitnpu_sampler - parameters and what happened so far
 * @params: as given, top_k and top_p as small as they have an effect
 * @n_vocab: tokens
 * @random: state of xoshiro256**
 * @logits: of this token, penalized; NaN may be among them, +infinity not
 * @largest: of each block of @logits
 * @blocks: how many
 * @candidates: room for @n_vocab
 * @kept: likewise; those that survive, in order
 * @weights: of those kept
 * @recent: ring of params.repeat_last tokens
 * @recent_count: how many have been entered
 * @recent_next: where the next goes
 */
struct bitnpu_sampler {
	struct bitnpu_sampler_params params;
	uint32_t n_vocab;
	uint64_t random[4];
	float *logits, *largest;
	uint32_t blocks;
	struct candidate *candidates, *kept;
	float *weights;
	uint32_t *recent;
	uint32_t recent_count, recent_next;
};

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t rotate_left(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static uint64_t xoshiro256ss(uint64_t s[4])
{
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

static int check_range(struct bitnpu_error *err, const char *name, float value, float low,
		       float high)
{
	if (value >= low && value <= high)
		return 0;
	return bitnpu_fail(err, -EINVAL, "sampler: %s is %g, must be %g to %g", name, value, low,
			   high);
}

static int check_params(const struct bitnpu_sampler_params *params, uint32_t n_vocab,
			struct bitnpu_error *err)
{
	int ret;

	if (!n_vocab)
		return bitnpu_fail(err, -EINVAL, "sampler: n_vocab is 0");
	ret = check_range(err, "temperature", params->temperature, 0, FLT_MAX);
	if (!ret)
		ret = check_range(err, "top_p", params->top_p, 0, 1);
	if (!ret)
		ret = check_range(err, "min_p", params->min_p, 0, 1);
	if (!ret)
		ret = check_range(err, "repeat_penalty", params->repeat_penalty, 0, FLT_MAX);
	if (!ret && params->repeat_last > REPEAT_LAST_MAX)
		ret = bitnpu_fail(err, -EINVAL, "sampler: repeat_last is %u, at most %u",
				  params->repeat_last, REPEAT_LAST_MAX);
	return ret;
}

void bitnpu_sampler_destroy(struct bitnpu_sampler *sampler)
{
	if (!sampler)
		return;
	free(sampler->candidates);
	free(sampler->kept);
	free(sampler->weights);
	free(sampler->recent);
	free(sampler->largest);
	free(sampler->logits);
	free(sampler);
}

int bitnpu_sampler_create(const struct bitnpu_sampler_params *params, uint32_t n_vocab,
			  struct bitnpu_sampler **sampler, struct bitnpu_error *err)
{
	struct bitnpu_sampler *new;
	uint64_t seed = params->seed;
	int ret = check_params(params, n_vocab, err);
	int i;

	if (ret)
		return ret;
	new = calloc(1, sizeof(*new));
	if (!new)
		return bitnpu_fail(err, -ENOMEM, "sampler: out of memory");
	new->params = *params;
	new->n_vocab = n_vocab;
	if (new->params.top_k >= n_vocab)
		new->params.top_k = 0;
	if (new->params.repeat_penalty == 0 || new->params.repeat_penalty == 1)
		new->params.repeat_last = 0;
	for (i = 0; i < 4; i++)
		new->random[i] = splitmix64(&seed);
	new->candidates = calloc(n_vocab, sizeof(*new->candidates));
	new->kept = calloc(n_vocab, sizeof(*new->kept));
	new->weights = calloc(n_vocab, sizeof(*new->weights));
	new->recent = calloc((size_t)new->params.repeat_last + 1, sizeof(*new->recent));
	new->logits = calloc(n_vocab, sizeof(*new->logits));
	new->blocks = (n_vocab - 1) / BLOCK + 1;
	new->largest = calloc(new->blocks, sizeof(*new->largest));
	if (!new->candidates || !new->kept || !new->weights || !new->recent || !new->logits ||
	    !new->largest) {
		bitnpu_sampler_destroy(new);
		return bitnpu_fail(err, -ENOMEM, "sampler: out of memory for %u tokens", n_vocab);
	}
	*sampler = new;
	return 0;
}

void bitnpu_sampler_accept(struct bitnpu_sampler *sampler, uint32_t token)
{
	if (!sampler->params.repeat_last || token >= sampler->n_vocab)
		return;
	if (sampler->recent_count < sampler->params.repeat_last)
		sampler->recent_count++;
	sampler->recent[sampler->recent_next] = token;
	sampler->recent_next = (sampler->recent_next + 1) % sampler->params.repeat_last;
}

static uint32_t block_size(const struct bitnpu_sampler *sampler, uint32_t block)
{
	uint32_t left = sampler->n_vocab - block * BLOCK;

	return left < BLOCK ? left : BLOCK;
}

/* Return: the largest of all */
static float find_largest(struct bitnpu_sampler *sampler)
{
	const struct bitnpu_hostops *ops = bitnpu_hostops();

	for (uint32_t block = 0; block < sampler->blocks; block++)
		sampler->largest[block] = ops->maximum(sampler->logits + (size_t)block * BLOCK,
						       block_size(sampler, block));
	return ops->maximum(sampler->largest, sampler->blocks);
}

/* Penalize, and turn what overflows into the largest float.  Return: the largest of all */
static float prepare_logits(struct bitnpu_sampler *sampler, const float *logits)
{
	float penalty = sampler->params.repeat_penalty, max;

	memcpy(sampler->logits, logits, sampler->n_vocab * sizeof(*logits));
	/* A token that was used twice is penalized once: from what was given. */
	for (uint32_t i = 0; i < sampler->recent_count; i++) {
		uint32_t token = sampler->recent[i];

		sampler->logits[token] = logits[token] > 0 ? logits[token] / penalty :
							     logits[token] * penalty;
	}
	max = find_largest(sampler);
	if (max <= FLT_MAX)
		return max;
	for (uint32_t i = 0; i < sampler->n_vocab; i++)
		if (sampler->logits[i] > FLT_MAX)
			sampler->logits[i] = FLT_MAX;
	return find_largest(sampler);
}

/* The lowest token with the largest logit, 0 when there is none above -infinity. */
static uint32_t find_best(const struct bitnpu_sampler *sampler, float max)
{
	uint32_t i = 0;

	if (max == -INFINITY)
		return 0;
	while (sampler->largest[i / BLOCK] != max)
		i += BLOCK;
	while (sampler->logits[i] != max)
		i++;
	return i;
}

/*
 * Those with a logit of @least or more become candidates, in the order of their tokens; NaN is "never".
 * Return: how many.
 */
static uint32_t collect(struct bitnpu_sampler *sampler, float least)
{
	struct candidate *out = sampler->candidates;

	for (uint32_t block = 0; block < sampler->blocks; block++) {
		uint32_t first = block * BLOCK, end = first + block_size(sampler, block);

		if (sampler->largest[block] < least)
			continue;
		for (uint32_t i = first; i < end; i++) {
			float logit = isnan(sampler->logits[i]) ? -INFINITY : sampler->logits[i];

			if (logit >= least)
				*out++ = (struct candidate){ logit, i };
		}
	}
	return out - sampler->candidates;
}

/* A strict order of all candidates: of equal ones the lower token comes first. */
static bool before(struct candidate a, struct candidate b)
{
	return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

static void sift_down(struct candidate *heap, uint32_t count, uint32_t at)
{
	struct candidate moved = heap[at];
	uint64_t child;

	while ((child = 2 * (uint64_t)at + 1) < count) {
		if (child + 1 < count && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], moved))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

/* Candidates in order of falling logit; only as many as are asked for are ever sorted. */
struct queue {
	struct candidate *heap;
	uint32_t count;
};

static void queue_init(struct queue *queue, struct candidate *candidates, uint32_t count)
{
	uint32_t at;

	queue->heap = candidates;
	queue->count = count;
	for (at = count / 2; at--;)
		sift_down(candidates, count, at);
}

static struct candidate queue_pop(struct queue *queue)
{
	struct candidate top = queue->heap[0];

	queue->heap[0] = queue->heap[--queue->count];
	if (queue->count)
		sift_down(queue->heap, queue->count, 0);
	return top;
}

/* Sum of exp(logit - max) over the candidates that top-k leaves, in the order they are in. */
static double total_weight(const struct candidate *candidates, uint32_t count, float max)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		sum += bitnpu_hostops()->exp(candidates[i].logit - max);
	return sum;
}

/*
 * A logit that nothing below can be kept by top-k and min-p: the k largest blocks hold k logits not
 * below the least of their largest; and weights fall with logits.
 */
static float least_kept(struct bitnpu_sampler *sampler, float max)
{
	const struct bitnpu_sampler_params *params = &sampler->params;
	struct candidate last = { .logit = -INFINITY };
	struct queue queue;

	if (!params->top_k) {
		/* top-p asks for the weight of all.  The margin is beyond any libm's error. */
		if (params->min_p == 0 || (params->top_p > 0 && params->top_p < 1))
			return -INFINITY;
		return max + logf(params->min_p) - 0.01f - fabsf(max) * 1e-6f;
	}
	if (params->top_k > sampler->blocks)
		return -INFINITY;
	for (uint32_t block = 0; block < sampler->blocks; block++)
		sampler->candidates[block] = (struct candidate){ sampler->largest[block], block };
	queue_init(&queue, sampler->candidates, sampler->blocks);
	for (uint32_t i = 0; i < params->top_k; i++)
		last = queue_pop(&queue);
	return last.logit;
}

/*
 * Fill @kept with what top-k, top-p and min-p leave, the most likely first.
 * Return: how many, at least 1.
 */
static uint32_t keep(struct bitnpu_sampler *sampler, float max)
{
	const struct bitnpu_sampler_params *params = &sampler->params;
	uint32_t found = collect(sampler, least_kept(sampler, max));
	uint32_t limit = params->top_k ? params->top_k : found;
	bool by_share = params->top_p > 0 && params->top_p < 1;
	struct candidate *kept = sampler->kept;
	double enough = INFINITY, sum = 0;
	struct queue queue;
	uint32_t count = 0, i;

	if (by_share && !params->top_k)
		enough = params->top_p * total_weight(sampler->candidates, limit, max);
	queue_init(&queue, sampler->candidates, found);
	if (params->top_k) {
		for (i = 0; i < limit; i++)
			kept[i] = queue_pop(&queue);
		if (by_share)
			enough = params->top_p * total_weight(kept, limit, max);
	}
	while (count < limit) {
		struct candidate next = params->top_k ? kept[count] : queue_pop(&queue);
		float weight = bitnpu_hostops()->exp(next.logit - max);

		if (count && (weight < params->min_p || sum >= enough))
			break;
		kept[count++] = next;
		sum += weight;
	}
	return count;
}

/* One of @count candidates, in proportion to exp(logit / temperature). */
static uint32_t draw(struct bitnpu_sampler *sampler, const struct candidate *from, uint32_t count,
		     float max)
{
	double sum = 0, target;
	uint32_t chosen = 0, i;

	for (i = 0; i < count; i++)
		sampler->weights[i] = from[i].logit;
	bitnpu_hostops()->weigh(sampler->weights, count, max, sampler->params.temperature);
	for (i = 0; i < count; i++)
		sum += sampler->weights[i];
	/* 53 random bits: uniform in [0, 1) */
	target = (double)(xoshiro256ss(sampler->random) >> 11) * 0x1p-53 * sum;
	for (i = 0; i < count; i++) {
		if (sampler->weights[i] == 0)
			continue;
		chosen = i;
		target -= sampler->weights[i];
		if (target < 0)
			break;
	}
	return from[chosen].token;
}

uint32_t bitnpu_sampler_next(struct bitnpu_sampler *sampler, const float *logits)
{
	const struct bitnpu_sampler_params *params = &sampler->params;
	float max = prepare_logits(sampler, logits);

	if (params->temperature == 0 || max == -INFINITY)
		return find_best(sampler, max);
	if (!params->top_k && !params->min_p && (params->top_p == 0 || params->top_p == 1))
		return draw(sampler, sampler->candidates, collect(sampler, -INFINITY), max);
	return draw(sampler, sampler->kept, keep(sampler, max), max);
}
