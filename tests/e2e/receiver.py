#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""receiver.py - an HTTP(S) server that takes what an exporter sends, and misbehaves as it is told.

    receiver.py [--script BEHAVIOUR,...] [--tls CERT KEY] [--require-token TOKEN] [--poison TEXT] [--save DIR] [--port N]

Prints "PORT n" when it listens, then for each POST one line of JSON, before it answers: {"n", "did", "path", "headers",
"size", "text"}: text is the body, unpacked where it is gzip, if it is short and UTF-8, else null. Each POST takes the next
behaviour of the script; the last one stays. What begins with TEXT gets 500 whatever the script says. --save keeps the bodies of what was answered with 2xx, as they were sent, in
DIR/N. It ends when its standard input does, so that none outlives its test.

    200, 503, ...     that status, with a short text as body
    STATUS/SECONDS    with Retry-After: SECONDS
    STATUS@SECONDS    with Retry-After as a date so far from now
    slow/SECONDS      200, but only then
    never             reads, and then nothing
    unread            does not even read the body, and closes
    cut               reads, and closes without an answer
    cut-head          closes in the midst of the head of a 200
    cut-body          a whole head of a 200, then half of the body
    redirect          307 to /elsewhere, where 200 would be
    huge              200 with a body of 10 MiB
    endless           200, and a body that never ends
    nonsense          what is no HTTP
    continue          100, 103, then 200
    partial           200 with the body "rejected 3"
"""
import argparse
import gzip
import http.server
import itertools
import json
import os
import ssl
import sys
import threading
import time
from email.utils import formatdate


class Script:
    def __init__(self, text):
        self.steps = text.split(",")
        self.numbers = itertools.count()
        self.lock = threading.Lock()

    def next(self):
        with self.lock:
            n = next(self.numbers)
            return n, self.steps[min(n, len(self.steps) - 1)]


def readable(headers, body):
    """The body for people, or None."""
    try:
        if headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        return body.decode() if len(body) < 4096 else None
    except (OSError, EOFError, ValueError):
        return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True  # head and body are two writes: else the second waits 40 ms for the first one's ACK

    def log_message(self, *args):
        pass

    def tell(self, n, did, body):
        line = {"n": n, "did": did, "path": self.path, "headers": dict(self.headers), "size": len(body),
                "text": readable(self.headers, body)}
        with self.server.script.lock:
            print(json.dumps(line), flush=True)

    def answer(self, status, body=b"so says the receiver\n", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def close(self, raw=b""):
        if raw:
            self.wfile.write(raw)
            self.wfile.flush()
        self.close_connection = True

    def save(self, n, body):
        if self.server.save:
            with open(os.path.join(self.server.save, str(n)), "wb") as out:
                out.write(body)

    def do_POST(self):
        n, step = self.server.script.next()
        if step == "unread":
            self.tell(n, step, b"")
            return self.close()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.server.token
        if token and self.headers.get("Authorization") != "Bearer " + token:
            step = "401"
        if self.server.poison is not None and (readable(self.headers, body) or "").startswith(self.server.poison):
            step = "500"
        self.tell(n, step, body)
        name, _, argument = step.replace("@", "/").partition("/")
        if name.isdigit():
            if name.startswith("2"):
                self.save(n, body)
            when = formatdate(time.time() + float(argument), usegmt=True) if "@" in step else argument
            return self.answer(int(name), headers=[("Retry-After", when)] if argument else [])
        if name in ("slow", "cut-body", "huge", "endless", "continue", "partial"):
            self.save(n, body)
        getattr(self, "do_" + name.replace("-", "_"))(argument)

    def do_slow(self, argument):
        time.sleep(float(argument))
        self.answer(200)

    def do_never(self, argument):
        time.sleep(3600)

    def do_cut(self, argument):
        self.close()

    def do_cut_head(self, argument):
        self.close(b"HTTP/1.1 200 OK\r\nContent-Le")

    def do_cut_body(self, argument):
        self.close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)

    def do_redirect(self, argument):
        self.answer(307, headers=[("Location", "/elsewhere?secret=yes")])

    def do_huge(self, argument):
        try:
            self.answer(200, b"x" * (10 << 20))
        except OSError:
            self.close()

    def do_endless(self, argument):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                self.wfile.write(b"4\r\nxxxx\r\n")
                time.sleep(0.05)
        except OSError:
            self.close()

    def do_nonsense(self, argument):
        self.close(b"220 mail.example ESMTP\r\n\x00\xff\xfe" * 4)

    def do_continue(self, argument):
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        self.answer(200)

    def do_partial(self, argument):
        self.answer(200, b"rejected 3")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # connections that the other side breaks are what this is for


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--script", default="200")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--require-token")
    parser.add_argument("--poison")
    parser.add_argument("--save")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    server = Server(("127.0.0.1", options.port), Handler)
    server.script, server.token, server.save = Script(options.script), options.require_token, options.save
    server.poison = options.poison
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        # The handshake belongs into the connection's own thread.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print("PORT", server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
