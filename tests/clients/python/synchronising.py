"""Folders that are kept the same here and there: rclone, as Debian packages it, against the S3 protocol."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from stage import equal

# Nothing here takes a second or two; this says when to give up.
RCLONE_SECONDS = 60


def rclone(fact, plinth, key):
    if not shutil.which("rclone"):
        raise RuntimeError("rclone is not installed; it is a package of Debian")
    with tempfile.TemporaryDirectory(prefix="plinth-rclone-") as home:
        here, back = Path(home) / "here", Path(home) / "back"
        fill(here)
        run = Rclone(plinth, key, Path(home))
        stories(fact, run, here, back)


def stories(fact, run, here, back):
    there = "plinth:documents/rclone"

    @fact("rclone copies a folder: small files, one in parts, deep folders, odd names, nothing")
    def _():
        run("copy", here, there)
        # Compares the digest of every file that has one.
        run("check", here, there)
        # Fetches every file, because one that came in parts has no digest of its whole.
        run("check", "--download", here, there)

    @fact("sizes and times are kept, to the second and better")
    def _():
        equal(sorted(run("lsl", there).splitlines()), sorted(run("lsl", here).splitlines()))

    @fact("a second copy finds nothing to do")
    def _():
        log = run("copy", "--log-level", "INFO", here, there)
        assert "Copied" not in log, log

    @fact("a sync takes over what is new, changed and gone")
    def _():
        (here / "new.txt").write_text("new")
        (here / "deep/1.txt").write_text("changed, and longer")
        (here / "large.bin").unlink()
        shutil.rmtree(here / "deep/er")
        run("sync", here, there)
        run("check", "--download", here, there)
        listed = run("lsf", "-R", "--files-only", there).splitlines()
        equal(sorted(listed), sorted(run("lsf", "-R", "--files-only", here).splitlines()))

    @fact("it comes back as it went")
    def _():
        run("sync", there, back)
        run("check", "--download", here, back)

    @fact("a part of a file, a move on the server, a size, and away with all")
    def _():
        equal(run("cat", "--offset", "4", "--count", "3", f"{there}/words.txt"), "wor")
        run("moveto", f"{there}/words.txt", f"{there}/moved/words.txt")
        equal(run("cat", f"{there}/moved/words.txt"), "the words of it")
        assert "Total objects: " in run("size", there)
        run("purge", there)
        equal(run("lsf", "-R", "plinth:documents/rclone"), "")


class Rclone:
    """Runs rclone with one remote, `plinth:`, and with no configuration of whoever runs the tests."""

    def __init__(self, plinth, key, home):
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "NO_PROXY": "127.0.0.1",
            "RCLONE_CONFIG": "/dev/null",
            "RCLONE_CONFIG_PLINTH_TYPE": "s3",
            "RCLONE_CONFIG_PLINTH_PROVIDER": "Other",
            "RCLONE_CONFIG_PLINTH_ENDPOINT": f"{plinth.url}/storage/v1/s3",
            "RCLONE_CONFIG_PLINTH_ACCESS_KEY_ID": key["access_key_id"],
            "RCLONE_CONFIG_PLINTH_SECRET_ACCESS_KEY": key["secret_access_key"],
            "RCLONE_CONFIG_PLINTH_CHUNK_SIZE": "5M",
            "RCLONE_CONFIG_PLINTH_UPLOAD_CUTOFF": "5M",
            "RCLONE_RETRIES": "1",
            "RCLONE_LOW_LEVEL_RETRIES": "2",
        }

    def __call__(self, *args):
        """Runs it to its end: what it prints."""
        ended = subprocess.run(
            ["rclone", *args],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RCLONE_SECONDS,
        )
        assert ended.returncode == 0, f"rclone {args[0]} ended with {ended.returncode}: {ended.stdout}"
        return ended.stdout


def fill(folder):
    (folder / "deep/er").mkdir(parents=True)
    for number in range(40):
        (folder / f"deep/{number}.txt").write_text(f"file {number}\n" * number)
        (folder / f"deep/er/{number}.bin").write_bytes(os.urandom(1000 * number))
    (folder / "large.bin").write_bytes(os.urandom(12 * 1024 * 1024 + 1))
    (folder / "words.txt").write_text("the words of it")
    (folder / "Ann's plan (2) & more + 100 = $7, @home;.txt").write_text("odd")
    # A time that is not now, and not on a second.
    os.utime(folder / "words.txt", ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
