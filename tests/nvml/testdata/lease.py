# SPDX-License-Identifier: Apache-2.0
"""Looks at vGPUs by NVML, then uses CUDA: in this process, or as vLLM does, in a child that it forks."""
import ctypes
import os
import sys
import time

import pynvml as n


def look():
    gpu = n.nvmlDeviceGetHandleByIndex(0)
    return n.nvmlDeviceGetName(gpu), n.nvmlDeviceGetCudaComputeCapability(gpu), n.nvmlDeviceGetMemoryInfo(gpu).total


def use_cuda():
    """Writes and reads memory of the GPU."""
    cuda, context, memory = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p(), ctypes.c_uint64()
    there, back = (ctypes.c_uint32 * 1024)(*range(1024)), (ctypes.c_uint32 * 1024)()
    for result in (
        cuda.cuInit(0),
        cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0),
        cuda.cuCtxSetCurrent(context),
        cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t(4096)),
        cuda.cuMemcpyHtoD_v2(memory, there, ctypes.c_size_t(4096)),
        cuda.cuMemcpyDtoH_v2(back, memory, ctypes.c_size_t(4096)),
    ):
        assert result == 0, result
    assert list(back) == list(there)


def in_child(f):
    pid = os.fork()
    if not pid:
        try:
            f()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0, "the child has failed"
    time.sleep(0.5)  # until its vGPU is free


n.nvmlInit()
before = look()
if sys.argv[1] == "fork":  # the parent keeps its vGPU
    in_child(use_cuda)
    in_child(lambda: (look(), use_cuda()))
    assert look() == before
    n.nvmlShutdown()
else:  # there is no other vGPU
    n.nvmlShutdown()
    for _ in range(3):
        n.nvmlInit()
        assert look() == before
        n.nvmlShutdown()
    in_child(use_cuda)
    use_cuda()
    n.nvmlInit()
    assert look() == before
    n.nvmlShutdown()
    use_cuda()  # which NVML's end leaves alone
print("right")
