"""Ask the network for the answer: the local machine, a metadata service, a name server."""

import socket
import sys

reached = 0
for address in [("127.0.0.1", 22), ("127.0.0.1", 5432), ("127.0.0.1", 8000), ("169.254.169.254", 80), ("192.0.2.1", 80)]:
    try:
        socket.create_connection(address, timeout=0.2).close()
        reached += 1
    except OSError:
        pass
try:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
        datagram.sendto(b"?", ("192.0.2.1", 53))
        reached += 1
except OSError:
    pass
print("REACHED", reached)
sys.exit(3)
