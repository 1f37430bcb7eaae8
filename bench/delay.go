package main

import (
	"io"
	"net"
	"sync"
	"time"
)

// A network that takes its time. On loopback a round trip costs some microseconds,
// and how calls are sent hardly matters; between two machines it does.

// delayed is a proxy that hands on every byte after a fixed time, in each direction.
// Bytes that are under way don't wait for one another, as they don't in a cable: who
// sends without waiting for answers pays the delay once.
type delayed struct {
	listener net.Listener
	target   string
	delay    time.Duration
	running  sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]bool // nil once it is closed
}

func newDelayed(target string, delay time.Duration) (*delayed, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &delayed{listener: listener, target: target, delay: delay, open: map[net.Conn]bool{}}
	d.running.Go(d.accept)
	return d, nil
}

func (d *delayed) addr() string { return d.listener.Addr().String() }

func (d *delayed) close() {
	_ = d.listener.Close()
	d.mu.Lock()
	for conn := range d.open {
		_ = conn.Close()
	}
	d.open = nil
	d.mu.Unlock()
	d.running.Wait()
}

func (d *delayed) accept() {
	for {
		client, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.running.Go(func() { d.connect(client) })
	}
}

// keep notes an open connection, and reports false where the proxy is closed.
func (d *delayed) keep(conn net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		_ = conn.Close()
		return false
	}
	d.open[conn] = true
	return true
}

func (d *delayed) drop(conn net.Conn) {
	_ = conn.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, conn)
}

func (d *delayed) connect(client net.Conn) {
	if !d.keep(client) {
		return
	}
	defer d.drop(client)
	server, err := net.Dial("tcp", d.target)
	if err != nil || !d.keep(server) {
		return
	}
	defer d.drop(server)
	var both sync.WaitGroup
	both.Go(func() { d.pass(server, client) })
	both.Go(func() { d.pass(client, server) })
	both.Wait()
}

// parcel is what was read at once, and when it arrives.
type parcel struct {
	bytes []byte
	due   time.Time
}

// inFlight is how many parcels may be under way in one direction.
const inFlight = 4096

// pass hands on what comes from one side to the other, and closes both when one is.
func (d *delayed) pass(to, from net.Conn) {
	parcels := make(chan parcel, inFlight)
	var writing sync.WaitGroup
	writing.Go(func() {
		if err := writeWhenDue(to, parcels); err != nil {
			_ = from.Close()
			for range parcels { // the reader may wait for room
			}
		}
	})
	for {
		buffer := make([]byte, 16<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			parcels <- parcel{buffer[:n], time.Now().Add(d.delay)}
		}
		if err != nil {
			break
		}
	}
	close(parcels)
	writing.Wait()
	_ = to.Close()
}

func writeWhenDue(to io.Writer, parcels <-chan parcel) error {
	a, err := newAlarm()
	if err != nil {
		return err
	}
	defer a.close()
	for p := range parcels {
		if err := a.wait(time.Until(p.due)); err != nil {
			return err
		}
		if _, err := to.Write(p.bytes); err != nil {
			return err
		}
	}
	return nil
}
