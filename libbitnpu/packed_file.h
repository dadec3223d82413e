/* SPDX-License-Identifier: MIT */
/* Names and numbers of the packed format, docs/packed-format.md, shared by its writer and reader. */
#ifndef BITNPU_PACKED_FILE_H
#define BITNPU_PACKED_FILE_H

#include "gguf.h"

#define BITNPU_PACK_VERSION		1
#define BITNPU_PACK_ALIGNMENT		4096

#define BITNPU_PACK_PREFIX		"bitnpu.pack."
#define BITNPU_PACK_KEY_VERSION		BITNPU_PACK_PREFIX "version"
/* Arrays with one element a tensor, in the order of the tensors in the file. */
#define BITNPU_PACK_KEY_FORMATS		BITNPU_PACK_PREFIX "formats"
#define BITNPU_PACK_KEY_GROUP_SHIFTS	BITNPU_PACK_PREFIX "group_shifts"
#define BITNPU_PACK_KEY_ROWS		BITNPU_PACK_PREFIX "rows"
#define BITNPU_PACK_KEY_COLUMNS		BITNPU_PACK_PREFIX "columns"
#define BITNPU_PACK_KEY_CHECKSUMS	BITNPU_PACK_PREFIX "checksums"

/* In "formats": a tensor that is not tiles. */
#define BITNPU_PACK_NOT_TILES		255

#define BITNPU_PACK_GROUP_SCALE		".group_scale"
#define BITNPU_PACK_ROW_SCALE		".scale"

/** bitnpu_packed_array() - one of the arrays above: present, of @type, one element a tensor */
int bitnpu_packed_array(const struct bitnpu_gguf *gguf, const char *key, uint32_t type,
			const unsigned char **data, struct bitnpu_error *err);

#endif /* BITNPU_PACKED_FILE_H */
