// SPDX-License-Identifier: Apache-2.0
//
// Batches of copies, linear and in three dimensions, between memory of every kind.
#include "late.h"

struct Attributes {
    unsigned order;
    unsigned source[2], target[2];
    unsigned flags;
};

struct Operand {
    unsigned type;
    union {
        struct {
            CUdeviceptr address;
            size_t row, layer;
            unsigned hint[2];
        } pointer;
        struct {
            CUarray array;
            size_t x, y, z;
        } array;
    };
};

struct Box {
    Operand src, dst;
    size_t width, height, depth;
    unsigned order, flags;
};
static_assert(sizeof(Box) == 112 && sizeof(Attributes) == 24, "structures have other sizes than the driver's");

static Operand pointer(const void *p, size_t row = 0, size_t layer = 0) {
    Operand o = {};
    o.type = 1;
    o.pointer.address = (CUdeviceptr)p;
    o.pointer.row = row;
    o.pointer.layer = layer;
    return o;
}

// arrays copies integers to an array and back; sizes are in elements then.
static void arrays(CUresult (*copy_3d)(size_t, Box *, unsigned long long, CUstream), CUstream stream) {
    CUDA_ARRAY3D_DESCRIPTOR d = {};
    d.Width = 8, d.Height = 4, d.Format = CU_AD_FORMAT_SIGNED_INT32, d.NumChannels = 1;
    CUarray array;
    CUresult made = cuArray3DCreate(&array, &d);
    if (made == CUDA_ERROR_NOT_SUPPORTED) return;
    CU(made);
    std::vector<int> in(32), out(32, -1);
    for (int i = 0; i < 32; i++) in[i] = 100 + i;
    Box to = {}, from = {};
    to.src = pointer(in.data());
    to.dst.type = 2;
    to.dst.array.array = array;
    to.width = 8, to.height = 4, to.depth = 1, to.order = 2;
    from = to;
    from.src = to.dst;
    from.dst = pointer(out.data());
    CU(copy_3d(1, &to, 0, stream));
    from.order = 1;
    CU(copy_3d(1, &from, 0, stream));
    CU(cuStreamSynchronize(stream));
    EXPECT(in == out, "the array gives back something else");
    CU(cuArrayDestroy(array));
}

int main() {
    start();
    auto copy = late<CUresult(CUdeviceptr *, CUdeviceptr *, size_t *, size_t, Attributes *, size_t *, size_t, CUstream)>("cuMemcpyBatchAsync_v2");
    auto copy_old =
        late<CUresult(CUdeviceptr *, CUdeviceptr *, size_t *, size_t, Attributes *, size_t *, size_t, size_t *, CUstream)>("cuMemcpyBatchAsync");
    auto copy_3d = late<CUresult(size_t, Box *, unsigned long long, CUstream)>("cuMemcpy3DBatchAsync_v2");
    CUstream stream;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));

    const int n = 50000;
    std::vector<int> pageable(n), back(n, -1);
    for (int i = 0; i < n; i++) pageable[i] = 3 * i;
    int *pinned;
    CU(cuMemAllocHost((void **)&pinned, n * sizeof(int)));
    for (int i = 0; i < n; i++) pinned[i] = 7 * i;
    CUdeviceptr a, b, c;
    for (CUdeviceptr *p : {&a, &b, &c}) CU(cuMemAlloc(p, n * sizeof(int)));

    CUdeviceptr up_dst[] = {a, b}, up_src[] = {(CUdeviceptr)pageable.data(), (CUdeviceptr)pinned};
    size_t sizes[] = {n * sizeof(int), n * sizeof(int)}, first[] = {0, 1};
    Attributes attributes[] = {{2}, {1}};
    CU(copy(up_dst, up_src, sizes, 2, attributes, first, 2, stream));
    pageable.assign(n, 0); // the call has read it
    CUdeviceptr down_dst[] = {c, (CUdeviceptr)back.data()}, down_src[] = {b, a};
    CU(copy(down_dst, down_src, sizes, 2, attributes + 1, first, 1, stream));
    CU(cuStreamSynchronize(stream));
    std::vector<int> third = host_ints(c, n);
    for (int i = 0; i < n; i++) EXPECT(back[i] == 3 * i && third[i] == 7 * i, "element %d is %d and %d", i, back[i], third[i]);

    EXPECT_CU(copy(up_dst, up_src, sizes, 2, attributes, first, 2, nullptr), CUDA_ERROR_INVALID_VALUE);
    size_t wrong[] = {1, 1}, failed = 77;
    EXPECT_CU(copy(up_dst, up_src, sizes, 2, attributes, wrong, 2, stream), CUDA_ERROR_INVALID_VALUE);
    CUdeviceptr none[] = {a, 0};
    EXPECT_CU(copy_old(none, up_src, sizes, 2, attributes, first, 2, &failed, stream), CUDA_ERROR_INVALID_VALUE);

    // A box of 5 by 4 by 3 bytes out of 16 by 8, into one without gaps, and both ways through an array.
    std::vector<unsigned char> volume(16 * 8 * 4), packed(5 * 4 * 3, 0), same_box(5 * 4 * 3);
    for (size_t i = 0; i < volume.size(); i++) volume[i] = (unsigned char)(i * 31 + i / 7);
    for (int z = 0; z < 3; z++)
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 5; x++) same_box[(z * 4 + y) * 5 + x] = volume[(z * 8 + y) * 16 + x];
    Box box = {};
    box.src = pointer(volume.data(), 16, 8);
    box.dst = pointer((void *)a);
    box.width = 5, box.height = 4, box.depth = 3, box.order = 2;
    CU(copy_3d(1, &box, 0, stream));
    box.src = pointer((void *)a);
    box.dst = pointer(packed.data());
    CU(copy_3d(1, &box, 0, stream));
    CU(cuStreamSynchronize(stream));
    EXPECT(packed == same_box, "the box has changed on its way");
    EXPECT_CU(copy_3d(1, &box, 1, stream), CUDA_ERROR_INVALID_VALUE);
    box.depth = 0;
    EXPECT_CU(copy_3d(1, &box, 0, stream), CUDA_ERROR_INVALID_VALUE);

    arrays(copy_3d, stream);
    for (CUdeviceptr p : {a, b, c}) CU(cuMemFree(p));
    CU(cuMemFreeHost(pinned));
    CU(cuStreamDestroy(stream));
    return 0;
}
