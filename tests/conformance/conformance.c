// SPDX-License-Identifier: MIT
/*
 * Conformance: does a device execute the command set as it is written?
 *
 * Every case is computed element by element by tests/support/plain_matmul.c, which shares nothing
 * with any engine, and all memory is compared with memcmp, on the device under test and on golden.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "groups.h"
#include "vectors.h"

const struct group groups[] = {
	{ "edge shapes, ternary to int32", group_edges, 0, false },
	{ "edge shapes, binary to int32", group_edges, 1, false },
	{ "edge shapes, int8 to int32", group_edges, 2, false },
	{ "edge shapes, ternary to int64", group_edges, 3, false },
	{ "edge shapes, binary to int64", group_edges, 4, false },
	{ "edge shapes, int8 to int64", group_edges, 5, false },
	{ "random shapes, ternary to int32", group_random, 0, false },
	{ "random shapes, binary to int32", group_random, 1, false },
	{ "random shapes, int8 to int32", group_random, 2, false },
	{ "random shapes, ternary to int64", group_random, 3, false },
	{ "random shapes, binary to int64", group_random, 4, false },
	{ "random shapes, int8 to int64", group_random, 5, false },
	{ "every group size, ternary", group_shifts, BITNPU_W_TERNARY, false },
	{ "every group size, binary", group_shifts, BITNPU_W_BINARY, false },
	{ "every group size, int8", group_shifts, BITNPU_W_INT8, false },
	{ "long rows, ternary", group_long, BITNPU_W_TERNARY, false },
	{ "long rows, binary", group_long, BITNPU_W_BINARY, false },
	{ "long rows, int8", group_long, BITNPU_W_INT8, false },
	{ "extreme values, ternary", group_extremes, BITNPU_W_TERNARY, false },
	{ "extreme values, binary", group_extremes, BITNPU_W_BINARY, false },
	{ "extreme values, int8", group_extremes, BITNPU_W_INT8, false },
	{ "special rows, ternary", group_special_rows, BITNPU_W_TERNARY, false },
	{ "special rows, binary", group_special_rows, BITNPU_W_BINARY, false },
	{ "special rows, int8", group_special_rows, BITNPU_W_INT8, false },
	{ "many commands in a list", group_many_commands, 0, false },
	{ "commands that depend on each other", group_barriers, 0, false },
	{ "rows normalized and quantized", group_norm_quantize, 0, false },
	{ "int32 sums to floats", group_scale, BITNPU_IN_INT32, false },
	{ "int64 sums to floats", group_scale, BITNPU_IN_INT64, false },
	{ "sums of four slices to floats", group_scale, BITNPU_IN_INT7, false },
	{ "heads to floats", group_heads, 0, false },
	{ "heads rotated", group_heads, BITNPU_HEADS_ROTATE, false },
	{ "heads into a cache", group_heads, BITNPU_HEADS_CACHE, false },
	{ "heads rotated into a cache", group_heads, BITNPU_HEADS_ROTATE | BITNPU_HEADS_CACHE,
	  false },
	{ "attention", group_attention, 0, false },
	{ "gates", group_gate, 0, false },
	{ "blocks of a model", group_block, 0, false },
	{ "refused float commands", group_float_refusals, 0, false },
	{ "refused lists", group_refusals, 0, false },
	{ "lists in flight", group_lists_in_flight, 0, true },
	{ "a list many times", group_resubmission, 0, true },
	{ "spoiled lists as golden sees them", group_mutations, 0, true },
	{ "vectors written and read back", group_vectors, 0, true },
	{ NULL, NULL, 0, false },
};

struct options {
	uint64_t seed;
	uint32_t cases;
	bool quick;
	const char *device, *write_dir, *read_dir;
};

static uint32_t group_count(void)
{
	uint32_t count = 0;

	while (groups[count].name)
		count++;
	return count;
}

static void bench_init(struct bench *b, const struct options *options, uint32_t group)
{
	*b = (struct bench){
		.cases = options->cases,
		.quick = options->quick,
		/* Its own random numbers: a group gives the same cases alone or among others. */
		.random.state = options->seed + group * UINT64_C(0x632be59bd9b4e019),
	};
}

/* Return: whether all passed.  @first is the number of tests reported before. */
static bool run_device(const char *name, const struct options *options, uint32_t first)
{
	const bool is_golden = strcmp(name, "golden") == 0;
	struct runner device, golden;
	bool good = true;

	runner_open(&device, name);
	if (!is_golden)
		runner_open(&golden, "golden");
	printf("# %s: %s (%s)\n", name, bitnpu_device_get_info(device.dev)->description,
	       bitnpu_device_get_info(device.dev)->detail);
	for (uint32_t i = 0; groups[i].name; i++) {
		const char *wrong;
		struct bench b;

		bench_init(&b, options, i);
		b.device = &device;
		b.golden = is_golden ? NULL : &golden;
		wrong = groups[i].run(&b, groups[i].param);
		if (wrong)
			printf("# %s\n", wrong);
		printf("%sok %u - %s: %s\n", wrong ? "not " : "", first + i + 1, name,
		       groups[i].name);
		fflush(stdout);
		good = good && !wrong;
	}
	runner_close(&device);
	if (!is_golden)
		runner_close(&golden);
	return good;
}

static int run_devices(const struct options *options)
{
	struct bitnpu_device_info *list = NULL;
	struct bitnpu_error err;
	size_t count = 1;
	bool good = true;

	if (!options->device && bitnpu_device_list(&list, &count, &err))
		bail_out("%s", err.message);
	printf("1..%zu\n", count * group_count());
	for (size_t i = 0; i < count; i++)
		good = run_device(list ? list[i].name : options->device, options,
				  i * group_count()) && good;
	bitnpu_device_list_free(list);
	return good ? 0 : 1;
}

struct writer {
	const char *dir;
	unsigned int count;
};

static const char *write_image(void *user, const struct image *image)
{
	struct writer *writer = user;
	char path[4096];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), "%s/%04u.vector", writer->dir, writer->count++);
	file = fopen(path, "wbx");
	if (!file)
		bail_out("%s: %s", path, strerror(errno));
	good = vector_write(file, image);
	good = fclose(file) == 0 && good;
	if (!good)
		bail_out("%s: %s", path, strerror(errno));
	return NULL;
}

static int write_vectors(const struct options *options)
{
	struct writer writer = { .dir = options->write_dir };

	if (mkdir(options->write_dir, 0777) && errno != EEXIST)
		bail_out("%s: %s", options->write_dir, strerror(errno));
	for (uint32_t i = 0; groups[i].name; i++) {
		struct bench b;

		if (groups[i].needs_device)
			continue;
		bench_init(&b, options, i);
		b.sink = write_image;
		b.sink_user = &writer;
		groups[i].run(&b, groups[i].param);
	}
	printf("# %u vectors in %s\n", writer.count, options->write_dir);
	return 0;
}

static int is_vector(const struct dirent *entry)
{
	const size_t length = strlen(entry->d_name);

	return length > 7 && strcmp(entry->d_name + length - 7, ".vector") == 0;
}

static const char *replay(struct runner *runner, const char *dir, const char *name)
{
	char path[4096];
	struct image image;
	const char *wrong;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "rb");
	if (!file)
		return strerror(errno);
	wrong = vector_read(file, &image);
	fclose(file);
	if (!wrong)
		wrong = image_run(runner, &image);
	image_free(&image);
	return wrong;
}

static int read_vectors(const struct options *options)
{
	const char *device = options->device ? options->device : "auto";
	struct dirent **entries;
	struct runner runner;
	bool good = true;
	int count = scandir(options->read_dir, &entries, is_vector, alphasort);

	if (count <= 0)
		bail_out("%s: %s", options->read_dir, count ? strerror(errno) : "no vectors");
	runner_open(&runner, device);
	printf("1..%d\n", count);
	for (int i = 0; i < count; i++) {
		const char *wrong = replay(&runner, options->read_dir, entries[i]->d_name);

		if (wrong)
			printf("# %s\n", wrong);
		printf("%sok %d - %s: %s\n", wrong ? "not " : "", i + 1,
		       bitnpu_device_get_info(runner.dev)->name, entries[i]->d_name);
		good = good && !wrong;
		free(entries[i]);
	}
	free(entries);
	runner_close(&runner);
	return good ? 0 : 1;
}

static void usage(FILE *out)
{
	fprintf(out, "usage: conformance [--device NAME] [--seed N] [--cases N] [--quick]\n"
		     "                   [--write-vectors DIR | --read-vectors DIR]\n\n"
		     "  --device NAME        test this device (default: every device)\n"
		     "  --seed N             of the random cases (default: fresh, or BITNPU_TEST_SEED)\n"
		     "  --cases N            random cases of each pair of formats (default 60, quick 8)\n"
		     "  --quick              leave out what takes long\n"
		     "  --write-vectors DIR  write the cases to DIR instead of running them\n"
		     "  --read-vectors DIR   run the cases in DIR (default device: auto)\n");
}

static bool parse_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *value <= max;
}

/* Return: -1 to go on, else the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "device", required_argument, NULL, 'd' },
		{ "seed", required_argument, NULL, 's' },
		{ "cases", required_argument, NULL, 'n' },
		{ "quick", no_argument, NULL, 'q' },
		{ "write-vectors", required_argument, NULL, 'w' },
		{ "read-vectors", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool has_seed = false;
	uint64_t cases = 0;
	int c;

	while ((c = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return 0;
		}
		if (c == '?' || (c == 's' && !parse_number(optarg, UINT64_MAX, &options->seed)) ||
		    (c == 'n' && (!parse_number(optarg, 1000000, &cases) || !cases))) {
			usage(stderr);
			return 2;
		}
		has_seed = has_seed || c == 's';
		options->quick = options->quick || c == 'q';
		options->device = c == 'd' ? optarg : options->device;
		options->write_dir = c == 'w' ? optarg : options->write_dir;
		options->read_dir = c == 'r' ? optarg : options->read_dir;
	}
	if (optind < argc || (options->write_dir && options->read_dir)) {
		usage(stderr);
		return 2;
	}
	options->cases = cases ? cases : options->quick ? 8 : 60;
	if (!has_seed)
		options->seed = test_seed();
	return -1;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	int status = parse_options(argc, argv, &options);

	if (status >= 0)
		return status;
	printf("# seed %llu\n", (unsigned long long)options.seed);
	if (options.write_dir)
		return write_vectors(&options);
	if (options.read_dir)
		return read_vectors(&options);
	return run_devices(&options);
}
