// SPDX-License-Identifier: Apache-2.0
//
// Copies of rectangles between pitched memory and host memory, in every direction.
#include "check.h"

__global__ void fill(unsigned char *p, size_t pitch, int width, int height) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
    if (x < width && y < height) p[y * pitch + x] = (unsigned char)(x * 3 + y * 5);
}

int main() {
    const int width = 301, height = 47;
    unsigned char *a, *b;
    size_t pa, pb;
    CHECK(cudaMallocPitch(&a, &pa, width, height));
    CHECK(cudaMallocPitch(&b, &pb, width + 400, height));
    EXPECT(pa >= (size_t)width && pa % 32 == 0, "pitch is %zu for a width of %d", pa, width);
    CHECK(cudaMemset2D(b, pb, 0xEE, width + 400, height));
    fill<<<dim3((width + 127) / 128, height), 128>>>(a, pa, width, height);
    launched();

    std::vector<unsigned char> host(400 * height, 0x77), want(host);
    CHECK(cudaMemcpy2D(host.data() + 10, 400, a, pa, width, height, cudaMemcpyDeviceToHost));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) want[y * 400 + 10 + x] = (unsigned char)(x * 3 + y * 5);
    EXPECT(host == want, "device to host differs");

    // A window of 100 by 20 from the one to the other, and back to the host.
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    CHECK(cudaMemcpy2DAsync(b + 7 * pb + 33, pb, a + 5 * pa + 11, pa, 100, 20, cudaMemcpyDeviceToDevice, s));
    std::vector<unsigned char> all((width + 400) * height), all_want(all.size(), 0xEE);
    CHECK(cudaMemcpy2DAsync(all.data(), width + 400, b, pb, width + 400, height, cudaMemcpyDeviceToHost, s));
    CHECK(cudaStreamSynchronize(s));
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 100; x++)
            all_want[(y + 7) * (width + 400) + x + 33] = (unsigned char)((x + 11) * 3 + (y + 5) * 5);
    EXPECT(all == all_want, "device to device differs");

    for (size_t i = 0; i < host.size(); i++) host[i] = (unsigned char)(i * 11);
    CHECK(cudaMemcpy2D(a, pa, host.data() + 3, 400, width, height, cudaMemcpyHostToDevice));
    std::vector<unsigned char> back(width * height), back_want(width * height);
    CHECK(cudaMemcpy2D(back.data(), width, a, pa, width, height, cudaMemcpyDefault));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) back_want[y * width + x] = host[y * 400 + 3 + x];
    EXPECT(back == back_want, "host to device differs");
    EXPECT_ERROR(cudaMemcpy2D(a, 100, host.data(), 400, width, height, cudaMemcpyHostToDevice),
                 cudaErrorInvalidPitchValue);
    cudaGetLastError();
    return 0;
}
