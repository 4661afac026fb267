// SPDX-License-Identifier: Apache-2.0
//
// Two GPUs at once: memory, streams and kernels of each are its own.
// gpus: 2
#include "check.h"

__global__ void scale(float *v, float by, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) v[i] *= by;
}

__device__ int where = -1;
__global__ void set(int v) { where = v; }

int main() {
    int count = 0;
    CHECK(cudaGetDeviceCount(&count));
    if (count < 2) SKIP("needs 2 GPUs, there is %d", count);
    const int n = 5000;
    std::vector<float> host(n), got[2];
    for (int i = 0; i < n; i++) host[i] = i * 0.5f;
    float *device[2];
    cudaStream_t stream[2];
    for (int d = 0; d < 2; d++) {
        CHECK(cudaSetDevice(d));
        CHECK(cudaStreamCreate(&stream[d]));
        CHECK(cudaMalloc(&device[d], n * sizeof(float)));
        got[d].resize(n);
        CHECK(cudaMemcpyAsync(device[d], host.data(), n * sizeof(float), cudaMemcpyHostToDevice, stream[d]));
        scale<<<(n + 127) / 128, 128, 0, stream[d]>>>(device[d], d + 2.0f, n);
        set<<<1, 1, 0, stream[d]>>>(d * 100);
        CHECK(cudaMemcpyAsync(got[d].data(), device[d], n * sizeof(float), cudaMemcpyDeviceToHost, stream[d]));
    }
    for (int d = 1; d >= 0; d--) {
        CHECK(cudaSetDevice(d));
        CHECK(cudaStreamSynchronize(stream[d]));
        for (int i = 0; i < n; i++)
            EXPECT(got[d][i] == host[i] * (d + 2), "GPU %d: %d is %g, want %g", d, i, got[d][i], host[i] * (d + 2));
        int w = -2, current = -1;
        CHECK(cudaMemcpyFromSymbol(&w, where, sizeof w));
        EXPECT(w == d * 100, "GPU %d's variable is %d", d, w);
        CHECK(cudaGetDevice(&current));
        EXPECT(current == d, "current GPU is %d, want %d", current, d);
        cudaPointerAttributes a;
        CHECK(cudaPointerGetAttributes(&a, device[1 - d]));
        EXPECT(a.device == 1 - d && a.type == cudaMemoryTypeDevice, "pointer on GPU %d of type %d", a.device, a.type);
    }
    // An address belongs to one GPU only.
    EXPECT(device[0] != device[1], "both GPUs gave %p", (void *)device[0]);
    cudaDeviceProp p[2];
    for (int d = 0; d < 2; d++) CHECK(cudaGetDeviceProperties(&p[d], d));
    EXPECT(memcmp(&p[0].uuid, &p[1].uuid, 16) != 0, "both GPUs have one UUID");
    return 0;
}
