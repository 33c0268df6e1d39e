// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// check prints one line for each tag of a history; an error when one was no register.
func check(path string, limit time.Duration) error {
	records, err := readHistory(path)
	if err != nil {
		return err
	}
	tags := tagsOf(records)
	if len(tags) == 0 {
		return fmt.Errorf("%s: there is no tag in it", path)
	}
	bad := 0
	for _, tag := range tags {
		own := ofTag(records, tag)
		result := decide(own, []interface{}{absent}, limit)
		fmt.Printf("%s: %d requests, %d without an answer: %s\n", tag, len(own), unknown(own), word(result))
		if result == porcupine.Ok {
			continue
		}
		bad++
		if result == porcupine.Illegal {
			printBad(shortest(own, limit))
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d tags", bad, len(tags))
	}
	return nil
}

func word(result porcupine.CheckResult) string {
	switch result {
	case porcupine.Ok:
		return "linearisable"
	case porcupine.Illegal:
		return "NOT LINEARISABLE"
	}
	return "UNDECIDED in the time given"
}

func decide(records []Record, initial []interface{}, limit time.Duration) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(register(initial), operations(records), limit)
}

func tagsOf(records []Record) []string {
	seen := map[string]bool{}
	var tags []string
	for _, r := range records {
		if r.Tag != "" && !seen[r.Tag] {
			seen[r.Tag] = true
			tags = append(tags, r.Tag)
		}
	}
	sort.Strings(tags)
	return tags
}

func unknown(records []Record) int {
	n := 0
	for _, r := range records {
		if r.Result == ResultUnknown {
			n++
		}
	}
	return n
}

func printBad(records []Record) {
	sort.SliceStable(records, func(i, j int) bool { return records[i].Begin < records[j].Begin })
	fmt.Printf("no order explains these %d requests, whatever the tag named before:\n", len(records))
	for _, r := range records {
		end := "never"
		if r.End != Never {
			end = fmt.Sprint(r.End)
		}
		fmt.Printf("  %d-%s ns, client %d, process %d: %s %s", r.Begin, end, r.Client, r.Process, r.Op,
			r.Digest)
		if r.Expect != "" {
			fmt.Printf(" if %s", r.Expect)
		}
		fmt.Printf(" -> %s\n", r.Result)
	}
}
