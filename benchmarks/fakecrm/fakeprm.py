"""Fake PRM: accepts batch upserts.  One asyncio process (uvloop if installed), HTTP/1.1 keep-alive.

    python fakeprm.py --port 8702 [--mode sink|store] [--latency-ms 0]

POST /api/v1/leads:batchUpsert  {"records":[{"external_id":...}, ...]}  (at most 200)
  -> {"results":[{"external_id":..., "id":..., "status":"created"|"updated"}, ...]}
sink   does not parse: it counts rows and answers a canned result of the right length (the client is what is measured)
store  parses and keeps rows by external_id (GET /stats tells how many), idempotent
"""

import argparse
import asyncio
import json
import os

try:
    import orjson

    loads, dumps = orjson.loads, orjson.dumps
except ImportError:
    loads = json.loads

    def dumps(o):
        return json.dumps(o).encode()


try:
    import uvloop
except ImportError:
    uvloop = None

STORE, STATS = {}, {"requests": 0, "records": 0, "created": 0, "updated": 0}
_canned = {}


def canned(n):
    if n not in _canned:
        _canned[n] = dumps({"results": [{"external_id": f"x{i}", "id": i, "status": "created"} for i in range(n)]})
    return _canned[n]


class Proto(asyncio.Protocol):
    def __init__(self, a):
        self.a, self.buf, self.need = a, bytearray(), None

    def connection_made(self, transport):
        self.t = transport

    def data_received(self, data):
        self.buf += data
        while True:
            if self.need is None:
                i = self.buf.find(b"\r\n\r\n")
                if i < 0:
                    return
                head = bytes(self.buf[:i]).lower()
                del self.buf[: i + 4]
                j = head.find(b"content-length:")
                self.need = int(head[j + 15 :].split(b"\r\n", 1)[0]) if j >= 0 else 0
                self.path = head.split(b" ", 2)[1]
                if b"expect: 100" in head:
                    self.t.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if len(self.buf) < self.need:
                return
            body = bytes(self.buf[: self.need])
            del self.buf[: self.need]
            self.need = None
            if self.a.latency_ms:
                asyncio.get_running_loop().call_later(self.a.latency_ms / 1000, self.answer, body)
            else:
                self.answer(body)

    def answer(self, body):
        if self.path == b"/stats":
            out = dumps({**STATS, "stored": len(STORE)})
        elif self.a.mode == "sink":
            n = body.count(b'"external_id"')
            STATS["requests"] += 1
            STATS["records"] += n
            out = canned(n)
        else:
            res = []
            for r in loads(body)["records"]:
                k = r["external_id"]
                st = "updated" if k in STORE else "created"
                STORE[k] = r
                STATS[st] += 1
                res.append({"external_id": k, "id": k, "status": st})
            STATS["requests"] += 1
            STATS["records"] += len(res)
            out = dumps({"results": res})
        self.t.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(out) + out
        )


async def amain(a):
    s = await asyncio.get_running_loop().create_server(lambda: Proto(a), "127.0.0.1", a.port, backlog=256)
    print(f"fake PRM on http://127.0.0.1:{a.port} mode={a.mode} pid={os.getpid()}", flush=True)
    await s.serve_forever()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--port", type=int, default=8702)
    ap.add_argument("--mode", choices=("sink", "store"), default="sink")
    ap.add_argument("--latency-ms", type=float, default=0)
    a = ap.parse_args()
    (uvloop.run if uvloop else asyncio.run)(amain(a))


if __name__ == "__main__":
    main()
