// SPDX-License-Identifier: Apache-2.0

// Package faults tests what becomes of a pool and its programs when a part of it fails, is absent, is set up
// wrong, or is hostile. Everything is a real process; the hostile clients are this test's own.
package faults
