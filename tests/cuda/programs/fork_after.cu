// SPDX-License-Identifier: Apache-2.0
//
// Forks after CUDA is in use: the child gets an error and no hang, may leave in
// any way, and the parent goes on.
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

__global__ void add(int *v, int a) { v[threadIdx.x] += a; }

int main() {
    int *v = to_device(std::vector<int>(64, 1)), want = 1;
    add<<<1, 64>>>(v, 1), want += 1;
    launched();
    for (int round = 0; round < 3; round++) {
        add<<<1, 64>>>(v, 10), want += 10; // in flight while the child is made
        pid_t child = fork();
        EXPECT(child >= 0, "fork failed");
        if (child == 0) {
            alarm(10); // a hang is a failure
            int *p = nullptr, host[64];
            bool refused = cudaMalloc(&p, 16) != cudaSuccess &&
                           cudaMemcpy(host, v, sizeof host, cudaMemcpyDeviceToHost) != cudaSuccess &&
                           cudaDeviceSynchronize() != cudaSuccess;
            if (round == 0) _exit(refused ? 0 : 3);
            exit(refused ? 0 : 3); // with destructors
        }
        add<<<1, 64>>>(v, 100), want += 100;
        int status = -1;
        waitpid(child, &status, 0);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "round %d: the child ended with %#x", round, status);
        expect_same("parent", to_host(v, 64), std::vector<int>(64, want));
    }
    return 0;
}
