# SPDX-License-Identifier: Apache-2.0
"""Asks NVML by pynvml what frameworks and monitors ask, around an allocation by CUDA of the same process."""
import ctypes
import os

import pynvml as n

MIB = 1 << 20


def refused(error, f, *args):
    try:
        f(*args)
    except error:
        return True
    return False


def same(got, want):
    assert got == want, f"{got!r}, want {want!r}"


def cuda(f, *args):
    same(f(*args), 0)


n.nvmlInit()
same(n.nvmlDeviceGetCount(), 2)
gpu, other = n.nvmlDeviceGetHandleByIndex(0), n.nvmlDeviceGetHandleByIndex(1)

# What PyTorch, TensorFlow and vLLM ask.
same(n.nvmlDeviceGetName(gpu), "Orion Software GPU")
same(n.nvmlDeviceGetCudaComputeCapability(gpu), (9, 0))
same(n.nvmlDeviceGetMemoryInfo(gpu).total, 384 * MIB)
same(n.nvmlDeviceGetMemoryInfo(gpu, version=n.nvmlMemory_v2).used, 0)
uuid = n.nvmlDeviceGetUUID(gpu)
assert uuid.startswith("GPU-") and uuid != n.nvmlDeviceGetUUID(other)
same(n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByUUID(uuid)), 0)
same(n.nvmlDeviceGetP2PStatus(gpu, other, n.NVML_P2P_CAPS_INDEX_NVLINK), n.NVML_P2P_STATUS_NOT_SUPPORTED)
same(n.nvmlDeviceGetTopologyCommonAncestor(gpu, other), n.NVML_TOPOLOGY_SYSTEM)
same(n.nvmlDeviceGetIndex(n.nvmlDeviceGetHandleByPciBusId(n.nvmlDeviceGetPciInfo(other).busId)), 1)
assert n.nvmlSystemGetDriverVersion() and n.nvmlSystemGetCudaDriverVersion() >= 13000
online = os.sched_getaffinity(0)
near = {64 * w + b for w, word in enumerate(n.nvmlDeviceGetCpuAffinity(gpu, 16)) for b in range(64) if word >> b & 1}
assert online <= near, (online, near)
same(n.nvmlDeviceGetVirtualizationMode(gpu), n.NVML_GPU_VIRTUALIZATION_MODE_VGPU)
assert refused(n.NVMLError_NoPermission, n.nvmlDeviceSetComputeMode, gpu, n.NVML_COMPUTEMODE_DEFAULT)

# What a software GPU has not.
for ask in (n.nvmlDeviceGetUtilizationRates, n.nvmlDeviceGetPowerUsage, n.nvmlDeviceGetMigMode, n.nvmlDeviceGetFanSpeed):
    assert refused(n.NVMLError_NotSupported, ask, gpu), ask
assert refused(n.NVMLError_NotSupported, n.nvmlDeviceGetTemperature, gpu, n.NVML_TEMPERATURE_GPU)
assert refused(n.NVMLError_NotSupported, n.nvmlDeviceGetNvLinkState, gpu, 0)
assert refused(n.NVMLError_InvalidArgument, n.nvmlDeviceGetHandleByIndex, 2)

# Memory and processes, as they change.
same(n.nvmlDeviceGetComputeRunningProcesses(gpu), [])
driver = ctypes.CDLL("libcuda.so.1")
context, memory = ctypes.c_void_p(), ctypes.c_uint64()
cuda(driver.cuInit, 0)
cuda(driver.cuDevicePrimaryCtxRetain, ctypes.byref(context), 0)
cuda(driver.cuCtxSetCurrent, context)
cuda(driver.cuMemAlloc_v2, ctypes.byref(memory), ctypes.c_size_t(64 * MIB))
info = n.nvmlDeviceGetMemoryInfo(gpu)
assert 64 * MIB <= info.used <= 384 * MIB and info.used + info.free == info.total, info
[process] = n.nvmlDeviceGetComputeRunningProcesses(gpu)
same((process.pid, process.usedGpuMemory), (os.getpid(), info.used))
assert "python" in n.nvmlSystemGetProcessName(process.pid)
same(n.nvmlDeviceGetComputeRunningProcesses(other), [])
same(n.nvmlDeviceGetMemoryInfo(other).used, 0)
cuda(driver.cuMemFree_v2, memory)
assert n.nvmlDeviceGetMemoryInfo(gpu).used < info.used

n.nvmlShutdown()
assert refused(n.NVMLError_Uninitialized, n.nvmlDeviceGetCount)
print("right")
