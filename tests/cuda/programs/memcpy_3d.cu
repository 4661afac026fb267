// SPDX-License-Identifier: Apache-2.0
//
// Copies of boxes, with positions and pitches on both sides.
#include "check.h"

int main() {
    const int w = 40, h = 21, d = 9;
    cudaExtent extent = make_cudaExtent(w, h, d);
    cudaPitchedPtr device, other;
    CHECK(cudaMalloc3D(&device, extent));
    CHECK(cudaMalloc3D(&other, extent));
    EXPECT(device.pitch >= (size_t)w && device.xsize == (size_t)w && device.ysize == (size_t)h, "pitched pointer %zu %zu %zu",
           device.pitch, device.xsize, device.ysize);
    CHECK(cudaMemset3D(other, 0x5A, extent));

    std::vector<unsigned char> in(w * h * d), out(w * h * d), want(w * h * d, 0x5A);
    for (size_t i = 0; i < in.size(); i++) in[i] = (unsigned char)(i * 13 + i / 251);
    cudaMemcpy3DParms up = {};
    up.srcPtr = make_cudaPitchedPtr(in.data(), w, w, h);
    up.dstPtr = device;
    up.extent = extent;
    up.kind = cudaMemcpyHostToDevice;
    CHECK(cudaMemcpy3D(&up));

    cudaMemcpy3DParms part = {};
    part.srcPtr = device;
    part.srcPos = make_cudaPos(3, 2, 1);
    part.dstPtr = other;
    part.dstPos = make_cudaPos(10, 5, 4);
    part.extent = make_cudaExtent(17, 11, 4);
    part.kind = cudaMemcpyDeviceToDevice;
    CHECK(cudaMemcpy3DAsync(&part, 0));

    cudaMemcpy3DParms down = {};
    down.srcPtr = other;
    down.dstPtr = make_cudaPitchedPtr(out.data(), w, w, h);
    down.extent = extent;
    down.kind = cudaMemcpyDeviceToHost;
    CHECK(cudaMemcpy3D(&down));
    for (int z = 0; z < 4; z++)
        for (int y = 0; y < 11; y++)
            for (int x = 0; x < 17; x++)
                want[((z + 4) * h + y + 5) * w + x + 10] = in[((z + 1) * h + y + 2) * w + x + 3];
    for (size_t i = 0; i < want.size(); i++) EXPECT(out[i] == want[i], "byte %zu is %d, want %d", i, out[i], want[i]);
    CHECK(cudaFree(device.ptr));
    CHECK(cudaFree(other.ptr));
    return 0;
}
