// SPDX-License-Identifier: Apache-2.0

// Package check checks a node: a machine where oriond serves GPUs.
package check
