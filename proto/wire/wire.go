// SPDX-License-Identifier: Apache-2.0

package wire

// Identity of the protocol. Version changes when the layout of the region, the handshake or a command's
// frame changes; the set of commands has its own hash (cuda.SpecHash), exchanged in the handshake.
const (
	Magic   = 0x314E524F // "ORN1"
	Version = 2
)

// Layout of a region, in bytes from its start.
const (
	HeaderOffset = 0x0000
	RingControl  = 0x1000
	StatusOffset = 0x2000
	CallbackRing = 0x4000 // CallbackEntries requests to run a host function
	SlotsOffset  = 0x10000
	SlotSize     = 0x1000
	SlotCount    = 1008
	EventsOffset = SlotsOffset + SlotCount*SlotSize // EventCount words, in which GPUs say how far events have come
	EventCount   = 16384
	RingOffset   = EventsOffset + 4*EventCount
	RingSize     = 4 << 20
	StageOffset  = RingOffset + RingSize

	// DefaultBase is where both sides map the region unless the handshake settles on another address.
	DefaultBase = 0x600000000000
	// MinRegionSize leaves a little room for staging and pinned memory.
	MinRegionSize = 32 << 20
	// MaxStageBytes is the staging of regions of FullStageRegion bytes and more.
	MaxStageBytes   = 64 << 20
	FullStageRegion = 512 << 20
	PageSize        = 4096
)

// StageBytes returns how much of a region is staging. The heap lies behind it, to the region's end. Clients
// read it from the header (HdrStage).
func StageBytes(regionSize uint64) uint64 {
	if regionSize >= FullStageRegion {
		return MaxStageBytes
	}
	return regionSize / 8 &^ (PageSize - 1)
}

// StagePart returns how many bytes of stage, as StageBytes gives them, are a part: pieces lie within one, since workers
// register staging part by part. The last one may be smaller.
func StagePart(stage uint64) uint64 {
	const most, atLeast = 4 << 20, 8
	return min(most, stage/atLeast) &^ (PageSize - 1)
}

// HeapOffset returns where the heap of a region begins.
func HeapOffset(regionSize uint64) uint64 { return StageOffset + StageBytes(regionSize) }

// Fields of the header.
const (
	HdrMagic       = 0x00 // u32
	HdrVersion     = 0x04 // u32
	HdrSize        = 0x08 // u64, bytes of the whole region
	HdrBase        = 0x10 // u64, the address at which the region is mapped
	HdrDevices     = 0x18 // u32, number of vGPUs
	HdrDriver      = 0x1c // u32, driver version as cuDriverGetVersion reports it
	HdrSpin        = 0x20 // u32, microseconds the client should spin before it sleeps
	HdrStage       = 0x28 // u64, bytes of staging
	HdrCarrier     = 0x30 // u32, how the client reaches the region: Carrier...
	HdrDeviceTable = 0x40 // DeviceSize bytes a device
)

// What the client learns of a device in the header, so that queries need no round trip. Attributes come by
// the device_facts command.
const (
	MaxDevices   = 16
	DeviceSize   = 0xC0
	DevUUID      = 0x00 // 16 bytes
	DevMemory    = 0x10 // u64, bytes of the vGPU's quota
	DevDomain    = 0x18 // i32, PCI address
	DevBus       = 0x1c // i32
	DevSlot      = 0x20 // i32
	DevPlace     = 0x24 // u32, in the lease, whose order NVML shows
	DevName      = 0x28 // NUL-ended
	DevNameBytes = 96
)

// Ring control: free-running byte counters, each on its own pair of cache lines.
const (
	RingHead   = RingControl + 0x000 // u64, stored by the worker
	RingTail   = RingControl + 0x080 // u64, stored by the client
	RingParked = RingControl + 0x100 // u32, worker sleeps and wants a byte on the socket
	RingBeat   = RingControl + 0x180 // u32, changed again and again by a client that has long been spinning for an answer
)

// Status: stored by the worker only.
const (
	StatusAsyncSeq  = StatusOffset + 0x00  // u32, incremented for each deferred error
	StatusAsyncCode = StatusOffset + 0x04  // u32, CUresult of the latest
	StatusEnded     = StatusOffset + 0x08  // u32, not 0: the worker has ended the session; a CUresult
	StatusMessage   = StatusOffset + 0x40  // NUL-ended reason of the end, StatusMessageBytes long
	StatusCallHead  = StatusOffset + 0x200 // u32, host callbacks requested
	StatusCallTail  = StatusOffset + 0x280 // u32, host callbacks completed (stored by the client)

	// What kernels and the driver print, for the client's standard output and error: records of a u32 (descriptor
	// in the top byte, length in the rest) and text, padded to 4, in a ring of ConsoleSize bytes.
	StatusConsoleHead = StatusOffset + 0x300 // u32, bytes written by the worker
	StatusConsoleTail = StatusOffset + 0x380 // u32, bytes taken by the client
	ConsoleOffset     = 0x8000
	ConsoleSize       = 0x8000

	StatusMessageBytes = 256
	CallbackEntries    = 1024
	CallbackSize       = 16 // u64 id, u32 result, u32 sequence
)

// Command frame: FrameSize bytes, then arguments; the whole is a multiple of 8 bytes and
// never wraps: a filler (OpFiller) leads back to the ring's start.
const (
	CmdSize    = 0x00 // u32, bytes of the whole command
	CmdOp      = 0x04 // u16
	CmdVersion = 0x06 // u16, version of this command's arguments
	CmdContext = 0x08 // u32, id of the calling thread's current context, 0 for none
	CmdSlot    = 0x0c // u32, 1 + index of the slot to answer in; 0 for no answer
	CmdSeq     = 0x10 // u32, to be stored in the slot when the answer is there
	CmdFlags   = 0x14 // u32, CmdStrict or 0
	FrameSize  = 0x18

	// CmdStrict says that the calling thread must not do what is potentially unsafe while a stream is being captured.
	CmdStrict = 1

	OpFiller   = 0
	MaxCommand = 1 << 20
)

// Reply slot: one page. The worker (SlotSeq) or the GPU (SlotFlag) stores the command's sequence number
// last; the client waits for either.
const (
	SlotSeq    = 0x00 // u32, stored by the worker, in one word with SlotResult
	SlotResult = 0x04 // i32, CUresult
	SlotBytes  = 0x08 // u32, bytes of reply data
	SlotWhole  = 0x0c // u32, stored before: the number of a wait for a stream that no other of its context has work beside
	SlotFlag   = 0x40 // u32, stored by the GPU; a success without reply data
	SlotData   = 0x80
	SlotRoom   = SlotSize - SlotData
)

// A word of an event counts its records: the GPU stores the number of one that is complete. Numbers stay below
// EventUnknown, which the worker adds where the GPU will not tell, and the client has to ask.
const EventUnknown = 1 << 31

// Layout of a function's information, as module_function and library_kernel return it.
const (
	InfoParamCount = 0x00 // u32
	InfoAttributes = 0x08 // i32 for each CUfunction_attribute below 16
	InfoParams     = 0x48 // u32 offset, u32 size for each parameter
	InfoSize       = 3584
	InfoMaxParams  = (InfoSize - InfoParams) / 8
)

// Layout of a just-in-time compiler's options and log.
const (
	JITOptionSize = 16 // u32 CUjit_option, padding, u64 value; log sizes travel, log buffers do not
	JITLogHeader  = 16 // u32 bytes of information, u32 bytes of errors, f32 milliseconds
	JITLogBytes   = 1500
	JITLogInfo    = JITLogHeader
	JITLogError   = JITLogHeader + 1504
	JITLogSize    = 3072
)

// HostReachable, among the flags of host_alloc, says that kernels are to reach the memory by themselves: it was
// allocated managed or mapped.
const HostReachable = 1 << 31

// Facts of a device: one i32 for each CUdevice_attribute.
const (
	AttributeCount = 512
	NoAttribute    = -1 << 31
)

// What graph_list lists, in entries of EdgeSize bytes: u64 from, u64 to, CUgraphEdgeData.
const (
	ListNodes        = 0
	ListRoots        = 1
	ListEdges        = 2
	ListDependencies = 3
	ListDependents   = 4
	EdgeSize         = 24
)

// What tex_object_get describes.
const (
	DescResource = 0
	DescTexture  = 1
	DescView     = 2
	DescSurface  = 3 // the resource of a surface object
)
