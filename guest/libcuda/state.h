// SPDX-License-Identifier: Apache-2.0
/*
 * What the whole library shares: the session with the worker, the devices, and each thread's state.
 *
 * A process has at most one session. It is opened by the first call that needs it, belongs to the process
 * that opened it, and ends with it: a forked child sees CUDA_ERROR_NOT_INITIALIZED, as with NVIDIA's driver.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "generated/results.h"
#include "generated/wire.h"

#define EXPORT __attribute__((visibility("default")))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

struct object;

/* One vGPU. Identity and memory come with the session; attributes are fetched when first asked for. */
struct device {
	uint8_t uuid[16];
	uint64_t memory; /* bytes of the quota */
	int domain, bus, slot;
	int place; /* in the lease */
	char name[WIRE_DEV_NAME_BYTES];
	bool facts; /* attributes are here */
	int32_t attributes[WIRE_ATTRIBUTE_COUNT];
	struct object *primary; /* primary context, NULL while inactive */
	struct object *primary_name; /* the object that names it, kept over its lives */
	unsigned primary_refs, primary_flags;
};

/* LEFT: the program is in exit(). CUDA is gone for it, NVML goes on. */
enum session_state { SESSION_NONE, SESSION_LIVE, SESSION_LEFT, SESSION_FORKED, SESSION_ENDED, SESSION_REFUSED };

struct session {
	_Atomic int state;
	bool initialised; /* cuInit was called */
	int result; /* of SESSION_REFUSED and SESSION_ENDED */
	uint8_t *base; /* the region */
	uint64_t size;
	uint64_t stage; /* bytes of staging */
	uint64_t heap; /* offset of the pinned heap, which goes on to the end */
	bool weak; /* the region's mapping is write-combining: see region_release */
	int socket;
	pid_t pid;
	int driver_version;
	unsigned spin_us;
	int granted; /* vGPUs, of which CUDA shows the first device_count */
	int device_count;
	struct device devices[WIRE_MAX_DEVICES];
	char id[WIRE_SESSION_BYTES];
	_Atomic bool beside; /* somebody does not wait for the default stream: another program, or a stream of this one */
	_Atomic bool casual; /* a blocking copy may have returned before it was complete */
	_Atomic int captures; /* under way in this process: capture.h */
	_Atomic uint32_t async_seen;
};

extern struct session session;

/* State of one thread. Small: it lies in static TLS. */
struct thread {
	struct object *context; /* current, NULL for none */
	struct context_stack *stack; /* what lies below it */
	struct per_thread_stream *streams; /* default streams of its own, by context */
	struct edges *edges; /* what cuStreamGetCaptureInfo has handed out */
	uint64_t number; /* in captures, 0 before the first */
	uint64_t answered; /* the ring's position behind its last command that was answered */
	bool whole; /* which was a wait for a stream, and no other of its context has work from before */
	uint32_t slot; /* 1 + index of its reply slot, 0 before its first wait */
	uint32_t capture_mode;
	bool watched; /* its end is being waited for, to clean up */
};

extern __thread struct thread thread __attribute__((tls_model("initial-exec")));

/* Opens the session if it is not open yet. A CUresult. */
int session_open(void);
/* session_open for cuInit: from then on the session stays until the process ends. */
int session_initialise(void);
/* Ends a session that CUDA is not initialised with. No other thread may be using it. */
void session_release(void);
/* Marks the session as ended by its peer; every later call returns result. */
void session_end(int result, const char *reason);
/* What a call returns when there is no live session. */
int session_absent(void);
/* Arranges that thread_cleanup runs at this thread's end. */
void thread_watch(void);

/* The first line of every exported function: is there a session, and a current context? */
static inline int enter(void)
{
	return likely(session.state == SESSION_LIVE) ? CUDA_SUCCESS : session_absent();
}

/* CUDA_ERROR_INVALID_CONTEXT, noted in the log for whoever wonders which call it was. */
int context_missing(const char *function);
/* The error that has ended the current context, if any; CUDA_ERROR_CONTEXT_IS_DESTROYED if another thread has. */
int context_fault(void);

#define enter_context() enter_context_of(__func__)
static inline int enter_context_of(const char *function)
{
	int r = enter();
	return unlikely(r) ? r : likely(thread.context != NULL) ? context_fault() : context_missing(function);
}

/* Logs a function that is not served, once, and returns CUDA_ERROR_NOT_SUPPORTED. */
int not_supported(const char *function, int *once);

/* Stream 0 of functions with and without per-thread default streams. */
static inline void *stream_legacy(void *stream) { return stream == (void *)2 ? NULL : stream; }
void *stream_per_thread(void *stream);
/* The stream that a handle given to an ordinary function means: CU_STREAM_PER_THREAD becomes a real stream. */
static inline void *stream_arg(void *stream) { return unlikely(stream == (void *)2) ? stream_per_thread(NULL) : stream; }
