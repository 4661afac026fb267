// SPDX-License-Identifier: Apache-2.0
/*
 * Exported functions that work on a stream, in both their variants: as they are, and with per-thread default
 * streams. The call is an expression over the parameters and `stream`; there is a current context when it is
 * evaluated.
 */
#pragma once
#include "state.h"

/* A function without a stream parameter, on the default stream. */
#define ON_DEFAULT_STREAM(name, params, call)                           \
	EXPORT int name params                                           \
	{                                                                \
		void *const stream = NULL;                               \
		int r = enter_context();                                 \
		return r ? r : (call);                                   \
	}                                                                \
	EXPORT int name##_ptds params                                    \
	{                                                                \
		int r = enter_context();                                 \
		void *const stream = r ? NULL : stream_per_thread(NULL); \
		return r ? r : (call);                                   \
	}

/* A function with a parameter of the name stream. */
#define ON_STREAM(name, params, call)                                   \
	EXPORT int name params                                           \
	{                                                                \
		int r = enter_context();                                 \
		stream = stream_arg(stream);                             \
		return r ? r : (call);                                   \
	}                                                                \
	EXPORT int name##_ptsz params                                    \
	{                                                                \
		int r = enter_context();                                 \
		stream = r ? NULL : stream_per_thread(stream);           \
		return r ? r : (call);                                   \
	}
