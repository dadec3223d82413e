// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "interrupt.h"
#include "libbitnpu/packed_file.h"
#include "libbitnpu/weights.h"
#include "model_file.h"
#include "output.h"
#include "progress.h"

/* What the metadata says of the tiles; a file that says it badly is shown as it is stored. */
static void find_tiles(struct bitnpu_model_file *file)
{
	struct bitnpu_model_file found = *file;

	if (bitnpu_gguf_is_packed(file->gguf, NULL) != 1 ||
	    bitnpu_packed_array(file->gguf, BITNPU_PACK_KEY_FORMATS, BITNPU_GGUF_UINT8,
				&found.formats, NULL) ||
	    bitnpu_packed_array(file->gguf, BITNPU_PACK_KEY_GROUP_SHIFTS, BITNPU_GGUF_UINT8,
				&found.group_shifts, NULL) ||
	    bitnpu_packed_array(file->gguf, BITNPU_PACK_KEY_ROWS, BITNPU_GGUF_UINT32, &found.rows,
				NULL) ||
	    bitnpu_packed_array(file->gguf, BITNPU_PACK_KEY_COLUMNS, BITNPU_GGUF_UINT32,
				&found.columns, NULL))
		return;
	*file = found;
}

bool bitnpu_file_open(const char *command, const char *path, struct bitnpu_model_file *file)
{
	struct bitnpu_error err;

	*file = (struct bitnpu_model_file){ .gguf = NULL };
	if (bitnpu_gguf_open(path, &file->gguf, &err)) {
		bitnpu_complain(command, "%s", err.message);
		return false;
	}
	bitnpu_gguf_get_u32(file->gguf, BITNPU_PACK_KEY_VERSION, &file->packed, NULL);
	find_tiles(file);
	return true;
}

void bitnpu_file_close(struct bitnpu_model_file *file)
{
	bitnpu_gguf_close(file->gguf);
}

static bool ends_in(const struct bitnpu_gguf_string *name, const char *suffix)
{
	size_t length = strlen(suffix);

	return name->length >= length &&
	       !memcmp(name->data + name->length - length, suffix, length);
}

static uint32_t load_u32(const unsigned char *array, uint64_t index)
{
	uint32_t value;

	memcpy(&value, array + 4 * index, sizeof(value));
	return value;
}

static void view_tiles(const struct bitnpu_model_file *file, uint64_t index,
		       struct bitnpu_tensor_view *view)
{
	static const char *const names[] = { "ternary", "binary", "int8", "int7" };
	unsigned int format = file->formats[index], shift = file->group_shifts[index];

	if (format >= sizeof(names) / sizeof(names[0]))
		return;
	if (shift && shift <= BITNPU_GROUP_SHIFT_MAX)
		snprintf(view->type, sizeof(view->type), "%s tiles, g%u", names[format],
			 1u << shift);
	else
		snprintf(view->type, sizeof(view->type), "%s tiles", names[format]);
	view->n_dims = 2;
	view->dims[0] = load_u32(file->columns, index);
	view->dims[1] = load_u32(file->rows, index);
	view->weights = view->dims[0] * view->dims[1];
}

void bitnpu_file_tensor(const struct bitnpu_model_file *file, uint64_t index,
			struct bitnpu_tensor_view *view)
{
	const struct bitnpu_gguf_tensor *tensor = &file->gguf->tensors[index];
	char buffer[16];

	*view = (struct bitnpu_tensor_view){ .n_dims = tensor->n_dims, .bytes = tensor->bytes,
					     .weights = tensor->elements };
	memcpy(view->dims, tensor->dims, sizeof(view->dims));
	snprintf(view->type, sizeof(view->type), "%s",
		 bitnpu_ggml_type_name(tensor->type, buffer));
	if (!file->formats)
		return;
	if (ends_in(&tensor->name, BITNPU_PACK_GROUP_SCALE) ||
	    ends_in(&tensor->name, BITNPU_PACK_ROW_SCALE))
		view->weights = 0;
	view_tiles(file, index, view);
}

void bitnpu_file_sizes(const struct bitnpu_model_file *file, struct bitnpu_file_sizes *sizes)
{
	struct bitnpu_tensor_view view;
	uint64_t known = 0;

	*sizes = (struct bitnpu_file_sizes){ .tensors = file->gguf->n_tensors };
	for (uint64_t i = 0; i < file->gguf->n_tensors; i++) {
		bitnpu_file_tensor(file, i, &view);
		sizes->weights += view.weights;
		sizes->bytes += view.bytes;
		if (view.bytes)
			known += view.weights;
	}
	sizes->bits_per_weight = known ? 8.0 * sizes->bytes / known : 0;
}

int bitnpu_file_verify(const char *command, const struct bitnpu_model_file *file)
{
	struct bitnpu_progress *progress;
	struct bitnpu_error err = { 0 };
	int packed, failed;

	packed = bitnpu_gguf_is_packed(file->gguf, &err);
	if (packed <= 0) {
		if (packed)
			bitnpu_complain(command, "%s", err.message);
		else
			bitnpu_complain(command, "%s: not a packed file, it has no checksums",
					file->gguf->path);
		return BITNPU_EXIT_FAILURE;
	}
	progress = bitnpu_progress_start("checking");
	failed = bitnpu_packed_verify(file->gguf, bitnpu_progress_report, progress, &err);
	bitnpu_progress_stop(progress);
	if (!failed)
		return BITNPU_EXIT_OK;
	if (failed == -ECANCELED && bitnpu_interrupted()) {
		bitnpu_complain(command, "interrupted");
		return BITNPU_EXIT_SIGNAL + bitnpu_interrupted();
	}
	bitnpu_complain(command, "%s", err.message);
	return failed == -EBADMSG ? BITNPU_EXIT_DIFFERENT : BITNPU_EXIT_FAILURE;
}
