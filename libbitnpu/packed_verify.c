// SPDX-License-Identifier: MIT
/* Checks the checksums of a packed file: XXH64 with seed 0 of each tensor's data. */
#include "gguf_internal.h"
#include "packed_file.h"
#include "weights.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define PROGRESS_STEP (16u << 20)

struct verification {
	const struct bitnpu_gguf *gguf;
	bitnpu_progress_fn *progress;
	void *user;
	uint64_t done, total;
	XXH64_state_t *state;
	struct bitnpu_error *err;
};

static int hash_tensor(struct verification *v, const struct bitnpu_gguf_tensor *t, uint64_t *hash)
{
	uint64_t at, bytes;

	XXH64_reset(v->state, 0);
	for (at = 0; at < t->bytes; at += bytes) {
		bytes = t->bytes - at < PROGRESS_STEP ? t->bytes - at : PROGRESS_STEP;
		XXH64_update(v->state, t->data + at, bytes);
		v->done += bytes;
		if (v->progress && v->progress(v->user, v->done, v->total))
			return bitnpu_fail(v->err, -ECANCELED, "%s: cancelled", v->gguf->path);
	}
	*hash = XXH64_digest(v->state);
	return 0;
}

static int verify_all(struct verification *v, const unsigned char *checksums)
{
	const struct bitnpu_gguf_tensor *t;
	uint64_t hash = 0, wanted, i;
	int ret;

	for (i = 0; i < v->gguf->n_tensors; i++) {
		t = &v->gguf->tensors[i];
		ret = hash_tensor(v, t, &hash);
		if (ret)
			return ret;
		memcpy(&wanted, checksums + i * sizeof(wanted), sizeof(wanted));
		if (hash != wanted)
			return bitnpu_fail(v->err, -EBADMSG, "%s: tensor %.*s: checksum is %016llx, "
					   "expected %016llx: the file is damaged", v->gguf->path,
					   BITNPU_NAME_ARGS(t->name), (unsigned long long)hash,
					   (unsigned long long)wanted);
	}
	return 0;
}

int bitnpu_packed_verify(const struct bitnpu_gguf *gguf, bitnpu_progress_fn *progress, void *user,
			 struct bitnpu_error *err)
{
	struct verification v = { .gguf = gguf, .progress = progress, .user = user, .err = err };
	const unsigned char *checksums;
	uint64_t i;
	int ret = bitnpu_gguf_is_packed(gguf, err);

	if (ret < 0)
		return ret;
	if (!ret)
		return bitnpu_fail(err, -EINVAL, "%s: not a packed file, it has no checksums",
				   gguf->path);
	ret = bitnpu_packed_array(gguf, BITNPU_PACK_KEY_CHECKSUMS, BITNPU_GGUF_UINT64, &checksums,
				  err);
	if (ret)
		return ret;
	for (i = 0; i < gguf->n_tensors; i++)
		v.total += gguf->tensors[i].bytes;
	v.state = XXH64_createState();
	if (!v.state)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", gguf->path);
	ret = verify_all(&v, checksums);
	XXH64_freeState(v.state);
	return ret;
}
