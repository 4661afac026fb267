// SPDX-License-Identifier: Apache-2.0

// Package linker tells which shared library a program would get, as glibc's dynamic linker looks for it: by a list of
// folders in the program (RPATH, RUNPATH), LD_LIBRARY_PATH, the cache that ldconfig writes, and the usual folders.
// Variants of a library for certain processors (glibc-hwcaps) are not told apart.
package linker
