// SPDX-License-Identifier: Apache-2.0
//
// Kernels find nothing at addresses where the program has nothing: on a vGPU, not the memory of the process that runs
// them, which is a program of Go's. (Where the kernel gives GPUs all memory of a process, HMM, they would.)
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

__global__ void read(const volatile int *from, int *to) { *to = *from; }
__global__ void write(volatile int *to) { *to = 0; }

void reach(int *p, bool writes) {
    int *v = device_array<int>(1);
    if (writes)
        write<<<1, 1>>>(p);
    else
        read<<<1, 1>>>(p, v);
    EXPECT_ERROR(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
}

int main() {
    const struct {
        unsigned long at; // on a vGPU
        bool writes;
    } places[] = {{0x401000, false}, {0x401000, true}, {0xc000000000, false}, {0xc000000000, true}}; // code, and heap
    for (auto place : places) {
        void *here = mmap((void *)place.at, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (here != (void *)place.at) {
            printf("skipped: the program itself has memory at %#lx\n", place.at);
            return 77;
        }
        pid_t child = fork(); // an illegal access ends a context
        EXPECT(child >= 0, "fork failed");
        if (child == 0) {
            reach((int *)place.at, place.writes);
            _exit(0);
        }
        munmap(here, 4096);
        int status = -1;
        waitpid(child, &status, 0);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a kernel that %s at %#lx: the child ended with %#x",
               place.writes ? "writes" : "reads", place.at, status);
    }
    return 0;
}
