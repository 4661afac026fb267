// SPDX-License-Identifier: Apache-2.0
//
// A failed assertion in a kernel: its message, its error, which stays.
#include <cassert>
#include <unistd.h>

#include "check.h"

__global__ void guarded(const int *values) {
    int value = values[threadIdx.x];
    assert(value < 3);
}

int main() {
    int *fine = to_device(std::vector<int>(32, 2));
    guarded<<<1, 32>>>(fine);
    launched();
    std::vector<int> bad(32, 2);
    bad[5] = 3;
    int *values = to_device(bad);

    // The message goes to the program's standard error.
    FILE *captured = tmpfile();
    EXPECT(captured != nullptr, "no temporary file");
    fflush(stderr);
    int saved = dup(2);
    dup2(fileno(captured), 2);
    guarded<<<1, 32>>>(values);
    cudaError_t error = cudaDeviceSynchronize();
    fflush(stderr);
    dup2(saved, 2);
    EXPECT(error == cudaErrorAssert, "synchronising gave %s", cudaGetErrorName(error));
    EXPECT_ERROR(cudaMemcpy(bad.data(), fine, 4, cudaMemcpyDeviceToHost), cudaErrorAssert);
    EXPECT_ERROR(cudaDeviceSynchronize(), cudaErrorAssert);

    char text[4096] = {};
    rewind(captured);
    size_t n = fread(text, 1, sizeof text - 1, captured);
    EXPECT(n > 0, "no message");
    EXPECT(strstr(text, "kernel_assert.cu:11: "), "the message lacks its place: %s", text);
    EXPECT(strstr(text, "block: [0,0,0], thread: [5,0,0] Assertion `value < 3` failed."), "the message is: %s", text);
    return 0;
}
