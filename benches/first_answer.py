#!/usr/bin/env python3
"""Waits until a port of this machine answers HTTP over TLS, and prints when that was, in seconds since 1970.

usage: first_answer.py PORT      Prints `waiting` first, so that what is measured can be started after it.
"""

import socket
import ssl
import sys
import time

PAUSE = 0.0005
PATIENCE = 60


def answers(context, port):
    with socket.create_connection(("127.0.0.1", port), timeout=1) as plain:
        with context.wrap_socket(plain) as stream:
            stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return stream.recv(8) == b"HTTP/1.1"


def main():
    port = int(sys.argv[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    print("waiting", flush=True)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if answers(context, port):
                print(f"{time.time():.6f}")
                return
        except OSError:
            pass
        time.sleep(PAUSE)
    sys.exit(f"port {port} does not answer within {PATIENCE} s")


main()
