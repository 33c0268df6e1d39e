// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand"
	"strings"
	"sync"
	"time"
)

// A Load is clients that work on the same few tags until they are told to stop. Standard input says
// what becomes of the server, a line each:
//
//	up NUMBER HOST:PORT     a process serves there
//	down NUMBER             that process is dead, not only on its way to it
//	(end of file)           stop
type Load struct {
	Clients    int
	Tags       int
	Change     time.Duration // after it come other tags: the search for an order grows faster than the history
	Repository string
	Seed       int64
	Rest       time.Duration

	history *Writer
	begin   time.Time
	place   place
	digests digests
	faults  chan error
}

// A place is where the server is.
type place struct {
	mutex   sync.Mutex
	process int
	address string
}

func (p *place) set(process int, address string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.process, p.address = process, address
}

func (p *place) get() (int, string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.process, p.address
}

// Digests are the manifests pushed lately, for those who push one again, expect one or delete one.
type digests struct {
	mutex  sync.Mutex
	recent []manifest
}

const recentMax = 12

func (d *digests) add(m manifest) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.recent = append(d.recent, m)
	if len(d.recent) > recentMax {
		d.recent = d.recent[1:]
	}
}

func (d *digests) pick(random *rand.Rand) (manifest, bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if len(d.recent) == 0 {
		return manifest{}, false
	}
	return d.recent[random.Intn(len(d.recent))], true
}

func (l *Load) now() int64 {
	return int64(time.Since(l.begin))
}

// tag gives one of those worked on now.
func (l *Load) tag(random *rand.Rand) string {
	return fmt.Sprintf("t%d-%d", time.Since(l.begin)/l.Change, random.Intn(l.Tags))
}

// Run returns when the input ends: an error when an answer was none of those a server may give.
func (l *Load) Run(path string, control io.Reader) error {
	history, err := createHistory(path)
	if err != nil {
		return err
	}
	l.history, l.begin, l.faults = history, time.Now(), make(chan error, l.Clients)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var clients sync.WaitGroup
	for i := 0; i < l.Clients; i++ {
		clients.Add(1)
		go func() {
			defer clients.Done()
			newClient(l, i).work(ctx)
		}()
	}
	err = l.follow(control)
	stop()
	clients.Wait()
	if closed := history.close(); err == nil {
		err = closed
	}
	select {
	case fault := <-l.faults:
		return fault
	default:
		return err
	}
}

func (l *Load) follow(control io.Reader) error {
	lines := bufio.NewScanner(control)
	for lines.Scan() {
		var process int
		var address string
		text := lines.Text()
		word, rest, _ := strings.Cut(text, " ")
		switch word {
		case "up":
			if _, err := fmt.Sscanf(rest, "%d %s", &process, &address); err != nil {
				return fmt.Errorf("%q: %w", text, err)
			}
			l.place.set(process, address)
		case "down":
			if _, err := fmt.Sscanf(rest, "%d", &process); err != nil {
				return fmt.Errorf("%q: %w", text, err)
			}
			if err := l.history.write(Record{Op: OpDown, Process: process, End: l.now()}); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%q is not understood", text)
		}
	}
	return lines.Err()
}
