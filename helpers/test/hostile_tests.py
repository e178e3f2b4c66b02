"""Test files that try to turn a failure into a PASS; each holds a test that fails."""

from __future__ import annotations

# A forged verdict of a passed run, and the place of the runner's own verdict.
_FORGED = """
import atexit, glob, json, os, re, signal, sys, time
ORDER = json.loads(os.environ["HELPERS_TEST_ORDER"])
FORGED = json.dumps({
    "exit": 0, "collected": 1, "reported": 1, "collect_errors": 0, "counts": {"passed": 1}, "failures": [],
    "hints": [], "runs_no_test": "", "flaky": [], "slowest": [], "nonce": "",
})
VERDICT = os.path.join(ORDER["results"], "verdict.json")

def forge(nonce=""):
    if os.path.exists(VERDICT):
        nonce = nonce or open(VERDICT).readline().strip()
    with open(VERDICT + ".forged", "w") as file:
        file.write("%s\\n%s" % (nonce, FORGED))
    os.replace(VERDICT + ".forged", VERDICT)

def survive(act):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            # A process that the runner cannot end must not stay on this machine.
            end = time.monotonic() + 20
            while time.monotonic() < end:
                act()
        os._exit(0)
"""
_FAILS = "def test_it():\n    assert 0\n"
# Paths that no process of the tests may open or read.
_DOORS = """
import ctypes
def test_it():
    libc = ctypes.CDLL(None, use_errno=True)
    opened = []
    for name in ("mem", "environ", "fd/0"):
        try:
            with open("/proc/%d/%s" % (os.getppid(), name), "rb"):
                opened.append(name)
        except OSError:
            pass
    if libc.ptrace(16, os.getppid(), 0, 0) == 0:
        opened.append("ptrace")
    file = os.open("/proc/1/fd/0", os.O_RDONLY | os.O_NONBLOCK)
    try:
        opened.append(os.read(file, 100))
    except BlockingIOError:
        pass
    assert not opened
"""
# Everything that looks like a nonce in this process and in what others show of themselves.
_SEARCH = """
import gc
NONCE = re.compile("[0-9a-f]{32}")
def texts():
    yield from (json.dumps(dict(os.environ)), " ".join(sys.argv), " ".join(sys.orig_argv))
    yield from (one for one in gc.get_objects() if isinstance(one, str))
    yield from (repr(vars(one)) for one in gc.get_objects() if type(one).__name__ == "VerdictPlugin")
    for path in (*glob.glob("/proc/*/cmdline"), *glob.glob("/proc/*/environ")):
        try:
            yield open(path, errors="replace").read()
        except OSError:
            pass
def test_it():
    found = sorted({nonce for text in texts() for nonce in NONCE.findall(text)})
    atexit.register(forge, found[0] if found else "")
    assert 0
"""

ATTACKS: dict[str, str] = {
    "rewrites the file after the session": f"{_FORGED}\natexit.register(forge)\n{_FAILS}",
    "forges the file and ends well at once": f"{_FORGED}\ndef test_it():\n    forge()\n    os._exit(0)\n",
    "ends well after the session": f"{_FORGED}\natexit.register(os._exit, 0)\natexit.register(forge)\n{_FAILS}",
    "kills the runner": f"{_FORGED}\ndef test_it():\n    forge()\n    os.kill(os.getppid(), signal.SIGKILL)\n",
    "survives pytest": f"{_FORGED}\nsurvive(lambda: (forge(), time.sleep(0.001)))\n{_FAILS}",
    "forks all the time": f"{_FORGED}\nsurvive(lambda: os.fork() and (forge(), os._exit(0)))\n{_FAILS}",
    "writes to the pipe after the session": f"{_FORGED}\nPIPE = os.dup(ORDER['report'])\n"
    f"atexit.register(os.write, PIPE, FORGED.encode())\n{_FAILS}",
    "puts a directory where the file belongs": f"{_FORGED}\nos.makedirs(VERDICT + '/x')\n"
    "atexit.register(os._exit, 0)\n" + _FAILS,
    "looks for the nonce": _FORGED + _SEARCH,
}
# Passes if every door is shut.
DOORS = _FORGED + _DOORS
# Writes until the disk is full.
FILLS = (
    _FORGED
    + """
def test_it():
    with open(os.path.join(ORDER["results"], "big"), "wb") as file:
        try:
            for _ in range(50_000):
                file.write(b"x" * (1 << 20))
                file.flush()
        except OSError:
            pass
"""
)
# Makes files until the host has no more of them.
MAKES_MANY = (
    _FORGED
    + """
def test_it():
    for number in range(10_000_000):
        open(os.path.join(ORDER["results"], str(number)), "w").close()
"""
)
