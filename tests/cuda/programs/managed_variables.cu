// SPDX-License-Identifier: Apache-2.0
//
// Managed variables: initial values, scalars, arrays and structures with pointers to managed memory, used by host and
// kernels in turn, by two streams, and by a graph.
#include "check.h"

struct Link {
    Link *next;
    int value;
};

struct Table {
    int used;
    Link *first;
    double weights[6];
};

__managed__ int counter = 41;
__managed__ long squares[3000];
__managed__ Table table = {2, nullptr, {1.5, 2.5}};
__managed__ int *into;
static __managed__ short hidden[4] = {1, -2, 3};
__device__ int plain = 17;
__constant__ int scale = 3;
namespace deep {
__managed__ char letter = 'q';
}

__global__ void check_first(int *wrong) {
    *wrong = (counter != 41) | (squares[2999] != 0) << 1 | (table.used != 2) << 2 | (table.weights[1] != 2.5) << 3 |
             (hidden[1] != -2) << 4 | (deep::letter != 'q') << 5 | (into != nullptr) << 6 | (plain != 17) << 7;
}

__global__ void fill(int n) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) squares[i] = (long)i * i * scale;
}

__device__ __noinline__ int *choose(int i) { return i < 0 ? &counter : (int *)&squares[i] + 1; }

__global__ void bump(int i) { atomicAdd(choose(i), 2); }

__global__ void push(Link *fresh, int value) {
    fresh->value = value;
    fresh->next = table.first;
    table.first = fresh;
    table.used++;
    hidden[3] = (short)value;
    deep::letter++;
    plain += counter;
    *into = plain;
}

__global__ void add(int *to, int n) {
    for (int i = 0; i < n; i++) atomicAdd(to, 1);
}

int main() {
    EXPECT(counter == 41 && table.weights[1] == 2.5 && hidden[2] == 3 && deep::letter == 'q', "initial values of the host");
    int *wrong;
    CHECK(cudaMallocManaged(&wrong, sizeof *wrong));
    *wrong = -1;
    check_first<<<1, 1>>>(wrong);
    launched();
    EXPECT(*wrong == 0, "initial values of the kernel: %#x", *wrong);

    fill<<<1, 128>>>(3000);
    launched();
    for (long i = 0; i < 3000; i++) EXPECT(squares[i] == i * i * 3, "square %ld is %ld", i, squares[i]);
    counter = 100;
    squares[7] = 0;
    bump<<<4, 32>>>(-1);
    bump<<<1, 3>>>(7);
    launched();
    EXPECT(counter == 356, "the counter is %d, want 356", counter);
    EXPECT(squares[7] == 6L << 32, "a part of an array's element is %#lx", squares[7]);

    // A list that hangs on a managed variable.
    counter = 5;
    into = wrong;
    Link *links;
    CHECK(cudaMallocManaged(&links, 10 * sizeof *links));
    for (int i = 0; i < 10; i++) {
        push<<<1, 1>>>(&links[i], 10 * i);
        launched();
        EXPECT(*wrong == 17 + 5 * (i + 1) && hidden[3] == 10 * i, "after push %d: %d, %d", i, *wrong, hidden[3]);
        EXPECT(table.first == &links[i], "the list's head");
        table.first->value++; // the host in between
    }
    int n = 0;
    for (Link *l = table.first; l; l = l->next, n++) EXPECT(l->value == 10 * (9 - n) + 1, "link %d is %d", n, l->value);
    EXPECT(n == 10 && table.used == 12 && deep::letter == 'q' + 10, "%d links, %d used, %c", n, table.used, deep::letter);

    // What the runtime says of them.
    cudaPointerAttributes attributes;
    CHECK(cudaPointerGetAttributes(&attributes, squares));
    EXPECT(attributes.type == cudaMemoryTypeManaged, "type %d", attributes.type);
    void *address;
    size_t size;
    CHECK(cudaGetSymbolAddress(&address, counter));
    CHECK(cudaGetSymbolSize(&size, squares));
    EXPECT(address == &counter && size == sizeof squares, "a symbol of %zu bytes at %p, want %p", size, address, &counter);
    CHECK(cudaGetSymbolAddress(&address, plain));
    CHECK(cudaPointerGetAttributes(&attributes, address));
    EXPECT(attributes.type == cudaMemoryTypeDevice, "a device variable is of type %d", attributes.type);

    // Copies, in both directions and to a symbol.
    long five[5] = {1, 2, 3, 4, 5}, back[5];
    CHECK(cudaMemcpyToSymbol(squares, five, sizeof five, 8 * sizeof(long)));
    EXPECT(squares[8] == 1 && squares[12] == 5 && squares[13] == 13 * 13 * 3, "copied to a symbol: %ld %ld %ld", squares[8], squares[12], squares[13]);
    squares[9] = 77;
    CHECK(cudaMemcpyFromSymbol(back, squares, sizeof back, 8 * sizeof(long)));
    EXPECT(back[0] == 1 && back[1] == 77, "copied from a symbol: %ld %ld", back[0], back[1]);
    CHECK(cudaMemset(squares, 0xff, 16));
    CHECK(cudaDeviceSynchronize());
    EXPECT(squares[0] == -1 && squares[1] == -1 && squares[2] == 12, "set");

    // Two streams, one of which the host waits for by an event.
    cudaStream_t a, b;
    cudaEvent_t done;
    CHECK(cudaStreamCreate(&a));
    CHECK(cudaStreamCreate(&b));
    CHECK(cudaEventCreate(&done));
    counter = 0;
    add<<<2, 32, 0, a>>>(&counter, 10);
    add<<<2, 32, 0, b>>>(&counter, 10);
    CHECK(cudaEventRecord(done, b));
    CHECK(cudaStreamSynchronize(a));
    CHECK(cudaEventSynchronize(done));
    EXPECT(counter == 1280, "two streams have counted to %d", counter);

    // A graph, between whose launches the host changes what it reads.
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    CHECK(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
    bump<<<1, 1, 0, a>>>(-1);
    add<<<1, 1, 0, a>>>(&counter, 3);
    CHECK(cudaStreamEndCapture(a, &graph));
    CHECK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    for (int i = 0; i < 5; i++) {
        counter = 1000 * i;
        CHECK(cudaGraphLaunch(exec, a));
        CHECK(cudaStreamSynchronize(a));
        EXPECT(counter == 1000 * i + 5, "launch %d of the graph has left %d", i, counter);
    }
    CHECK(cudaGraphExecDestroy(exec));
    CHECK(cudaGraphDestroy(graph));

    // More managed memory than there are addresses.
    void *huge = nullptr;
    cudaError_t refused = cudaMallocManaged(&huge, (size_t)1 << 48);
    EXPECT(refused == cudaErrorMemoryAllocation, "256 TiB of managed memory: %s", cudaGetErrorName(refused));
    cudaGetLastError();
    bump<<<1, 1>>>(-1);
    launched();
    EXPECT(counter == 4007, "after the refusal: %d", counter);

    CHECK(cudaEventDestroy(done));
    CHECK(cudaStreamDestroy(a));
    CHECK(cudaStreamDestroy(b));
    CHECK(cudaFree(links));
    CHECK(cudaFree(wrong));
    return 0;
}
