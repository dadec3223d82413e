// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "command.h"
#include "output.h"

struct version_settings {
	bool json;
};

static int version_run(const void *settings, char **args)
{
	const struct version_settings *version = settings;
	char isa[16];
	json_t *json;

	snprintf(isa, sizeof(isa), "%d.%d", BITNPU_ISA_VERSION_MAJOR, BITNPU_ISA_VERSION_MINOR);
	if (version->json) {
		json = json_object();
		json_object_set_new(json, "version", json_string(bitnpu_version()));
		json_object_set_new(json, "command_set", json_string(isa));
		bitnpu_json_print(json);
	} else {
		printf("bitnpu %s (command set %s)\n", bitnpu_version(), isa);
	}
	return BITNPU_EXIT_OK;
}

static const struct bitnpu_option options[] = {
	{ .name = "json", .offset = offsetof(struct version_settings, json),
	  .help = "print a JSON object" },
	{ 0 },
};

const struct bitnpu_command bitnpu_command_version = {
	.name = "version",
	.summary = "show the version",
	.arguments = "",
	.settings_size = sizeof(struct version_settings),
	.options = options,
	.description =
		"Shows the version of the library and of its command set.",
	.examples = "  bitnpu version --json\n",
	.run = version_run,
};
