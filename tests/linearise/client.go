// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"time"
)

const (
	mediaType  = "application/vnd.oci.image.manifest.v1+json"
	emptyType  = "application/vnd.oci.empty.v1+json"
	emptyBlob  = "{}"
	giveUp     = 30 * time.Second // no server is paused for so long
	hangUpMost = 4 * time.Millisecond
)

// A manifest is one version of a tag; nobody else pushes the same bytes first.
type manifest struct {
	body   []byte
	digest string
}

func digestOf(body []byte) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256(body))
}

func newManifest(client, number int) manifest {
	empty := digestOf([]byte(emptyBlob))
	descriptor := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, emptyType, empty, len(emptyBlob))
	body := []byte(fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[%s],`+
		`"annotations":{"client":"%d","number":"%d"}}`, mediaType, descriptor, descriptor, client, number))
	return manifest{body, digestOf(body)}
}

// A client does one thing after the other on a connection of its own.
type client struct {
	load   *Load
	number int
	random *rand.Rand
	http   http.Client
	pushed int
}

func newClient(load *Load, number int) *client {
	return &client{
		load:   load,
		number: number,
		random: rand.New(rand.NewSource(load.Seed + int64(number))),
		http:   http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}},
	}
}

func (c *client) work(ctx context.Context) {
	for ctx.Err() == nil {
		record, body := c.choose()
		sent, err := c.do(&record, body)
		if err == nil && sent {
			err = c.load.history.write(record)
		}
		if err != nil {
			c.load.faults <- fmt.Errorf("client %d, %s %s: %w", c.number, record.Op, record.Tag, err)
			return
		}
		time.Sleep(time.Duration(c.random.Int63n(int64(c.load.Rest))))
	}
}

// choose gives what to do next, and the body when it is a push.
func (c *client) choose() (Record, []byte) {
	r := Record{Client: c.number, Tag: c.load.tag(c.random)}
	old, has := c.load.digests.pick(c.random)
	dice := c.random.Intn(100)
	switch {
	case dice < 40 || !has:
		m := newManifest(c.number, c.pushed)
		c.pushed++
		r.Op, r.Digest = OpPut, m.digest
		if dice < 5 {
			r.Expect = "*"
		} else if dice < 15 {
			r.Expect = old.digest
		}
		c.load.digests.add(m)
		return r, m.body
	case dice < 44:
		r.Op, r.Digest = OpPut, old.digest
		return r, old.body
	case dice < 50:
		r.Op = OpDelete
		if dice < 46 {
			r.Expect = old.digest
		}
	case dice < 56:
		r.Op, r.Tag, r.Digest = OpDeleteManifest, "", old.digest
	case dice < 75:
		r.Op = OpGet
	case dice < 90:
		r.Op = OpHead
	default:
		r.Op, r.Tag = OpList, ""
	}
	return r, nil
}

func (c *client) request(ctx context.Context, address string, r *Record, body []byte) (*http.Request, error) {
	methods := map[string]string{OpPut: "PUT", OpDelete: "DELETE", OpDeleteManifest: "DELETE", OpHead: "HEAD"}
	method, is := methods[r.Op]
	if !is {
		method = "GET"
	}
	path := "manifests/" + r.Tag
	if r.Op == OpDeleteManifest {
		path = "manifests/" + r.Digest
	} else if r.Op == OpList {
		path = "tags/list"
	}
	request, err := http.NewRequestWithContext(ctx, method,
		fmt.Sprintf("http://%s/v2/%s/%s", address, c.load.Repository, path), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	// Nothing is sent a second time behind our back.
	request.GetBody = nil
	if r.Op == OpPut {
		request.Header.Set("Content-Type", mediaType)
	}
	if r.Expect == "*" {
		request.Header.Set("If-None-Match", "*")
	} else if r.Expect != "" {
		request.Header.Set("If-Match", `"`+r.Expect+`"`)
	}
	return request, nil
}

// do sends one request and completes the record. False: it was not sent, or refused without being
// looked at. Now and then the client hangs up before it can have an answer.
func (c *client) do(r *Record, body []byte) (bool, error) {
	process, address := c.load.place.get()
	if address == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), giveUp)
	defer cancel()
	if r.isWrite() && c.random.Intn(100) == 0 {
		timer := time.AfterFunc(time.Duration(c.random.Int63n(int64(hangUpMost))), cancel)
		defer timer.Stop()
	}
	request, err := c.request(ctx, address, r, body)
	if err != nil {
		return false, err
	}
	r.Process, r.Result = process, ResultUnknown
	r.Begin = c.load.now()
	response, err := c.http.Do(request)
	if err != nil {
		r.End = c.load.now()
		if errors.Is(err, context.DeadlineExceeded) {
			return false, fmt.Errorf("no answer in %v", giveUp)
		}
		var operation *net.OpError
		return !errors.As(err, &operation) || operation.Op != "dial", nil
	}
	content, err := io.ReadAll(response.Body)
	response.Body.Close()
	r.End = c.load.now()
	if err != nil {
		return true, nil
	}
	if response.StatusCode == http.StatusServiceUnavailable {
		return false, nil
	}
	return true, r.answered(response, content)
}

// answered reads what an answer says; an error when it is none a server may give.
func (r *Record) answered(response *http.Response, content []byte) error {
	good := map[string]int{OpPut: 201, OpDelete: 202, OpDeleteManifest: 202, OpGet: 200, OpHead: 200, OpList: 200}
	status := response.StatusCode
	switch {
	case status == good[r.Op]:
		r.Result = ResultOK
	case status == 404 && r.Op != OpPut && r.Op != OpList:
		r.Result = ResultAbsent
		return nil
	case status == 412 && r.Expect != "":
		r.Result = ResultMismatch
		return nil
	default:
		return fmt.Errorf("status %d: %s", status, content)
	}
	digest := response.Header.Get("Docker-Content-Digest")
	switch r.Op {
	case OpPut:
		if digest != r.Digest {
			return fmt.Errorf("%s was pushed and %q answered", r.Digest, digest)
		}
	case OpGet:
		if digest != digestOf(content) {
			return fmt.Errorf("the body is not that of %s", digest)
		}
		r.Digest = digest
	case OpHead:
		r.Digest = digest
	case OpList:
		var list struct{ Tags []string }
		if err := json.Unmarshal(content, &list); err != nil {
			return err
		}
		r.Tags = list.Tags
	}
	return nil
}
