"""One call of gpu-check: where its output goes, how much time is left, what has been found."""

import os
import pathlib
import subprocess
import time
import traceback

import programs

MET = ("met", "done", "figure")


class OutOfTime(Exception):
    """No time is left for what was to be done."""


class Session:
    def __init__(self, args, libtorch):
        self.longqa = str(pathlib.Path(args.longqa).resolve())
        self.device = args.device
        self.quick = args.quick
        self.out = args.out.resolve()
        self.work = self.out / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        self.total = 60 * args.minutes
        self.end = self.section_end = self.started + self.total
        self.name = ""
        self.checks = []
        self.speed = []
        os.environ["LD_LIBRARY_PATH"] = ":".join([str(libtorch), os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(":")
        # Caches of compiled kernels and of token blocks: nothing is written outside OUTDIR.
        os.environ["LONGQA_CACHE"] = str(self.work / "cache")
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self.work / "inductor")

    def left(self):
        return min(self.end, self.section_end) - time.monotonic()

    def section(self, name, body, share):
        """Runs a section within its share of the time; whatever goes wrong in it is a row."""
        self.name, self.section_end = name, time.monotonic() + share * self.total
        print(f"== {name}", flush=True)
        try:
            body(self)
        except OutOfTime:
            self.check("the rest", "skipped", "out of time")
        except Exception as error:  # a section must not take the others with it
            traceback.print_exc()
            self.check("the section itself", "error", f"{type(error).__name__}: {error}")

    def check(self, name, outcome, detail=""):
        """Notes an outcome: met, missed, error, skipped; done or figure where nothing is required."""
        row = {"section": self.name, "check": name, "outcome": outcome, "detail": str(detail).strip(),
               "at_second": f"{time.monotonic() - self.started:.0f}"}
        self.checks.append(row)
        programs.write_csv(self.out / "checks.csv", self.checks)
        print(f"   {name}: {outcome} {row['detail'][:200]}", flush=True)

    def require(self, name, holds, detail):
        self.check(name, "met" if holds else "missed", detail)

    def failed(self):
        return any(row["outcome"] not in MET for row in self.checks)

    def run(self, arguments, log, needs=5.0):
        """Runs a program to its end within the section's time; its output goes to the file `log`."""
        if self.left() < needs:
            raise OutOfTime
        with open(self.out / log, "a") as output:
            output.write(f"$ {' '.join(map(str, arguments))}\n")
            output.flush()
            return subprocess.run(arguments, stdout=output, stderr=subprocess.STDOUT, timeout=self.left(), check=False)
