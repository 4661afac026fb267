// SPDX-License-Identifier: Apache-2.0

// Package cuda reads the declarative specification of the CUDA driver API (spec/*.spec), from which
// proto/cuda/generate writes the guest's encoders and export tables, the host's decoders and driver
// interface, and the coverage page. Run `make generate` after a change.
//
// A line declares one exported function:
//
//	MODE SYMBOL SINCE [ptsz:V|ptds:V] [(PARAMETERS)] [REST]
//
// SYMBOL is the exported name; its name for cuGetProcAddress is SYMBOL without _vN. SINCE is the CUDA
// version (1000·major + 10·minor) that introduced this variant, ptsz:V or ptds:V the version since which
// there is one that takes stream 0 for the calling thread's default stream. Modes:
//
//	call         generated on both sides; the caller waits for the answer
//	cast         generated on both sides; the caller goes on, an error is deferred
//	guest        written by hand in guest/libcuda, nothing of it on the host
//	guest/call   the exported function is written by hand around the generated encoder wire_SYMBOL
//	guest/cast   likewise
//	guest/host   written by hand on both sides; only the host's driver interface is generated
//	alias X      the same function as X
//	absent "R"   exported, returns CUDA_ERROR_NOT_SUPPORTED; R is the reason, for the coverage page
//
// A command is what the hand-written parts of both sides exchange; the worker handles it by hand:
//
//	command call|cast|fence|wait NAME (PARAMETERS)
//
// A fence is answered by the GPU when the stream reaches it, a wait by a waiter, off the ring.
//
// Parameters are `[in|out|inout|new|free|flag] NAME TYPE`, named as in CUDA's documentation. Types:
//
//	u8 u16 u32 u64 i32 f32     scalars; `out` makes them results
//	device devptr              ordinal of a vGPU, address in device memory
//	hostptr                    address in the region
//	hostptr[P]                 the same, of P bytes that the command reads (in) or writes (out), or of a u32
//	                           that becomes P when its stream gets there (flag); P is a parameter
//	cstr                       NUL-ended string (in)
//	bytes[E]                   memory of E bytes, E an expression of literals and scalar parameters;
//	                           a trailing ? says that it may be NULL
//	KIND, KIND[E]              handles: `new` makes one (its id is minted by the client), `free` ends it,
//	                           `out` names one that exists
package cuda
