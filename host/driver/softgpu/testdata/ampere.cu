// SPDX-License-Identifier: Apache-2.0
//
// Kernels with instructions of compute capability 8.0. Compile with
//   nvcc -std=c++17 -ptx -arch=compute_80 ampere.cu -o ampere.ptx
#include <cuda/barrier>
#include <cuda_bf16.h>
#include <cuda_pipeline.h>
#include <mma.h>

using namespace nvcuda;

// matrices computes d = a * b + c of 16 by 16, b in the order of columns.
template <class T> __device__ void matrices(const T *a, const T *b, const float *c, float *d)
{
	wmma::fragment<wmma::matrix_a, 16, 16, 16, T, wmma::row_major> fa;
	wmma::fragment<wmma::matrix_b, 16, 16, 16, T, wmma::col_major> fb;
	wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
	wmma::load_matrix_sync(fa, a, 16);
	wmma::load_matrix_sync(fb, b, 16);
	wmma::load_matrix_sync(fc, c, 16, wmma::mem_row_major);
	wmma::mma_sync(fc, fa, fb, fc);
	for (int i = 0; i < fc.num_elements; i++)
		fc.x[i] *= 2;
	wmma::store_matrix_sync(d, fc, 16, wmma::mem_row_major);
}

extern "C" __global__ void matrices_f16(const half *a, const half *b, const float *c, float *d) { matrices(a, b, c, d); }
extern "C" __global__ void matrices_bf16(const __nv_bfloat16 *a, const __nv_bfloat16 *b, const float *c, float *d) { matrices(a, b, c, d); }

// integers and doubles have shapes of their own.
extern "C" __global__ void matrices_s8(const signed char *a, const signed char *b, const int *c, int *d)
{
	wmma::fragment<wmma::matrix_a, 16, 16, 16, signed char, wmma::row_major> fa;
	wmma::fragment<wmma::matrix_b, 16, 16, 16, signed char, wmma::col_major> fb;
	wmma::fragment<wmma::accumulator, 16, 16, 16, int> fc;
	wmma::load_matrix_sync(fa, a, 16);
	wmma::load_matrix_sync(fb, b, 16);
	wmma::load_matrix_sync(fc, c, 16, wmma::mem_row_major);
	wmma::mma_sync(fc, fa, fb, fc);
	wmma::store_matrix_sync(d, fc, 16, wmma::mem_row_major);
}

extern "C" __global__ void matrices_f64(const double *a, const double *b, const double *c, double *d)
{
	wmma::fragment<wmma::matrix_a, 8, 8, 4, double, wmma::row_major> fa;
	wmma::fragment<wmma::matrix_b, 8, 8, 4, double, wmma::col_major> fb;
	wmma::fragment<wmma::accumulator, 8, 8, 4, double> fc;
	wmma::load_matrix_sync(fa, a, 4);
	wmma::load_matrix_sync(fb, b, 4);
	wmma::load_matrix_sync(fc, c, 8, wmma::mem_row_major);
	wmma::mma_sync(fc, fa, fb, fc);
	wmma::store_matrix_sync(d, fc, 8, wmma::mem_row_major);
}

extern "C" __global__ void matrices_tf32(const float *a, const float *b, const float *c, float *d)
{
	wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fa;
	wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::col_major> fb;
	wmma::fragment<wmma::accumulator, 16, 16, 8, float> fc;
	wmma::load_matrix_sync(fa, a, 8);
	wmma::load_matrix_sync(fb, b, 8);
	wmma::load_matrix_sync(fc, c, 16, wmma::mem_row_major);
	wmma::mma_sync(fc, fa, fb, fc);
	wmma::store_matrix_sync(d, fc, 16, wmma::mem_row_major);
}

// pipeline adds 1 to n floats that it brings in by asynchronous copies.
extern "C" __global__ void pipeline(const float *in, float *out)
{
	__shared__ float4 box[64];
	__pipeline_memcpy_async(&box[threadIdx.x], (const float4 *)in + threadIdx.x, sizeof(float4));
	__pipeline_commit();
	__pipeline_wait_prior(0);
	__syncthreads();
	const float *v = (const float *)box;
	for (int i = threadIdx.x; i < 256; i += 64)
		out[i] = v[255 - i] + 1;
}

// phases passes a value from thread to thread by a barrier in shared memory.
extern "C" __global__ void phases(int *out)
{
	__shared__ cuda::barrier<cuda::thread_scope_block> bar;
	__shared__ int box[96];
	if (threadIdx.x == 0)
		init(&bar, blockDim.x);
	__syncthreads();
	int v = threadIdx.x;
	for (int round = 0; round < 5; round++) {
		box[threadIdx.x] = v;
		bar.arrive_and_wait();
		v = box[(threadIdx.x + 1) % 96];
		bar.arrive_and_wait();
	}
	out[threadIdx.x] = v;
}
