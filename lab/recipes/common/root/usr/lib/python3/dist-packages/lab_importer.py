# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what Python has compiled of Ansible's modules.

They come in an archive, of which Python compiles all that is imported twice, for its name and for its code, and again
for each task. Under emulation that was more than half of what a task costs.
"""
# Each start of Python reads this file; what it needs is imported when there is an archive.
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
import zipimport
from types import CodeType

KEPT = "/var/cache/lab-importer"


class Importer(zipimport.zipimporter):
    """Imports from an archive of sources, and compiles each once for all archives that have it."""

    def get_filename(self, fullname: str) -> str:
        ending = "/__init__.py" if self.is_package(fullname) else ".py"
        return f"{self.archive}/{self.prefix}{fullname.rpartition('.')[2]}{ending}"

    def get_code(self, fullname: str) -> CodeType:
        import marshal
        import os
        from contextlib import suppress
        from importlib.util import source_hash
        from pathlib import Path

        name = self.get_filename(fullname)
        source = self.get_data(name)
        kept = Path(KEPT, f"{sys.implementation.cache_tag}-{source_hash(source).hex()}")
        found = kept.read_bytes() if kept.exists() else b""
        # The first 8 bytes say whether the rest is whole: a host of the lab may lose its power at any time.
        if found and source_hash(found[8:]) == found[:8]:
            code: CodeType = marshal.loads(found[8:])
            return code
        code = compile(source, name, "exec", dont_inherit=True)
        whole = marshal.dumps(code)
        own = kept.with_suffix(f".{os.getpid()}")
        with suppress(OSError):  # of a user who is not root
            kept.parent.mkdir(exist_ok=True)
            own.write_bytes(source_hash(whole) + whole)
            own.replace(kept)
        return code


sys.path_hooks[sys.path_hooks.index(zipimport.zipimporter)] = Importer
