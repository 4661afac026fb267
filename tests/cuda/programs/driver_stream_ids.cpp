// SPDX-License-Identifier: Apache-2.0
//
// Ids of streams: each stream and each context's default stream has one of its own. cuBLAS asks for them by a private
// table of the driver, which must say the same.
#include <chrono>
#include <set>
#include <thread>

#include "late.h"

static CUresult (*id_of)(CUstream, unsigned long long *);
static CUresult (*name_of)(CUcontext, CUstream, void **, unsigned);
static CUresult (*id_of_name)(CUcontext, void *, unsigned long long *);

static unsigned long long id(CUstream s) {
    unsigned long long id = 0;
    CU(id_of(s, &id));
    return id;
}

// by_table is the id of a stream as the table has it.
static unsigned long long by_table(CUcontext c, CUstream s, unsigned per_thread = 0) {
    unsigned long long id = 0;
    void *name = nullptr;
    CU(name_of(c, s, &name, per_thread));
    EXPECT(name, "a stream without a name");
    CU(id_of_name(c, name, &id));
    return id;
}

static void check_table(CUcontext context, CUcontext other, CUstream blocking, CUstream foreign) {
    EXPECT(by_table(context, nullptr) == id(nullptr), "the default stream");
    EXPECT(by_table(context, CU_STREAM_LEGACY, 1) == id(CU_STREAM_LEGACY), "the legacy stream");
    EXPECT(by_table(nullptr, blocking) == id(blocking), "a stream, without naming a context");
    EXPECT(by_table(context, blocking) == id(blocking), "a stream");
    EXPECT(by_table(context, foreign) == id(foreign), "a stream of another context");
    CU(cuCtxSetCurrent(other));
    unsigned long long default_of_other = id(nullptr);
    CU(cuCtxSetCurrent(context));
    EXPECT(by_table(other, nullptr) == default_of_other, "another context's default stream");
    EXPECT(by_table(context, nullptr, 1) == id(CU_STREAM_PER_THREAD), "a thread's default stream, by the flag");
    EXPECT(by_table(context, CU_STREAM_PER_THREAD) == id(CU_STREAM_PER_THREAD), "a thread's default stream");
    unsigned long long mine = by_table(context, CU_STREAM_PER_THREAD), others = mine;
    std::thread([&] {
        CU(cuCtxSetCurrent(context));
        others = by_table(context, CU_STREAM_PER_THREAD);
        EXPECT(others == id(CU_STREAM_PER_THREAD), "another thread's default stream");
    }).join();
    EXPECT(others != mine, "two threads' default streams are one");
    std::thread([&] {
        EXPECT(by_table(context, blocking) == id(blocking), "a stream, without a current context");
        others = by_table(context, nullptr);
    }).join();
    EXPECT(others == id(nullptr), "the default stream, without a current context");
    EXPECT_CU(name_of(context, blocking, nullptr, 0), CUDA_ERROR_INVALID_VALUE);

    CUgraph graph;
    CU(cuStreamBeginCapture(blocking, CU_STREAM_CAPTURE_MODE_GLOBAL));
    unsigned long long captured = by_table(context, blocking); // cuStreamGetId is not for streams in a capture
    CU(cuStreamEndCapture(blocking, &graph));
    CU(cuGraphDestroy(graph));
    EXPECT(captured == id(blocking), "a stream in a capture");
}

int main() {
    CUcontext context = start(), other;
    id_of = late<CUresult(CUstream, unsigned long long *)>("cuStreamGetId");
    CUdevice device;
    CU(cuDeviceGet(&device, 0));

    // Contexts and streams by turns: no number may come twice. On a real GPU that others use, too, a context takes
    // seconds: then two have to do.
    std::set<unsigned long long> seen;
    CUstream blocking, foreign;
    auto unseen = [&](CUstream s) { EXPECT(seen.insert(id(s)).second, "id %llu comes twice", id(s)); };
    auto begin = std::chrono::steady_clock::now();
    for (int made = 1;; made++) {
#if CUDA_VERSION >= 13000
        CU(cuCtxCreate(&other, nullptr, 0, device));
#else
        CU(cuCtxCreate(&other, 0, device));
#endif
        unseen(nullptr);
        CU(cuStreamCreate(&foreign, CU_STREAM_NON_BLOCKING));
        unseen(foreign);
        if (made == 18 || (made > 1 && std::chrono::steady_clock::now() - begin > std::chrono::milliseconds(200))) break;
        CU(cuCtxDestroy(other));
    }
    CU(cuCtxSetCurrent(context));
    unseen(nullptr);
    CU(cuStreamCreate(&blocking, CU_STREAM_DEFAULT));
    unseen(blocking);
    unseen(CU_STREAM_PER_THREAD);

    // Word 0 is the table's size; the slots are those of driver 580.
    const CUuuid table_id = {{0x21, 0x31, (char)0x8c, 0x60, (char)0x97, 0x14, 0x32, 0x48,
                              (char)0x8c, (char)0xa6, 0x41, (char)0xff, 0x73, 0x24, (char)0xc8, (char)0xf2}};
    const void *table;
    CU(cuGetExportTable(&table, &table_id));
    const uintptr_t *words = (const uintptr_t *)table;
    int version;
    CU(cuDriverGetVersion(&version));
    if (words[0] == 0x2e8 && version >= 13000) {
        id_of_name = (CUresult(*)(CUcontext, void *, unsigned long long *))words[39];
        name_of = (CUresult(*)(CUcontext, CUstream, void **, unsigned))words[51];
        check_table(context, other, blocking, foreign);
    }
    CU(cuCtxDestroy(other));
    CU(cuCtxDestroy(context));
    return 0;
}
