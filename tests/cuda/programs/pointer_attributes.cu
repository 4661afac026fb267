// SPDX-License-Identifier: Apache-2.0
//
// What the runtime knows of a pointer: device memory, pinned memory, neither.
#include "check.h"

__device__ int variable[10];

int main() {
    cudaPointerAttributes a;
    char *device, *pinned, plain[16];
    CHECK(cudaMalloc(&device, 1000));
    CHECK(cudaMallocHost(&pinned, 1000));
    CHECK(cudaPointerGetAttributes(&a, device + 500));
    EXPECT(a.type == cudaMemoryTypeDevice && a.device == 0 && a.devicePointer == device + 500, "device: type %d, GPU %d, %p",
           a.type, a.device, a.devicePointer);
    CHECK(cudaPointerGetAttributes(&a, pinned + 10));
    EXPECT(a.type == cudaMemoryTypeHost && a.hostPointer == pinned + 10 && a.devicePointer != nullptr,
           "pinned: type %d, %p", a.type, a.hostPointer);
    CHECK(cudaPointerGetAttributes(&a, plain));
    EXPECT(a.type == cudaMemoryTypeUnregistered, "plain: type %d", a.type);
    void *symbol;
    CHECK(cudaGetSymbolAddress(&symbol, variable));
    CHECK(cudaPointerGetAttributes(&a, symbol));
    EXPECT(a.type == cudaMemoryTypeDevice, "variable: type %d", a.type);
    CHECK(cudaFree(device));
    CHECK(cudaFreeHost(pinned));
    CHECK(cudaPointerGetAttributes(&a, pinned));
    EXPECT(a.type == cudaMemoryTypeUnregistered, "after free: type %d", a.type);
    CHECK(cudaFree(nullptr));
    return 0;
}
