// SPDX-License-Identifier: Apache-2.0
//
// A program that uses the GPU becomes another, by exec, that uses it anew; and
// one that it starts meanwhile has its own.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

extern char **environ;

__global__ void set(int *v, int a) { *v = a; }

void use(int a) {
    int *v = device_array<int>(1);
    set<<<1, 1>>>(v, a);
    launched();
    expect_same("value", to_host(v, 1), std::vector<int>{a});
}

int main(int argc, char **argv) {
    int depth = argc > 1 ? atoi(argv[1]) : 0;
    use(depth + 7);
    if (depth == 3) return 0;
    char next[8];
    snprintf(next, sizeof next, "%d", depth + 1);
    char self[] = "/proc/self/exe", last[] = "3";
    if (depth == 1) {
        char *args[] = {argv[0], last, nullptr};
        pid_t child;
        int status = -1;
        EXPECT(posix_spawn(&child, self, nullptr, nullptr, args, environ) == 0, "could not start a program");
        use(50);
        waitpid(child, &status, 0);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the program started ended with %#x", status);
        use(51);
    }
    char *args[] = {argv[0], next, nullptr};
    execv(self, args);
    perror("execv");
    return 1;
}
