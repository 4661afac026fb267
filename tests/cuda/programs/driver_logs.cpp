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
    char buffer[8192];
    size_t size = sizeof buffer;
    CU(to_memory(&at, buffer, &size, 0));
    EXPECT(size == 0, "%zu bytes of messages before any", size);

    CUmodule module;
    for (int i = 0; i < 8; i++) {
        CUresult r = cuModuleLoadData(&module, ".version 6.0\n.target sm_60\n.address_size 64\n.visible .entry wrong() { nonsense; }\n");
        EXPECT(r != CUDA_SUCCESS, "nonsense was compiled");
    }
    size = sizeof buffer;
    CU(to_memory(&at, buffer, &size, 0));
    if (size == 0) SKIP("the driver says nothing of PTX that does not compile");
    EXPECT(size == strlen(buffer) && buffer[size - 1] == '\n', "the messages end with %d of %zu", buffer[size - 1], size);
    std::string all = buffer;
    EXPECT(!told.empty(), "the callback was told nothing");
    size_t again = sizeof buffer;
    CU(to_memory(&at, buffer, &again, 0));
    EXPECT(again == 0, "messages are told twice");

    char path[] = "/tmp/orion-logs-XXXXXX";
    int fd = mkstemp(path);
    EXPECT(fd >= 0, "no file");
    unsigned from = same;
    CU(to_file(&from, path, 0));
    FILE *f = fdopen(fd, "r");
    EXPECT(fread(buffer, 1, sizeof buffer, f) == size, "the file and the memory differ");
    fclose(f);
    remove(path);

    // A buffer that holds some messages tells of the last. By how much less than all is left to the driver: 580 writes
    // all of them into a buffer that is short of one byte, and counts one byte more than it writes.
    from = same;
    again = size / 2;
    CU(to_memory(&from, buffer, &again, 0));
    EXPECT(again > 0 && strlen(buffer) < size, "%zu bytes of %zu", strlen(buffer), size);
    std::string last = all.substr(all.rfind('\n', size - 2) + 1), some = buffer;
    EXPECT(some.size() >= last.size() && some.substr(some.size() - last.size()) == last, "the last message is not among \"%s\"", buffer);

    // A dump that fails may be told of, too: it comes last.
    from = same;
    again = 1;
    EXPECT_CU(to_memory(&from, buffer, &again, 0), CUDA_ERROR_INVALID_VALUE);
    EXPECT(again == 0, "%zu bytes into one", again);

    CU(off(handle));
    size_t before = told.size();
    cuModuleLoadData(&module, "nonsense");
    EXPECT(told.size() == before, "a callback is called that is gone");
    return 0;
}
