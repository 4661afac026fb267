// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/orion-vgpu/orion/controller/pool"
	"github.com/orion-vgpu/orion/proto/pool/v1/poolv1connect"
)

// Bounds on what a peer can make the server hold or wait for.
const (
	maxRequestBytes = 4 << 20
	maxConnections  = 8192
	maxWatchers     = 256
	requestTimeout  = 15 * time.Second
	writeTimeout    = 15 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 5 * time.Second
)

// Handler serves a pool and GET /healthz. Watches end with ctx.
func Handler(ctx context.Context, p *pool.Pool) http.Handler {
	s := &service{pool: p, stopping: ctx, watchers: make(chan struct{}, maxWatchers)}
	path, rpc := poolv1connect.NewPoolServiceHandler(s,
		connect.WithInterceptors(protocol{}), connect.WithReadMaxBytes(maxRequestBytes))
	mux := http.NewServeMux()
	mux.Handle(path, bounded(rpc))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, "ok\n")
	})
	return mux
}

// bounded gives a request an end. The server's own time-outs cannot: they count for a whole response, and a
// watch lasts.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		life := requestTimeout
		if r.URL.Path == poolv1connect.PoolServiceWatchProcedure {
			life = watchLife + requestTimeout
		}
		c := http.NewResponseController(w)
		// A transport without deadlines still has the context's.
		_ = c.SetReadDeadline(time.Now().Add(life))
		ctx, cancel := context.WithTimeout(r.Context(), life)
		defer cancel()
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
		next.ServeHTTP(&deadlineWriter{w, c}, r.WithContext(ctx))
	})
}

// deadlineWriter gives each write an end, so that a peer that does not read holds nobody up.
type deadlineWriter struct {
	http.ResponseWriter
	c *http.ResponseController
}

func (w *deadlineWriter) Write(b []byte) (int, error) {
	_ = w.c.SetWriteDeadline(time.Now().Add(writeTimeout))
	return w.ResponseWriter.Write(b)
}

// Flush is what Connect looks for in a stream.
func (w *deadlineWriter) Flush() { _ = w.c.Flush() }

// Unwrap is what http.ResponseController looks for.
func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Serve answers on l until ctx ends, then lets requests that are under way finish. It closes l.
func Serve(ctx context.Context, l net.Listener, p *pool.Pool, log *slog.Logger) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler:           Handler(ctx, p),
		Protocols:         &protocols,
		ReadHeaderTimeout: requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(limit(l, maxConnections)) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve the pool: %w", err)
	case <-ctx.Done():
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer stop()
	err := server.Shutdown(end)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-failed
	if err != nil {
		return fmt.Errorf("stop serving the pool: %w", err)
	}
	return nil
}
