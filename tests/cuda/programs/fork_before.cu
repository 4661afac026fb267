// SPDX-License-Identifier: Apache-2.0
//
// Forks before the first CUDA call: parent and children each use the GPU on
// their own, at the same time.
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

__global__ void square(int *v) { v[threadIdx.x] = threadIdx.x * threadIdx.x + v[threadIdx.x]; }

void use(int id) {
    int *v = to_device(std::vector<int>(64, id));
    square<<<1, 64>>>(v);
    launched();
    std::vector<int> want(64);
    for (int i = 0; i < 64; i++) want[i] = i * i + id;
    expect_same("squares", to_host(v, 64), want);
}

int main() {
    pid_t children[2];
    for (int i = 0; i < 2; i++) {
        children[i] = fork();
        EXPECT(children[i] >= 0, "fork failed");
        if (children[i] == 0) {
            use(i + 1);
            exit(0);
        }
    }
    use(100);
    for (pid_t c : children) {
        int status = -1;
        waitpid(c, &status, 0);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child ended with %#x", status);
    }
    use(200);
    return 0;
}
