// SPDX-License-Identifier: Apache-2.0

package driver

import "fmt"

// Result is a CUresult. It is an error except for Success.
type Result int32

// Error names the result as CUDA does.
func (r Result) Error() string {
	if n, ok := resultNames[r]; ok {
		return n
	}
	return fmt.Sprintf("CUDA error %d", int32(r))
}

// Sticky says whether a result means that its context is lost: CUDA returns it from every further call.
func (r Result) Sticky() bool {
	switch r {
	case ErrorIllegalAddress, ErrorLaunchTimeout, ErrorAssert, ErrorHardwareStackError, ErrorIllegalInstruction,
		ErrorMisalignedAddress, ErrorInvalidAddressSpace, ErrorInvalidPc, ErrorLaunchFailed, ErrorEccUncorrectable,
		ErrorNvlinkUncorrectable, ErrorContained:
		return true
	}
	return false
}

// Handles as the backend knows them. Zero is none; for a Stream it is the legacy default stream.
type (
	Context        uint64
	Stream         uint64
	Event          uint64
	Module         uint64
	Function       uint64
	Library        uint64
	Kernel         uint64
	Graph          uint64
	GraphNode      uint64
	GraphExec      uint64
	MemPool        uint64
	Array          uint64
	MipmappedArray uint64
	TexRef         uint64
	SurfRef        uint64
	LinkState      uint64
	MemHandle      uint64
	UserObject     uint64
	GreenContext   uint64
	ResourceDesc   uint64
)

// Streams with a fixed meaning.
const (
	StreamDefault   Stream = 0
	StreamLegacy    Stream = 1
	StreamPerThread Stream = 2
)

type (
	// Device is the ordinal of a GPU among those that the backend shows.
	Device int32
	// DevicePtr is an address that kernels can use.
	DevicePtr uint64
	// HostPtr is an address in this process that the backend may read or write: memory of the region.
	HostPtr uint64
)

// Driver is a backend. It is safe for concurrent use.
type Driver interface {
	// NewThread returns a calling thread. The caller uses it from one goroutine at a time; a backend that needs
	// it locks that goroutine to its OS thread at the first call. Close frees it.
	NewThread() (API, error)
	// Close ends all work and frees what the driver holds.
	Close() error
}

// API is the driver as one calling thread sees it, with its own current context.
type API interface {
	Functions
	Composite
	Sharing
	Close() error
}

// LaunchConfig is the shape of a launch. Sizes are in blocks, threads and bytes.
type LaunchConfig struct {
	Grid, Block [3]uint32
	SharedBytes uint32
	Stream      Stream
	// Attributes are CUlaunchAttribute entries of LaunchAttributeSize bytes each, handles in them translated.
	Attributes []byte
}

// LaunchAttributeSize is the size of a CUlaunchAttribute: u32 id, padding, 64 bytes of value.
const LaunchAttributeSize = 72

// LaunchAttributeCooperative is CU_LAUNCH_ATTRIBUTE_COOPERATIVE, an i32 value.
const LaunchAttributeCooperative = 2

// KernelNode is the content of a graph's kernel node. One of Function and Kernel is set.
type KernelNode struct {
	Function    Function
	Kernel      Kernel
	Grid, Block [3]uint32
	SharedBytes uint32
	Params      []byte // packed parameter buffer
}

// JITOption is one CUjit_option with its value word. Log buffers are not passed so: see JITLog.
type JITOption struct {
	ID    uint32
	Value uint64
}

// JITLog receives what the just-in-time compiler says. Sizes ask for at most so many bytes; the backend sets
// the texts. WallTime is in milliseconds.
type JITLog struct {
	InfoBytes, ErrorBytes int
	Info, Error           string
	WallTime              float32
}

// HostCall is a request to run a function of the client's in stream order: the backend calls Run on a thread
// of its own choosing when the stream gets there, and goes on with the stream when Run has returned.
type HostCall interface {
	Run()
}

// GraphEdge is a dependency between two nodes of a graph, with its CUgraphEdgeData.
type GraphEdge struct {
	From, To GraphNode
	Data     [8]byte
}

// Composite are the driver functions that do not fit the generator.
type Composite interface {
	// Launch is cuLaunchKernel, cuLaunchKernelEx and cuLaunchCooperativeKernel: params is the packed parameter
	// buffer, valid during the call only.
	Launch(f Function, cfg *LaunchConfig, params []byte) Result
	// FunctionParams returns the offset and size of each parameter; cuFuncGetParamInfo until the end.
	FunctionParams(f Function) ([]ParamInfo, Result)
	KernelParams(k Kernel) ([]ParamInfo, Result)

	// ModuleLoad and LibraryLoad take an image: a fatbin container (header 0xBA55ED50), an ELF, or PTX text
	// ended by a NUL. The image is not used after the call.
	ModuleLoad(image []byte, options []JITOption, log *JITLog) (Module, Result)
	LibraryLoad(image []byte, options []JITOption, log *JITLog) (Library, Result)
	ModuleFunctionNames(m Module) ([]string, Result)
	LibraryKernelNames(l Library) ([]string, Result)
	LinkCreate(options []JITOption) (LinkState, Result)
	LinkAdd(l LinkState, kind uint32, data []byte, name string, options []JITOption, log *JITLog) Result
	// LinkComplete returns the linked image, owned by the link until its end.
	LinkComplete(l LinkState, log *JITLog) ([]byte, Result)
	LinkDestroy(l LinkState) Result

	// UserObjectCreate is cuUserObjectCreate, with as many references for the caller. When the last is gone, end.Run
	// is called once, on any thread, from within any other call too: it must return at once.
	UserObjectCreate(end HostCall, references uint32) (UserObject, Result)
	// LaunchHost is cuLaunchHostFunc.
	LaunchHost(stream Stream, call HostCall) Result
	// WriteFlag makes the stream store value, 32 bits, at address when it gets there. The address lies in memory
	// registered with MemHostRegister. It is cuStreamWriteValue32 without any side effect on a capture.
	WriteFlag(stream Stream, address HostPtr, value uint32) Result

	GraphNodes(g Graph) ([]GraphNode, Result)
	GraphRootNodes(g Graph) ([]GraphNode, Result)
	GraphEdges(g Graph) ([]GraphEdge, Result)
	NodeDependencies(n GraphNode) ([]GraphEdge, Result)
	NodeDependents(n GraphNode) ([]GraphEdge, Result)
	CaptureInfo(s Stream) (CaptureInfo, Result)
	// GraphAddKernel's edges are a CUgraphEdgeData of 8 bytes for each dependency, or nil for ordinary ones.
	GraphAddKernel(g Graph, deps []GraphNode, edges []byte, k *KernelNode) (GraphNode, Result)
	GraphKernelParams(n GraphNode) (KernelNode, Result)
	GraphSetKernelParams(n GraphNode, k *KernelNode) Result
	GraphExecSetKernelParams(e GraphExec, n GraphNode, k *KernelNode) Result
	GraphAddHost(g Graph, deps []GraphNode, call HostCall) (GraphNode, Result)
	// GraphHostCall is what a host node calls, if that came from this backend's caller.
	GraphHostCall(n GraphNode) (HostCall, Result)
	GraphSetHost(n GraphNode, call HostCall) Result
	GraphExecSetHost(e GraphExec, n GraphNode, call HostCall) Result
	// GraphAddConditional is cuGraphAddNode of a conditional node. The bodies are the driver's.
	GraphAddConditional(g Graph, deps []GraphNode, c Conditional) (GraphNode, []Graph, Result)

	// GraphMoveChild is cuGraphAddNode of a child graph that is the parent's from then on.
	GraphMoveChild(g Graph, deps []GraphNode, child Graph) (GraphNode, Result)

	// Occupancy of clusters: the number of clusters that can be resident, the largest cluster size.
	MaxActiveClusters(f Function, cfg *LaunchConfig) (int32, Result)
	MaxPotentialClusterSize(f Function, cfg *LaunchConfig) (int32, Result)
}

// ParamInfo is where one kernel parameter lies in the packed parameter buffer, in bytes.
type ParamInfo struct{ Offset, Size uint32 }

// Conditional is the content of a conditional node: a handle of cuGraphConditionalHandleCreate, a
// CUgraphConditionalNodeType and how many bodies there are.
type Conditional struct {
	Handle     uint64
	Kind, Size uint32
	Context    Context
}

// CaptureInfo is what cuStreamGetCaptureInfo tells.
type CaptureInfo struct {
	Status       uint32 // CUstreamCaptureStatus: 0 none, 1 active, 2 invalidated
	ID           uint64
	Graph        Graph
	Dependencies []GraphEdge // From and Data are set
}
