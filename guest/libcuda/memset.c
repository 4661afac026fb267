// SPDX-License-Identifier: Apache-2.0
/* Fills. Those without a stream go to the default stream, and are waited for if the host can see what they do. An
 * address that this process does not know is waited for, so that its error is returned at once. */
#include "call.h"
#include "copy.h"
#include "generated/calls.h"
#include "memory.h"
#include "state.h"

static int filled(int r, uint64_t dst, size_t n, void *stream, bool wait)
{
	return stream_given(r, dst, n, stream, wait && pinned_at((void *)(uintptr_t)dst, n));
}

#define FILL(name, type, unit)                                                                                   \
	static int fill_##name(uint64_t dst, type value, size_t n, void *stream, bool wait)                      \
	{                                                                                                        \
		if (dst % (unit))                                                                                \
			return CUDA_ERROR_INVALID_VALUE;                                                         \
		return n ? filled(wire_cuMemset##name##Async(dst, value, n, stream), dst, n * (unit), stream, wait) : CUDA_SUCCESS; \
	}                                                                                                        \
	EXPORT int cuMemset##name##_v2(uint64_t dst, type value, size_t n)                                       \
	{                                                                                                        \
		int r = enter_context();                                                                         \
		return r ? r : fill_##name(dst, value, n, NULL, true);                                           \
	}                                                                                                        \
	EXPORT int cuMemset##name##_v2_ptds(uint64_t dst, type value, size_t n)                                  \
	{                                                                                                        \
		int r = enter_context();                                                                         \
		return r ? r : fill_##name(dst, value, n, stream_per_thread(NULL), true);                        \
	}                                                                                                        \
	EXPORT int cuMemset##name##Async(uint64_t dst, type value, size_t n, void *stream)                       \
	{                                                                                                        \
		int r = enter_context();                                                                         \
		return r ? r : fill_##name(dst, value, n, stream_arg(stream), false);                            \
	}                                                                                                        \
	EXPORT int cuMemset##name##Async_ptsz(uint64_t dst, type value, size_t n, void *stream)                  \
	{                                                                                                        \
		int r = enter_context();                                                                         \
		return r ? r : fill_##name(dst, value, n, stream_per_thread(stream), false);                     \
	}

FILL(D8, unsigned char, 1)
FILL(D16, unsigned short, 2)
FILL(D32, unsigned int, 4)

#define FILL_2D(name, type, unit)                                                                                \
	static int fill_##name(uint64_t dst, size_t pitch, type value, size_t width, size_t height, void *stream, bool wait) \
	{                                                                                                        \
		if (dst % (unit) || (height > 1 && pitch % (unit)))                                              \
			return CUDA_ERROR_INVALID_VALUE;                                                         \
		return width && height ? filled(wire_cuMemset##name##Async(dst, pitch, value, width, height, stream), dst, \
						(height - 1) * pitch + width * (unit), stream, wait)             \
				       : CUDA_SUCCESS;                                                           \
	}                                                                                                        \
	EXPORT int cuMemset##name##_v2(uint64_t dst, size_t pitch, type value, size_t width, size_t height)      \
	{                                                                                                        \
		int r = enter_context();                                                                         \
		return r ? r : fill_##name(dst, pitch, value, width, height, NULL, true);                        \
	}                                                                                                        \
	EXPORT int cuMemset##name##_v2_ptds(uint64_t dst, size_t pitch, type value, size_t width, size_t height) \
	{                                                                                                        \
		int r = enter_context();                                                                         \
		return r ? r : fill_##name(dst, pitch, value, width, height, stream_per_thread(NULL), true);     \
	}                                                                                                        \
	EXPORT int cuMemset##name##Async(uint64_t dst, size_t pitch, type value, size_t width, size_t height, void *stream) \
	{                                                                                                        \
		int r = enter_context();                                                                         \
		return r ? r : fill_##name(dst, pitch, value, width, height, stream_arg(stream), false);         \
	}                                                                                                        \
	EXPORT int cuMemset##name##Async_ptsz(uint64_t dst, size_t pitch, type value, size_t width, size_t height, void *stream) \
	{                                                                                                        \
		int r = enter_context();                                                                         \
		return r ? r : fill_##name(dst, pitch, value, width, height, stream_per_thread(stream), false);  \
	}

FILL_2D(D2D8, unsigned char, 1)
FILL_2D(D2D16, unsigned short, 2)
FILL_2D(D2D32, unsigned int, 4)
