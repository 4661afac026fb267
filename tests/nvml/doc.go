// SPDX-License-Identifier: Apache-2.0

// Package nvml tests what programs see that ask NVML of a vGPU: NVIDIA's own nvidia-smi, as the script tools fetches
// it, and Python's pynvml, on a pool of software GPUs.
package nvml
