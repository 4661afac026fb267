// SPDX-License-Identifier: Apache-2.0
/* A libcuda.so.1 that is not Orion's. */
extern int cuInit(unsigned int flags);
int cuInit(unsigned int flags) { return (int)flags; }
