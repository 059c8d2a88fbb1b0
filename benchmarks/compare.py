"""Settings against each other on images with known truth: PSNR, SSIM, seconds.

Usage: python benchmarks/compare.py STUDY [--csv FILE] [options of the study]
       python benchmarks/compare.py STUDY --table FILE
       python benchmarks/compare.py STUDY --help

Rows are added to FILE (STUDY.csv if it is not named) as soon as they are measured, and
told as a table in Markdown at the end; with --table, only that of a file that is there.
The studies:
"""

import importlib
import pkgutil
import sys

import studies


def main() -> None:
    """Run the study that is named first, or tell which there are."""
    names = [module.name for module in pkgutil.iter_modules(studies.__path__)]
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        told = [f"  {name:15} {_about(name).splitlines()[0]}" for name in names]
        sys.exit("\n".join([(__doc__ or "").strip(), *told]))
    name, *words = sys.argv[1:]
    importlib.import_module(f"studies.{name}").STUDY.run(name, words, _about(name))


def _about(name: str) -> str:
    return importlib.import_module(f"studies.{name}").__doc__ or ""


if __name__ == "__main__":
    main()
