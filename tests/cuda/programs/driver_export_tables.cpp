// SPDX-License-Identifier: Apache-2.0
//
// The driver's table without names that NVIDIA's compilers ask for: nvJitLink refuses to link with -lto without it.
#include "driver.h"

int main() {
    const CUuuid compilers = {{'\xda', '\x91', '\x51', '\xd3', '\x3a', '\xe6', '\xcc', '\x41', '\xa5', '\xc0', '\x4f', '\x26', '\xd5', '\x33',
                               '\xe3', '\x28'}};
    const CUuuid nobody = {{1}};
    const void *table = nullptr;
    CU(cuInit(0));
    CU(cuGetExportTable(&table, &compilers));
    const size_t *words = static_cast<const size_t *>(table);
    EXPECT(words && words[0] >= 2 * sizeof *words && words[1], "the table has %zu bytes", words ? words[0] : 0);
    EXPECT_CU(cuGetExportTable(&table, &nobody), CUDA_ERROR_INVALID_VALUE);
    EXPECT(!table, "a table that is not there is at %p", table);
    return 0;
}
