// SPDX-License-Identifier: Apache-2.0
//
// What a kernel prints is out when a wait for it is over, whichever it is, and before the program prints more or ends.
#include "check.h"

__global__ void say(const char *what) {
    long long start = clock64();
    while (clock64() - start < 20000000) { // so that the wait begins before the end
    }
    printf("kernel before %s\n", what);
}

static const char *on_device(const char *text) { return to_device(std::vector<char>(text, text + strlen(text) + 1)); }

int main() {
    const char *texts[] = {on_device("the context"), on_device("the stream"), on_device("the event"), on_device("the end")};
    cudaEvent_t event;
    cudaStream_t stream;
    CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    CHECK(cudaStreamCreate(&stream));
    say<<<1, 1>>>(texts[0]);
    CHECK(cudaDeviceSynchronize());
    printf("after the context\n");
    say<<<1, 1, 0, stream>>>(texts[1]);
    CHECK(cudaStreamSynchronize(stream));
    printf("after the stream\n");
    for (int i = 0; i < 2; i++) { // an event that is asked for again is told in another way
        say<<<1, 1, 0, stream>>>(texts[2]);
        CHECK(cudaEventRecord(event, stream));
        CHECK(cudaEventSynchronize(event));
        printf("after the event\n");
    }
    say<<<1, 1>>>(texts[3]);
    CHECK(cudaDeviceSynchronize());
    return 0;
}
