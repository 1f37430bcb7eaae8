package main

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func dialDelayed(t *testing.T, delay time.Duration) net.Conn {
	t.Helper()
	proxy, err := newDelayed(echo(t), delay)
	require.NoError(t, err)
	t.Cleanup(proxy.close)
	conn, err := net.Dial("tcp", proxy.addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

func TestARoundTripTakesTheDelayTwice(t *testing.T) {
	t.Parallel()
	conn := dialDelayed(t, 20*time.Millisecond)
	for range 3 {
		start := time.Now()
		_, err := conn.Write([]byte("x"))
		require.NoError(t, err)
		_, err = io.ReadFull(conn, make([]byte, 1))
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(start), 40*time.Millisecond)
	}
}

// Serialised, a hundred parcels would take four seconds at least.
func TestBytesThatAreUnderWayDoNotWaitForOneAnother(t *testing.T) {
	t.Parallel()
	conn := dialDelayed(t, 20*time.Millisecond)
	sent := make([]byte, 100)
	start := time.Now()
	for i := range sent {
		sent[i] = byte(i)
		_, err := conn.Write(sent[i : i+1])
		require.NoError(t, err)
		time.Sleep(100 * time.Microsecond) // so that each is a parcel
	}
	got := make([]byte, len(sent))
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	require.Equal(t, sent, got)
	require.Less(t, time.Since(start), 2*time.Second)
}

func TestTheProxyHandsOnThatASideHasClosed(t *testing.T) {
	t.Parallel()
	conn := dialDelayed(t, time.Millisecond)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestAnAlarmWaitsForLessThanAMillisecond(t *testing.T) {
	t.Parallel()
	a, err := newAlarm()
	require.NoError(t, err)
	defer a.close()
	start := time.Now()
	for range 20 {
		require.NoError(t, a.wait(500*time.Microsecond))
	}
	require.GreaterOrEqual(t, time.Since(start), 10*time.Millisecond)
	require.NoError(t, a.wait(-time.Second))
}
