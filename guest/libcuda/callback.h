// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Registers a host function to be run when the worker asks for it by the returned id; 0 when out of memory.
 * One that runs once is forgotten then. */
uint64_t callback_add(void (*function)(void *), void *data, bool once);
/* The same for one that runs once, perhaps much later, and that no stream waits for. */
uint64_t callback_add_last(void (*function)(void *), void *data);
/* Forgets one that will not be asked for. False if there is none of that id. */
bool callback_drop(uint64_t id);
/* Copies out what a registered host function is. False if there is none of that id. */
bool callback_find(uint64_t id, void (**function)(void *), void **data);
