// SPDX-License-Identifier: Apache-2.0

// Package release says which release of Orion this is.
package release

// Version is set by the linker: -ldflags "-X github.com/orion-vgpu/orion/host/release.Version=1.2.3".
var Version = "0.1.0-dev"
