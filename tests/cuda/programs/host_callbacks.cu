// SPDX-License-Identifier: Apache-2.0
//
// Functions of the host in a stream run after the work before them and hold up
// the work behind them.
#include <atomic>

#include "check.h"

__global__ void add(int *v, int a) { v[threadIdx.x] += a; }

struct State {
    int *pinned;
    std::atomic<int> calls;
    int seen[20];
    cudaError_t status;
};

void on_host(void *p) {
    State *s = (State *)p;
    int c = s->calls;
    s->seen[c] = s->pinned[3];
    s->pinned[3] += 1000; // the copy behind takes it up
    s->calls = c + 1;
}

void CUDART_CB on_stream(cudaStream_t, cudaError_t status, void *p) {
    State *s = (State *)p;
    s->status = status;
    s->calls += 100;
}

int main() {
    State state = {};
    CHECK(cudaMallocHost(&state.pinned, 32 * sizeof(int)));
    int *v = to_device(std::vector<int>(32, 0));
    cudaStream_t s;
    CHECK(cudaStreamCreate(&s));
    int want = 0;
    for (int i = 0; i < 20; i++) {
        add<<<1, 32, 0, s>>>(v, i + 1);
        CHECK(cudaMemcpyAsync(state.pinned, v, 32 * sizeof(int), cudaMemcpyDeviceToHost, s));
        CHECK(cudaLaunchHostFunc(s, on_host, &state));
        CHECK(cudaMemcpyAsync(v, state.pinned, 32 * sizeof(int), cudaMemcpyHostToDevice, s));
    }
    CHECK(cudaStreamSynchronize(s));
    EXPECT(state.calls == 20, "%d calls, want 20", (int)state.calls);
    for (int i = 0; i < 20; i++) {
        want += i + 1;
        EXPECT(state.seen[i] == want, "call %d saw %d, want %d", i, state.seen[i], want);
        want += 1000;
    }
    EXPECT(to_host(v, 32)[3] == want, "at the end %d, want %d", to_host(v, 32)[3], want);

    state.calls = 0;
    state.status = cudaErrorUnknown;
    CHECK(cudaStreamAddCallback(s, on_stream, &state, 0));
    CHECK(cudaStreamAddCallback(s, on_stream, &state, 0));
    CHECK(cudaStreamSynchronize(s));
    EXPECT(state.calls == 200 && state.status == cudaSuccess, "%d, %s", (int)state.calls, cudaGetErrorName(state.status));
    return 0;
}
