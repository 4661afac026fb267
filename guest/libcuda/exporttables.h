// SPDX-License-Identifier: Apache-2.0
/* The private tables that cuGetExportTable hands out, and the functions in their slots. */
#pragma once
#include <stdint.h>

/* Both are part of what the integrity check hashes. */
extern const void *const cudart_interface[];
extern const void *const integrity_table[];

/* The answer with which cudart convinces itself that the driver is one; see integrity.c. */
int integrity_check(uint32_t version, uint64_t unix_seconds, uint64_t answer[2]);
int integrity_enable(int enable);

/* Runs when the value's context is destroyed, with no lock held. */
typedef void (*storage_destructor)(void *context, void *key, void *value);

/* Context-local storage; a NULL context is the calling thread's. A value that is replaced or deleted is the
 * caller's again: its destructor does not run. */
int storage_put(void *context, void *key, void *value, storage_destructor destructor);
int storage_delete(void *context, void *key);
int storage_get(void **value, void *context, void *key);
