// SPDX-License-Identifier: MIT
/*
 * Measures candidate physical layouts of ternary weights, the numbers behind the choice in
 * docs/packed-format.md (table in docs/performance.md).
 *
 * Each candidate is a GEMV y[n] = sum over k of x[k] * w[n][k] over a set of matrices larger than the
 * last-level cache, on the host's SIMD unit and on OpenCL.  Candidates and a pure reading loop take
 * turns, so that a noisy neighbour hurts all alike; medians over the rounds are printed.
 */
#include "layouts.h"
#include "opencl.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_THREADS 64
#define MAX_ROUNDS 101

struct options {
	unsigned int n, k, threads, rounds;
	size_t megabytes;
	bool opencl;
};

struct measurement {
	double seconds[MAX_ROUNDS];
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(struct measurement *m, unsigned int rounds)
{
	qsort(m->seconds, rounds, sizeof(double), compare_doubles);
	return m->seconds[rounds / 2];
}

struct share {
	const struct layout *layout;
	const unsigned char *weights;
	size_t matrix_bytes;
	unsigned int matrices, n, k, thread, threads;
	const struct layout_input *input;
	int32_t *y;
	uint64_t sum;
};

/* Whole tiles of the largest candidate (32 rows) go to one thread. */
static void *run_share(void *argument)
{
	struct share *s = argument;
	const unsigned int blocks = s->n / 32;
	const unsigned int first = blocks * s->thread / s->threads * 32;
	const unsigned int last = blocks * (s->thread + 1) / s->threads * 32;

	for (unsigned int i = 0; i < s->matrices; i++) {
		const unsigned char *w = s->weights + i * s->matrix_bytes;

		if (s->layout)
			s->layout->gemv(w, s->input, s->k, first, last, s->y);
		else
			s->sum += layout_read(w + s->matrix_bytes / s->n * first,
					      s->matrix_bytes / s->n * (last - first));
	}
	return NULL;
}

static double timed_run(struct share *shares, unsigned int threads)
{
	pthread_t handles[MAX_THREADS];
	const double start = now();

	for (unsigned int t = 1; t < threads; t++)
		if (pthread_create(&handles[t], NULL, run_share, &shares[t]))
			exit(1);
	run_share(&shares[0]);
	for (unsigned int t = 1; t < threads; t++)
		pthread_join(handles[t], NULL);
	return now() - start;
}

/**
 * struct candidate - a layout, measured
 * @layout: which; NULL is the reading loop
 * @weights: @matrices copies of a matrix of @matrix_bytes
 * @y: result
 * @host: times on the host
 * @opencl: times on OpenCL
 */
struct candidate {
	const struct layout *layout;
	unsigned char *weights;
	size_t matrix_bytes;
	unsigned int matrices;
	int32_t *y;
	struct measurement host, opencl;
};

static double run_host(struct candidate *c, const struct options *o,
		       const struct layout_input *input)
{
	struct share shares[MAX_THREADS];

	for (unsigned int t = 0; t < o->threads; t++)
		shares[t] = (struct share){ c->layout, c->weights, c->matrix_bytes, c->matrices,
					    o->n, o->k, t, o->threads, input, c->y, 0 };
	return timed_run(shares, o->threads);
}

static double run_opencl(struct candidate *c, struct opencl *cl, const struct layout_input *input,
			 unsigned int matrices)
{
	const double start = now();

	if (opencl_run(cl, c->layout, input, c->weights, c->matrix_bytes, matrices))
		return -1;
	return now() - start;
}

static int check(struct candidate *c, const struct options *o, const int32_t *expected,
		 const char *where)
{
	if (!memcmp(c->y, expected, o->n * sizeof(*expected)))
		return 0;
	fprintf(stderr, "layout-bench: %s computes a wrong result on %s\n", c->layout->name, where);
	return -EBADMSG;
}

static int candidate_init(struct candidate *c, const struct options *o, const int8_t *codes,
			  const struct layout_input *input, const int32_t *expected)
{
	const double bits = c->layout ? c->layout->bits : 2;

	c->matrix_bytes = c->layout ? c->layout->bytes(o->n, o->k) : (size_t)o->n * o->k / 4;
	c->matrices = o->megabytes * 1000000 / ((double)o->n * o->k * bits / 8) + 1;
	c->weights = aligned_alloc(4096, (c->matrix_bytes * c->matrices + 4095) & ~(size_t)4095);
	c->y = aligned_alloc(4096, (o->n * sizeof(*c->y) + 4095) & ~(size_t)4095);
	if (!c->weights || !c->y)
		return -ENOMEM;
	memset(c->weights, 0, c->matrix_bytes);
	if (c->layout) {
		c->layout->encode(codes, o->n, o->k, c->weights);
		c->layout->gemv(c->weights, input, o->k, 0, o->n, c->y);
		if (check(c, o, expected, "the host"))
			return -EBADMSG;
	}
	for (unsigned int i = 1; i < c->matrices; i++)
		memcpy(c->weights + i * c->matrix_bytes, c->weights, c->matrix_bytes);
	return 0;
}

static void print_row(const struct candidate *c, const struct options *o, const char *where,
		      double seconds, double roof)
{
	const double gbps = (double)c->matrix_bytes * c->matrices / seconds * 1e-9;

	printf("%-8s %-32s", where, c->layout ? c->layout->name : "reading loop, the limit");
	if (c->layout)
		printf(" %4.1f %7.2f %6.0f %% %10.1f\n", c->layout->bits, gbps,
		       100 * gbps / roof, (double)o->n * o->k * c->matrices / seconds * 1e-9);
	else
		printf(" %4s %7.2f %6.0f %%\n", "", gbps, 100 * gbps / roof);
}

/* One turn of everything, so that what disturbs the machine disturbs all alike. */
static int run_round(struct candidate *c, const struct options *o, struct opencl *cl,
		     const struct layout_input *input, unsigned int round)
{
	for (unsigned int i = 0; i <= layout_count; i++) {
		c[i].host.seconds[round] = run_host(&c[i], o, input);
		if (!cl || !i)
			continue;
		c[i].opencl.seconds[round] = run_opencl(&c[i], cl, input, c[i].matrices);
		if (c[i].opencl.seconds[round] < 0)
			return -EIO;
	}
	return 0;
}

static void print_table(struct candidate *c, const struct options *o, bool opencl)
{
	const double limit = median(&c[0].host, o->rounds);
	const double roof = (double)c[0].matrix_bytes * c[0].matrices / limit * 1e-9;

	printf("%u x %u, %u host threads, medians of %u rounds\n", o->n, o->k, o->threads,
	       o->rounds);
	printf("%-8s %-32s %4s %7s %8s %10s\n", "where", "layout", "bits", "GB/s", "of limit",
	       "Gweights/s");
	for (unsigned int i = 0; i <= layout_count; i++)
		print_row(&c[i], o, "host", i ? median(&c[i].host, o->rounds) : limit, roof);
	for (unsigned int i = 1; opencl && i <= layout_count; i++)
		print_row(&c[i], o, "OpenCL", median(&c[i].opencl, o->rounds), roof);
}

static int compare_layouts(const struct options *o, const int8_t *codes,
			   const struct layout_input *input, const int32_t *expected)
{
	struct candidate *c = calloc(layout_count + 1, sizeof(*c));
	int ret = c ? 0 : -ENOMEM;

	for (unsigned int i = 0; !ret && i <= layout_count; i++) {
		c[i].layout = i ? &layouts[i - 1] : NULL;
		ret = candidate_init(&c[i], o, codes, input, expected);
	}
	for (unsigned int i = 1; !ret && o->opencl && i <= layout_count; i++) {
		struct opencl *cl = opencl_open(input, o->n, c[i].y);

		memset(c[i].y, 0, o->n * sizeof(*c[i].y));
		ret = cl && run_opencl(&c[i], cl, input, 1) >= 0 ? 0 : -EIO;
		if (!ret)
			ret = check(&c[i], o, expected, "OpenCL");
		if (cl)
			opencl_close(cl);
	}
	if (!ret) {
		struct opencl *cl = o->opencl ? opencl_open(input, o->n, c[0].y) : NULL;

		for (unsigned int r = 0; !ret && r < o->rounds; r++)
			ret = run_round(c, o, cl, input, r);
		if (!ret)
			print_table(c, o, cl);
		if (cl)
			opencl_close(cl);
	}
	for (unsigned int i = 0; c && i <= layout_count; i++) {
		free(c[i].weights);
		free(c[i].y);
	}
	free(c);
	return ret;
}

static void usage(FILE *to)
{
	fprintf(to, "Usage: layout-bench [--rows N] [--columns K] [--threads T] [--rounds R]\n"
		    "                    [--megabytes MB] [--no-opencl]\n"
		    "Compares physical layouts of ternary weights in a GEMV.  N and K are multiples of\n"
		    "640; defaults: 2560 x 6400, 2 threads, 9 rounds, 256 MB a candidate.\n");
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "rows", required_argument, NULL, 'n' },
		{ "columns", required_argument, NULL, 'k' },
		{ "threads", required_argument, NULL, 't' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "megabytes", required_argument, NULL, 'm' },
		{ "no-opencl", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "n:k:t:r:m:ch", longs, NULL)) != -1) {
		const unsigned long value = optarg ? strtoul(optarg, NULL, 10) : 0;

		switch (c) {
		case 'n':
			o->n = value;
			break;
		case 'k':
			o->k = value;
			break;
		case 't':
			o->threads = value;
			break;
		case 'r':
			o->rounds = value;
			break;
		case 'm':
			o->megabytes = value;
			break;
		case 'c':
			o->opencl = false;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return -EINVAL;
		}
	}
	if (optind != argc || !o->n || o->n % 640 || !o->k || o->k % 640 || o->k > 65536 ||
	    !o->threads || o->threads > MAX_THREADS || !o->rounds || o->rounds > MAX_ROUNDS ||
	    !o->megabytes)
		return -EINVAL;
	return 0;
}

static void fill(const struct options *o, int8_t *codes, int8_t *x, int32_t *expected)
{
	srandom(1);
	for (size_t i = 0; i < (size_t)o->n * o->k; i++)
		codes[i] = random() % 3 - 1;
	for (unsigned int i = 0; i < o->k; i++)
		x[i] = random() % 256 - 128;
	for (unsigned int n = 0; n < o->n; n++)
		for (unsigned int k = 0; k < o->k; k++)
			expected[n] += x[k] * codes[(size_t)n * o->k + k];
}

int main(int argc, char **argv)
{
	struct options o = { .n = 2560, .k = 6400, .threads = 2, .rounds = 9, .megabytes = 256,
			     .opencl = true };
	struct layout_input input;
	int32_t *expected;
	int8_t *codes, *x;
	int ret;

	if (parse(argc, argv, &o)) {
		usage(stderr);
		return 2;
	}
	if (!layouts_supported()) {
		fprintf(stderr, "layout-bench: this CPU has no AVX2\n");
		return 1;
	}
	codes = malloc((size_t)o.n * o.k);
	x = aligned_alloc(4096, (o.k + 4095) & ~4095u);
	expected = calloc(o.n, sizeof(*expected));
	ret = codes && x && expected ? 0 : -ENOMEM;
	if (ret)
		goto out;
	fill(&o, codes, x, expected);
	ret = layout_input_init(&input, x, o.k);
	if (ret)
		goto out;
	ret = compare_layouts(&o, codes, &input, expected);
	layout_input_free(&input);
out:
	free(expected);
	free(x);
	free(codes);
	if (ret)
		fprintf(stderr, "layout-bench: %s\n", strerror(-ret));
	return ret ? 1 : 0;
}
