// SPDX-License-Identifier: Apache-2.0
/*
 * Binds to the symbol versions of glibc 2.17, so that a library built on a new system loads on an old one.
 * glibc 2.34 gave what it moved from libpthread and libdl into libc a new version; the old one still works.
 * Included before every C file by the compiler's -include, hence without headers: a file may still ask for
 * _GNU_SOURCE.
 */
#pragma once

#if defined(__x86_64__)
#define OLD(name) __asm__(".symver " #name ", " #name "@GLIBC_2.2.5");
#define OLD_2_3_4(name) __asm__(".symver " #name ", " #name "@GLIBC_2.3.4");
#elif defined(__aarch64__)
#define OLD(name) __asm__(".symver " #name ", " #name "@GLIBC_2.17");
#define OLD_2_3_4(name) OLD(name)
#else
#define OLD(name)
#define OLD_2_3_4(name)
#endif

OLD(dladdr)
OLD(dlclose)
OLD(dlerror)
OLD(dlopen)
OLD(dlsym)
OLD(pthread_create)
OLD(pthread_detach)
OLD(pthread_getspecific)
OLD(pthread_join)
OLD(pthread_key_create)
OLD(pthread_key_delete)
OLD(pthread_mutex_trylock)
OLD(pthread_once)
OLD(pthread_rwlock_rdlock)
OLD(pthread_rwlock_unlock)
OLD(pthread_rwlock_wrlock)
OLD(pthread_setspecific)
OLD(pthread_sigmask)
OLD_2_3_4(pthread_getaffinity_np)
OLD_2_3_4(pthread_setaffinity_np)

#undef OLD
#undef OLD_2_3_4
