package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// disk measures what a flush costs on the disk on which the databases are, because
// that is what a database waits for.
type disk struct {
	file *os.File
	took []time.Duration
}

func (s *servers) disk() (*disk, error) {
	file, err := os.Create(filepath.Join(s.dir, s.name()+".flush"))
	if err != nil {
		return nil, err
	}
	s.atEnd(func() { _ = file.Close() })
	return &disk{file: file}, nil
}

// measure appends a page and flushes it, n times.
func (d *disk) measure(n int) error {
	page := make([]byte, 4096)
	for range n {
		start := time.Now()
		_, err := d.file.Write(page)
		if err = errors.Join(err, d.file.Sync()); err != nil {
			return err
		}
		d.took = append(d.took, time.Since(start))
	}
	return nil
}

func (d *disk) percentile(p int) time.Duration {
	took := slices.Sorted(slices.Values(d.took))
	return took[min(len(took)-1, len(took)*p/100)]
}

// String says what a flush costs.
func (d *disk) String() string {
	return fmt.Sprintf("A page appended and flushed on this disk takes %s, p99 %s.", span(d.percentile(50)), span(d.percentile(99)))
}
