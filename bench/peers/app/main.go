// A version of an application for the benchmark of peers. What it is, is linked in, so that for every
// peer the same thing starts a rollout: another image.
//
// It answers with its version in X-Version, and a share of the requests with 500, at random. On SIGTERM it
// says that it is not ready, goes on to answer for a while, and ends.
package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	version = "1"
	errors  = "0" // share of 500 answers, 0 to 1
	drain   = "5s"
)

func main() {
	share, err := strconv.ParseFloat(errors, 64)
	if err != nil {
		panic(err)
	}
	draining, err := time.ParseDuration(drain)
	if err != nil {
		panic(err)
	}
	var ending atomic.Bool
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if ending.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Version", version)
		if ending.Load() {
			w.Header().Set("Connection", "close")
		}
		if rand.Float64() < share {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	server := &http.Server{Addr: ":8080"}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	over := make(chan struct{})
	go func() {
		<-told
		ending.Store(true)
		time.Sleep(draining)
		server.Shutdown(context.Background())
		close(over)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		panic(err)
	}
	<-over
}
