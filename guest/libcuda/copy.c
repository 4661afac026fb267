// SPDX-License-Identifier: Apache-2.0
/*
 * Linear copies. Pinned memory needs no staging: both sides have it at the same address. Small uploads travel
 * with their command; others go through staging, piece by piece, so that this process's memcpy and the GPU's
 * DMA overlap. As with NVIDIA's driver, an upload from pageable memory returns when the source has been read,
 * a download to it when the data are there.
 */
#include "copy.h"

#include "call.h"
#include "capture.h"
#include "channel.h"
#include "copybox.h"
#include "crew.h"
#include "exported.h"
#include "generated/calls.h"
#include "idle.h"
#include "memory.h"
#include "object.h"
#include "onstream.h"
#include "shadow.h"
#include "stage.h"
#include "state.h"

enum { INLINE_BYTES = 32 << 10, UPLOAD_PIECE = 1 << 20, CASUAL_BYTES = 64 << 10 };

enum place place_of(uint64_t address)
{
	struct range range;
	if (in_heap((void *)(uintptr_t)address))
		return PLACE_PINNED;
	return !memory_find(address, &range) ? PLACE_HOST : range.type == MEMORY_REGISTERED ? PLACE_PINNED : PLACE_DEVICE;
}

static bool find_range(uint64_t address, uint64_t n, struct range *range)
{
	return memory_find(address, range) && n <= range->base + range->size - address;
}

bool known_range(uint64_t address, uint64_t n)
{
	struct range range;
	return find_range(address, n, &range);
}

int stream_fence(void *stream)
{
	if (!capture_strict() && idle_stream(stream))
		return call_deferred();
	int r = wire_stream_sync(stream);
	if (!r)
		idle_note_stream(stream);
	return r ? r : call_deferred();
}

bool stream_capturing(void *stream)
{
	unsigned status;
	return session.captures && !wire_cuStreamIsCapturing(stream, &status) && status;
}

int stream_word(void *stream)
{
	return unlikely(stream_capturing(stream)) ? call_deferred() : stream_fence(stream);
}

int stream_given(int r, uint64_t address, uint64_t n, void *stream, bool wait)
{
	return r ? r : wait ? stream_fence(stream) : known_range(address, n) ? call_deferred() : stream_word(stream);
}

void copies_beside(void)
{
	enum { ENOUGH_NS = 100000000 };
	if (session.beside)
		return;
	session.beside = true;
	if (!session.casual || !thread.context || session.captures)
		return;
	/* Not for ever: behind those copies, a kernel may be waiting for what is about to go on beside. */
	for (uint64_t begin = monotonic_ns(); monotonic_ns() - begin < ENOUGH_NS;)
		if (idle_stream((void *)1) || wire_cuStreamQuery((void *)1) != CUDA_ERROR_NOT_READY)
			return; /* its error comes again with the next wait */
}

static int upload_piece(uint64_t dst, const uint8_t *src, size_t n, void *stream)
{
	struct stage s;
	int r = stage_take(&s, n);
	if (r)
		return r;
	crew_copy(s.data, src, n);
	r = wire_copy_in_stage(dst, (uint64_t)(uintptr_t)s.data, n, stream, s.flag, s.value);
	if (r)
		stage_return(&s);
	else
		stage_lend(&s);
	return r;
}

/* Small pieces let the first transfer begin soon, large ones keep several cores busy. */
static int upload(uint64_t dst, const uint8_t *src, size_t n, void *stream)
{
	size_t piece = n < 4 * STAGE_PIECE ? UPLOAD_PIECE : STAGE_PIECE;
	int r = CUDA_SUCCESS;
	for (size_t at = 0; !r && at < n; at += piece)
		r = upload_piece(dst + at, src + at, n - at < piece ? n - at : piece, stream);
	return r;
}

int copy_in(uint64_t dst, const void *src, size_t n, void *stream, bool wait)
{
	int r = CUDA_SUCCESS;
	if (!n)
		return CUDA_SUCCESS;
	if (!src)
		return CUDA_ERROR_INVALID_VALUE;
	uint64_t pinned = pinned_at(src, n);
	if (pinned)
		return stream_given(wire_copy_in_region(dst, pinned, n, stream), dst, n, stream, wait);
	if (unlikely(stream_capturing(stream)))
		return shadow_copy_captured(dst, (void *)(uintptr_t)src, n, stream, true);
	if (n <= INLINE_BYTES)
		r = wire_copy_in(dst, stream, src, n);
	else
		r = upload(dst, src, n, stream);
	/* When a blocking copy returns, it has to be there for all who do not come after it in this stream: the host, if
	 * it can read it, and what goes on beside. Nothing waits for a thread's default stream but the legacy one. What
	 * came before a copy of more than CASUAL_BYTES is complete then, too: the host may see that of host functions. */
	bool legacy = legacy_stream(stream);
	if (wait && !session.casual)
		session.casual = true; /* before the look at beside, as copies_beside does it the other way round */
	bool seen = wait && (session.beside || !legacy || n > CASUAL_BYTES || pinned_at((void *)(uintptr_t)dst, n));
	return stream_given(r, dst, n, stream, seen);
}

/* A download through two pieces: while one is copied out here, the GPU fills the other. */
struct download {
	struct stage stage;
	struct call call;
	void *dst;
	size_t n;
};

static int download_start(struct download *d, uint64_t src, void *stream)
{
	uint64_t id;
	if (!handle_id(stream, KIND_STREAM, &id))
		return CUDA_ERROR_INVALID_HANDLE;
	int r = call_begin(&d->call, OP_copy_out, 32, CALL_WAIT);
	if (r)
		return r;
	call_u64(&d->call, (uint64_t)(uintptr_t)d->stage.data);
	call_u64(&d->call, src);
	call_u64(&d->call, d->n);
	call_u64(&d->call, id);
	call_submit(&d->call);
	return CUDA_SUCCESS;
}

static int download_finish(struct download *d)
{
	int r = call_await(&d->call);
	if (!r)
		crew_copy(d->dst, d->stage.data, d->n);
	stage_return(&d->stage);
	return r;
}

static int download(uint8_t *dst, uint64_t src, size_t n, void *stream)
{
	struct download d[2];
	unsigned started = 0, finished = 0;
	int r = CUDA_SUCCESS;
	size_t at = 0;
	while (!r && (at < n || finished < started)) {
		if (at < n && started - finished < 2) {
			struct download *next = &d[started % 2];
			next->n = n - at < STAGE_PIECE ? n - at : STAGE_PIECE;
			next->dst = dst + at;
			bool have = finished < started ? stage_try(&next->stage, next->n) : !(r = stage_take(&next->stage, next->n));
			if (have) {
				r = download_start(next, src + at, stream);
				if (r)
					stage_return(&next->stage);
				else
					started++;
				at += next->n;
				continue;
			}
			if (r)
				break;
		}
		r = download_finish(&d[finished++ % 2]);
	}
	while (finished < started) {
		int late = download_finish(&d[finished++ % 2]);
		r = r ? r : late;
	}
	return r;
}

int copy_out(void *dst, uint64_t src, size_t n, void *stream, bool wait)
{
	if (!n)
		return CUDA_SUCCESS;
	if (!dst)
		return CUDA_ERROR_INVALID_VALUE;
	uint64_t pinned = pinned_at(dst, n);
	if (pinned)
		return stream_given(wire_copy_out_region(pinned, src, n, stream), src, n, stream, wait);
	if (unlikely(stream_capturing(stream)))
		return shadow_copy_captured(src, dst, n, stream, false);
	int r = download(dst, src, n, stream);
	if (!r)
		idle_note_stream(stream);
	return r ? r : call_deferred();
}

/* A copy between devices comes after all that both have to do, and before all that they get to do. */
static int copy_peer(uint64_t dst, void *dst_context, uint64_t src, void *src_context, size_t n, void *stream)
{
	int r = cuCtxSynchronize_v2(src_context);
	if (!r)
		r = cuCtxSynchronize_v2(dst_context);
	if (!r)
		r = wire_cuMemcpyPeerAsync(dst, dst_context, src, src_context, n, stream);
	return r ? r : stream_fence(stream);
}

/* Memory of a pool of the host. For driver 580 it is no device's, so that copies say what it is, or that it is unified. */
static bool of_host_pool(const struct range *range) { return range->pooled && range->type != MEMORY_MANAGED; }

/* A copy that is not asynchronous by its name is ordered among devices as cuMemcpyPeer is. */
static int copy_device(uint64_t dst, uint64_t src, size_t n, void *stream, bool wait)
{
	struct range to, from;
	if (!n)
		return CUDA_SUCCESS;
	bool dst_known = find_range(dst, n, &to), src_known = find_range(src, n, &from), known = dst_known && src_known;
	if ((dst_known && of_host_pool(&to)) || (src_known && of_host_pool(&from)))
		return CUDA_ERROR_INVALID_VALUE;
	if (known && wait && to.device != from.device)
		return copy_peer(dst, to.context, src, from.context, n, stream);
	int r = wire_cuMemcpyDtoDAsync_v2(dst, src, n, stream);
	return r ? r : known ? call_deferred() : stream_word(stream);
}

static int copy_host(uint64_t dst, uint64_t src, size_t n, void *stream, bool wait)
{
	enum { TYPE_HOST = 1, MOST = 1 << 30 /* of what a row may have, which is below 2 GiB */ };
	int r = CUDA_SUCCESS;
	for (size_t at = 0, piece; !r && at < n; at += piece) {
		piece = n - at < MOST ? n - at : MOST;
		struct box b = {.src = {.type = TYPE_HOST, .host = src + at}, .dst = {.type = TYPE_HOST, .host = dst + at},
				.width = piece, .height = 1, .depth = 1};
		r = box_copy(&b, stream, wait && at + piece == n);
	}
	return r;
}

int copy_unified(uint64_t dst, uint64_t src, size_t n, void *stream, bool wait)
{
	enum place to = place_of(dst), from = place_of(src);
	if (to != PLACE_DEVICE && from != PLACE_DEVICE)
		return copy_host(dst, src, n, stream, wait);
	if (from != PLACE_DEVICE)
		return copy_in(dst, (void *)(uintptr_t)src, n, stream, wait);
	if (to != PLACE_DEVICE)
		return copy_out((void *)(uintptr_t)dst, src, n, stream, wait);
	return copy_device(dst, src, n, stream, wait);
}

ON_DEFAULT_STREAM(cuMemcpyHtoD_v2, (uint64_t dst, const void *src, size_t n), copy_in(dst, src, n, stream, true))
ON_DEFAULT_STREAM(cuMemcpyDtoH_v2, (void *dst, uint64_t src, size_t n), copy_out(dst, src, n, stream, true))
ON_DEFAULT_STREAM(cuMemcpyDtoD_v2, (uint64_t dst, uint64_t src, size_t n), copy_device(dst, src, n, stream, true))
ON_DEFAULT_STREAM(cuMemcpy, (uint64_t dst, uint64_t src, size_t n), copy_unified(dst, src, n, stream, true))
ON_DEFAULT_STREAM(cuMemcpyPeer, (uint64_t dst, void *dst_context, uint64_t src, void *src_context, size_t n),
     copy_peer(dst, dst_context, src, src_context, n, stream))

ON_STREAM(cuMemcpyHtoDAsync_v2, (uint64_t dst, const void *src, size_t n, void *stream), copy_in(dst, src, n, stream, false))
ON_STREAM(cuMemcpyDtoHAsync_v2, (void *dst, uint64_t src, size_t n, void *stream), copy_out(dst, src, n, stream, false))
ON_STREAM(cuMemcpyDtoDAsync_v2, (uint64_t dst, uint64_t src, size_t n, void *stream), copy_device(dst, src, n, stream, false))
ON_STREAM(cuMemcpyAsync, (uint64_t dst, uint64_t src, size_t n, void *stream), copy_unified(dst, src, n, stream, false))
ON_STREAM(cuMemcpyPeerAsync, (uint64_t dst, void *dst_context, uint64_t src, void *src_context, size_t n, void *stream),
	   wire_cuMemcpyPeerAsync(dst, dst_context, src, src_context, n, stream))
