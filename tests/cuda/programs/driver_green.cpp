// SPDX-License-Identifier: Apache-2.0
//
// Green contexts: the multiprocessors are split, a kernel runs on a part of them, and memory belongs to the
// primary context.
#include "late.h"

struct Resource {
    unsigned type;
    unsigned char internal[92];
    union {
        struct {
            unsigned count, least, alignment;
        } sm;
        unsigned char room[48];
    };
};
static_assert(sizeof(Resource) == 144, "CUdevResource has another size");
typedef struct Green_ *Green;
typedef struct Desc_ *Desc;

int main() {
    const unsigned SM = 1, DEFAULT_STREAM = 1;
    auto device_resource = late<CUresult(CUdevice, Resource *, unsigned)>("cuDeviceGetDevResource");
    auto split = late<CUresult(Resource *, unsigned *, const Resource *, Resource *, unsigned, unsigned)>("cuDevSmResourceSplitByCount");
    auto describe = late<CUresult(Desc *, Resource *, unsigned)>("cuDevResourceGenerateDesc");
    auto create = late<CUresult(Green *, Desc, CUdevice, unsigned)>("cuGreenCtxCreate");
    auto destroy = late<CUresult(Green)>("cuGreenCtxDestroy");
    auto context_of = late<CUresult(CUcontext *, Green)>("cuCtxFromGreenCtx");
    auto green_resource = late<CUresult(Green, Resource *, unsigned)>("cuGreenCtxGetDevResource");
    auto context_resource = late<CUresult(CUcontext, Resource *, unsigned)>("cuCtxGetDevResource");
    auto green_of = late<CUresult(CUstream, Green *)>("cuStreamGetGreenCtx");
    auto stream_create = late<CUresult(CUstream *, Green, unsigned, int)>("cuGreenCtxStreamCreate");
    auto record = late<CUresult(Green, CUevent)>("cuGreenCtxRecordEvent");
    auto wait = late<CUresult(Green, CUevent)>("cuGreenCtxWaitEvent");

    CUdevice device;
    CU(cuInit(0));
    CU(cuDeviceGet(&device, 0));
    int multiprocessors;
    CU(cuDeviceGetAttribute(&multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device));
    Resource all = {};
    CUresult supported = device_resource(device, &all, SM);
    if (supported == CUDA_ERROR_NOT_SUPPORTED) SKIP("no green contexts on this GPU");
    CU(supported);
    EXPECT(all.type == SM && (int)all.sm.count == multiprocessors, "%u multiprocessors of type %u, want %d", all.sm.count, all.type,
           multiprocessors);
    EXPECT_CU(device_resource(device, &all, 99), (CUresult)914 /* INVALID_RESOURCE_TYPE */);
    CU(device_resource(device, &all, SM));

    unsigned most = 0;
    CU(split(nullptr, &most, &all, nullptr, 0, 8));
    EXPECT(most >= 2 && most <= all.sm.count / 8, "%u groups of 8 out of %u", most, all.sm.count);
    std::vector<Resource> groups(most);
    Resource rest = {};
    unsigned n = most;
    CU(split(groups.data(), &n, &all, &rest, 0, 8));
    EXPECT(n == most, "%u groups, %u were promised", n, most);
    unsigned sum = rest.type == SM ? rest.sm.count : 0;
    for (auto &g : groups) {
        EXPECT(g.type == SM && g.sm.count >= 8, "a group has %u", g.sm.count);
        sum += g.sm.count;
    }
    EXPECT(sum == all.sm.count, "the parts have %u multiprocessors, the whole %u", sum, all.sm.count);

    Desc desc;
    CU(describe(&desc, groups.data(), 1));
    Green green;
    EXPECT_CU(create(&green, desc, device, 0), CUDA_ERROR_INVALID_VALUE);
    CU(create(&green, desc, device, DEFAULT_STREAM));
    Resource mine = {};
    CU(green_resource(green, &mine, SM));
    EXPECT(mine.sm.count == groups[0].sm.count, "the green context has %u, want %u", mine.sm.count, groups[0].sm.count);
    CUcontext context, again;
    CU(context_of(&context, green));
    CU(context_of(&again, green));
    EXPECT(context == again, "two contexts of one green context");
    CU(context_resource(context, &mine, SM));
    EXPECT(mine.sm.count == groups[0].sm.count, "its context has %u", mine.sm.count);

    CU(cuCtxSetCurrent(context));
    CUmodule module;
    CUfunction scale;
    CU(cuModuleLoadData(&module, kernels_ptx));
    CU(cuModuleGetFunction(&scale, module, "scale"));
    std::vector<int> values(1000);
    for (int i = 0; i < 1000; i++) values[i] = i;
    CUdeviceptr v = device_ints(values);
    CUstream stream, other;
    CU(stream_create(&stream, green, CU_STREAM_NON_BLOCKING, 0));
    CU(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    Green of;
    CU(green_of(stream, &of));
    EXPECT(of == green, "the stream is not of its green context");
    CU(green_of(other, &of));
    EXPECT(of == green, "a stream made in its context is not of the green context");
    int count = 1000, by = 3;
    void *params[] = {&v, &count, &by};
    CU(cuLaunchKernel(scale, 8, 1, 1, 128, 1, 1, 0, stream, params, nullptr));
    CUevent event;
    CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CU(record(green, event));
    CU(wait(green, event));
    by = 5;
    CU(cuLaunchKernel(scale, 8, 1, 1, 128, 1, 1, 0, other, params, nullptr));
    CU(cuStreamSynchronize(other));
    std::vector<int> got = host_ints(v, 1000);
    for (int i = 0; i < 1000; i++) EXPECT(got[i] == 15 * i, "element %d is %d, want %d", i, got[i], 15 * i);

    // What the primary context sees of it.
    CUcontext primary;
    CU(cuDevicePrimaryCtxRetain(&primary, device));
    int version;
    CU(cuDriverGetVersion(&version));
    if (version >= 12050) {
        auto contexts = late<CUresult(CUstream, CUcontext *, Green *)>("cuStreamGetCtx_v2");
        CUcontext regular;
        CU(contexts(stream, &regular, &of));
        EXPECT(regular == primary && of == green, "the stream is of other contexts");
    }
    if (version >= 12090) {
        unsigned long long id = 0, other = 0;
        CU(late<CUresult(Green, unsigned long long *)>("cuGreenCtxGetId")(green, &id));
        CU(late<CUresult(CUcontext, unsigned long long *)>("cuCtxGetId")(primary, &other));
        EXPECT(id && id != other, "the green context has the id %llu, the primary one %llu", id, other);
    }
    CU(cuCtxSetCurrent(primary));
    CU(green_of(nullptr, &of));
    EXPECT(!of, "the primary context is green");
    CU(cuStreamDestroy(stream));
    CU(cuStreamDestroy(other));
    CU(destroy(green));
    got = host_ints(v, 1000);
    EXPECT(got[999] == 15 * 999, "memory ended with the green context");
    CU(cuMemFree(v));
    CU(cuEventDestroy(event));
    CU(cuDevicePrimaryCtxRelease(device));
    return 0;
}
