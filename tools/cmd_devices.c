// SPDX-License-Identifier: MIT
/* bitnpu devices: what a model can run on. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "output.h"
#include "table.h"

struct devices_settings {
	bool json;
};

static const struct {
	uint64_t bit;
	const char *name;
} features[] = {
	{ BITNPU_FEATURE_W_TERNARY, "w-ternary" }, { BITNPU_FEATURE_W_BINARY, "w-binary" },
	{ BITNPU_FEATURE_W_INT8, "w-int8" },	   { BITNPU_FEATURE_Y_INT32, "y-int32" },
	{ BITNPU_FEATURE_Y_INT64, "y-int64" },	   { BITNPU_FEATURE_NORM_QUANTIZE, "norm-quantize" },
	{ BITNPU_FEATURE_SCALE, "scale" },	   { BITNPU_FEATURE_HEADS, "heads" },
	{ BITNPU_FEATURE_ATTENTION, "attention" }, { BITNPU_FEATURE_GATE, "gate" },
};

static json_t *features_json(uint64_t mask)
{
	json_t *json = json_array();

	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++)
		if (mask & features[i].bit)
			json_array_append_new(json, json_string(features[i].name));
	return json;
}

static void set_text(json_t *json, const char *key, const char *text)
{
	json_object_set_new(json, key, bitnpu_json_text(text, strlen(text)));
}

/* What "auto" opens: no prototype; a device without features is there and cannot be used. */
static size_t find_auto(const struct bitnpu_device_info *list, size_t count)
{
	size_t i = 0;

	while (i < count && (!list[i].features || list[i].prototype))
		i++;
	return i;
}

static json_t *device_json(const struct bitnpu_device_info *info, bool is_auto)
{
	json_t *json = json_object();

	set_text(json, "name", info->name);
	set_text(json, "engine", info->engine);
	set_text(json, "description", info->description);
	set_text(json, "detail", info->detail);
	json_object_set_new(json, "auto", json_boolean(is_auto));
	json_object_set_new(json, "usable", json_boolean(info->features != 0));
	json_object_set_new(json, "features", features_json(info->features));
	json_object_set_new(json, "memory_bytes", json_integer(info->memory_bytes));
	json_object_set_new(json, "max_buffer_bytes", json_integer(info->max_buffer_bytes));
	json_object_set_new(json, "max_k_int32", json_integer(info->max_k_int32));
	json_object_set_new(json, "max_k_int64", json_integer(info->max_k_int64));
	json_object_set_new(json, "unified_memory", json_boolean(info->unified));
	json_object_set_new(json, "host", json_boolean(info->host));
	json_object_set_new(json, "prototype", json_boolean(info->prototype));
	return json;
}

static void print_json(const struct bitnpu_device_info *list, size_t count)
{
	json_t *json = json_object(), *devices = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(devices, device_json(&list[i], i == find_auto(list, count)));
	json_object_set_new(json, "devices", devices);
	bitnpu_json_print(json);
}

static const char *bytes_or_dash(uint64_t bytes, char out[24])
{
	return bytes ? bitnpu_format_bytes(bytes, out) : "-";
}

static void print_table(const struct bitnpu_device_info *list, size_t count)
{
	struct bitnpu_table table;
	char memory[24], largest[24];

	bitnpu_table_init(&table, "lrrll");
	bitnpu_table_add(&table, "NAME");
	bitnpu_table_add(&table, "MEMORY");
	bitnpu_table_add(&table, "LARGEST BUFFER");
	bitnpu_table_add(&table, "SHARED");
	bitnpu_table_add(&table, "DESCRIPTION");
	for (size_t i = 0; i < count; i++) {
		bitnpu_table_add(&table, "%s", list[i].name);
		bitnpu_table_add(&table, "%s", bytes_or_dash(list[i].memory_bytes, memory));
		bitnpu_table_add(&table, "%s", bytes_or_dash(list[i].max_buffer_bytes, largest));
		bitnpu_table_add(&table, "%s", list[i].unified ? "yes" : "no");
		bitnpu_table_add(&table, "%s", list[i].description);
	}
	bitnpu_table_print(&table);
	putchar('\n');
	for (size_t i = 0; i < count; i++) {
		printf("%s%s:", list[i].name, i == find_auto(list, count) ? " (auto)" : "");
		for (size_t f = 0; f < sizeof(features) / sizeof(*features); f++)
			if (list[i].features & features[f].bit)
				printf(" %s", features[f].name);
		printf("%s%s\n", list[i].detail[0] ? "; " : "", list[i].detail);
	}
}

static int devices_run(const void *settings, char **args)
{
	const struct devices_settings *devices = settings;
	struct bitnpu_device_info *list;
	struct bitnpu_error err;
	size_t count;

	if (bitnpu_device_list(&list, &count, &err)) {
		bitnpu_complain("devices", "%s", err.message);
		return BITNPU_EXIT_FAILURE;
	}
	if (devices->json)
		print_json(list, count);
	else
		print_table(list, count);
	bitnpu_device_list_free(list);
	return BITNPU_EXIT_OK;
}

static const struct bitnpu_option options[] = {
	{ .name = "json", .offset = offsetof(struct devices_settings, json),
	  .help = "print a JSON object" },
	{ 0 },
};

const struct bitnpu_command bitnpu_command_devices = {
	.name = "devices",
	.summary = "list the devices that models can run on",
	.arguments = "",
	.settings_size = sizeof(struct devices_settings),
	.options = options,
	.description =
		"Lists every device of every engine, in the order in which 'auto' prefers\n"
		"them, with its memory, whether it shares memory with the host, the parts of\n"
		"the command set it has, and what the engine chose on it.",
	.examples = "  bitnpu devices\n  bitnpu devices --json | jq -r '.devices[].name'\n",
	.run = devices_run,
};
