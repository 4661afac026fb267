// SPDX-License-Identifier: Apache-2.0

// Package driver is what a worker needs of a GPU: the CUDA driver API as a Go interface, with two backends,
// cuda (the real libcuda.so.1) and softgpu (a software GPU).
//
// Functions is generated from proto/cuda/spec; Composite holds the functions whose C form has pointers to
// pointers, callbacks or option lists, in a form that suits Go.
package driver
