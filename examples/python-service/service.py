"""A service that counts its visitors, and can check that it answers."""

import os
import socketserver
import sys

PORT = int(os.environ.get("PORT", "8000"))


class Counter(socketserver.StreamRequestHandler):
    visits = 0

    def handle(self):
        Counter.visits += 1
        self.wfile.write(f"visitor {Counter.visits}\n".encode())


def check():
    import socket

    with socket.create_connection(("127.0.0.1", PORT), timeout=2) as connection:
        return connection.recv(64).startswith(b"visitor ")


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if check() else 1)
    with socketserver.ThreadingTCPServer(("", PORT), Counter) as server:
        print(f"uid {os.getuid()} listens on {PORT}")
        if "--once" in sys.argv:
            sys.exit(0)
        server.serve_forever()
