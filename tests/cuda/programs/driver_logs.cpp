// SPDX-License-Identifier: Apache-2.0
//
// What the driver has to say of calls that failed.
#include <string>
#include <unistd.h>

#include "late.h"

static std::string told;

int main() {
    auto on = late<CUresult(void (*)(void *, int, char *, size_t), void *, void **)>("cuLogsRegisterCallback");
    auto off = late<CUresult(void *)>("cuLogsUnregisterCallback");
    auto current = late<CUresult(unsigned *, unsigned)>("cuLogsCurrent");
    auto to_memory = late<CUresult(unsigned *, char *, size_t *, unsigned)>("cuLogsDumpToMemory");
    auto to_file = late<CUresult(unsigned *, const char *, unsigned)>("cuLogsDumpToFile");
    start();
    void *handle;
    unsigned at, same;
    CU(on([](void *data, int level, char *text, size_t n) {
        EXPECT(data == &told && (level == 0 || level == 1) && strlen(text) == n, "the callback is given nonsense");
        told += text;
    }, &told, &handle));
    CU(current(&at, 0));
    same = at;
    char buffer[4096];
    size_t size = sizeof buffer;
    CU(to_memory(&at, buffer, &size, 0));
    EXPECT(size == 0, "%zu bytes of messages before any", size);

    CUmodule module;
    for (int i = 0; i < 3; i++) {
        CUresult r = cuModuleLoadData(&module, ".version 6.0\n.target sm_60\n.address_size 64\n.visible .entry wrong() { nonsense; }\n");
        EXPECT(r != CUDA_SUCCESS, "nonsense was compiled");
    }
    size = sizeof buffer;
    CU(to_memory(&at, buffer, &size, 0));
    if (size == 0) SKIP("the driver says nothing of PTX that does not compile");
    EXPECT(size == strlen(buffer) && buffer[size - 1] == '\n', "the messages end with %d of %zu", buffer[size - 1], size);
    EXPECT(!told.empty(), "the callback was told nothing");
    size_t again = sizeof buffer;
    CU(to_memory(&at, buffer, &again, 0));
    EXPECT(again == 0, "messages are told twice");

    // A buffer that holds one message of several tells of the last.
    unsigned from = same;
    again = size - 1;
    CU(to_memory(&from, buffer, &again, 0));
    EXPECT(again > 0 && strlen(buffer) < size - 1, "%zu bytes into %zu", strlen(buffer) + 1, size - 1); // 580 says one byte more than there are
    from = same;
    again = 1;
    EXPECT_CU(to_memory(&from, buffer, &again, 0), CUDA_ERROR_INVALID_VALUE);
    EXPECT(again == 0, "%zu bytes into one", again);

    char path[] = "/tmp/orion-logs-XXXXXX";
    int fd = mkstemp(path);
    EXPECT(fd >= 0, "no file");
    from = same;
    CU(to_file(&from, path, 0));
    FILE *f = fdopen(fd, "r");
    EXPECT(fread(buffer, 1, sizeof buffer, f) == size, "the file and the memory differ");
    fclose(f);
    remove(path);

    CU(off(handle));
    EXPECT_CU(off(handle), CUDA_ERROR_INVALID_VALUE);
    size_t before = told.size();
    cuModuleLoadData(&module, "nonsense");
    EXPECT(told.size() == before, "a callback is called that is gone");
    return 0;
}
