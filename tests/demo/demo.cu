// SPDX-License-Identifier: Apache-2.0
//
// Draws the Mandelbrot set on all GPUs that it finds, a band of rows each: first the whole of it, as letters on the
// screen, then a zoom for some seconds. All pixels of the picture and a row of every frame of the zoom are computed
// on the CPU too, and must be equal to the bit.
//
// It is an ordinary CUDA program and knows nothing of Orion.
//
//	demo [SECONDS]
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include <cuda_runtime.h>

static void check(cudaError_t e, const char *what) {
	if (e == cudaSuccess)
		return;
	fprintf(stderr, "demo: %s: %s\n", what, cudaGetErrorString(e));
	exit(1);
}
#define CHECK(call) check(call, #call)

const int WIDTH = 288, HEIGHT = 192, LIMIT = 250;

struct View {
	float x, y;     // the centre
	float step;     // between pixels
};

// escape counts the steps until the orbit of a pixel leaves the circle of radius 2. Its arithmetic is spelled out,
// product by product, so that CPU and GPU round alike.
__host__ __device__ inline float fma_(float a, float b, float c) {
#ifdef __CUDA_ARCH__
	return __fmaf_rn(a, b, c);
#else
	return std::fmaf(a, b, c);
#endif
}
__host__ __device__ inline int escape(View v, int px, int py) {
	float cx = fma_(float(px - WIDTH / 2), v.step, v.x), cy = fma_(float(py - HEIGHT / 2), v.step, v.y);
	float x = 0, y = 0;
	int n = 0;
	for (; n < LIMIT && fma_(x, x, fma_(y, y, -4.0f)) <= 0; n++) {
		float t = fma_(x, x, fma_(-y, y, cx));
		y = fma_(x + x, y, cy);
		x = t;
	}
	return n;
}

__global__ void draw(View v, int first, int rows, int *out) {
	int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
	if (x < WIDTH && y < rows)
		out[y * WIDTH + x] = escape(v, x, first + y);
}

// Band is what one GPU draws.
struct Band {
	int device, first, rows;
	int *pixels, *host;
	cudaStream_t stream;
	cudaEvent_t begin, end;
	float busy; // milliseconds
};

static void open(Band *b, int device, int devices) {
	b->device = device;
	b->first = HEIGHT * device / devices;
	b->rows = HEIGHT * (device + 1) / devices - b->first;
	b->busy = 0;
	CHECK(cudaSetDevice(device));
	CHECK(cudaMalloc(&b->pixels, sizeof(int) * WIDTH * b->rows));
	CHECK(cudaMallocHost(&b->host, sizeof(int) * WIDTH * b->rows));
	CHECK(cudaStreamCreate(&b->stream));
	CHECK(cudaEventCreate(&b->begin));
	CHECK(cudaEventCreate(&b->end));
}

static void start(Band *b, View v) {
	dim3 block(32, 4), grid((WIDTH + 31) / 32, (b->rows + 3) / 4);
	CHECK(cudaSetDevice(b->device));
	CHECK(cudaEventRecord(b->begin, b->stream));
	draw<<<grid, block, 0, b->stream>>>(v, b->first, b->rows, b->pixels);
	CHECK(cudaGetLastError());
	CHECK(cudaEventRecord(b->end, b->stream));
	CHECK(cudaMemcpyAsync(b->host, b->pixels, sizeof(int) * WIDTH * b->rows, cudaMemcpyDeviceToHost, b->stream));
}

static void finish(Band *b) {
	float ms;
	CHECK(cudaSetDevice(b->device));
	CHECK(cudaStreamSynchronize(b->stream));
	CHECK(cudaEventElapsedTime(&ms, b->begin, b->end));
	b->busy += ms;
}

// compare computes rows of a frame on the CPU, and ends the program if the GPUs' differ.
static void compare(const std::vector<Band> &bands, View v, int from, int to) {
	for (const Band &b : bands)
		for (int y = from > b.first ? from : b.first; y < to && y < b.first + b.rows; y++)
			for (int x = 0; x < WIDTH; x++) {
				int got = b.host[(y - b.first) * WIDTH + x], want = escape(v, x, y);
				if (got == want)
					continue;
				fprintf(stderr, "demo: GPU %d counts %d at pixel (%d, %d), the CPU %d\n", b.device, got, x, y, want);
				exit(1);
			}
}

// print shows a frame as letters, each for 4 by 8 pixels.
static void print(const std::vector<Band> &bands) {
	const char ink[] = " .:-=+*#%@";
	for (const Band &b : bands)
		for (int row = 0; row + 8 <= b.rows; row += 8) {
			char line[WIDTH / 4 + 1] = {0};
			for (int column = 0; column < WIDTH / 4; column++) {
				float sum = 0;
				for (int i = 0; i < 32; i++)
					sum += logf(1 + b.host[(row + i / 4) * WIDTH + column * 4 + i % 4]);
				float shade = sum / 32 / logf(LIMIT + 1); // 0 to 1
				line[column] = ink[std::max(0, std::min(9, int((shade - 0.25f) * 14)))];
			}
			printf("%s   GPU %d\n", line, b.device);
		}
}

static double now() {
	timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
	double seconds = argc > 1 ? atof(argv[1]) : 6;
	int devices = 0;
	CHECK(cudaGetDeviceCount(&devices));
	std::vector<Band> bands(devices);
	for (int i = 0; i < devices; i++) {
		cudaDeviceProp p;
		size_t free, total;
		open(&bands[i], i, devices);
		CHECK(cudaGetDeviceProperties(&p, i));
		CHECK(cudaMemGetInfo(&free, &total));
		printf("GPU %d: %s, %zu MiB\n", i, p.name, total >> 20);
	}
	View whole = {-0.65f, 0, 0.0125f};
	for (Band &b : bands)
		start(&b, whole);
	for (Band &b : bands)
		finish(&b);
	compare(bands, whole, 0, HEIGHT);
	print(bands);

	long frames = 0;
	View v = whole;
	for (double end = now() + seconds; now() < end; frames++) {
		v.step = v.step < 2e-5f ? whole.step : v.step * 0.97f;
		v.x = -0.7453f + (whole.x + 0.7453f) * v.step / whole.step;
		v.y = 0.1127f * (1 - v.step / whole.step);
		for (Band &b : bands)
			start(&b, v);
		for (Band &b : bands)
			finish(&b);
		int row = frames % HEIGHT;
		compare(bands, v, row, row + 1);
	}
	for (const Band &b : bands)
		printf("GPU %d drew %d rows of %ld frames in %.0f ms\n", b.device, b.rows, frames + 1, b.busy);
	printf("All equal to the CPU's.\n");
	return 0;
}
