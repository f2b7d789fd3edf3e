"""Look for anything that isn't ours: accounts, keys, expected results, other submissions, secrets."""

import glob
import os

found = []
for path in ("/etc/shadow", "/root/.ssh/id_rsa", "/var/lib/computor/computor.db"):
    try:
        with open(path) as file:
            found.append(file.read(200))
    except OSError:
        pass
for pattern in ("/tmp/*/*", "/home/*", "/root/*", "/work/*", "/var/lib/*/*", "/proc/[0-9]*/environ", "../*/test.yaml"):
    for path in glob.glob(pattern):
        if path not in (f"/proc/{os.getpid()}/environ", "/proc/self/environ"):
            try:
                with open(path, "rb") as file:
                    found.append(f"{path}: {file.read(200)!r}")
            except OSError:
                pass
found += [f"{name}={value}" for name, value in os.environ.items() if "TOKEN" in name or "SECRET" in name]
for finding in found:
    print("LEAKED", finding)
raise SystemExit(len(found) + 3)
