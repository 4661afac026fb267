// SPDX-License-Identifier: Apache-2.0
//
// Functions of the driver that the compiler's cuda.h may be too old to declare: found by name, with types of
// their own.
#pragma once

#include <dlfcn.h>

#include "driver.h"

// late finds a function of the driver, and skips the program where the driver is older.
template <class F> F *late(const char *name) {
    static void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    void *f = driver ? dlsym(driver, name) : nullptr;
    if (!f) SKIP("the driver has no %s", name);
    return (F *)f;
}
