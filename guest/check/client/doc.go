// SPDX-License-Identifier: Apache-2.0

// Package client checks a machine where programs use vGPUs: a virtual machine, or a host.
package client
