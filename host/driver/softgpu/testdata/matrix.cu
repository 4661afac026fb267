// SPDX-License-Identifier: Apache-2.0
//
// Kernels of the first tests and of the benchmark. Compile with
//   nvcc -ptx -arch=compute_70 matrix.cu -o matrix.ptx

extern "C" __global__ void vector_add(const float *a, const float *b, float *c, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n)
		c[i] = a[i] + b[i];
}

template <int T> __device__ void product(const float *a, const float *b, float *c, int n)
{
	__shared__ float as[T][T], bs[T][T];
	int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * T + y, col = blockIdx.x * T + x;
	float sum = 0;
	for (int t = 0; t < n; t += T) {
		as[y][x] = a[row * n + t + x];
		bs[y][x] = b[(t + y) * n + col];
		__syncthreads();
#pragma unroll
		for (int k = 0; k < T; k++)
			sum += as[y][k] * bs[k][x];
		__syncthreads();
	}
	c[row * n + col] = sum;
}

extern "C" __global__ void matrix_product16(const float *a, const float *b, float *c, int n) { product<16>(a, b, c, n); }
extern "C" __global__ void matrix_product32(const float *a, const float *b, float *c, int n) { product<32>(a, b, c, n); }

extern "C" __global__ void empty(void) {}
