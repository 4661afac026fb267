# SPDX-License-Identifier: Apache-2.0
"""Prints what cuInit returns, how many devices CUDA has, and how many NVML has: that one ignores CUDA_VISIBLE_DEVICES."""
import ctypes

import pynvml as n

cuda, version, count = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.c_int()
assert cuda.cuDriverGetVersion(ctypes.byref(version)) == 0
result = cuda.cuInit(0)
if result == 0:
    assert cuda.cuDeviceGetCount(ctypes.byref(count)) == 0
    value, device = ctypes.c_int(), ctypes.c_int()
    assert cuda.cuDeviceGet(ctypes.byref(device), count.value) == 101
    assert cuda.cuDeviceGetAttribute(ctypes.byref(value), 75, count.value) == 101
    assert cuda.cuDeviceGetAttribute(ctypes.byref(value), 75, count.value - 1) == 0
n.nvmlInit()
last = n.nvmlDeviceGetCount() - 1
assert n.nvmlDeviceGetCudaComputeCapability(n.nvmlDeviceGetHandleByIndex(last))[0] >= 6
print(result, count.value, last + 1)
n.nvmlShutdown()
