"""The Autobahn test suite (PyPI autobahntestsuite, unmodified): installing it, and running it.

It runs on CPython 2.7 only, in a virtualenv of its own that is made once.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SUITE = "autobahntestsuite==25.10.1"
# The last virtualenv that makes environments for Python 2.7.
VIRTUALENV = "virtualenv==20.21.1"

# Python starts slowly on a machine that is busy with other things.
PORT_WITHIN_SECONDS = 60


class CannotRun(Exception):
    """This machine lacks something that the suite needs."""


class Broken(Exception):
    """What is examined does not even start or answer."""


class Suite:
    """wstest in its virtualenv."""

    def __init__(self):
        self.python = install() / "bin" / "python"

    def expand(self, patterns):
        """The ids of the cases that `patterns` stand for, in the suite's order."""
        program = (
            "import json, sys\n"
            "from autobahntestsuite.case import Cases, CaseCategories, CaseSubCategories, CaseSetname, CaseBasename\n"
            "from autobahntestsuite.caseset import CaseSet\n"
            "cases = CaseSet(CaseSetname, CaseBasename, Cases, CaseCategories, CaseSubCategories)\n"
            "spec = {'cases': json.loads(sys.argv[1]), 'exclude-cases': []}\n"
            "print json.dumps([c for c in cases.parseSpecCases(spec) if c in cases.CasesById])\n"
        )
        return json.loads(self.run("-c", program, json.dumps(patterns)))

    def certificate(self, folder):
        """The paths of a certificate for 127.0.0.1 and of its key, made with what the suite brings."""
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        self.run(HERE / "certificate.py", certificate, key)
        return certificate, key

    def run(self, *arguments):
        """What a program of the suite's Python prints."""
        told = subprocess.run([self.python, *arguments], capture_output=True, text=True)
        if told.returncode != 0:
            raise CannotRun(f"the suite does not start: {told.stderr.strip()}")
        return told.stdout

    @contextlib.contextmanager
    def started(self, mode, spec, messages, out):
        """wstest as a child, ended with the block. `messages`: see wstest.py."""
        spec = {"outdir": str(out), "exclude-cases": [], "exclude-agent-cases": {}, **spec}
        (out / "spec.json").write_text(json.dumps(spec, indent=1))
        arguments = [self.python, HERE / "wstest.py", messages, "-m", mode, "-s", "spec.json"]
        if mode == "fuzzingserver":
            arguments += ["-u", "0"]  # no web page
        with open(out / "wstest.log", "w") as log, child(arguments, cwd=out, stdout=log, stderr=log) as process:
            if mode == "fuzzingserver":
                wait_for(int(spec["url"].rpartition(":")[2]), process)
            yield process


# Installation


def install():
    """The suite's virtualenv, made when it is missing."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tidings"
    venv = cache / SUITE.replace("==", "-")
    ready = venv / "ready"
    if ready.exists():
        return venv
    python = find_python2()
    tool = cache / VIRTUALENV.replace("==", "-")
    print(f"autobahn: installing {SUITE} for {python}, once", flush=True)
    for step in (
        [sys.executable, "-m", "venv", tool],
        [tool / "bin" / "pip", "install", VIRTUALENV],
        [tool / "bin" / "virtualenv", "--no-periodic-update", "--python", python, venv],
        [venv / "bin" / "pip", "install", "--constraint", HERE / "constraints.txt", SUITE],
    ):
        done = subprocess.run(step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            command = " ".join(map(str, step))
            raise CannotRun(f"`{command}` failed:\n{done.stdout[-2000:]}")
    ready.touch()
    return venv


def find_python2():
    """A CPython 2.7: $AUTOBAHN_PYTHON, on the PATH, or one of pyenv's."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    candidates = [
        os.environ.get("AUTOBAHN_PYTHON"),
        *sorted(map(str, pyenv.glob("versions/2.7.*/bin/python2.7")), reverse=True),
        shutil.which("python2.7"),
        "/usr/local/bin/python2.7",
    ]
    program = "import platform; print(platform.python_implementation() + platform.python_version())"
    for candidate in filter(None, candidates):
        with contextlib.suppress(OSError):
            told = subprocess.run([candidate, "-c", program], capture_output=True, text=True).stdout
            if told.startswith("CPython2.7"):
                return candidate
    raise CannotRun("no CPython 2.7 found, which the suite needs (with pyenv: `pyenv install 2.7.18`, or set AUTOBAHN_PYTHON)")


# Processes and ports


@contextlib.contextmanager
def child(arguments, **options):
    process = subprocess.Popen([str(argument) for argument in arguments], **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free_port():
    """A port below those that the kernel gives to outgoing connections, so that it stays free."""
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def wait_for(port, process):
    deadline = time.monotonic() + PORT_WITHIN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise Broken(f"the fuzzing server did not listen within {PORT_WITHIN_SECONDS} s")
