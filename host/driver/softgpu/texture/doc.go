// SPDX-License-Identifier: Apache-2.0

// Package texture reads and writes images as a GPU's texture units do: formats, address modes, filters with
// the fixed-point weights of the hardware, mipmaps, layers and cube maps. What is computed follows the
// appendix "Texture Fetching" of NVIDIA's CUDA C++ Programming Guide.
//
// Images lie in memory that its owner keeps mapped; nothing here is locked, as on a GPU.
package texture
