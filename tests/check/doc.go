// SPDX-License-Identifier: Apache-2.0

// Package check runs orion-check against whole pools.
package check
