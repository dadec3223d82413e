// SPDX-License-Identifier: MIT
/* Devices: enumeration over the engines, names, open and close. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

static void set_name(struct bitnpu_device_info *info, const struct bitnpu_engine_ops *ops,
		     unsigned int index)
{
	if (ops->single)
		snprintf(info->name, sizeof(info->name), "%s", ops->name);
	else
		snprintf(info->name, sizeof(info->name), "%s:%u", ops->name, index);
	snprintf(info->engine, sizeof(info->engine), "%s", ops->name);
}

static int append(struct bitnpu_device_info **list, size_t *count,
		  const struct bitnpu_device_info *info)
{
	struct bitnpu_device_info *grown = realloc(*list, (*count + 1) * sizeof(**list));

	if (!grown)
		return -ENOMEM;
	grown[*count] = *info;
	*list = grown;
	(*count)++;
	return 0;
}

/*
 * Kinds of devices, as "auto" prefers them: a device of its own, the host's processors by another
 * road than a GPU's driver, and what is there to try things out on.
 */
enum kind {
	KIND_DEVICE,
	KIND_HOST,
	KIND_PROTOTYPE,
	KINDS,
};

static bool has_hardware(const struct bitnpu_engine_ops *ops)
{
	return !ops->has_hardware || ops->has_hardware();
}

/* Without hardware that is known, "auto" looks at no device, so none is before the processors. */
static enum kind kind_of(const struct bitnpu_engine_ops *ops, const struct bitnpu_device_info *info)
{
	if (info->prototype)
		return KIND_PROTOTYPE;
	return info->host || !has_hardware(ops) ? KIND_HOST : KIND_DEVICE;
}

/* Append what @ops has of @kind. */
static int list_engine(const struct bitnpu_engine_ops *ops, enum kind kind,
		       struct bitnpu_device_info **list, size_t *count)
{
	const unsigned int n = ops->count();

	for (unsigned int i = 0; i < n; i++) {
		struct bitnpu_device_info info = { 0 };

		/* A device may disappear between the count and the look. */
		if (ops->describe(i, &info) || kind_of(ops, &info) != kind)
			continue;
		set_name(&info, ops, i);
		if (append(list, count, &info))
			return -ENOMEM;
	}
	return 0;
}

int bitnpu_device_list(struct bitnpu_device_info **list, size_t *count, struct bitnpu_error *err)
{
	struct bitnpu_device_info *devices = NULL;
	size_t found = 0;

	for (enum kind kind = 0; kind < KINDS; kind++) {
		for (size_t e = 0; bitnpu_engines[e]; e++) {
			if (list_engine(bitnpu_engines[e], kind, &devices, &found)) {
				free(devices);
				return bitnpu_fail(err, -ENOMEM, "devices: out of memory");
			}
		}
	}
	*list = devices;
	*count = found;
	return 0;
}

void bitnpu_device_list_free(struct bitnpu_device_info *list)
{
	free(list);
}

/* Parse the decimal @text; no sign, no leading space, nothing after it. */
static bool parse_index(const char *text, unsigned int *index)
{
	unsigned int value = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' || value > 99999)
			return false;
		value = value * 10 + (*text - '0');
	}
	*index = value;
	return true;
}

static const struct bitnpu_engine_ops *find_engine(const char *name, size_t length)
{
	for (size_t e = 0; bitnpu_engines[e]; e++)
		if (strlen(bitnpu_engines[e]->name) == length &&
		    memcmp(bitnpu_engines[e]->name, name, length) == 0)
			return bitnpu_engines[e];
	return NULL;
}

static int open_index(const struct bitnpu_engine_ops *ops, unsigned int index,
		      struct bitnpu_device **out, struct bitnpu_error *err)
{
	struct bitnpu_device *dev;
	int ret;

	if (index >= ops->count())
		return bitnpu_fail(err, -ENODEV, "device %s:%u: the engine has %u devices",
				   ops->name, index, ops->count());
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return bitnpu_fail(err, -ENOMEM, "device %s:%u: out of memory", ops->name, index);
	bitnpu_ref_init(&dev->ref);
	dev->ops = ops;
	ret = ops->open(index, &dev->engine, err);
	if (ret) {
		free(dev);
		return ret;
	}
	set_name(&dev->engine->info, ops, index);
	*out = dev;
	return 0;
}

/* Open the first device of @kind that can be used; -ENODEV without one. */
static int open_kind(enum kind kind, struct bitnpu_device **dev, struct bitnpu_error *err)
{
	for (size_t e = 0; bitnpu_engines[e]; e++) {
		const struct bitnpu_engine_ops *ops = bitnpu_engines[e];

		if (kind == KIND_DEVICE && !has_hardware(ops))
			continue;
		for (unsigned int i = 0, n = ops->count(); i < n; i++) {
			struct bitnpu_device_info info = { 0 };

			/* A device without features is there and cannot be used. */
			if (ops->describe(i, &info) == 0 && info.features &&
			    kind_of(ops, &info) == kind)
				return open_index(ops, i, dev, err);
		}
	}
	return bitnpu_fail(err, -ENODEV, "device auto: no engine has a device");
}

static int open_auto(struct bitnpu_device **dev, struct bitnpu_error *err)
{
	int ret = open_kind(KIND_DEVICE, dev, err);

	return ret == -ENODEV ? open_kind(KIND_HOST, dev, err) : ret;
}

int bitnpu_device_open(const char *name, struct bitnpu_device **dev, struct bitnpu_error *err)
{
	const struct bitnpu_engine_ops *ops;
	unsigned int index = 0;
	size_t length;

	if (!name || !*name)
		return bitnpu_fail(err, -EINVAL, "device: the name is empty");
	length = strcspn(name, ":");
	if (length == 0 || (name[length] && !parse_index(name + length + 1, &index)))
		return bitnpu_fail(err, -EINVAL,
				   "device %s: not of the form ENGINE, ENGINE:INDEX or auto", name);
	if (strcmp(name, "auto") == 0)
		return open_auto(dev, err);
	ops = find_engine(name, length);
	if (!ops)
		return bitnpu_fail(err, -ENODEV, "device %s: no such engine", name);
	return open_index(ops, index, dev, err);
}

void bitnpu_device_put(struct bitnpu_device *dev)
{
	if (!bitnpu_ref_put(&dev->ref))
		return;
	dev->ops->close(dev->engine);
	free(dev);
}

void bitnpu_device_close(struct bitnpu_device *dev)
{
	if (dev)
		bitnpu_device_put(dev);
}

const struct bitnpu_device_info *bitnpu_device_get_info(const struct bitnpu_device *dev)
{
	return &dev->engine->info;
}

int bitnpu_device_tune(struct bitnpu_device *dev, uint32_t milliseconds, struct bitnpu_error *err)
{
	if (!dev->ops->tune)
		return bitnpu_fail(err, -ENOTSUP, "device %s: nothing to choose among",
				   dev->engine->info.name);
	if (!milliseconds)
		return bitnpu_fail(err, -EINVAL, "device %s: no time to tune in",
				   dev->engine->info.name);
	return dev->ops->tune(dev->engine, milliseconds, err);
}
