// SPDX-License-Identifier: Apache-2.0
/* Fields of messages, of any alignment. All are little-endian, as every machine with a GPU is. */
#pragma once
#include <stdint.h>
#include <string.h>

static inline void put32(uint8_t *b, unsigned at, uint32_t v) { memcpy(b + at, &v, 4); }
static inline void put64(uint8_t *b, unsigned at, uint64_t v) { memcpy(b + at, &v, 8); }
static inline uint32_t get32(const uint8_t *b, unsigned at) { uint32_t v; memcpy(&v, b + at, 4); return v; }
static inline uint64_t get64(const uint8_t *b, unsigned at) { uint64_t v; memcpy(&v, b + at, 8); return v; }
