// Command ferretdb serves FerretDB on SQLite, a second stand-in for MongoDB, to tests.
package main

import (
	"context"
	"flag"
	"log"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	address := flag.String("listen", "", "host and port")
	folder := flag.String("dir", "", "where its data are; it is there")
	flag.Parse()
	slog.SetLogLoggerLevel(slog.LevelWarn)
	server, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: *address},
		Handler:  "sqlite",
		// Nobody pulls the plug of a test: nothing waits for the disk.
		SQLiteURL: "file:" + *folder + "/?_pragma=synchronous(off)",
	})
	if err != nil {
		log.Fatal(err)
	}
	ends, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := server.Run(ends); err != nil {
		log.Fatal(err)
	}
}
