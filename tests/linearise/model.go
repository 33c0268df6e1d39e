// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"

	"github.com/anishathalye/porcupine"
)

// The state of a tag is the digest it names.
const absent = ""

// expectHolds says whether a condition is true of what a tag names.
func expectHolds(expect, state string) bool {
	switch expect {
	case "":
		return true
	case "*":
		return state == absent
	}
	return state == expect
}

func removes(r Record, state string) bool {
	return state != absent && (r.Op == OpDelete || state == r.Digest)
}

// after gives the states a tag can have after a write that was in `state`; none: it cannot have been
// answered so.
func after(r Record, state string) []interface{} {
	next := state
	switch {
	case r.Op == OpPut:
		next = r.Digest
	case removes(r, state):
		next = absent
	}
	holds := expectHolds(r.Expect, state)
	switch r.Result {
	case ResultOK:
		// A tag that is not there cannot be deleted; of a manifest this tag need not have been one.
		if holds && (r.Op != OpDelete || state != absent) {
			return []interface{}{next}
		}
	case ResultMismatch:
		if !holds {
			return []interface{}{state}
		}
	case ResultAbsent:
		if r.Op != OpPut && r.Expect == "" && next == state {
			return []interface{}{state}
		}
	case ResultUnknown:
		if holds && next != state {
			return []interface{}{state, next}
		}
		return []interface{}{state}
	}
	return nil
}

func step(state, input, _ interface{}) []interface{} {
	r, value := input.(Record), state.(string)
	if r.isWrite() {
		return after(r, value)
	}
	is := value == absent
	if r.Result == ResultOK {
		is = value == r.Digest
		if r.Op == OpList {
			is = value != absent
		}
	}
	if is {
		return []interface{}{value}
	}
	return nil
}

// A register is one tag that names one of `initial` at first.
func register(initial []interface{}) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []interface{} { return initial },
		Step: step,
	}
	return model.ToModel()
}

// ofTag gives what a history says about one tag. A list says something about every tag, but only
// while the tag is worked on is it of interest; a deletion by digest, about those that may name it.
// A read without an answer says nothing.
func ofTag(records []Record, tag string) []Record {
	var begin, end int64 = Never, 0
	pushed := map[string]bool{}
	for _, r := range records {
		if r.Tag == tag {
			begin, end = min(begin, r.Begin), max(end, r.Begin)
			pushed[r.Digest] = pushed[r.Digest] || r.Op == OpPut
		}
	}
	var own []Record
	for _, r := range records {
		switch {
		case !r.isWrite() && r.Result == ResultUnknown:
			continue
		case r.Op == OpDeleteManifest && !pushed[r.Digest]:
			continue
		case r.Op == OpList && (r.Begin < begin || r.Begin > end):
			continue
		case r.Tag != "" && r.Tag != tag:
			continue
		}
		if r.Op == OpList && !slices.Contains(r.Tags, tag) {
			r.Result = ResultAbsent
		}
		own = append(own, r)
	}
	return own
}

func operations(records []Record) []porcupine.Operation {
	list := make([]porcupine.Operation, len(records))
	for i, r := range records {
		list[i] = porcupine.Operation{ClientId: r.Client, Input: r, Call: r.Begin, Return: r.End}
	}
	return list
}
