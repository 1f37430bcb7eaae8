package delivery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server is an HTTP server that a command runs.
type Server struct {
	Address string // with the port that it was given
	http    *http.Server
	ended   chan error // gets why it ended, once
}

// Serve serves the handler on an address; the port 0 is any free one.
func Serve(ctx context.Context, address string, handler http.Handler) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: choose another address; the port 0 is any free one", err)
	}
	s := &Server{
		Address: listener.Addr().String(),
		http: &http.Server{
			Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		},
		ended: make(chan error, 1),
	}
	go func() { s.ended <- s.http.Serve(listener) }()
	return s, nil
}

// URL returns the address at which this machine reaches the server.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return "http://" + s.Address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Wait returns nil when the context ends, or why the server ended before that.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.ended:
		s.ended <- err
		return err
	}
}

// Stop lets the requests that are running finish for as long as the context
// allows, and waits until the server has ended.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	if ended := <-s.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// Ending returns a context for what is left to do after a command was interrupted:
// it outlives ctx by ten seconds at most.
func Ending(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
}
