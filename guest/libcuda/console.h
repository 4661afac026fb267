// SPDX-License-Identifier: Apache-2.0
/* What kernels print, written to the program's own standard output and error. */
#pragma once
void console_drain(void);
