// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
)

// What a client asked.
const (
	OpPut            = "put"             // PUT of a manifest by tag
	OpDelete         = "delete"          // DELETE of a tag
	OpDeleteManifest = "delete-manifest" // DELETE by digest, which removes the tags that name it
	OpGet            = "get"
	OpHead           = "head"
	OpList           = "list" // the tags of the repository
	OpDown           = "down" // no request: the process is known to be dead
)

// What it was answered.
const (
	ResultOK       = "ok"
	ResultAbsent   = "absent"   // 404
	ResultMismatch = "mismatch" // 412: what Expect says was not so
	ResultUnknown  = "unknown"  // no answer: it may have been carried out, or may be later
)

// Never is the end of what nobody knows the end of.
const Never = math.MaxInt64

// A Record is one line of a history.
type Record struct {
	Client  int      `json:"client"`
	Op      string   `json:"op"`
	Tag     string   `json:"tag,omitempty"`    // not of list, delete-manifest and down
	Digest  string   `json:"digest,omitempty"` // put and delete-manifest: asked; get and head: answered
	Expect  string   `json:"expect,omitempty"` // put and delete: a digest (If-Match) or "*" (If-None-Match)
	Result  string   `json:"result,omitempty"`
	Tags    []string `json:"tags,omitempty"` // list: answered
	Process int      `json:"process"`        // which process of the server was asked; numbers grow
	Begin   int64    `json:"begin"`          // nanoseconds of one clock
	End     int64    `json:"end"`            // unknown ones: when the client gave up
}

func (r Record) isWrite() bool {
	return r.Op == OpPut || r.Op == OpDelete || r.Op == OpDeleteManifest
}

// A Writer writes a history; any goroutine may.
type Writer struct {
	mutex   sync.Mutex
	file    *os.File
	encoder *json.Encoder
	buffer  *bufio.Writer
}

func createHistory(path string) (*Writer, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	buffer := bufio.NewWriter(file)
	return &Writer{file: file, buffer: buffer, encoder: json.NewEncoder(buffer)}, nil
}

func (w *Writer) write(record Record) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.encoder.Encode(record)
}

func (w *Writer) close() error {
	if err := w.buffer.Flush(); err != nil {
		return err
	}
	return w.file.Close()
}

// readHistory gives the requests. What has no answer gets as its end the death of the process it
// was sent to, or Never: a dead process carries nothing out, and what was sent to one is left out.
func readHistory(path string) ([]Record, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var records []Record
	down := map[int]int64{}
	decoder := json.NewDecoder(bufio.NewReader(file))
	decoder.DisallowUnknownFields()
	for {
		var record Record
		err := decoder.Decode(&record)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if record.Op == OpDown {
			down[record.Process] = record.End
		} else {
			records = append(records, record)
		}
	}
	kept := records[:0]
	for _, record := range records {
		if record.Result == ResultUnknown {
			record.End = Never
			if end, is := down[record.Process]; is {
				record.End = end
			}
		}
		if record.Begin <= record.End {
			kept = append(kept, record)
		}
	}
	return kept, nil
}
