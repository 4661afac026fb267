// SPDX-License-Identifier: Apache-2.0
/*
 * Words of the region in which GPUs say how far events have come, so that asking for an event costs a look at memory.
 * An event gets one when it is first asked for: storing to it costs the GPU something, and most events are only waited
 * for by streams. What a word says is certain; what it does not say within a while, the worker is asked.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct object;

enum word_state { WORD_ASK, WORD_PENDING, WORD_DONE };

/* The event has been asked for: its next records are to be told by a word. */
void word_wanted(struct object *event);
/* The word and the number for the next record; false if the event has no word. */
bool word_next(struct object *event, uint32_t *word, uint32_t *value);
/* A record begins: what was known of the one before is true no more. */
void word_renew(struct object *event);
/* The latest record, and that it is complete: an answer of the worker, who then is not asked again. */
uint64_t word_record(struct object *event);
void word_complete(struct object *event, uint64_t record);
/* The latest record goes without a word. */
void word_forget(struct object *event);
/* The event never gets a word. */
void word_never(struct object *event);
void word_return(struct object *event);
/* How far the latest record has come. */
enum word_state word_look(struct object *event);
/* Waits for a short while; true when the latest record is complete. */
bool word_await(struct object *event);
