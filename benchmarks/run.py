"""Run all benchmarks and print one table, with the goal of each beside."""

from __future__ import annotations

from benchmarks.harness import run

SCRIPTS = ("load_medium", "load_eras", "load_all", "scores", "neutralize", "exposure")

if __name__ == "__main__":
    run([f"benchmarks.{script}" for script in SCRIPTS], __doc__)
