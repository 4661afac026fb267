// SPDX-License-Identifier: Apache-2.0

package pool

import (
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/orion-vgpu/orion/host/gpu"
	poolv1 "github.com/orion-vgpu/orion/proto/pool/v1"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

// Config is what a Client needs to know. Fields without a note are required.
type Config struct {
	Controller  string // host:port of orion-controller
	Node        string // the node's name in the pool
	DataAddress string // host:port of the node's data plane
	VGPUCount   int    // vGPUs that each GPU is cut into
	GPUs        gpu.Inventory
	Log         *slog.Logger

	// Sessions lists what runs on the node now, found after a restart of oriond too. It may be called at
	// any time, by one goroutine at a time, and must not wait for a Grant or a Release. nil: what was
	// granted and not released runs.
	Sessions func() []Session
	// Remote lets grants name GPUs of other nodes; the caller must be able to reach them.
	Remote bool

	Interval time.Duration // between heartbeats; 0: 2 s
	Patience time.Duration // how long Grant tries to reach a controller that is away; 0: 3 s
}

// Request is what a program asks for.
type Request struct {
	VGPUs        int
	MemoryMiB    int // of each; 0: the GPU's memory / vgpu_count
	RatioPercent int // of each; 0: 100 / vgpu_count
	CrossNode    bool
	Program      string
	PID          int // of the client on its host; 0 where unknown
	Host         string
}

// VGPU is one granted share of a GPU.
type VGPU struct {
	Node         string // where the GPU is: this node, unless Config.Remote
	GPU          int    // index on that node
	UUID         string
	MemoryBytes  uint64
	RatioPercent int
}

// Lease is what a program holds until Release.
type Lease struct {
	ID    string
	VGPUs []VGPU
}

// Session is a running program and its lease.
type Session struct {
	Lease   Lease
	Program string
	PID     int
	Host    string
	Since   time.Time
}

// callTimeout bounds one call of the controller.
const callTimeout = 2 * time.Second

// startGrace is how long a granted lease may stay without a session before the Client gives it back.
const startGrace = time.Minute

// Client is safe for concurrent use.
type Client struct {
	cfg       Config
	rpc       poolv1connect.PoolServiceClient
	transport *http.Transport
	bootID    string
	instance  string
	started   time.Time

	beating chan struct{} // holds a token while a heartbeat is under way, so that they keep their order
	// The following belong to who put the token.
	sequence uint64
	devices  []gpu.Device // when last asked successfully

	mu       sync.Mutex
	held     map[string]*held
	released map[string]bool // not known to have reached the controller
	trouble  string          // the last heartbeat's error, empty when it arrived
	beaten   bool            // there was a heartbeat
}

// held is a granted lease that was not released.
type held struct {
	lease     *poolv1.Lease
	at        time.Time
	inSession bool // Sessions has listed it
}

// New returns a client, which speaks up once Run or Grant is called.
func New(cfg Config) *Client {
	if cfg.Interval == 0 {
		cfg.Interval = 2 * time.Second
	}
	if cfg.Patience == 0 {
		cfg.Patience = 3 * time.Second
	}
	transport := &http.Transport{
		// No proxy: the controller is on the cluster's own network, whatever the environment says.
		DialContext:         (&net.Dialer{Timeout: callTimeout}).DialContext,
		MaxConnsPerHost:     16,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     time.Minute,
	}
	return &Client{
		cfg:       cfg,
		rpc:       poolv1connect.NewPoolServiceClient(&http.Client{Transport: transport}, "http://"+cfg.Controller, connect.WithReadMaxBytes(4<<20)),
		transport: transport,
		bootID:    bootID(),
		instance:  rand.Text(),
		started:   time.Now(),
		beating:   make(chan struct{}, 1),
		held:      map[string]*held{},
		released:  map[string]bool{},
	}
}

// bootID names this run of the kernel.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		return id
	}
	return "unknown"
}
