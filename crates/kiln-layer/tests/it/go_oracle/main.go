// Reads entries, one a line, and answers each with the header that Go's archive/tar writes for it
// when it is asked for PAX, as containerd asks. Both in hexadecimal; see go_oracle.rs.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func text(field string) string {
	// The first character keeps empty fields visible.
	raw, err := hex.DecodeString(field[1:])
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func number(field string) int64 {
	value, err := strconv.ParseInt(field, 10, 64)
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		header := &tar.Header{
			Format: tar.FormatPAX, Typeflag: f[0][0], Name: text(f[1]), Linkname: text(f[2]),
			Mode: number(f[3]), Uid: int(number(f[4])), Gid: int(number(f[5])), Size: number(f[6]),
			ModTime: time.Unix(number(f[7]), 0), Devmajor: number(f[8]), Devminor: number(f[9]),
		}
		for i := 10; i < len(f); i += 2 {
			if header.PAXRecords == nil {
				header.PAXRecords = map[string]string{}
			}
			header.PAXRecords["SCHILY.xattr."+text(f[i])] = text(f[i+1])
		}
		var archive bytes.Buffer
		if err := tar.NewWriter(&archive).WriteHeader(header); err != nil {
			panic(err)
		}
		fmt.Fprintln(out, hex.EncodeToString(archive.Bytes()))
	}
}
