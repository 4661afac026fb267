// SPDX-License-Identifier: Apache-2.0

// Package gpu has the scripts that qualify a build on a machine with GPUs, and runs them on software GPUs.
package gpu
