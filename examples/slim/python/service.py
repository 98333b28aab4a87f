"""Answers with JSON over HTTP, out of an SQLite database: the standard library with what it links to."""

import http.server
import json
import os
import sqlite3
import sys
import urllib.request

PORT = int(os.environ.get("PORT", "8102"))


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with sqlite3.connect(":memory:") as database:
            (version,) = database.execute("SELECT sqlite_version()").fetchone()
        body = json.dumps({"sqlite": version}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if "--check" in sys.argv:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as answer:
        sys.exit(0 if "sqlite" in json.load(answer) else 1)
http.server.ThreadingHTTPServer(("", PORT), Answer).serve_forever()
