// SPDX-License-Identifier: MIT
/*
 * What the tuner found, as a text beside the binaries of kernels: a line for each class of commands.
 *
 *     FORMAT OUTPUT M N K VARIANT GROUP TILES M_BLOCK USUAL BEST
 *
 * The first five are &struct bitnpu_cl_class, the next four &struct bitnpu_cl_choice, the last two
 * nanoseconds.  Anything else is as good as no file.
 */
#include "opencl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

/* Classes with more rows of x are one. */
#define M_MOST		6
#define LINE_BYTES	160
#define NAME_BYTES	24
/* Longer than any command takes, and far from what 64 bits hold. */
#define MOST_NS		1000000000000000ull

static uint8_t log2_floor(uint32_t value)
{
	return 31 - __builtin_clz(value);
}

struct bitnpu_cl_class bitnpu_cl_class_of(const struct bitnpu_matmul *mm)
{
	const uint8_t m = mm->m > 1 ? log2_floor(mm->m - 1) + 1 : 0;

	return (struct bitnpu_cl_class){
		.weight_format = mm->weight_format,
		.output_format = mm->output_format,
		.m = m < M_MOST ? m : M_MOST,
		.n = log2_floor(mm->n),
		.k = log2_floor(mm->k),
	};
}

static bool same_class(const struct bitnpu_cl_class *a, const struct bitnpu_cl_class *b)
{
	return a->weight_format == b->weight_format && a->output_format == b->output_format &&
	       a->m == b->m && a->n == b->n && a->k == b->k;
}

const struct bitnpu_cl_tuned *bitnpu_cl_tuned_find(const struct bitnpu_cl_tuned_list *list,
						   const struct bitnpu_cl_class *class)
{
	for (size_t i = 0; i < list->count; i++)
		if (same_class(&list->entries[i].class, class))
			return &list->entries[i];
	return NULL;
}

bool bitnpu_cl_tuned_set(struct bitnpu_cl_tuned_list *list, const struct bitnpu_cl_tuned *entry)
{
	for (size_t i = 0; i < list->count; i++) {
		if (same_class(&list->entries[i].class, &entry->class)) {
			list->entries[i] = *entry;
			return true;
		}
	}
	if (list->count == BITNPU_CL_TUNED_MAX)
		return false;
	list->entries[list->count++] = *entry;
	return true;
}

/* A decimal number up to @most and the character @end after it. */
static bool parse_number(const char **at, uint64_t most, char end, uint64_t *number)
{
	const char *digit = *at;

	*number = 0;
	do {
		if (*digit < '0' || *digit > '9' || *number > most)
			return false;
		*number = 10 * *number + (*digit++ - '0');
	} while (*digit != end);
	*at = digit + 1;
	return *number <= most;
}

static bool parse_name(const char **at, const struct bitnpu_cl_variant **variant)
{
	const size_t length = strcspn(*at, " ");
	char name[NAME_BYTES];

	if (length >= sizeof(name) || (*at)[length] != ' ')
		return false;
	memcpy(name, *at, length);
	name[length] = 0;
	*at += length + 1;
	*variant = bitnpu_cl_variant_find(name);
	return *variant != NULL;
}

static bool parse_class(const char **at, struct bitnpu_cl_class *class)
{
	static const uint8_t most[] = { BITNPU_W_INT8, BITNPU_Y_INT64, M_MOST, 31, 31 };
	uint64_t number[5];

	for (unsigned int i = 0; i < 5; i++)
		if (!parse_number(at, most[i], ' ', &number[i]))
			return false;
	*class = (struct bitnpu_cl_class){ number[0], number[1], number[2], number[3], number[4] };
	return true;
}

static bool parse_line(const char *line, struct bitnpu_cl_tuned *entry)
{
	uint64_t number[3];

	if (!parse_class(&line, &entry->class) || !parse_name(&line, &entry->choice.variant))
		return false;
	for (unsigned int i = 0; i < 3; i++)
		if (!parse_number(&line, UINT16_MAX, ' ', &number[i]))
			return false;
	entry->choice.group = number[0];
	entry->choice.tiles = number[1];
	entry->choice.m_block = number[2];
	return parse_number(&line, MOST_NS, ' ', &entry->usual_ns) &&
	       parse_number(&line, MOST_NS, 0, &entry->best_ns);
}

bool bitnpu_cl_tuned_parse(const struct bitnpu_cl_caps *caps, const char *text, size_t size,
			   struct bitnpu_cl_tuned_list *list)
{
	size_t at = 0;

	list->count = 0;
	while (at < size) {
		const char *newline = memchr(text + at, '\n', size - at);
		struct bitnpu_cl_tuned entry;
		char line[LINE_BYTES];
		size_t length;

		if (!newline)
			goto bad;
		length = newline - (text + at);
		if (length >= sizeof(line) || memchr(text + at, 0, length))
			goto bad;
		memcpy(line, text + at, length);
		line[length] = 0;
		at += length + 1;
		if (!parse_line(line, &entry) || !bitnpu_cl_choice_fits(caps, &entry.choice) ||
		    !bitnpu_cl_tuned_set(list, &entry))
			goto bad;
	}
	return true;
bad:
	list->count = 0;
	return false;
}

char *bitnpu_cl_tuned_format(const struct bitnpu_cl_tuned_list *list, size_t *size)
{
	char *text = malloc(list->count * LINE_BYTES + 1);
	size_t used = 0;

	if (!text)
		return NULL;
	for (size_t i = 0; i < list->count; i++) {
		const struct bitnpu_cl_tuned *e = &list->entries[i];

		used += snprintf(text + used, LINE_BYTES,
				 "%u %u %u %u %u %s %u %u %u %" PRIu64 " %" PRIu64 "\n",
				 e->class.weight_format, e->class.output_format, e->class.m,
				 e->class.n, e->class.k, e->choice.variant->name, e->choice.group,
				 e->choice.tiles, e->choice.m_block, e->usual_ns, e->best_ns);
	}
	text[used] = 0;
	*size = used;
	return text;
}

/* The device, its driver, and every kernel there was to choose from. */
struct bitnpu_cl_key bitnpu_cl_tuned_key(const struct bitnpu_cl_caps *caps)
{
	const char *strings[] = { "tuned", caps->name, caps->version, caps->driver,
				  caps->platform_version };
	const struct bitnpu_cl_source shared[] = {
		{ bitnpu_cl_common, bitnpu_cl_common_end },
		{ bitnpu_cl_instructions_source, bitnpu_cl_instructions_source_end },
	};
	struct bitnpu_cl_key key = { 0, 0 };
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t hash;

	if (!state)
		return key;
	XXH3_128bits_reset(state);
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		XXH3_128bits_update(state, strings[i], strlen(strings[i]) + 1);
	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++)
		XXH3_128bits_update(state, shared[i].text, shared[i].end - shared[i].text);
	for (const struct bitnpu_cl_variant *v = bitnpu_cl_variants; v->name; v++)
		XXH3_128bits_update(state, v->source, v->source_end - v->source);
	hash = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	key.low = hash.low64;
	key.high = hash.high64;
	return key;
}

void bitnpu_cl_tuned_load(const struct bitnpu_cl_caps *caps, const char *dir,
			  struct bitnpu_cl_tuned_list *list)
{
	const struct bitnpu_cl_key key = bitnpu_cl_tuned_key(caps);
	size_t size;
	void *text;

	list->count = 0;
	if (!bitnpu_cl_cache_load(dir, &key, &text, &size))
		return;
	bitnpu_cl_tuned_parse(caps, text, size, list);
	free(text);
}

void bitnpu_cl_tuned_store(const struct bitnpu_cl_caps *caps, const char *dir,
			   const struct bitnpu_cl_tuned_list *list)
{
	const struct bitnpu_cl_key key = bitnpu_cl_tuned_key(caps);
	size_t size;
	char *text = bitnpu_cl_tuned_format(list, &size);

	if (text)
		bitnpu_cl_cache_store(dir, &key, text, size);
	free(text);
}

/* Classes by their least shape: "ternary 1x4096x2048 tiles 1/16/1". */
void bitnpu_cl_tuned_words(const struct bitnpu_cl_tuned_list *list, char *out, size_t size)
{
	static const char *const formats[] = { "ternary", "binary", "int8" };
	size_t used = 0, i;

	out[0] = 0;
	for (i = 0; i < list->count; i++) {
		const struct bitnpu_cl_tuned *e = &list->entries[i];
		char entry[96];
		size_t length;

		length = snprintf(entry, sizeof(entry), "%s %s%s %ux%ux%u %s %u/%u/%u %.2fx",
				  i ? "," : ", tuned:", formats[e->class.weight_format],
				  e->class.output_format == BITNPU_Y_INT64 ? " scaled" : "",
				  e->class.m ? (1u << (e->class.m - 1)) + 1 : 1, 1u << e->class.n,
				  1u << e->class.k, e->choice.variant->name, e->choice.group,
				  e->choice.tiles, e->choice.m_block,
				  e->best_ns ? (double)e->usual_ns / e->best_ns : 1.0);
		if (used + length + sizeof(", ...") > size) {
			snprintf(out + used, size - used, ", ...");
			return;
		}
		memcpy(out + used, entry, length + 1);
		used += length;
	}
}
