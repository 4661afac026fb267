// SPDX-License-Identifier: Apache-2.0
//
// Memset of 8, 16 and 32 bits, of rectangles, waiting or not.
#include "driver.h"

int main() {
    start();
    CUdeviceptr p;
    const size_t n = 4096;
    CU(cuMemAlloc(&p, n));
    std::vector<unsigned char> want(n, 0x11), got(n);
    CU(cuMemsetD8(p, 0x11, n));
    CU(cuMemsetD8(p + 3, 0xAB, 101));
    memset(&want[3], 0xAB, 101);
    CU(cuMemsetD16(p + 200, 0x1234, 55));
    for (int i = 0; i < 55; i++) want[200 + 2 * i] = 0x34, want[201 + 2 * i] = 0x12;
    CUstream s;
    CU(cuStreamCreate(&s, 0));
    CU(cuMemsetD32Async(p + 400, 0xdeadbeef, 77, s));
    for (int i = 0; i < 77; i++) {
        const unsigned v = 0xdeadbeef;
        memcpy(&want[400 + 4 * i], &v, 4);
    }
    // Rectangles of a pitch of 128 bytes.
    CU(cuMemsetD2D8Async(p + 1024 + 5, 128, 0x77, 9, 6, s));
    CU(cuMemsetD2D16Async(p + 2048, 128, 0xBEEF, 10, 4, s));
    CU(cuStreamSynchronize(s));
    CU(cuMemsetD2D32(p + 3072 + 64, 128, 0x01020304, 3, 5));
    for (int y = 0; y < 6; y++) memset(&want[1024 + 5 + y * 128], 0x77, 9);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 10; x++) want[2048 + y * 128 + 2 * x] = 0xEF, want[2049 + y * 128 + 2 * x] = 0xBE;
    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 3; x++)
            for (int k = 0; k < 4; k++) want[3072 + 64 + y * 128 + 4 * x + k] = (unsigned char)(4 - k);
    CU(cuMemcpyDtoH(got.data(), p, n));
    for (size_t i = 0; i < n; i++) EXPECT(got[i] == want[i], "byte %zu is %#x, want %#x", i, got[i], want[i]);
    EXPECT_CU(cuMemsetD32(p + 2, 0, 1), CUDA_ERROR_INVALID_VALUE); // not aligned
    EXPECT_CU(cuMemsetD8(0, 0, 1), CUDA_ERROR_INVALID_VALUE);
    CU(cuMemsetD8(p, 0, 0));
    return 0;
}
