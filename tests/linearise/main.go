// SPDX-License-Identifier: Apache-2.0

// Linearise makes and checks histories of clients that share tags.
//
//	linearise load  HISTORY     clients at work; told by standard input where the server is
//	linearise check HISTORY     exit status 0 when every tag behaved like one register
//
// A history is a file of JSON lines (history.go).
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "linearise:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("usage: linearise load|check [OPTION...] HISTORY")
	}
	flags := flag.NewFlagSet("linearise "+arguments[0], flag.ExitOnError)
	switch arguments[0] {
	case "load":
		load := Load{}
		flags.IntVar(&load.Clients, "clients", 10, "clients at once")
		flags.IntVar(&load.Tags, "tags", 3, "tags they share")
		flags.DurationVar(&load.Change, "change", 5*time.Second, "how long they work on the same tags")
		flags.StringVar(&load.Repository, "repository", "linear/app", "where the tags are")
		flags.Int64Var(&load.Seed, "seed", time.Now().UnixNano(), "of what they do")
		flags.DurationVar(&load.Rest, "rest", 8*time.Millisecond, "the longest rest between requests")
		if err := flags.Parse(arguments[1:]); err != nil {
			return err
		}
		return load.Run(flags.Arg(0), os.Stdin)
	case "check":
		limit := flags.Duration("limit", 2*time.Minute, "the longest time for one tag")
		if err := flags.Parse(arguments[1:]); err != nil {
			return err
		}
		return check(flags.Arg(0), *limit)
	}
	return fmt.Errorf("there is no verb %q", arguments[0])
}
