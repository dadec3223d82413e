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

#include "error.h"
#include "hostops.h"

#define REPEAT_LAST_MAX (UINT32_C(1) << 20)

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
 * @candidates: room for @n_vocab
 * @kept: likewise; those that survive, in order
 * @weights: of those kept
 * @recent: ring of params.repeat_last tokens
 * @recent_count: how many have been entered
 * @recent_next: where the next goes
 * @uses: how often each token is in the ring
 */
struct bitnpu_sampler {
	struct bitnpu_sampler_params params;
	uint32_t n_vocab;
	uint64_t random[4];
	struct candidate *candidates, *kept;
	float *weights;
	uint32_t *recent;
	uint32_t recent_count, recent_next;
	uint32_t *uses;
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
	free(sampler->uses);
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
	new->uses = calloc(n_vocab, sizeof(*new->uses));
	if (!new->candidates || !new->kept || !new->weights || !new->recent || !new->uses) {
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
	if (sampler->recent_count == sampler->params.repeat_last)
		sampler->uses[sampler->recent[sampler->recent_next]]--;
	else
		sampler->recent_count++;
	sampler->recent[sampler->recent_next] = token;
	sampler->uses[token]++;
	sampler->recent_next = (sampler->recent_next + 1) % sampler->params.repeat_last;
}

/* Penalize, and turn NaN into "never" and what overflows into the largest float. */
static float prepare_logit(const struct bitnpu_sampler *sampler, uint32_t token, float logit)
{
	float penalty = sampler->params.repeat_penalty;

	if (sampler->uses[token])
		logit = logit > 0 ? logit / penalty : logit * penalty;
	if (isnan(logit))
		return -INFINITY;
	return logit > FLT_MAX ? FLT_MAX : logit;
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
 * Fill @kept with what top-k, top-p and min-p leave, the most likely first.
 * Return: how many, at least 1.
 */
static uint32_t keep(struct bitnpu_sampler *sampler, float max)
{
	const struct bitnpu_sampler_params *params = &sampler->params;
	struct candidate *kept = sampler->kept;
	uint32_t limit = params->top_k ? params->top_k : sampler->n_vocab;
	bool by_share = params->top_p > 0 && params->top_p < 1;
	double enough = INFINITY, sum = 0;
	struct queue queue;
	uint32_t count = 0, i;

	if (by_share && !params->top_k)
		enough = params->top_p * total_weight(sampler->candidates, limit, max);
	queue_init(&queue, sampler->candidates, sampler->n_vocab);
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

	for (i = 0; i < count; i++) {
		sampler->weights[i] =
			bitnpu_hostops()->exp((from[i].logit - max) / sampler->params.temperature);
		sum += sampler->weights[i];
	}
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
	struct candidate *candidates = sampler->candidates;
	uint32_t best = 0, i;
	float max;

	for (i = 0; i < sampler->n_vocab; i++) {
		candidates[i].logit = prepare_logit(sampler, i, logits[i]);
		candidates[i].token = i;
		if (candidates[i].logit > candidates[best].logit)
			best = i;
	}
	max = candidates[best].logit;
	if (params->temperature == 0 || max == -INFINITY)
		return best;
	if (!params->top_k && !params->min_p && (params->top_p == 0 || params->top_p == 1))
		return draw(sampler, candidates, sampler->n_vocab, max);
	return draw(sampler, sampler->kept, keep(sampler, max), max);
}
