// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// The shortest bad part of a history that is bad as a whole. Each step leaves out only what cannot
// make a good history bad, so what is left is a fault and no artefact: the end of time, the
// beginning of time (the tag may then have named anything), and single reads.
func shortest(records []Record, limit time.Duration) []Record {
	initial := []interface{}{absent}
	isBad := func(part []Record) bool {
		return decide(part, initial, limit) == porcupine.Illegal
	}
	times := timesOf(records)
	last := sort.Search(len(times), func(i int) bool { return isBad(until(records, times[i])) })
	if last == len(times) {
		return records // with another limit of time it would have been found
	}
	records = until(records, times[last])

	initial = everything(records)
	first := sort.Search(last, func(i int) bool { return !isBad(since(records, times[i])) })
	if first > 0 {
		records = since(records, times[first-1])
	}
	for i := 0; i < len(records); {
		part := append(append([]Record{}, records[:i]...), records[i+1:]...)
		if !records[i].isWrite() && isBad(part) {
			records = part
		} else {
			i++
		}
	}
	return records
}

func timesOf(records []Record) []int64 {
	var times []int64
	for _, r := range records {
		times = append(times, r.Begin, r.End)
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	return times
}

// until gives the history as it was known at a time.
func until(records []Record, end int64) []Record {
	var part []Record
	for _, r := range records {
		if r.Begin > end || (r.End > end && !r.isWrite()) {
			continue
		}
		if r.End > end {
			r.Result, r.End = ResultUnknown, Never
		}
		part = append(part, r)
	}
	return part
}

// since gives what happened from a time on; of a write under way then it is not known which side it
// took effect on.
func since(records []Record, begin int64) []Record {
	var part []Record
	for _, r := range records {
		if r.End < begin || (r.Begin < begin && !r.isWrite()) {
			continue
		}
		if r.Begin < begin {
			r.Result = ResultUnknown
		}
		part = append(part, r)
	}
	return part
}

// everything gives all that a tag may have named.
func everything(records []Record) []interface{} {
	states := []interface{}{absent}
	seen := map[string]bool{"": true, "*": true}
	for _, r := range records {
		for _, digest := range []string{r.Digest, r.Expect} {
			if !seen[digest] {
				seen[digest] = true
				states = append(states, digest)
			}
		}
	}
	return states
}
