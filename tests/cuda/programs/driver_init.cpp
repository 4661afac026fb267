// SPDX-License-Identifier: Apache-2.0
//
// Before cuInit nothing works, and says so; devices by number; names of errors.
#include "driver.h"

int main() {
    int count = -1, version = 0;
    CUdevice device;
    CUdeviceptr p;
    EXPECT_CU(cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
    EXPECT_CU(cuDeviceGet(&device, 0), CUDA_ERROR_NOT_INITIALIZED);
    EXPECT_CU(cuMemAlloc(&p, 16), CUDA_ERROR_NOT_INITIALIZED);
    CU(cuDriverGetVersion(&version));
    EXPECT(version >= CUDA_VERSION / 1000 * 1000, "the driver is %d, this was built for %d", version, CUDA_VERSION);
    EXPECT_CU(cuInit(1), CUDA_ERROR_INVALID_VALUE);
    CU(cuInit(0));
    CU(cuInit(0));
    CU(cuDeviceGetCount(&count));
    EXPECT(count >= 1, "there are %d devices", count);
    EXPECT_CU(cuMemAlloc(&p, 16), CUDA_ERROR_INVALID_CONTEXT);
    EXPECT_CU(cuDeviceGet(&device, count), CUDA_ERROR_INVALID_DEVICE);
    EXPECT_CU(cuDeviceGet(&device, -1), CUDA_ERROR_INVALID_DEVICE);
    CU(cuDeviceGet(&device, 0));
    char name[256] = {}, narrow[6] = {1, 1, 1, 1, 1, 1};
    CU(cuDeviceGetName(name, sizeof name, device));
    EXPECT(strlen(name) > 0, "the device has no name");
    CU(cuDeviceGetName(narrow, 5, device));
    EXPECT(narrow[5] == 1 && strncmp(name, narrow, 4) == 0, "the name for 5 bytes is '%.5s'", narrow);
    size_t bytes = 0;
    CU(cuDeviceTotalMem(&bytes, device));
    EXPECT(bytes >= 64 << 20, "memory is %zu", bytes);
    CUuuid uuid = {}, zero = {};
    CU(cuDeviceGetUuid(&uuid, device));
    EXPECT(memcmp(&uuid, &zero, sizeof uuid) != 0, "the UUID is zero");
    int value = 0;
    CU(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, device));
    EXPECT(value == 32, "warps of %d", value);
    EXPECT_CU(cuDeviceGetAttribute(&value, (CUdevice_attribute)100000, device), CUDA_ERROR_INVALID_VALUE);

    const char *text = nullptr;
    CU(cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text));
    EXPECT(strcmp(text, "CUDA_ERROR_OUT_OF_MEMORY") == 0, "name is %s", text);
    CU(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &text));
    EXPECT(strcmp(text, "out of memory") == 0, "text is %s", text);
    EXPECT_CU(cuGetErrorName((CUresult)123456, &text), CUDA_ERROR_INVALID_VALUE);
    EXPECT(text == nullptr, "an error that is none has a name");
    return 0;
}
