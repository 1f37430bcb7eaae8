package main

import (
	"strings"
	"testing"
)

// The same lanes as the command runs, one at a time, for a profiler:
//
//	go test -run '^$' -bench 'Handler/2KB/floor' -cpuprofile cpu.out

func BenchmarkHandler(b *testing.B) {
	for _, s := range sizes {
		for _, c := range contenders {
			b.Run(label(s.label)+"/"+label(c.name), func(b *testing.B) {
				benchmark(b, s, deliver(c, newBody(s.bytes, c.layout)).lane(c.name))
			})
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, s := range sizes {
		for _, c := range []*contender{ours, oursTimed, bareHMAC, byHand} {
			b.Run(label(s.label)+"/"+label(c.name), func(b *testing.B) {
				benchmark(b, s, verifyLane(c, newBody(s.bytes, c.layout)))
			})
		}
	}
}

func BenchmarkStale(b *testing.B) {
	s := sizes[len(sizes)-1]
	benchmark(b, s, refusal(ours, s, staleAge, ours.name))
}

func label(name string) string {
	return strings.NewReplacer(" ", "", ",", "-").Replace(name)
}

func benchmark(b *testing.B, s size, l lane) {
	b.ReportAllocs()
	b.SetBytes(int64(s.bytes))
	if err := l.prepare(b.N); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	if err := l.run(b.N); err != nil {
		b.Fatal(err)
	}
}
