// SPDX-License-Identifier: MIT
/*
 * Float commands (docs/command-set.md, section 3), each rounding as docs/numerics.md has it: nothing is
 * contracted, a sum has sixteen accumulators and then a tree, fused where it says so.  NaNs are written as
 * one value.  Devices that round otherwise do not get here (floats.c).
 *
 * Build options: GROUP, work-items of a group that share a row, a power of two from 16 on, for GPUs; or 1,
 * for CPUs, whose compilers turn float16 into their vectors.  EACH, elements that stand alone which a
 * work-item takes: 1 or, for CPUs, 16.
 */
#pragma OPENCL FP_CONTRACT OFF

#define LANES 16
#define MOST_SHARE 4	/* query heads of a work-item of ATTENTION */
#define NAN_BITS 0x7fc00000u
#define HALF_NAN 0x7e00

/* Numbers of the command set. */
#define IN_INT64 1
#define IN_INT7 2
#define SCALES_NONE 0
#define SCALES_EACH 2
#define TOKEN_TABLE 64

INLINE float settle(float x)
{
	return x != x ? as_float(NAN_BITS) : x;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* Element @i of a row of exact sums, times what turns it into a float. */
INLINE float value(__global const uchar *y, uint format, ulong slice, uint i, int x_sum, float factor)
{
	__global const uint *words = (__global const uint *)y + i;
	uint twice;

	if (format == IN_INT64)
		return (convert_float(((__global const long *)y)[i]) * 0x1p-24f) * factor;
	if (format != IN_INT7)
		return convert_float(as_int(words[0])) * factor;
	slice /= 4;
	twice = 64 * words[0] + 16 * words[slice] + 4 * words[2 * slice] + words[3 * slice] -
		43 * (uint)x_sum;
	return convert_float(as_int(twice) >> 1) * factor;
}

/* The scale of a row of x, times that of row @i of the weights. */
INLINE float factor_of(float x_scale, __global const float *scales, uint kind, uint i)
{
	if (kind == SCALES_NONE)
		return x_scale;
	return x_scale * scales[kind == SCALES_EACH ? i : 0];
}

/* What commands on sums have in common, in the order of floats.c. */
#define SUMS							\
	__global const uchar *in, ulong in_offset, uint in_stride,	\
	__global const uchar *factors, ulong factors_offset,	\
	__global const uchar *scales, ulong scales_offset,	\
	__global uchar *out, ulong out_offset, uint out_stride,	\
	uint format, uint kind, uint n

INLINE float x_scale_of(__global const uchar *factors, ulong row)
{
	return ((__global const float *)factors)[2 * row];
}

/*
 * Many elements at a time: value(), factor_of() and settle() of sixteen.  Compilers make no vectors of
 * loops over work-items that have so many branches.
 */
#if EACH > 1
INLINE float16 settle16(float16 x)
{
	return x == x ? x : as_float16((uint16)(NAN_BITS));
}

INLINE float16 value16(__global const uchar *y, uint format, ulong slice, uint i, int x_sum,
		       float16 factor)
{
	__global const uint *words = (__global const uint *)y + i;
	uint16 twice;

	if (format == IN_INT64)
		return (convert_float16(vload16(0, (__global const long *)y + i)) * 0x1p-24f) * factor;
	if (format != IN_INT7)
		return convert_float16(as_int16(vload16(0, words))) * factor;
	slice /= 4;
	twice = 64 * vload16(0, words) + 16 * vload16(0, words + slice) +
		4 * vload16(0, words + 2 * slice) + vload16(0, words + 3 * slice) -
		(uint16)(43 * (uint)x_sum);
	return convert_float16(as_int16(twice) >> 1) * factor;
}

INLINE float16 factor_of16(float x_scale, __global const float *scales, uint kind, uint i)
{
	if (kind == SCALES_EACH)
		return x_scale * vload16(0, scales + i);
	return (float16)(factor_of(x_scale, scales, kind, i));
}
#endif

__kernel void scale(SUMS, ulong slice, uint add)
{
	const uint first = get_global_id(0) * EACH, end = min(first + EACH, n);
	const ulong row = get_global_id(1);
	__global const uchar *f = factors + factors_offset, *y = in + in_offset + row * in_stride;
	__global const float *row_scales = (__global const float *)(scales + scales_offset);
	__global float *to = (__global float *)(out + out_offset + row * out_stride);
	float x_scale;
	int x_sum;

	if (first >= n)
		return;
	x_scale = x_scale_of(f, row);
	x_sum = ((__global const int *)f)[2 * row + 1];
#if EACH > 1
	if (end - first == EACH) {
		const float16 v = value16(y, format, slice, first, x_sum,
					  factor_of16(x_scale, row_scales, kind, first));

		vstore16(settle16(add ? vload16(0, to + first) + v : v), 0, to + first);
		return;
	}
#endif
	for (uint i = first; i < end; i++) {
		const float v = value(y, format, slice, i, x_sum,
				      factor_of(x_scale, row_scales, kind, i));

		to[i] = settle(add ? to[i] + v : v);
	}
}

__kernel void gate(SUMS, __global const uchar *up, ulong up_offset, uint up_format, uint up_scales)
{
	const uint first = get_global_id(0) * EACH, end = min(first + EACH, n);
	const ulong row = get_global_id(1);
	__global const uchar *gates = in + in_offset + row * in_stride;
	__global const uchar *ups = up + up_offset + row * in_stride;
	__global const float *of_gate = (__global const float *)(scales + scales_offset);
	__global const float *of_up = of_gate + up_scales / 4;
	__global float *to = (__global float *)(out + out_offset + row * out_stride);
	float x_scale;

	if (first >= n)
		return;
	x_scale = x_scale_of(factors + factors_offset, row);
#if EACH > 1
	if (end - first == EACH) {
		const float16 g = value16(gates, format, 0, first, 0,
					  factor_of16(x_scale, of_gate, kind, first));
		const float16 u = value16(ups, up_format, 0, first, 0,
					  factor_of16(x_scale, of_up, kind, first));
		const float16 open = g > (float16)(0.0f) ? g : (float16)(0.0f);

		vstore16(settle16((open * open) * u), 0, to + first);
		return;
	}
#endif
	for (uint i = first; i < end; i++) {
		const float g = value(gates, format, 0, i, 0, factor_of(x_scale, of_gate, kind, i));
		const float u = value(ups, up_format, 0, i, 0, factor_of(x_scale, of_up, kind, i));
		const float open = g > 0.0f ? g : 0.0f;

		to[i] = settle((open * open) * u);
	}
}

/* A pair of elements @half_dim apart; without rotation they only come together. */
struct pair {
	float a, b;
};

INLINE struct pair rotate_pair(struct pair x, __global const float *table, uint half_dim)
{
	const float c = table[0], s = table[half_dim];

	return (struct pair){ x.a * c - x.b * s, x.a * s + x.b * c };
}

INLINE void put_half(float x, ulong at, __global half *cache)
{
	if (x != x)
		((__global ushort *)cache)[at] = HALF_NAN;
	else
		vstore_half_rte(x, at, cache);
}

/* A work-item is a pair of elements of a head, or sixteen pairs; @n is heads * head_dim. */
__kernel void heads(SUMS, __global const uchar *tokens, ulong tokens_offset, uint token_stride,
		    uint head_dim, uint capacity, uint rotate, uint cached)
{
	const uint half_dim = head_dim / 2, items = (half_dim - 1) / EACH + 1;
	const uint item = get_global_id(0), head = item / items;
	const uint first = (item - head * items) * EACH, end = min(first + EACH, half_dim);
	const uint at = head * head_dim;
	const ulong row = get_global_id(1);
	__global const uchar *token = tokens + tokens_offset + row * token_stride;
	__global const uchar *y = in + in_offset + row * in_stride;
	__global const float *row_scales = (__global const float *)(scales + scales_offset);
	__global const float *table = (__global const float *)(token + TOKEN_TABLE);
	__global float *to = (__global float *)(out + out_offset + row * out_stride) + at;
	__global half *cache = (__global half *)(out + out_offset);
	uint position = 0;
	float x_scale;

	if (at >= n)
		return;
	if (cached) {
		position = *(__global const uint *)token;
		if (position >= capacity)
			return;
		cache += ((ulong)head * capacity + position) * head_dim;
	}
	x_scale = x_scale_of(factors + factors_offset, row);
#if EACH > 1
	if (end - first == EACH) {
		const uint i = at + first, j = i + half_dim;
		float16 a = value16(y, format, 0, i, 0, factor_of16(x_scale, row_scales, kind, i));
		float16 b = value16(y, format, 0, j, 0, factor_of16(x_scale, row_scales, kind, j));

		if (rotate) {
			const float16 c = vload16(0, table + first);
			const float16 s = vload16(0, table + half_dim + first), was = a;

			a = was * c - b * s;
			b = was * s + b * c;
		}
		if (!cached) {
			vstore16(settle16(a), 0, to + first);
			vstore16(settle16(b), 0, to + half_dim + first);
			return;
		}
		/* A NaN becomes the half that is its upper part, which is HALF_NAN. */
		vstore_half16_rte(settle16(a), 0, cache + first);
		vstore_half16_rte(settle16(b), 0, cache + half_dim + first);
		return;
	}
#endif
	for (uint i = first; i < end; i++) {
		const uint j = i + half_dim;
		struct pair x = {
			value(y, format, 0, at + i, 0, factor_of(x_scale, row_scales, kind, at + i)),
			value(y, format, 0, at + j, 0, factor_of(x_scale, row_scales, kind, at + j)),
		};

		if (rotate)
			x = rotate_pair(x, table + i, half_dim);
		if (cached) {
			put_half(x.a, i, cache);
			put_half(x.b, j, cache);
		} else {
			to[i] = settle(x.a);
			to[j] = settle(x.b);
		}
	}
}

/* ---- vectors --------------------------------------------------------------------------------- */

INLINE float tree(float16 a)
{
	const float8 b = a.lo + a.hi;
	const float4 c = b.lo + b.hi;
	const float2 d = c.lo + c.hi;

	return d.x + d.y;
}

/* exp() as the numerics have it; @FLOAT and @INT are types of as many elements. */
#define DEFINE_EXP(name, FLOAT, INT, to_int, to_float)				\
INLINE FLOAT name(FLOAT x)							\
{										\
	const FLOAT low = x < (FLOAT)(-104.0f) ? (FLOAT)(-104.0f) : x;		\
	const FLOAT c = low > (FLOAT)(89.0f) ? (FLOAT)(89.0f) : low;		\
	const FLOAT n = (c * (FLOAT)(0x1.715476p0f) + (FLOAT)(0x1.8p23f)) - (FLOAT)(0x1.8p23f); \
	const FLOAT r = (c - n * (FLOAT)(0x1.63p-1f)) - n * (FLOAT)(-0x1.bd0106p-13f); \
	const INT i = to_int(n), h = i >> 1;					\
	FLOAT p = r * (FLOAT)(0x1.a01a02p-13f) + (FLOAT)(0x1.6c16c2p-10f);	\
										\
	p = p * r + (FLOAT)(0x1.111112p-7f);					\
	p = p * r + (FLOAT)(0x1.555556p-5f);					\
	p = p * r + (FLOAT)(0x1.555556p-3f);					\
	p = p * r + (FLOAT)(0.5f);						\
	p = p * r + (FLOAT)(1.0f);						\
	p = p * r + (FLOAT)(1.0f);						\
	return (p * to_float((h + 127) << 23)) * to_float((i - h + 127) << 23);	\
}

DEFINE_EXP(exp_of, float, int, convert_int, as_float)
DEFINE_EXP(exp_of16, float16, int16, convert_int16, as_float16)

#define IOTA ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))

/* Sixteen floats, those past the end as zero; @end counts from @p. */
INLINE float16 load16(__global const float *p, uint end)
{
	float part[LANES] = { 0 };

	if (end >= LANES)
		return vload16(0, p);
	for (uint i = 0; i < end; i++)
		part[i] = p[i];
	return vload16(0, part);
}

INLINE void store16(float16 x, __global float *p, uint end)
{
	float part[LANES];

	if (end >= LANES) {
		vstore16(x, 0, p);
		return;
	}
	vstore16(x, 0, part);
	for (uint i = 0; i < end; i++)
		p[i] = part[i];
}

INLINE float16 load_halves(__global const half *p, uint end)
{
	float part[LANES] = { 0 };

	if (end >= LANES)
		return vload_half16(0, p);
	for (uint i = 0; i < end; i++)
		part[i] = vload_half(i, p);
	return vload16(0, part);
}

/* sum + a * b where there are elements; elsewhere even -0 stays what it is. */
INLINE float16 add_product(float16 a, float16 b, float16 sum, uint end)
{
	const float16 more = fma(a, b, sum);

	return end >= LANES ? more : IOTA < (int16)((int)end) ? more : sum;
}

INLINE float dot_of_halves(__global const float *q, __global const half *k, uint n)
{
	const uint whole = n / LANES * LANES;
	float16 sum = 0;

	for (uint i = 0; i < whole; i += LANES)
		sum = fma(vload16(0, q + i), vload_half16(0, k + i), sum);
	if (whole < n)
		sum = add_product(load16(q + whole, n - whole), load_halves(k + whole, n - whole), sum,
				  n - whole);
	return tree(sum);
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define LARGEST 0x1.fffffep127f

/* What quantization takes an activation for: a number. */
INLINE float number(float x)
{
	return x != x ? 0.0f : clamp(x, -LARGEST, LARGEST);
}

INLINE int quantized(float x, float inverse)
{
	return convert_int(clamp(rint(number(x) * inverse), -128.0f, 127.0f));
}

#if GROUP == 1

INLINE float16 numbers(float16 x)
{
	const float16 bounded = x < (float16)(-LARGEST) ? (float16)(-LARGEST) :
				x > (float16)(LARGEST) ? (float16)(LARGEST) : x;

	return x == x ? bounded : (float16)(0.0f);
}

INLINE float most_of(float16 a)
{
	const float8 b = a.lo > a.hi ? a.lo : a.hi;
	const float4 c = b.lo > b.hi ? b.lo : b.hi;
	const float2 d = c.lo > c.hi ? c.lo : c.hi;

	return d.x > d.y ? d.x : d.y;
}

INLINE int sum_of(int16 a)
{
	const int8 b = a.lo + a.hi;
	const int4 c = b.lo + b.hi;

	return c.x + c.y + c.z + c.w;
}

/* One row: @x holds n floats, @weight as many. */
INLINE void norm_row(__global const float *x, __global const float *weight, uint n, float eps,
		     __global char *q, __global float *factor)
{
	float16 sum = 0, most = 0x1.4f8b58p-17f;	/* 1e-5 */
	int16 total = 0;
	float r, inverse, scale;

	for (uint i = 0; i < n; i += LANES) {
		const float16 a = load16(x + i, n - i);

		sum = add_product(a, a, sum, n - i);
	}
	r = 1.0f / sqrt(tree(sum) / convert_float(n) + eps);
	for (uint i = 0; i < n; i += LANES) {
		const float16 a = fabs(numbers((load16(x + i, n - i) * r) * load16(weight + i, n - i)));
		const float16 more = a > most ? a : most;

		most = n - i >= LANES ? more : IOTA < (int16)((int)(n - i)) ? more : most;
	}
	scale = most_of(most);
	inverse = 127.0f / scale;
	for (uint i = 0; i < n; i += LANES) {
		const float16 a = numbers((load16(x + i, n - i) * r) * load16(weight + i, n - i));
		const float16 rounded = rint(a * inverse);
		const float16 low = rounded < (float16)(-128.0f) ? (float16)(-128.0f) : rounded;
		int16 code = convert_int16(low > (float16)(127.0f) ? (float16)(127.0f) : low);

		if (n - i >= LANES) {
			vstore16(convert_char16(code), 0, q + i);
		} else {
			code = IOTA < (int16)((int)(n - i)) ? code : (int16)(0);
			for (uint j = i; j < n; j++)
				q[j] = quantized((x[j] * r) * weight[j], inverse);
		}
		total += code;
	}
	factor[0] = scale / 127.0f;
	((__global int *)factor)[1] = sum_of(total);
}

/* Scores to shares of one. */
INLINE void softmax(__global float *x, uint n)
{
	float16 most = -INFINITY, sum = 0;
	float m, all;

	for (uint i = 0; i < n; i += LANES) {
		const float16 a = load16(x + i, n - i), more = a > most ? a : most;

		most = n - i >= LANES ? more : IOTA < (int16)((int)(n - i)) ? more : most;
	}
	m = most_of(most);
	for (uint i = 0; i < n; i += LANES) {
		const float16 e = exp_of16(load16(x + i, n - i) - m), more = sum + e;

		store16(e, x + i, n - i);
		sum = n - i >= LANES ? more : IOTA < (int16)((int)(n - i)) ? more : sum;
	}
	all = tree(sum);
	for (uint i = 0; i < n; i += LANES)
		store16(load16(x + i, n - i) / all, x + i, n - i);
}

/* Of sixteen accumulators, @step apart, those of a tree. */
INLINE float16 fold(float16 *acc, uint step)
{
	for (uint width = LANES / 2; width; width /= 2)
		for (uint i = 0; i < width; i++)
			acc[i * step] += acc[(i + width) * step];
	return settle16(acc[0]);
}

/* Elements from @d on, at most sixteen, of one head. */
INLINE void sum_block(__global const float *p, __global const half *v, uint n, uint head_dim, uint d,
		      __global float *out)
{
	const uint end = head_dim - d;
	float16 acc[LANES];

	for (uint i = 0; i < LANES; i++)
		acc[i] = 0;
	for (uint t = 0; t < n; t++)
		acc[t % LANES] = fma((float16)(p[t]), load_halves(v + (ulong)t * head_dim + d, end),
				     acc[t % LANES]);
	store16(fold(acc, 1), out + d, end);
}

/* A cache line of each value, for @share heads at once: an accumulator for each of sixteen positions. */
INLINE void sum_line(__global const float *p, uint stride, __global const half *v, uint n, uint head_dim,
		     uint share, __global float *out)
{
	float16 acc[MOST_SHARE * LANES * 2];

	for (uint i = 0; i < share * LANES * 2; i++)
		acc[i] = 0;
	for (uint t = 0; t < n; t++) {
		const float16 low = vload_half16(0, v + (ulong)t * head_dim);
		const float16 high = vload_half16(0, v + (ulong)t * head_dim + LANES);

		for (uint h = 0; h < share; h++) {
			const float16 weight = p[h * (ulong)stride + t];
			float16 *at = acc + (h * LANES + t % LANES) * 2;

			at[0] = fma(weight, low, at[0]);
			at[1] = fma(weight, high, at[1]);
		}
	}
	for (uint h = 0; h < share; h++) {
		vstore16(fold(acc + h * LANES * 2, 2), 0, out + h * head_dim);
		vstore16(fold(acc + h * LANES * 2 + 1, 2), 0, out + h * head_dim + LANES);
	}
}

INLINE void sum_values(__global const float *p, uint stride, __global const half *v, uint n,
		       uint head_dim, uint share, __global float *out)
{
	uint d = 0;

	for (; d + 2 * LANES <= head_dim; d += 2 * LANES)
		sum_line(p, stride, v + d, n, head_dim, share, out + d);
	for (; d < head_dim; d += LANES)
		for (uint h = 0; h < share; h++)
			sum_block(p + h * (ulong)stride, v, n, head_dim, d, out + h * head_dim);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void norm_quantize(__global const uchar *in, ulong in_offset, uint in_stride,
		   __global const uchar *weight, ulong weight_offset, __global uchar *out,
		   ulong out_offset, uint out_stride, __global uchar *factors, ulong factors_offset,
		   uint n, float eps)
{
	const ulong row = get_global_id(1);

	norm_row((__global const float *)(in + in_offset + row * in_stride),
		 (__global const float *)(weight + weight_offset), n, eps,
		 (__global char *)(out + out_offset + row * out_stride),
		 (__global float *)(factors + factors_offset) + 2 * row);
}

#else /* a group of work-items a row */

/* Sixteen sums in local memory to one, for all work-items. */
INLINE float tree_of(__local float *sums)
{
	barrier(CLK_LOCAL_MEM_FENCE);
	return tree(vload16(0, sums));
}

/* The most of all work-items' values; @room has GROUP elements. */
INLINE float most_of(float x, __local float *room)
{
	barrier(CLK_LOCAL_MEM_FENCE);
	room[get_local_id(0)] = x;
	for (uint step = GROUP / 2; step; step /= 2) {
		barrier(CLK_LOCAL_MEM_FENCE);
		if (get_local_id(0) < step)
			room[get_local_id(0)] = max(room[get_local_id(0)], room[get_local_id(0) + step]);
	}
	barrier(CLK_LOCAL_MEM_FENCE);
	return room[0];
}

INLINE void softmax(__global float *x, uint n, __local float *room)
{
	const uint item = get_local_id(0);
	float most = -INFINITY, m, all;

	for (uint i = item; i < n; i += GROUP)
		most = x[i] > most ? x[i] : most;
	m = most_of(most, room);
	barrier(CLK_LOCAL_MEM_FENCE);
	for (uint i = item; i < n; i += GROUP)
		x[i] = exp_of(x[i] - m);
	barrier(CLK_GLOBAL_MEM_FENCE);
	if (item < LANES) {
		float sum = 0;

		for (uint i = item; i < n; i += LANES)
			sum = sum + x[i];
		room[item] = sum;
	}
	all = tree_of(room);
	for (uint i = item; i < n; i += GROUP)
		x[i] = x[i] / all;
	barrier(CLK_GLOBAL_MEM_FENCE);
}

/* An element of the result a work-item, so that a group reads values in a row. */
INLINE void sum_values(__global const float *p, __global const half *v, uint n, uint head_dim,
		       __global float *out)
{
	for (uint d = get_local_id(0); d < head_dim; d += GROUP) {
		float acc[LANES];
		uint t = 0;

		for (uint i = 0; i < LANES; i++)
			acc[i] = 0;
		for (; t + LANES <= n; t += LANES)
#pragma unroll
			for (uint i = 0; i < LANES; i++)
				acc[i] = fma(p[t + i], vload_half((ulong)(t + i) * head_dim + d, v), acc[i]);
#pragma unroll
		for (uint i = 0; i < LANES; i++)
			if (t + i < n)
				acc[i] = fma(p[t + i], vload_half((ulong)(t + i) * head_dim + d, v), acc[i]);
		out[d] = settle(tree(vload16(0, acc)));
	}
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void norm_quantize(__global const uchar *in, ulong in_offset, uint in_stride,
		   __global const uchar *weight, ulong weight_offset, __global uchar *out,
		   ulong out_offset, uint out_stride, __global uchar *factors, ulong factors_offset,
		   uint n, float eps)
{
	const ulong row = get_global_id(1);
	const uint item = get_local_id(0);
	__global const float *x = (__global const float *)(in + in_offset + row * in_stride);
	__global const float *w = (__global const float *)(weight + weight_offset);
	__global char *q = (__global char *)(out + out_offset + row * out_stride);
	__global float *factor = (__global float *)(factors + factors_offset) + 2 * row;
	__local float room[GROUP];
	__local int totals[GROUP];
	float r, most = 0x1.4f8b58p-17f, scale, inverse;	/* 1e-5 */
	int total = 0;

	if (item < LANES) {
		float sum = 0;

		for (uint i = item; i < n; i += LANES)
			sum = fma(x[i], x[i], sum);
		room[item] = sum;
	}
	r = 1.0f / sqrt(tree_of(room) / convert_float(n) + eps);
	for (uint i = item; i < n; i += GROUP) {
		const float a = fabs(number((x[i] * r) * w[i]));

		most = a > most ? a : most;
	}
	scale = most_of(most, room);
	inverse = 127.0f / scale;
	for (uint i = item; i < n; i += GROUP) {
		const int code = quantized((x[i] * r) * w[i], inverse);

		q[i] = code;
		total += code;
	}
	totals[item] = total;
	barrier(CLK_LOCAL_MEM_FENCE);
	if (item)
		return;
	for (uint i = 1; i < GROUP; i++)
		total += totals[i];
	factor[0] = scale / 127.0f;
	((__global int *)factor)[1] = total;
}
#endif

/*
 * A group is @share query heads of a row, from @first_row on, that use the same key/value head; their
 * scores are at @scratch.  It runs over the positions that its token sees, so that a launch is the same
 * for every token.  For GPUs @share is 1.
 */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void attention(__global const uchar *in, ulong in_offset, uint in_stride,
	       __global const uchar *keys, ulong keys_offset, __global const uchar *values,
	       ulong values_offset, __global const uchar *tokens, ulong tokens_offset,
	       uint token_stride, __global uchar *out, ulong out_offset, uint out_stride,
	       __global float *scratch, uint group, uint head_dim, uint capacity, uint first_row,
	       uint share)
{
	const uint head = get_group_id(0) * share, heads = get_num_groups(0) * share;
	const ulong row = first_row + get_group_id(1);
	const uint position = *(__global const uint *)(tokens + tokens_offset + row * token_stride);
	const uint n = position < capacity ? position + 1 : capacity;
	const ulong cache = (ulong)(head / group) * capacity * head_dim;
	__global const half *k = (__global const half *)(keys + keys_offset) + cache;
	__global const half *v = (__global const half *)(values + values_offset) + cache;
	__global const float *q = (__global const float *)(in + in_offset + row * in_stride) +
				  head * head_dim;
	const float factor = 1.0f / sqrt(convert_float(head_dim));
	__global float *scores = scratch + (get_group_id(1) * (ulong)heads + head) * capacity;
	__global float *to = (__global float *)(out + out_offset + row * out_stride) + head * head_dim;
#if GROUP > 1
	__local float room[GROUP];
#endif

	for (uint t = get_local_id(0); t < n; t += GROUP)
		for (uint h = 0; h < share; h++)
			scores[h * (ulong)capacity + t] = factor *
				dot_of_halves(q + h * head_dim, k + (ulong)t * head_dim, head_dim);
#if GROUP > 1
	barrier(CLK_GLOBAL_MEM_FENCE);
	softmax(scores, n, room);
	sum_values(scores, v, n, head_dim, to);
#else
	for (uint h = 0; h < share; h++)
		softmax(scores + h * (ulong)capacity, n);
	sum_values(scores, capacity, v, n, head_dim, share, to);
#endif
}
