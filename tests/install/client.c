/* SPDX-License-Identifier: MIT */
/*
 * A small program that uses the installed library: compiled as C and as C++, against the shared
 * and the static library.
 */
#include <stdio.h>
#include <string.h>

#include <bitnpu.h>

static int touch_buffer(struct bitnpu_context *ctx, struct bitnpu_error *err)
{
	struct bitnpu_bo *bo;
	void *host;
	int ret;

	ret = bitnpu_bo_create(ctx, 100, 0, &bo, err);
	if (ret)
		return ret;
	ret = bitnpu_bo_map(bo, BITNPU_MAP_READ | BITNPU_MAP_WRITE, &host, err);
	if (!ret) {
		memset(host, 1, 100);
		ret = bitnpu_bo_unmap(bo, err);
	}
	bitnpu_bo_destroy(bo);
	return ret;
}

static int use_device(struct bitnpu_error *err)
{
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	int ret;

	ret = bitnpu_device_open("golden", &dev, err);
	if (ret)
		return ret;
	ret = bitnpu_context_create(dev, &ctx, err);
	if (!ret) {
		ret = touch_buffer(ctx, err);
		bitnpu_context_destroy(ctx);
	}
	bitnpu_device_close(dev);
	return ret;
}

int main(void)
{
	struct bitnpu_error err;
	struct bitnpu_model *model;
	char version[32];

	snprintf(version, sizeof(version), "%d.%d.%d", BITNPU_VERSION_MAJOR, BITNPU_VERSION_MINOR,
		 BITNPU_VERSION_PATCH);
	if (strcmp(version, bitnpu_version())) {
		fprintf(stderr, "header %s, library %s\n", version, bitnpu_version());
		return 1;
	}
	if (use_device(&err)) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	if (!bitnpu_model_open("/nonexistent/model.gguf", 0, &model, &err)) {
		fprintf(stderr, "a model that does not exist was opened\n");
		return 1;
	}
	return strstr(err.message, "/nonexistent/model.gguf") ? 0 : 1;
}
