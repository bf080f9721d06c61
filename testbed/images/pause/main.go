// Command pause holds a pod's namespaces: it waits until it is told to end, and buries the children that it inherits.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const version = "1.0.0"

func main() {
	if len(os.Args) > 1 {
		fmt.Println("pause", version)
		return
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for dead := 1; dead > 0; {
			dead, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		}
	}
}
