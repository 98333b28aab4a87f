// hello answers every request with a greeting, or greets once and ends when called with -once.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"runtime"
)

func greeting() string {
	return fmt.Sprintf("hello from %s on %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func main() {
	address := flag.String("listen", ":8080", "address to listen on")
	once := flag.Bool("once", false, "greet on standard output and end")
	flag.Parse()
	if *once {
		fmt.Println(greeting())
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, greeting())
	})
	log.Printf("listening on %s", *address)
	log.Fatal(http.ListenAndServe(*address, nil))
}
