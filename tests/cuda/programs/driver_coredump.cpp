// SPDX-License-Identifier: Apache-2.0
//
// Settings for core dumps of a GPU are told back. Where no dump can be made, asking for one is refused.
#include "late.h"

using Setting = CUresult(unsigned, void *, size_t *);
enum { ON_EXCEPTION = 1, TRIGGER_HOST, LIGHTWEIGHT, USER_TRIGGER, FILE_NAME, PIPE_NAME };

static void truth(const char *name, Setting *get, Setting *set, unsigned attribute) {
    for (unsigned char want : {1, 0}) {
        unsigned char is = 7;
        size_t size = 1;
        CU(set(attribute, &want, &size));
        CU(get(attribute, &is, &size));
        EXPECT(is == want, "%s: %d, and was set to %d", name, is, want);
    }
}

static void text(const char *name, Setting *get, Setting *set, unsigned attribute, const char *want) {
    char is[1024] = "";
    size_t size = strlen(want) + 1;
    CU(set(attribute, (void *)want, &size));
    size = sizeof is;
    CU(get(attribute, is, &size));
    EXPECT(!strcmp(is, want), "%s: '%s', and was set to '%s'", name, is, want);
}

int main() {
    CUcontext context = start();
    auto get = late<Setting>("cuCoredumpGetAttribute"), set = late<Setting>("cuCoredumpSetAttribute");
    auto get_all = late<Setting>("cuCoredumpGetAttributeGlobal"), set_all = late<Setting>("cuCoredumpSetAttributeGlobal");
    size_t size = 0;
    CU(get_all(TRIGGER_HOST, nullptr, &size));
    EXPECT(size == 1, "a truth value of %zu bytes", size);
    truth("global", get_all, set_all, TRIGGER_HOST);
    truth("global", get_all, set_all, LIGHTWEIGHT);
    truth("of a context", get, set, LIGHTWEIGHT);
    text("global", get_all, set_all, FILE_NAME, "one");
    text("global", get_all, set_all, PIPE_NAME, "pipe");
    text("of a context", get, set, FILE_NAME, "two");
    char file[1024];
    size = sizeof file;
    CU(get_all(FILE_NAME, file, &size));
    EXPECT(!strcmp(file, "one"), "a context's file is '%s' for all", file);
    unsigned char on = 1;
    size = 1;
    CUresult r = set(ON_EXCEPTION, &on, &size);
    EXPECT(r == CUDA_SUCCESS || r == CUDA_ERROR_NOT_SUPPORTED, "to ask for dumps gives %d", r);
    CU(get(ON_EXCEPTION, &on, &size));
    EXPECT(on == (r == CUDA_SUCCESS), "dumps are on: %d, and asking for them gave %d", on, r);
    EXPECT_CU(get(99, &on, &size), CUDA_ERROR_INVALID_VALUE);
    CU(cuCtxDestroy(context));
    return 0;
}
