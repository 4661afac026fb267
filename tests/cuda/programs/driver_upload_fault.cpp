// SPDX-License-Identifier: Apache-2.0
//
// Uploads that wait behind a kernel that is about to fault end with its error, however many they are, and hold up none of
// another context.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "driver.h"

// fault waits until *go is not 0, and writes where nothing is.
static const char fault_ptx[] = R"(
.version 6.0
.target sm_60
.address_size 64

.visible .entry fault(.param .u64 go)
{
    .reg .pred %p;
    .reg .b32 %v;
    .reg .b64 %d<3>;
    ld.param.u64 %d1, [go];
WAIT:
    ld.volatile.global.u32 %v, [%d1];
    setp.eq.u32 %p, %v, 0;
    @%p bra WAIT;
    mov.u64 %d2, 64;
    st.global.u32 [%d2], %v;
    ret;
}
)";

static const size_t PIECE = 1 << 20, WIDTH = 1000, ROWS = 500;

// box uploads with gaps between its rows.
static CUresult box(CUdeviceptr to, const std::vector<char> &from, CUstream stream) {
    CUDA_MEMCPY2D copy = {};
    copy.srcMemoryType = CU_MEMORYTYPE_HOST;
    copy.srcHost = from.data();
    copy.srcPitch = copy.dstPitch = 2 * WIDTH;
    copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    copy.dstDevice = to;
    copy.WidthInBytes = WIDTH;
    copy.Height = ROWS;
    return cuMemcpy2DAsync(&copy, stream);
}

// behind queues uploads of both kinds behind the kernel, while another thread lets it go, and ends their context.
static void behind(int uploads) {
    CUcontext context = start();
    CUmodule module;
    CUfunction fault;
    CUstream stream;
    CUdeviceptr memory, seen;
    int *go;
    CU(cuModuleLoadData(&module, fault_ptx));
    CU(cuModuleGetFunction(&fault, module, "fault"));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuMemAlloc(&memory, PIECE));
    CU(cuMemHostAlloc((void **)&go, sizeof *go, CU_MEMHOSTALLOC_DEVICEMAP));
    CU(cuMemHostGetDevicePointer(&seen, go, 0));
    *go = 0;
    void *params[] = {&seen};
    CU(cuLaunchKernel(fault, 1, 1, 1, 1, 1, 1, 0, stream, params, nullptr));
    std::thread other([go] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        *(volatile int *)go = 1;
    });
    std::vector<char> data(PIECE, 'x');
    CUresult r = CUDA_SUCCESS;
    for (int i = 0; i < uploads && r == CUDA_SUCCESS; i++)
        r = i % 2 ? box(memory, data, stream) : cuMemcpyHtoDAsync(memory, data.data(), PIECE, stream);
    other.join();
    EXPECT(r == CUDA_SUCCESS || r == CUDA_ERROR_ILLEGAL_ADDRESS, "an upload gives %d", (int)r);
    EXPECT_CU(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
    cuCtxDestroy(context); // which may tell of the fault once more
}

int main() {
    const int MORE_THAN_STAGING = 1000;
    pid_t child = fork(); // for one such fault ends all that a process may do with NVIDIA's driver
    if (!child) {
        behind(MORE_THAN_STAGING);
        leave(0);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child && status == 0, "a process ends with status %d", status);

    CUcontext context = start();
    CUdeviceptr memory;
    CU(cuMemAlloc(&memory, PIECE));
    behind(8);
    CU(cuCtxSetCurrent(context));
    std::vector<char> data(PIECE, 0);
    CUresult r = CUDA_SUCCESS;
    for (int i = 0; i < MORE_THAN_STAGING && r == CUDA_SUCCESS; i++) {
        data[i] = (char)(i + 1);
        r = cuMemcpyHtoDAsync(memory, data.data(), PIECE, nullptr);
    }
    std::vector<char> back(PIECE);
    if (r == CUDA_SUCCESS) r = cuMemcpyDtoH(back.data(), memory, PIECE);
    if (r == CUDA_ERROR_ILLEGAL_ADDRESS) return 0; // NVIDIA's driver tells all contexts of the process
    CU(r);
    EXPECT(back == data, "what another context uploads is wrong");
    return 0;
}
