"""A link that loses and delays IP packets: whoever connects to PEER comes over it to this machine itself.

The kernel has a device (TUN) whose other end is this program. Packets to PEER are given to it; it loses some, holds
the others up, and gives them back with source and destination exchanged. So the kernel takes them for packets of PEER
to its own ADDRESS, and the other way for answers. Checksums stay right, for both addresses are in the same sum. TCP and
UDP pass alike, and both ends of TCP are the kernel's: what is lost is sent again as anywhere.

To be run in a network namespace of its own, by root:

    unshare --net python3 link.py ADDRESS PEER CONGESTION

CONGESTION is how TCP answers to loss there, "cubic" or another that the kernel has. It says "ready". Each line of its
input sets the link, {"delay_ms": 20, "loss": 0.05, "seed": 5}, and is answered with what passed and was lost since the
line before. It ends with its input.
"""

import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
NAME = "lossy0"
# No device of ours takes longer packets.
PACKET_BYTES_MAX = 2048
# More wait in no queue: what comes then is lost, as in a router.
PACKETS_WAITING_MAX = 10_000


def open_device(address, peer, congestion):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH14x", NAME.encode(), IFF_TUN | IFF_NO_PI))
    for words in (
        f"address add {address} peer {peer} dev {NAME}",
        f"link set {NAME} up",
        "link set lo up",
        # A namespace cannot choose it for itself, but for a route.
        f"route replace {peer} dev {NAME} src {address} congctl {congestion}",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    return device


def exchange(packet):
    """The packet with its addresses the other way round (RFC 791, 3.1)."""
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:]


def main():
    device = open_device(*sys.argv[1:4])
    print("ready", flush=True)
    link, luck = {"delay_ms": 0, "loss": 0}, random.Random()
    under_way, count = [], 0
    passed = lost = 0
    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        readable, _, _ = select.select([device, sys.stdin], [], [], wait)
        now = time.monotonic()
        while under_way and under_way[0][0] <= now:
            os.write(device, heapq.heappop(under_way)[2])
        if device in readable:
            packet = os.read(device, PACKET_BYTES_MAX)
            if packet[0] >> 4 != 4:
                continue
            if luck.random() < link["loss"] or len(under_way) >= PACKETS_WAITING_MAX:
                lost += 1
                continue
            passed, count = passed + 1, count + 1
            heapq.heappush(under_way, (now + link["delay_ms"] / 1000, count, exchange(packet)))
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            link = json.loads(line)
            luck = random.Random(link["seed"])
            print(json.dumps({"passed": passed, "lost": lost}), flush=True)
            passed = lost = 0


main()
