// SPDX-License-Identifier: Apache-2.0
//
// Copies of the driver: typed by name, by unified address, of rectangles and
// boxes with offsets; and what a blocking one waits for.
#include <atomic>
#include <chrono>
#include <thread>

#include "driver.h"

// A blocking upload of more than 64 KiB comes after all that the default stream waits for.
static void uploads_in_order() {
    const int n = 1 << 16;
    std::vector<int> v(n, 7);
    CUdeviceptr p = device_ints(std::vector<int>(n, 1));
    std::atomic<bool> done{false};
    CUstream blocking, apart;
    CU(cuStreamCreate(&blocking, CU_STREAM_DEFAULT));
    CU(cuLaunchHostFunc(blocking, [](void *p) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        *(std::atomic<bool> *)p = true;
    }, &done));
    CU(cuMemcpyHtoD(p, v.data(), n * sizeof(int)));
    EXPECT(done, "the upload returned before the host function");
    CU(cuStreamSynchronize(nullptr)); // for its own end, by what CUDA promises
    CU(cuStreamCreate(&apart, CU_STREAM_NON_BLOCKING));
    std::vector<int> got(n);
    CU(cuMemcpyDtoHAsync(got.data(), p, n * sizeof(int), apart));
    CU(cuStreamSynchronize(apart));
    expect_same("uploaded", got, v);
    CU(cuStreamDestroy(blocking));
    CU(cuStreamDestroy(apart));
    CU(cuMemFree(p));
}

int main() {
    start();
    uploads_in_order();
    const int n = 1000;
    std::vector<int> a(n), got(n);
    for (int i = 0; i < n; i++) a[i] = i * 7 - 3;
    CUdeviceptr p = device_ints(a), q = device_ints(std::vector<int>(n, 0));
    CU(cuMemcpyDtoD(q, p, n * 4));
    expect_same("device to device", host_ints(q, n), a);
    CU(cuMemsetD32(q, 0, n));
    CU(cuMemcpy(q, p, n * 4));
    CU(cuMemcpy((CUdeviceptr)got.data(), q, n * 4));
    expect_same("unified", got, a);

    // A rectangle of 30 by 7 integers out of rows of 40, into rows of 50.
    std::vector<int> wide(50 * 20, -1), want(50 * 20, -1);
    CUDA_MEMCPY2D c = {};
    c.srcMemoryType = CU_MEMORYTYPE_DEVICE;
    c.srcDevice = p;
    c.srcPitch = 40 * 4;
    c.srcXInBytes = 5 * 4;
    c.srcY = 3;
    c.dstMemoryType = CU_MEMORYTYPE_HOST;
    c.dstHost = wide.data();
    c.dstPitch = 50 * 4;
    c.dstXInBytes = 11 * 4;
    c.dstY = 2;
    c.WidthInBytes = 30 * 4;
    c.Height = 7;
    CU(cuMemcpy2D(&c));
    for (int y = 0; y < 7; y++)
        for (int x = 0; x < 30; x++) want[(y + 2) * 50 + x + 11] = a[(y + 3) * 40 + x + 5];
    expect_same("rectangle", wide, want);

    // A box of 4 by 3 by 2 integers out of 10 by 10 by 10.
    CUDA_MEMCPY3D b = {};
    b.srcMemoryType = CU_MEMORYTYPE_DEVICE;
    b.srcDevice = p;
    b.srcPitch = 40;
    b.srcHeight = 10;
    b.srcXInBytes = 3 * 4;
    b.srcY = 2;
    b.srcZ = 5;
    b.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
    b.dstDevice = q;
    b.dstPitch = 5 * 4;
    b.dstHeight = 6;
    b.dstZ = 1;
    b.WidthInBytes = 4 * 4;
    b.Height = 3;
    b.Depth = 2;
    CU(cuMemsetD32(q, 0, n));
    CUstream s;
    CU(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
    CU(cuCtxSynchronize());
    CU(cuMemcpy3DAsync(&b, s));
    CU(cuStreamSynchronize(s));
    std::vector<int> box(n, 0);
    for (int z = 0; z < 2; z++)
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 4; x++) box[((z + 1) * 6 + y) * 5 + x] = a[((z + 5) * 10 + y + 2) * 10 + x + 3];
    expect_same("box", host_ints(q, n), box);
    CUdeviceptr base;
    size_t size;
    CU(cuMemGetAddressRange(&base, &size, p + 400));
    EXPECT(base == p && size == n * 4, "range %#llx of %zu bytes", (unsigned long long)base, size);
    EXPECT_CU(cuMemcpyDtoH(got.data(), 0x10, 4), CUDA_ERROR_INVALID_VALUE);
    return 0;
}
