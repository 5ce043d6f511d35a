// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// chains.go - a Go program whose stacks are known (chains.h): eight levels on a
// goroutine and on the main one, two of them in a closure and through an interface.
//
//	chains TRUTH FILE
package main

import (
	"fmt"
	"os"
)

const work, leafWork = 1500, 15000

var sink uint64

//go:noinline
func spin(x, rounds uint64) uint64 {
	for i := uint64(0); i < rounds; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

type worker interface{ run(x uint64) uint64 }
type first struct{ pad [100]byte }

//go:noinline
func (f *first) run(x uint64) uint64 { return spin(f03(spin(x, work)), work) + uint64(f.pad[0]) }

//go:noinline
func f00(x uint64) uint64 { return spin(f01(spin(x, work)), work) }

//go:noinline
func f01(x uint64) uint64 { return spin(f02(spin(x, work), &first{}), work) }

//go:noinline
func f02(x uint64, w worker) uint64 { return spin(w.run(spin(x, work)), work) }

//go:noinline
func f03(x uint64) uint64 {
	var big [4096]byte
	big[x%4096] = 1
	return spin(f04(spin(x, work)), work) + uint64(big[0])
}

//go:noinline
func f04(x uint64) uint64 { return spin(x, leafWork) }

//go:noinline
func inGoroutine() {
	for x := uint64(1); ; {
		x = f00(x)
		sink = x
	}
}

func main() {
	truth, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	file := os.Args[2]
	pair := func(caller, callee string) {
		fmt.Fprintf(truth, "main.%s (%s)\tmain.%s (%s)\t0\t0\n", caller, file, callee, file)
	}
	fmt.Fprintf(truth, "-\tmain.inGoroutine (%s)\t1\t1\n", file)
	fmt.Fprintf(truth, "-\tmain.main (%s)\t2\t2\n", file)
	/* Goroutines of the runtime, and its own stacks. */
	fmt.Fprintf(truth, "-\t-\t0\t40\n")
	pair("main", "inGoroutine")
	names := []string{"inGoroutine", "f00", "f01", "f02", "(*first).run", "f03", "f04"}
	for i, name := range names {
		if i > 0 {
			pair(name, "spin")
			pair(names[i-1], name)
		}
		/* The scheduler looks in at any time. */
		fmt.Fprintf(truth, "main.%s (%s)\t-\t0\t12\n", name, file)
	}
	fmt.Fprintf(truth, "main.spin (%s)\t-\t0\t12\n", file)
	truth.Close()
	go inGoroutine()
	fmt.Println("ready")
	inGoroutine()
}
