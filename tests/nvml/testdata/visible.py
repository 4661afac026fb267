# SPDX-License-Identifier: Apache-2.0
"""Prints what cuInit returns, which devices CUDA shows, by their place in NVML's list, and how many NVML has: that one
ignores CUDA_VISIBLE_DEVICES."""
import ctypes
from uuid import UUID

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
uuids = [n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByIndex(i)) for i in range(n.nvmlDeviceGetCount())]
shown = []
for i in range(count.value):
    uuid = (ctypes.c_ubyte * 16)()
    assert cuda.cuDeviceGetUuid_v2(uuid, i) == 0
    shown.append(uuids.index("GPU-" + str(UUID(bytes=bytes(uuid)))))

# Each device's memory is its own, in CUDA and in NVML.
for i, place in enumerate(shown):
    context, memory = ctypes.c_void_p(), ctypes.c_uint64()
    assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), i) == 0 and cuda.cuCtxSetCurrent(context) == 0
    assert cuda.cuMemAlloc_v2(ctypes.byref(memory), ctypes.c_size_t((i + 1) << 20)) == 0
for place in range(len(uuids)):
    handle = n.nvmlDeviceGetHandleByIndex(place)
    assert n.nvmlDeviceGetCudaComputeCapability(handle) == (9, 0)
    want = (shown.index(place) + 1) << 20 if place in shown else 0
    assert n.nvmlDeviceGetMemoryInfo(handle).used == want, (place, want)
print(result, shown, len(uuids))
n.nvmlShutdown()
