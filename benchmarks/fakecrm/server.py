"""Fake CRM: serves what generate.py wrote, over a Salesforce-like REST query API and Bulk API 2.0 query.

    python server.py --data data --port 8701 [--pages 2000] [--gzip] [--latency-ms 0] [--fail-every 0]

One thread a connection; bodies go out with os.sendfile straight from the page cache, so that the server costs next to
nothing beside the client under test. Rows are in (SystemModstamp, Id) order, so each window is a binary search and a
range of slices. See README.md for the endpoints.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.parse
import zlib
from bisect import bisect_left, bisect_right
from datetime import datetime
from email.utils import format_datetime

API = r"/services/data/v(\d\d\.0)"
KEY = 37  #: bytes of a sort key: SystemModstamp to the second (19), and Id (18)


class Table:
    """One generated file and its row offsets."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY)
        with open(path + ".idx", "rb") as f:
            self.offs = memoryview(f.read()).cast("Q")
        size = os.fstat(self.fd).st_size
        self.map = mmap.mmap(self.fd, size, prot=mmap.PROT_READ) if size else b""


class Keys:
    """The sort keys of a file, as a sequence that bisect can search."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.raw = f.read()

    def __len__(self):
        return len(self.raw) // KEY

    def __getitem__(self, i):
        return self.raw[i * KEY : (i + 1) * KEY]


class View:
    """An object's rows in order, as runs of rows of its files: the first sync's, or those after the changes."""

    def __init__(self, runs, keys):
        self.runs = [run for run in runs if run[2] > run[1]]  # (part, first row, row behind the last)
        self.keys = keys
        self.starts, self.n = [], 0
        for _, start, stop in self.runs:
            self.starts.append(self.n)
            self.n += stop - start

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        r = bisect_right(self.starts, i) - 1
        part, start, _ = self.runs[r]
        return self.keys[part][start + i - self.starts[r]]

    def slices(self, tables, start, stop):
        """(table, first byte, byte behind the last) of the rows start..stop."""
        out = []
        r = bisect_right(self.starts, start) - 1
        while start < stop:
            part, first, last = self.runs[r]
            a = first + start - self.starts[r]
            b = min(last, a + stop - start)
            table = tables[part]
            out.append((table, table.offs[a], table.offs[b]))
            start += b - a
            r += 1
        return out


def views_of(keys, delta):
    """(before, after): after the changes, the rows that changed stand behind all others instead of in their places."""
    moved = {delta[i][19:] for i in range(len(delta))}
    gone = [i for i in range(len(keys)) if keys[i][19:] in moved]
    runs, start = [], 0
    for i in gone:
        runs.append(("", start, i))
        start = i + 1
    parts = {"": keys, "delta.": delta}
    return View([("", 0, len(keys))], parts), View([*runs, ("", start, len(keys)), ("delta.", 0, len(delta))], parts)


class Unsupported(Exception):  # noqa: N818 - an answer, not a fault
    """(status, code, message) of a query that this server does not take."""


class Fake:
    def __init__(self, a):
        self.a = a
        with open(f"{a.data}/meta.json") as f:
            self.meta = json.load(f)
        self.tables, self.views, self.delta_on = {}, {}, False
        for obj in self.meta["counts"]:
            for kind in ("json", "csv"):
                self.tables[obj, kind] = {p: Table(f"{a.data}/{obj}.{p}{kind}") for p in ("", "delta.")}
            keys, delta = (Keys(f"{a.data}/{obj}.{p}keys") for p in ("", "delta."))
            self.views[obj] = dict(zip(("before", "after"), views_of(keys, delta), strict=True))
        self.jobs, self.gz, self.lock, self.requests = {}, {}, threading.Lock(), 0

    @property
    def now(self):
        """The server's clock: the moment of the first sync, or the end of the changes. It stands still."""
        return datetime.fromisoformat(self.meta["delta_end" if self.delta_on else "first_sync"])

    # -- SOQL: object, window by SystemModstamp or (SystemModstamp, Id), limit
    def plan(self, soql):
        """(object, view, first row, row behind the last)."""
        m = re.search(r"\bfrom\s+(\w+)", soql, re.IGNORECASE)
        obj = m[1] if m else ""
        if obj not in self.views:
            raise Unsupported(400, "INVALID_TYPE", f"sObject type '{obj}' is not supported.")
        name = "after" if self.delta_on else "before"
        view = self.views[obj][name]
        lo, hi = 0, len(view)
        where = re.search(r"\bwhere\b", soql, re.IGNORECASE)
        rest = re.split(r"\bwhere\b", soql, flags=re.IGNORECASE)[1] if where else ""
        m = re.search(r"order\s+by\s+(.*?)(\s+limit\b|$)", soql, re.IGNORECASE)
        if m and re.sub(r"\s|\basc\b", "", m[1], flags=re.IGNORECASE) not in ("SystemModstamp,Id", "SystemModstamp"):
            raise Unsupported(400, "MALFORMED_QUERY", "this server sorts by SystemModstamp, Id only")
        rest = re.split(r"\border\s+by\b|\blimit\b", rest, flags=re.IGNORECASE)[0]
        stamp = r"SystemModstamp\s*(>=|<=|>|<|=)\s*([0-9T:.+\-Z]+)"
        keyset = r"\(\s*" + stamp + r"\s+OR\s+(?:\(\s*" + stamp + r"\s+AND\s+)?Id\s*>\s*'(\w+)'\s*\)?\s*\)"
        for m in re.finditer(keyset, rest, re.IGNORECASE):
            lo = max(lo, bisect_right(view, (m[2][:19] + m[5]).encode()))
        rest = re.sub(keyset, " ", rest, flags=re.IGNORECASE)
        for m in re.finditer(stamp, rest, re.IGNORECASE):
            at = m[2][:19].encode()
            first, behind = bisect_left(view, at), bisect_left(view, at + b"~")
            if m[1] in (">=", ">", "="):
                lo = max(lo, behind if m[1] == ">" else first)
            if m[1] in ("<=", "<", "="):
                hi = min(hi, first if m[1] == "<" else behind)
        rest = re.sub(stamp, " ", rest, flags=re.IGNORECASE)
        m = re.search(r"IsDeleted\s*=\s*(true|false)", rest, re.IGNORECASE)
        if m and m[1].lower() == "true":
            hi = lo
        if re.sub(r"IsDeleted\s*=\s*(true|false)|\band\b|[()\s]", "", rest, flags=re.IGNORECASE):
            raise Unsupported(400, "MALFORMED_QUERY", "this server filters by SystemModstamp, Id and IsDeleted only")
        hi = max(lo, hi)
        m = re.search(r"\blimit\s+(\d+)", soql, re.IGNORECASE)
        return obj, name, lo, min(hi, lo + int(m[1])) if m else hi

    # -- answers: (status, content type, headers, bytes before, slices, bytes behind)
    def query(self, api, soql, size, gzip_ok):
        if re.search(r"\bfrom\s+Organization\b", soql, re.IGNORECASE):
            org = {
                "Id": "00D5f0000000001EAA",
                "Name": "Fake CRM",
                "IsSandbox": True,
                "OrganizationType": "Base Edition",
            }
            return js(200, {"totalSize": 1, "done": True, "records": [{"attributes": {"type": "Organization"}, **org}]})
        obj, name, lo, hi = self.plan(soql)
        if re.match(r"\s*select\s+count\(\s*\)", soql, re.IGNORECASE):
            return js(200, {"totalSize": hi - lo, "done": True, "records": []})
        return self.json_page(api, obj, name, lo, hi, lo, size, gzip_ok)

    def json_page(self, api, obj, name, lo, hi, start, size, gzip_ok):
        stop = min(hi, start + size)
        head = {"totalSize": hi - lo, "done": stop >= hi}
        if stop < hi:
            head["nextRecordsUrl"] = f"/services/data/v{api}/query/{obj}.{name}.{lo}.{hi}-{stop}"
        slices = self.views[obj][name].slices(self.tables[obj, "json"], start, stop)
        if slices:
            table, a, b = slices[-1]
            slices[-1] = (table, a, b - 2)  # the last row's ",\n"
        before = json.dumps(head, separators=(",", ":"))[:-1].encode() + b',"records":['
        return self.reply(before, slices, b"]}", "application/json;charset=UTF-8", {}, gzip_ok)

    def csv_page(self, job, start, size, gzip_ok):
        obj, name, lo, hi = self.jobs[job]
        start = max(lo, start)
        stop = min(hi, start + size)
        before = (",".join(f'"{f}"' for f in self.meta["fields"][obj]) + "\n").encode()
        extra = {"Sforce-Locator": "null" if stop >= hi else str(stop), "Sforce-NumberOfRecords": str(stop - start)}
        slices = self.views[obj][name].slices(self.tables[obj, "csv"], start, stop)
        return self.reply(before, slices, b"", "text/csv", extra, gzip_ok)

    def reply(self, before, slices, behind, ctype, extra, gzip_ok):
        if not gzip_ok:
            return 200, ctype, extra, before, slices, behind
        key = (before, *((id(t), a, b) for t, a, b in slices))
        body = self.gz.get(key)
        if body is None:
            z = zlib.compressobj(6, zlib.DEFLATED, 31)
            body = z.compress(before) + b"".join(z.compress(t.map[a:b]) for t, a, b in slices)
            body += z.compress(behind) + z.flush()
            self.gz[key] = body
        return 200, ctype, {**extra, "Content-Encoding": "gzip"}, body, [], b""

    def describe(self, obj):
        fields = [{"name": f, "label": f.removesuffix("__c"), **field_of(f)} for f in self.meta["fields"][obj]]
        able = {"queryable": True, "createable": True, "updateable": True, "deletable": True, "replicateable": True}
        return {"name": obj, "label": obj, "custom": False, **able, "fields": fields}

    def job(self, body):
        soql = json.loads(body)["query"]
        plan = self.plan(soql)
        fields = re.search(r"select\s+(.*?)\s+from\b", soql, re.IGNORECASE | re.DOTALL)[1]
        wanted = [f.strip() for f in fields.split(",")]
        if [f.lower() for f in wanted] not in (
            [f.lower() for f in self.meta["fields"][plan[0]]],
            ["fields(all)"],
            ["x"],
        ):
            raise Unsupported(400, "API_ERROR", "this server gives all fields in the order of describe, or none")
        with self.lock:
            job = f"7505f0000000{len(self.jobs):03d}AAA"
            self.jobs[job] = plan
        return js(
            200, {"id": job, "operation": "query", "object": plan[0], "state": "UploadComplete", "contentType": "CSV"}
        )

    def handle(self, method, target, headers, body):
        try:
            return self.answer(method, target, headers, body)
        except Unsupported as e:
            status, code, message = e.args
            return js(status, [{"errorCode": code, "message": message}])

    def answer(self, method, target, headers, body):
        url = urllib.parse.urlsplit(target)
        q = dict(urllib.parse.parse_qsl(url.query))
        path = url.path.rstrip("/")
        if q.get("page", "").startswith("/services/data/"):  # for clients that can only add a parameter
            path = q["page"]
        gz = self.a.gzip and "gzip" in headers.get("accept-encoding", "")
        if path == "/services/oauth2/token":
            origin = f"http://{headers.get('host', '')}"
            return js(200, {"access_token": "fake", "instance_url": origin, "token_type": "Bearer"})
        if path == "/services/data":
            return js(200, [{"label": "Fake", "url": "/services/data/v66.0", "version": "66.0"}])
        if path == "/control":  # ?delta=on|off, ?latency_ms=200
            self.delta_on = {"on": True, "off": False}.get(q.get("delta", ""), self.delta_on)
            self.a.latency_ms = float(q.get("latency_ms", self.a.latency_ms))
            state = {"delta": self.delta_on, "latency_ms": self.a.latency_ms, "requests": self.requests}
            return js(200, {**state, "now": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")})
        m = re.fullmatch(r"/files/(\w+)\.csv", path)  # a plain download for tools that only read files
        if m and m[1] in self.views:
            soql = f"select x from {m[1]}" + (f" limit {q['limit']}" if "limit" in q else "")
            self.jobs["file"] = self.plan(soql)
            return self.csv_page("file", 0, 10**9, False)
        m = re.match(API, path)
        return self.rest(m[1], path[m.end() :], method, q, headers, body, gz) if m else not_found()

    def rest(self, api, path, method, q, headers, body, gz):
        m = re.search(r"batchSize=(\d+)", headers.get("sforce-query-options", ""), re.IGNORECASE)
        size = min(self.a.pages, int(m[1])) if m else self.a.pages
        if path in ("/query", "/queryAll") and method == "GET":
            return self.query(api, q.get("q", ""), size, gz)
        m = re.fullmatch(r"/query/(\w+)\.(before|after)\.(\d+)\.(\d+)-(\d+)", path)
        if m and m[1] in self.views:
            return self.json_page(api, m[1], m[2], int(m[3]), int(m[4]), int(m[5]), size, gz)
        if path == "/jobs/query" and method == "POST":
            return self.job(body)
        m = re.fullmatch(r"/jobs/query/(\w+)(/results)?", path)
        if m and m[1] in self.jobs:
            if m[2]:
                at = q.get("locator", "0")
                return self.csv_page(m[1], int(at) if at.isdigit() else 0, int(q.get("maxRecords", 100_000)), gz)
            if method == "DELETE":
                return 204, "text/plain", {}, b"", [], b""
            _, _, lo, hi = self.jobs[m[1]]
            return js(200, {"id": m[1], "state": "JobComplete", "numberRecordsProcessed": hi - lo})
        if path == "/sobjects":
            return js(200, {"sobjects": [{"name": obj, "queryable": True} for obj in self.views]})
        m = re.fullmatch(r"/sobjects/(\w+)/(describe|deleted)", path)
        if m and m[1] in self.views:
            if m[2] == "describe":
                return js(200, self.describe(m[1]))
            covered = {
                "earliestDateAvailable": "2022-01-01T00:00:00.000+0000",
                "latestDateCovered": self.meta["delta_end"],
            }
            return js(200, {"deletedRecords": [], **covered})
        if path == "/limits":
            return js(200, {"DailyApiRequests": {"Max": 1_000_000, "Remaining": 1_000_000 - self.requests}})
        return not_found()

    # -- one connection
    def serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buf = b""
        try:
            while True:
                while b"\r\n\r\n" not in buf:
                    d = sock.recv(65536)
                    if not d:
                        return
                    buf += d
                head, _, buf = buf.partition(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ", 2)
                headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
                need = int(headers.get("content-length", 0))
                while len(buf) < need:
                    buf += sock.recv(65536)
                body, buf = buf[:need], buf[need:]
                control = target.startswith("/control")
                self.requests += not control
                if self.a.latency_ms and not control:
                    time.sleep(self.a.latency_ms / 1000)
                if self.a.fail_every and self.requests % self.a.fail_every == 0:
                    out = js(503, [{"errorCode": "SERVER_UNAVAILABLE", "message": "try later"}])
                else:
                    out = self.handle(method, target, headers, body)
                self.send(sock, *out)
                if headers.get("connection", "").lower() == "close":
                    return
        except OSError:
            pass
        finally:
            sock.close()

    def send(self, sock, status, ctype, extra, before, slices, behind):
        n = len(before) + sum(b - a for _, a, b in slices) + len(behind)
        h = [f"HTTP/1.1 {status} X", f"Date: {format_datetime(self.now, usegmt=False)}", f"Content-Type: {ctype}"]
        h += [f"Content-Length: {n}", f"Sforce-Limit-Info: api-usage={self.requests}/1000000"]
        h += [f"{k}: {v}" for k, v in extra.items()]
        sock.sendall(("\r\n".join(h) + "\r\n\r\n").encode() + before, socket.MSG_MORE if slices else 0)
        for table, a, b in slices:
            while a < b:
                a += os.sendfile(sock.fileno(), table.fd, a, b - a)
        if behind:
            sock.sendall(behind)


def js(status, obj):
    return status, "application/json;charset=UTF-8", {}, json.dumps(obj).encode(), [], b""


def not_found():
    return js(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])


_TYPES = {
    "Id": "id", "Email": "email", "Phone": "phone", "MobilePhone": "phone", "Website": "url", "Status": "picklist",
    "Rating": "picklist", "Industry": "picklist", "LeadSource": "picklist", "StageName": "picklist", "Type": "picklist",
    "AnnualRevenue": "currency", "Amount": "currency", "ExpectedRevenue": "currency", "NumberOfEmployees": "int",
    "Score__c": "double", "Probability": "percent", "TotalOpportunityQuantity": "double", "FiscalYear": "int",
    "FiscalQuarter": "int", "CloseDate": "date", "Birthdate": "date", "LastActivityDate": "date",
    "CreatedDate": "datetime", "LastModifiedDate": "datetime", "SystemModstamp": "datetime",
    "DoNotCall": "boolean", "HasOpenActivity": "boolean",
}  # fmt: skip
_SYSTEM = ("Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp")


def field_of(name):
    """What describe says of a field: told by its name, for the generator has one kind of value for each."""
    kind = _TYPES.get(name) or ("boolean" if re.match(r"(Is|Has)[A-Z]", name) else "string")
    if kind == "string" and re.fullmatch(r"[A-Z]\w+Id", name):
        kind = "reference"
    free = name not in _SYSTEM
    return {
        "type": kind, "filterable": True, "sortable": True, "createable": free, "updateable": free,
        "externalId": False, "unique": False, "idLookup": name in ("Id", "Email"), "picklistValues": [],
    }  # fmt: skip


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default="data")
    ap.add_argument("--host", default="127.0.0.1")
    ap.add_argument("--port", type=int, default=8701, help="0: any free one; the first line of output says which")
    ap.add_argument("--pages", type=int, default=2000, help="rows a page (batchSize may ask for fewer)")
    ap.add_argument("--gzip", action="store_true", help="compress when the client accepts it (once, then kept)")
    ap.add_argument("--latency-ms", type=float, default=0)
    ap.add_argument("--fail-every", type=int, default=0, help="every n-th request answers 503")
    a = ap.parse_args()
    fake = Fake(a)
    s = socket.create_server((a.host, a.port), backlog=128)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"fake CRM on http://{a.host}:{s.getsockname()[1]} {fake.meta['counts']}", flush=True)
    while True:
        c, _ = s.accept()
        threading.Thread(target=fake.serve, args=(c,), daemon=True).start()


if __name__ == "__main__":
    main()
