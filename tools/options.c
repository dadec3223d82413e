// SPDX-License-Identifier: MIT
/* Parses options as their table describes them; every refusal is one line that names the option. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "output.h"

#define MAX_OPTIONS 32

/* getopt's values: above any character, so that options without a letter have one too */
#define FIRST_VALUE 256
#define HELP_VALUE (FIRST_VALUE + MAX_OPTIONS)

const char *const bitnpu_step_choices[] = {
	[BITNPU_STEP_AUTO] = "auto",
	[BITNPU_STEP_HOST] = "host",
	[BITNPU_STEP_DEVICE] = "device",
	NULL,
};

bool bitnpu_parse_u64(const char *text, uint64_t *value)
{
	unsigned long long number;
	char *end;

	/* strtoull() would take white space and a sign */
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || *end)
		return false;
	*value = number;
	return true;
}

bool bitnpu_parse_size(const char *text, uint64_t *value)
{
	static const char suffixes[] = "KMG";
	const char *suffix;
	size_t length = strlen(text);
	char digits[24];
	uint64_t number;
	unsigned int shift = 0;

	if (!length || length >= sizeof(digits))
		return false;
	memcpy(digits, text, length + 1);
	suffix = strchr(suffixes, digits[length - 1]);
	if (suffix) {
		shift = 10 * (suffix - suffixes + 1);
		digits[length - 1] = '\0';
	}
	if (!bitnpu_parse_u64(digits, &number) || number > UINT64_MAX >> shift)
		return false;
	*value = number << shift;
	return true;
}

bool bitnpu_parse_double(const char *text, double *value)
{
	double number;
	char *end;

	/* strtod() would take white space, hexadecimal, "inf" and "nan" */
	if (!*text || text[strspn(text, "0123456789.eE+-")])
		return false;
	errno = 0;
	number = strtod(text, &end);
	if (end == text || *end || !isfinite(number))
		return false;
	*value = number;
	return true;
}

static bool in_range(const struct bitnpu_option *option, double value)
{
	return value >= option->min && value <= option->max;
}

/* Return: whether @text is numbers of the option's range with commas between, stored in @numbers. */
static bool store_numbers(const struct bitnpu_option *option, const char *text,
			  struct bitnpu_numbers *numbers)
{
	uint32_t *value = NULL;
	size_t count = 0;
	char part[16];
	uint64_t number;

	for (;; text++) {
		size_t length = strcspn(text, ",");

		if (length >= sizeof(part))
			break;
		memcpy(part, text, length);
		part[length] = '\0';
		if (!bitnpu_parse_u64(part, &number) || !in_range(option, number))
			break;
		value = bitnpu_tool_realloc(value, count + 1, sizeof(*value));
		value[count++] = number;
		text += length;
		if (!*text) {
			free(numbers->value);
			*numbers = (struct bitnpu_numbers){ value, count };
			return true;
		}
	}
	free(value);
	return false;
}

static bool store_choice(const struct bitnpu_option *option, const char *text, uint32_t *choice)
{
	for (uint32_t i = 0; option->choices[i]; i++) {
		if (!strcmp(text, option->choices[i])) {
			*choice = i;
			return true;
		}
	}
	return false;
}

/* Return: whether @text is a value of the option's type and range, stored in @member. */
static bool store_value(const struct bitnpu_option *option, const char *text, void *member)
{
	uint64_t number;
	double real;

	switch (option->type) {
	case BITNPU_OPTION_U32:
		if (!bitnpu_parse_u64(text, &number) || number > UINT32_MAX ||
		    !in_range(option, number))
			return false;
		*(uint32_t *)member = number;
		return true;
	case BITNPU_OPTION_U64:
		return bitnpu_parse_u64(text, member);
	case BITNPU_OPTION_NUMBERS:
		return store_numbers(option, text, member);
	case BITNPU_OPTION_CHOICE:
		return store_choice(option, text, member);
	case BITNPU_OPTION_SIZE:
		if (!bitnpu_parse_size(text, &number) || !in_range(option, number))
			return false;
		*(uint64_t *)member = number;
		return true;
	default:
		if (!bitnpu_parse_double(text, &real) || !in_range(option, real))
			return false;
		*(float *)member = real;
		return true;
	}
}

static void add_text(struct bitnpu_texts *texts, const char *text)
{
	texts->text = bitnpu_tool_realloc(texts->text, texts->count + 1, sizeof(*texts->text));
	texts->text[texts->count++] = text;
}

/* "a, b or c" */
static void expected_choice(const struct bitnpu_option *option, char *out, size_t size)
{
	size_t used = 0;

	for (uint32_t i = 0; option->choices[i] && used < size; i++)
		used += snprintf(out + used, size - used, "%s%s",
				 !i ? "" : option->choices[i + 1] ? ", " : " or ",
				 option->choices[i]);
}

static void expected(const struct bitnpu_option *option, char *out, size_t size)
{
	switch (option->type) {
	case BITNPU_OPTION_U64:
		snprintf(out, size, "a whole number from 0 to %llu", ~0ull);
		break;
	case BITNPU_OPTION_U32:
		snprintf(out, size, "a whole number from %.0f to %.0f", option->min, option->max);
		break;
	case BITNPU_OPTION_NUMBERS:
		snprintf(out, size, "whole numbers from %.0f to %.0f with commas between",
			 option->min, option->max);
		break;
	case BITNPU_OPTION_SIZE:
		snprintf(out, size, "a size from %.0f to %.0f bytes (suffixes K, M, G)",
			 option->min, option->max);
		break;
	case BITNPU_OPTION_CHOICE:
		expected_choice(option, out, size);
		break;
	default:
		snprintf(out, size, "a number from %g to %g", option->min, option->max);
	}
}

static int store(const struct bitnpu_command *command, const struct bitnpu_option *option,
		 const char *text, void *settings)
{
	void *member = (char *)settings + option->offset;
	char wanted[96];

	switch (option->type) {
	case BITNPU_OPTION_FLAG:
		*(bool *)member = true;
		return 0;
	case BITNPU_OPTION_TEXT:
		*(const char **)member = text;
		return 0;
	case BITNPU_OPTION_TEXTS:
		add_text(member, text);
		return 0;
	default:
		if (store_value(option, text, member))
			return 0;
		expected(option, wanted, sizeof(wanted));
		bitnpu_complain(command->name, "--%s: '%s' is not %s", option->name, text, wanted);
		return -1;
	}
}

static size_t option_count(const struct bitnpu_command *command)
{
	size_t count = 0;

	while (command->options && command->options[count].name)
		count++;
	return count;
}

/* Build getopt's tables; a leading ':' makes it tell a missing argument from an unknown option. */
static void getopt_tables(const struct bitnpu_command *command, struct option *longs, char *shorts)
{
	size_t count = option_count(command);

	*shorts++ = ':';
	*shorts++ = 'h';
	for (size_t i = 0; i < count; i++) {
		const struct bitnpu_option *option = &command->options[i];
		bool flag = option->type == BITNPU_OPTION_FLAG;

		longs[i] = (struct option){ option->name, flag ? no_argument : required_argument,
					    NULL, FIRST_VALUE + i };
		if (option->letter) {
			*shorts++ = option->letter;
			if (!flag)
				*shorts++ = ':';
		}
	}
	*shorts = '\0';
	longs[count] = (struct option){ "help", no_argument, NULL, HELP_VALUE };
	longs[count + 1] = (struct option){ 0 };
}

static const struct bitnpu_option *option_of(const struct bitnpu_command *command, int value)
{
	if (value >= FIRST_VALUE)
		return &command->options[value - FIRST_VALUE];
	for (const struct bitnpu_option *option = command->options; option && option->name;
	     option++)
		if (option->letter == value)
			return option;
	return NULL;
}

/* What getopt refused, as the user typed it. */
static void refuse(const struct bitnpu_command *command, int what, char **argv)
{
	const char *typed = argv[optind - 1];

	if (what == ':')
		bitnpu_complain(command->name, "option '%s' needs an argument (%s)", typed,
				option_of(command, optopt)->argument);
	else if (optopt >= FIRST_VALUE)
		bitnpu_complain(command->name, "option '%.*s' takes no argument",
				(int)strcspn(typed, "="), typed);
	else if (optopt)
		bitnpu_complain(command->name, "unknown option '-%c' (see bitnpu %s --help)",
				optopt, command->name);
	else
		bitnpu_complain(command->name,
				"unknown or ambiguous option '%s' (see bitnpu %s --help)", typed,
				command->name);
}

static int check_args(const struct bitnpu_command *command, int argc, char **argv)
{
	unsigned int count = argc - optind;

	if (count < command->min_args) {
		bitnpu_complain(command->name, "missing argument; usage: bitnpu %s [OPTION]... %s",
				command->name, command->arguments);
		return -1;
	}
	if (count > command->max_args) {
		bitnpu_complain(command->name, "extra argument '%s'",
				argv[optind + command->max_args]);
		return -1;
	}
	return optind;
}

int bitnpu_options_parse(const struct bitnpu_command *command, int argc, char **argv,
			 void *settings, bool *help)
{
	struct option longs[MAX_OPTIONS + 2];
	char shorts[2 * MAX_OPTIONS + 4];
	size_t count = option_count(command);
	int value;

	for (size_t i = 0; i < count; i++) {
		const struct bitnpu_option *option = &command->options[i];

		if (option->initial && store(command, option, option->initial, settings))
			return -1;
	}
	getopt_tables(command, longs, shorts);
	opterr = 0;
	optind = 0;
	while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (value == 'h' || value == HELP_VALUE) {
			*help = true;
			return argc;
		}
		if (value == '?' || value == ':') {
			refuse(command, value, argv);
			return -1;
		}
		if (store(command, option_of(command, value), optarg, settings))
			return -1;
	}
	return check_args(command, argc, argv);
}

void bitnpu_options_free(const struct bitnpu_command *command, void *settings)
{
	for (size_t i = 0; i < option_count(command); i++) {
		const struct bitnpu_option *option = &command->options[i];
		void *member = (char *)settings + option->offset;

		if (option->type == BITNPU_OPTION_TEXTS)
			free(((struct bitnpu_texts *)member)->text);
		else if (option->type == BITNPU_OPTION_NUMBERS)
			free(((struct bitnpu_numbers *)member)->value);
	}
}
