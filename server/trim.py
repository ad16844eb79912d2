"""Takes out of the image what a server never runs: pip, tests, headers, sources."""

import compileall
import shutil
import sys
import sysconfig
from pathlib import Path

SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
# Folders that are imported by none of their packages' own modules at run time.
TEST_FOLDERS = {"tests", "test"}
KEPT_TEST_FOLDERS = {
    "numpy/testing",
    "numpy/_core/tests",
}  # scipy and scikit-learn import numpy.testing
UNUSED_SUFFIXES = {".pyx", ".pxd", ".pxi", ".h", ".c", ".cpp", ".hpp", ".f", ".f90", ".a", ".pyi"}
AWS_SERVICES = {"s3", "sts", "sso", "sso-oidc"}  # the store, and who may give credentials for it
BUILD_TOOLS = ("pip", "setuptools", "wheel")


def main() -> None:
    """Trim, then compile what is left."""
    if not (SITE_PACKAGES / "modelserver_runtime").is_dir():
        sys.exit(f"{SITE_PACKAGES} is not the runtime's own environment: nothing removed")
    for name in BUILD_TOOLS:
        for path in SITE_PACKAGES.glob(f"{name}*"):
            shutil.rmtree(path)
        for script in (Path(sys.prefix) / "bin").glob(f"{name}*"):
            script.unlink()
    for folder in sorted(SITE_PACKAGES.rglob("*")):
        if folder.is_dir() and folder.name in TEST_FOLDERS and not _kept(folder):
            shutil.rmtree(folder)
    for folder in filter(_is_of_another_service, (SITE_PACKAGES / "botocore" / "data").iterdir()):
        shutil.rmtree(folder)
    for file in SITE_PACKAGES.rglob("*"):
        if file.is_file() and file.suffix in UNUSED_SUFFIXES:
            file.unlink()
    compileall.compile_dir(SITE_PACKAGES, quiet=2, workers=0)


def _is_of_another_service(described: Path) -> bool:
    return described.is_dir() and described.name not in AWS_SERVICES


def _kept(folder: Path) -> bool:
    return str(folder.relative_to(SITE_PACKAGES)) in KEPT_TEST_FOLDERS


if __name__ == "__main__":
    main()
