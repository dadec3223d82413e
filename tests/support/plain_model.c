// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "libbitnpu/hostops.h"
#include "plain_model.h"
#include "plain_ops.h"

/*
 * One token at a time; keys and values of all blocks are kept as halves.  Matrices are read weight
 * by weight from the tiles, whose meaning has a test of its own.
 */
struct plain {
	const struct bitnpu_model *model;
	uint32_t position;
	uint16_t *k, *v;	/* [layer][position][head][head_dim] */
};

static void *checked(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static float *new_floats(size_t n)
{
	return checked(calloc(n, sizeof(float)));
}

static double group_scale(const struct bitnpu_weights *w, uint32_t row, uint32_t k)
{
	uint32_t groups = ((w->k - 1) >> w->group_shift) + 1;
	const uint16_t *scales = w->scales;

	return bitnpu_from_half(scales[(row / 16 * groups + (k >> w->group_shift)) * 16 + row % 16]);
}

/* 7 bits are four matrices one after the other: v + 64 = 32 a + 8 b + 2 c + d by their codes. */
static void plain_codes(const struct bitnpu_weights *w, uint32_t row, int8_t *codes)
{
	static const uint8_t formats[] = { BITNPU_W_TERNARY, BITNPU_W_TERNARY, BITNPU_W_TERNARY,
					   BITNPU_W_BINARY };
	static const int weights[] = { 32, 8, 2, 1 };
	const char *tiles = w->tiles;
	int8_t *slice = checked(malloc(w->k));
	int *v = checked(calloc(w->k, sizeof(*v)));

	if (w->format != BITNPU_PACK_INT7)
		bitnpu_tiles_decode_row(w->format, w->k, tiles, row, codes);
	for (int i = 0; w->format == BITNPU_PACK_INT7 && i < 4; i++) {
		bitnpu_tiles_decode_row(formats[i], w->k, tiles, row, slice);
		for (uint32_t k = 0; k < w->k; k++) {
			v[k] += weights[i] * (i < 3 ? slice[k] + 1 : slice[k] > 0);
			codes[k] = v[k] - 64;
		}
		tiles += (w->n + 15) / 16 * ((w->k + (i < 3 ? 15 : 31)) / (i < 3 ? 16 : 32)) * 64;
	}
	free(v);
	free(slice);
}

/* W . x: quantized activations, exact sums (of doubles: small integers times halves), one rounding
 * */
static void plain_matmul_row(const struct bitnpu_weights *w, const float *x, float *out)
{
	int8_t *q = checked(malloc(w->k)), *codes = checked(malloc(w->k));
	float x_scale = plain_quantize(x, w->k, q);

	for (uint32_t row = 0; row < w->n; row++) {
		float row_scale = w->row_scale ? w->row_scale[w->row_scale_count > 1 ? row : 0] : 1;
		double sum = 0;

		plain_codes(w, row, codes);
		for (uint32_t k = 0; k < w->k; k++)
			sum += q[k] * codes[k] * (w->scales ? group_scale(w, row, k) : 1.0);
		out[row] = (float)sum * (x_scale * row_scale);
	}
	free(q);
	free(codes);
}

static void plain_branch(const struct bitnpu_model *model, const float *x, uint32_t n,
			 const float *norm, const struct bitnpu_weights *const *w, int count,
			 float *const *out)
{
	float *normed = new_floats(n);

	plain_rms_norm(x, norm, n, model->rms_eps, normed);
	for (int i = 0; i < count; i++)
		plain_matmul_row(w[i], normed, out[i]);
	free(normed);
}

static void plain_rotate(float *x, uint32_t heads, uint32_t head_dim, const float *table)
{
	for (uint32_t i = 0; i < heads * head_dim; i++) {
		uint32_t d = i % head_dim;

		if (d < head_dim / 2) {
			float a = x[i], b = x[i + head_dim / 2];
			float cosine = table[d], sine = table[d + head_dim / 2];

			x[i] = a * cosine - b * sine;
			x[i + head_dim / 2] = a * sine + b * cosine;
		}
	}
}

static void plain_attend(struct plain *p, uint32_t layer, float *q, const float *k, const float *v)
{
	const struct bitnpu_model_info *info = &p->model->info;
	uint32_t hd = info->head_dim, width = info->n_head_kv * hd, n = p->position + 1;
	uint16_t *keys = p->k + (size_t)layer * PLAIN_TOKENS * width;
	uint16_t *values = p->v + (size_t)layer * PLAIN_TOKENS * width;
	float scores[PLAIN_TOKENS], *out = new_floats(hd);

	for (uint32_t i = 0; i < width; i++) {
		keys[p->position * width + i] = bitnpu_to_half(k[i]);
		values[p->position * width + i] = bitnpu_to_half(v[i]);
	}
	for (uint32_t h = 0; h < info->n_head; h++) {
		uint32_t kv = h / (info->n_head / info->n_head_kv) * hd;

		plain_attention(q + h * hd, keys + kv, values + kv, width, hd, n, scores, out);
		memcpy(q + h * hd, out, hd * sizeof(float));
	}
	free(out);
}

static void plain_attention_branch(struct plain *p, uint32_t layer, float *h, float *branch)
{
	const struct bitnpu_model *model = p->model;
	const struct bitnpu_layer *l = &model->layers[layer];
	const struct bitnpu_weights *w = l->matrices;
	uint32_t hd = model->info.head_dim, n_q = w[BITNPU_ATTN_Q].n, n_kv = w[BITNPU_ATTN_K].n;
	float *q = new_floats(n_q), *k = new_floats(n_kv), *v = new_floats(n_kv);
	float *table = new_floats(hd);

	bitnpu_rope_table(p->position, hd, model->rope_base, table);
	plain_branch(model, h, model->info.n_embd, l->norms[BITNPU_ATTN_NORM],
		     (const struct bitnpu_weights *[]){ &w[BITNPU_ATTN_Q], &w[BITNPU_ATTN_K],
							&w[BITNPU_ATTN_V] },
		     3, (float *[]){ q, k, v });
	plain_rotate(q, model->info.n_head, hd, table);
	plain_rotate(k, model->info.n_head_kv, hd, table);
	plain_attend(p, layer, q, k, v);
	plain_branch(model, q, n_q, l->norms[BITNPU_ATTN_SUB_NORM],
		     (const struct bitnpu_weights *[]){ &w[BITNPU_ATTN_OUT] }, 1, &branch);
	free(q);
	free(k);
	free(v);
	free(table);
}

static void plain_ffn_branch(struct plain *p, uint32_t layer, float *h, float *branch)
{
	const struct bitnpu_model *model = p->model;
	const struct bitnpu_layer *l = &model->layers[layer];
	const struct bitnpu_weights *w = l->matrices;
	uint32_t n_ff = model->info.n_ff;
	float *gate = new_floats(n_ff), *up = new_floats(n_ff);

	plain_branch(model, h, model->info.n_embd, l->norms[BITNPU_FFN_NORM],
		     (const struct bitnpu_weights *[]){ &w[BITNPU_FFN_GATE], &w[BITNPU_FFN_UP] }, 2,
		     (float *[]){ gate, up });
	for (uint32_t i = 0; i < n_ff; i++) {
		float g = gate[i] > 0 ? gate[i] : 0;

		gate[i] = g * g * up[i];
	}
	plain_branch(model, gate, n_ff, l->norms[BITNPU_FFN_SUB_NORM],
		     (const struct bitnpu_weights *[]){ &w[BITNPU_FFN_DOWN] }, 1, &branch);
	free(gate);
	free(up);
}

static void plain_token(struct plain *p, uint32_t token, float *logits)
{
	const struct bitnpu_model *model = p->model;
	uint32_t n = model->info.n_embd;
	float *h = new_floats(n), *branch = new_floats(n);

	bitnpu_weights_dequantize_row(&model->embedding, token, h);
	for (uint32_t layer = 0; layer < model->info.n_layer; layer++) {
		plain_attention_branch(p, layer, h, branch);
		for (uint32_t i = 0; i < n; i++)
			h[i] = h[i] + branch[i];
		plain_ffn_branch(p, layer, h, branch);
		for (uint32_t i = 0; i < n; i++)
			h[i] = h[i] + branch[i];
	}
	plain_branch(model, h, n, model->output_norm,
		     (const struct bitnpu_weights *[]){ &model->head }, 1, &logits);
	p->position++;
	free(h);
	free(branch);
}

float *plain_forward(const struct bitnpu_model *model, const uint32_t *tokens, size_t count)
{
	size_t cache = (size_t)model->info.n_layer * PLAIN_TOKENS * model->info.n_head_kv *
		       model->info.head_dim;
	struct plain p = {
		.model = model,
		.k = checked(calloc(cache, sizeof(uint16_t))),
		.v = checked(calloc(cache, sizeof(uint16_t))),
	};
	float *logits = new_floats(count * model->info.n_vocab);

	for (size_t i = 0; i < count; i++)
		plain_token(&p, tokens[i], logits + i * model->info.n_vocab);
	free(p.k);
	free(p.v);
	return logits;
}
