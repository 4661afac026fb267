// SPDX-License-Identifier: Apache-2.0
/*
 * Staging: memory of the region through which copies between the program's own memory and the GPU go. Pieces
 * are handed out in order and come back when their flag says so, written by the GPU or by this process.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "state.h"

struct stage {
	void *data;
	uint64_t flag; /* address of the u32 that becomes value when the piece is free */
	uint32_t value;
	uint32_t number; /* in the order of their taking */
};

/* Bytes of a part, as wire.StagePart has it: a worker registers staging part by part, so pieces lie within one. */
static inline uint64_t stage_part(void)
{
	enum { MOST = 4 << 20, AT_LEAST = 8 };
	uint64_t part = session.stage / AT_LEAST;
	return (part < MOST ? part : MOST) & ~(uint64_t)(WIRE_PAGE_SIZE - 1);
}

/* The largest piece, in bytes, with its flag before it. */
enum { STAGE_ALIGN = 256 };
#define STAGE_PIECE (stage_part() - STAGE_ALIGN)

/* Takes a piece, waiting for room. A CUresult. The caller must soon have its flag written: it may hold no
 * other piece while it waits here. */
int stage_take(struct stage *s, uint64_t size);
/* Takes a piece if there is room at once. */
bool stage_try(struct stage *s, uint64_t size);
/* Gives a piece back that no command uses any more. */
void stage_return(const struct stage *s);
/* Notes that a stream of the current context is to write a piece's flag: the commands that say so are on the ring. */
void stage_lend(const struct stage *s);
/* Takes back what a context has been lent that has failed or ended, of which the worker has just told this thread: its
 * streams write no flags any more. */
void stage_forget(const struct object *context);
