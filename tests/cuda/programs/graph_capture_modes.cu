// SPDX-License-Identifier: Apache-2.0
//
// What threads may do while a stream is being captured, by the modes of capture and thread.
#include <thread>

#include "check.h"

__global__ void add(unsigned *v, unsigned n) { *v += n; }

static cudaStream_t s;
static cudaEvent_t event;
static unsigned *v;

enum Action { MALLOC, HOST_ALLOC, QUERY };

// act does something that is potentially unsafe, in a thread mode.
static cudaError_t act(Action action, cudaStreamCaptureMode mode) {
    CHECK(cudaThreadExchangeStreamCaptureMode(&mode));
    void *p = nullptr;
    cudaError_t r = action == MALLOC ? cudaMalloc(&p, 1 << 16) : action == HOST_ALLOC ? cudaMallocHost(&p, 1 << 12) : cudaEventQuery(event);
    if (p) CHECK(action == MALLOC ? cudaFree(p) : cudaFreeHost(p));
    cudaGetLastError();
    CHECK(cudaThreadExchangeStreamCaptureMode(&mode));
    return r;
}

// attempt captures in a mode while this or another thread acts in one of its own, and says what came of it.
static void attempt(cudaStreamCaptureMode mode, bool other, cudaStreamCaptureMode actor, Action action, bool allowed) {
    cudaGraph_t graph = nullptr;
    cudaError_t r;
    CHECK(cudaStreamBeginCapture(s, mode));
    add<<<1, 1, 0, s>>>(v, 1);
    if (other)
        std::thread([&] { r = act(action, actor); }).join();
    else
        r = act(action, actor);
    cudaError_t end = cudaStreamEndCapture(s, &graph);
    cudaGetLastError();
    EXPECT(r == (allowed ? cudaSuccess : cudaErrorStreamCaptureUnsupported) &&
               end == (allowed ? cudaSuccess : cudaErrorStreamCaptureInvalidated),
           "capture of mode %d, action %d of %s thread in mode %d: %s, then %s", mode, action, other ? "another" : "the same", actor,
           cudaGetErrorName(r), cudaGetErrorName(end));
    cudaStreamCaptureStatus status;
    CHECK(cudaStreamIsCapturing(s, &status));
    EXPECT(status == cudaStreamCaptureStatusNone, "the stream is still captured: %d", status);
    if (graph) CHECK(cudaGraphDestroy(graph));
}

// expect_over ends a capture that has ended.
static void expect_over(const char *how) {
    cudaGraph_t none;
    cudaStreamCaptureStatus status;
    CHECK(cudaStreamIsCapturing(s, &status));
    EXPECT(status == cudaStreamCaptureStatusNone, "%s, the stream is still captured: %d", how, status);
    cudaError_t r = cudaStreamEndCapture(s, &none);
    cudaGetLastError();
    EXPECT(r == cudaErrorIllegalState, "%s, the next end gives %s", how, cudaGetErrorName(r));
}

int main() {
    const cudaStreamCaptureMode global = cudaStreamCaptureModeGlobal, local = cudaStreamCaptureModeThreadLocal,
                                relaxed = cudaStreamCaptureModeRelaxed;
    v = to_device(std::vector<unsigned>(1, 0));
    CHECK(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    CHECK(cudaEventRecord(event, s));
    CHECK(cudaStreamSynchronize(s));
    add<<<1, 1, 0, s>>>(v, 0); // loaded before anything is captured
    CHECK(cudaStreamSynchronize(s));

    for (Action a : {MALLOC, HOST_ALLOC}) {
        attempt(global, true, global, a, false);
        attempt(global, false, global, a, false);
        attempt(local, false, global, a, false);
        attempt(local, false, local, a, false);
    }
    for (Action a : {MALLOC, HOST_ALLOC, QUERY}) {
        for (bool other : {true, false}) {
            for (cudaStreamCaptureMode m : {global, local, relaxed}) attempt(m, other, relaxed, a, true);
            attempt(relaxed, other, global, a, true);
        }
        attempt(global, true, local, a, true);
        attempt(local, true, global, a, true);
        attempt(local, true, local, a, true);
    }

    // A thread may have a capture of its own beside another's.
    cudaGraph_t graph, graph2;
    CHECK(cudaStreamBeginCapture(s, local));
    std::thread([&] {
        cudaStream_t s2;
        CHECK(cudaStreamCreateWithFlags(&s2, cudaStreamNonBlocking));
        CHECK(cudaStreamBeginCapture(s2, relaxed));
        add<<<1, 1, 0, s2>>>(v, 4);
        cudaError_t r = act(MALLOC, global);
        EXPECT(r == cudaSuccess, "beside a capture of another thread: %s", cudaGetErrorName(r));
        CHECK(cudaStreamEndCapture(s2, &graph2));
        CHECK(cudaStreamDestroy(s2));
    }).join();
    add<<<1, 1, 0, s>>>(v, 2);
    // Only who began it may end it, unless it is relaxed. It is over even so, and its graph is lost.
    cudaError_t r;
    std::thread([&] {
        cudaGraph_t none;
        r = cudaStreamEndCapture(s, &none);
        cudaGetLastError();
    }).join();
    EXPECT(r == cudaErrorStreamCaptureWrongThread, "the end in another thread gives %s", cudaGetErrorName(r));
    expect_over("ended in another thread");
    // Who does not want the graph need not take it.
    CHECK(cudaStreamBeginCapture(s, local));
    add<<<1, 1, 0, s>>>(v, 2);
    CHECK(cudaLaunchHostFunc(s, [](void *) {}, nullptr));
    CHECK(cudaStreamEndCapture(s, nullptr));
    expect_over("ended without a graph");
    CHECK(cudaStreamBeginCapture(s, relaxed));
    add<<<1, 1, 0, s>>>(v, 2);
    std::thread([&] { CHECK(cudaStreamEndCapture(s, &graph)); }).join();
    for (cudaGraph_t g : {graph, graph2}) {
        cudaGraphExec_t exec;
        CHECK(cudaGraphInstantiateWithFlags(&exec, g, 0));
        CHECK(cudaGraphLaunch(exec, s));
        CHECK(cudaStreamSynchronize(s));
        CHECK(cudaGraphExecDestroy(exec));
        CHECK(cudaGraphDestroy(g));
    }
    expect_same("after both", to_host(v, 1), std::vector<unsigned>(1, 6));
    return 0;
}
