"""Files from disk or over HTTP: either the whole, right file, or one clear line that says what is wrong."""

import hashlib
import os
import tempfile
from pathlib import Path

from idml import outside
from idml.learning.errors import DataError
from idml.outside import OutsideError

_CHUNK = 1 << 18


def md5_of(content: bytes) -> str:
    """Return the MD5 in hex: the digest that the authors of the data sets published."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def read_bytes(path: Path) -> bytes:
    """Return the file's content; raise `DataError` if it cannot be read."""
    try:
        return outside.read_bytes(path)
    except OutsideError as error:
        raise DataError(f"cannot read {path} ({error.why}): restore it or make it readable") from None


def fetch(url: str, target: Path, *, md5: str, timeout_s: float = 30.0) -> None:
    """Download `url` to `target`, which appears at once and only if its MD5 is right.

    Args:
        url: http or https address.
        target: file to write; folders above it are made.
        md5: expected digest in hex.
        timeout_s: longest silence of the server.

    Raises:
        DataError: the server cannot be reached, sends something else, or the folder cannot be written.
    """
    import http.client  # here, as they are slow to import and files are there most times
    import urllib.error
    import urllib.request

    advice = f"try again, or put the file at {target} yourself"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    except OSError as error:
        raise DataError(f"cannot write to {target.parent} ({error.strerror}): set XDG_CACHE_HOME") from None
    part = Path(name)
    digest, received = hashlib.md5(usedforsecurity=False), 0
    try:
        with os.fdopen(handle, "wb") as out, urllib.request.urlopen(url, timeout=timeout_s) as response:
            announced = response.headers.get("Content-Length")
            while chunk := response.read(_CHUNK):
                out.write(chunk)
                digest.update(chunk)
                received += len(chunk)
        if announced is not None and received != int(announced):
            raise DataError(f"download of {url} broke off after {received:,} of {int(announced):,} bytes: {advice}")
        if digest.hexdigest() != md5:
            raise DataError(f"download of {url} has MD5 {digest.hexdigest()}, expected {md5}: {advice}")
        part.replace(target)
    except http.client.IncompleteRead as error:
        received += len(error.partial)
        raise DataError(f"download of {url} broke off after {received:,} bytes: {advice}") from None
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(f"cannot download {url} (status {error.code} {error.reason}): {advice}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else str(error).strip()
        raise DataError(f"cannot download {url} ({reason or type(error).__name__}): {advice}") from None
    finally:
        part.unlink(missing_ok=True)
