// SPDX-License-Identifier: MIT
/*
 * The candidate layouts in portable OpenCL C 1.2.  One work-item computes a tile of rows with 16-lane
 * short vectors, the widest form that LLVM vectorizes on CPUs without a byte dot product; a GPU would
 * give each lane a row.  Codes are w + 1; x_sum corrects them.  A product is at most 2 * 128, so a
 * short lane takes 127 of them before it is widened.
 *
 * x is int8, k of them; y int32, one a row.  w is the matrix that starts @matrix bytes into the buffer.
 */

/* Lanes 2r and 2r + 1 belong to row r of 8. */
#define ADD_PAIRS(sum, v)	((sum) + convert_int8((v).even) + convert_int8((v).odd))

/* pairs[i]: x of two columns that share a u32's halves, as shorts in one int. */
__kernel void tile16(__global const uchar *w, ulong matrix, __global const char *x,
		     __global const int *pairs, int x_sum, uint k, __global int *y)
{
	const uint tile = get_global_id(0);
	__global const ushort *line = (__global const ushort *)(w + matrix + (ulong)tile * 4 * k);
	int8 low = -x_sum, high = -x_sum;

	for (uint i = 0; i < k;) {
		short16 a = 0, b = 0;

		for (uint stop = min(i + 128, k); i < stop; i += 16, line += 32) {
			ushort16 v = vload16(0, line), u = vload16(1, line);

			for (uint s = 0; s < 4; s++) {
				const short16 even = as_short16((int8)(pairs[i / 2 + 2 * s]));
				const short16 odd = as_short16((int8)(pairs[i / 2 + 2 * s + 1]));

				a += as_short16(v & (ushort)3) * even +
				     as_short16(v >> (ushort)8 & (ushort)3) * odd;
				b += as_short16(u & (ushort)3) * even +
				     as_short16(u >> (ushort)8 & (ushort)3) * odd;
				v >>= (ushort)2;
				u >>= (ushort)2;
			}
		}
		low = ADD_PAIRS(low, a);
		high = ADD_PAIRS(high, b);
	}
	vstore8(low, 2 * tile, y);
	vstore8(high, 2 * tile + 1, y);
}

__kernel void tile32(__global const uchar *w, ulong matrix, __global const char *x,
		     __global const int *pairs, int x_sum, uint k, __global int *y)
{
	const uint tile = get_global_id(0);
	__global const ushort *line = (__global const ushort *)(w + matrix + (ulong)tile * 8 * k);
	int16 low = -x_sum, high = -x_sum;

	for (uint i = 0; i < k;) {
		short16 a = 0, b = 0;

		for (uint stop = min(i + 64, k); i < stop; i += 8, line += 32) {
			ushort16 v = vload16(0, line), u = vload16(1, line);

			for (uint s = 0; s < 4; s++) {
				const short even = x[i + 2 * s], odd = x[i + 2 * s + 1];

				a += as_short16(v & (ushort)3) * even +
				     as_short16(v >> (ushort)8 & (ushort)3) * odd;
				b += as_short16(u & (ushort)3) * even +
				     as_short16(u >> (ushort)8 & (ushort)3) * odd;
				v >>= (ushort)2;
				u >>= (ushort)2;
			}
		}
		low += convert_int16(a);
		high += convert_int16(b);
	}
	vstore16(low, 2 * tile, y);
	vstore16(high, 2 * tile + 1, y);
}

__kernel void rows(__global const uchar *w, ulong matrix, __global const char *x,
		   __global const int *pairs, int x_sum, uint k, __global int *y)
{
	for (uint row = 16 * get_global_id(0); row < 16 * get_global_id(0) + 16; row++) {
		__global const uchar *p = w + matrix + (ulong)row * k / 4;
		int16 sum = 0;
		int8 eight;
		int4 four;

		for (uint i = 0; i < k; i += 128, p += 32) {
			short16 a = 0;

			for (uint h = 0; h < 2; h++) {
				const uchar16 v = vload16(h, p);

				for (uint s = 0; s < 4; s++)
					a += convert_short16(v >> (uchar)(6 - 2 * s) & (uchar)3) *
					     convert_short16(vload16(h, x + i + 32 * s));
			}
			sum += convert_int16(a);
		}
		eight = sum.lo + sum.hi;
		four = eight.lo + eight.hi;
		y[row] = four.x + four.y + four.z + four.w - x_sum;
	}
}

__kernel void trits(__global const uchar *w, ulong matrix, __global const char *x,
		    __global const int *pairs, int x_sum, uint k, __global int *y)
{
	const uint tile = get_global_id(0);
	__global const ushort *line =
		(__global const ushort *)(w + matrix + (ulong)tile * 16 * k / 5);
	int8 low = -x_sum, high = -x_sum;

	for (uint i = 0; i < k;) {
		short16 a = 0, b = 0;

		for (uint stop = min(i + 160, k); i < stop; i += 20, line += 32) {
			ushort16 v0 = vload16(0, line) & (ushort)255;
			ushort16 v1 = vload16(0, line) >> (ushort)8;
			ushort16 u0 = vload16(1, line) & (ushort)255;
			ushort16 u1 = vload16(1, line) >> (ushort)8;

			for (uint s = 0; s < 5; s++) {
				const short16 even = as_short16((int8)(pairs[i / 2 + 2 * s]));
				const short16 odd = as_short16((int8)(pairs[i / 2 + 2 * s + 1]));

				v0 *= (ushort)3;
				v1 *= (ushort)3;
				u0 *= (ushort)3;
				u1 *= (ushort)3;
				a += as_short16(v0 >> (ushort)8) * even +
				     as_short16(v1 >> (ushort)8) * odd;
				b += as_short16(u0 >> (ushort)8) * even +
				     as_short16(u1 >> (ushort)8) * odd;
				v0 &= (ushort)255;
				v1 &= (ushort)255;
				u0 &= (ushort)255;
				u1 &= (ushort)255;
			}
		}
		low = ADD_PAIRS(low, a);
		high = ADD_PAIRS(high, b);
	}
	vstore8(low, 2 * tile, y);
	vstore8(high, 2 * tile + 1, y);
}
