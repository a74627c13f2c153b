# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about one namespace. A row is what is shown of it: it learns what the controller says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.lightiov.nvme.plugins.module_utils import _blank as blank
from ansible_collections.lightiov.nvme.plugins.module_utils import _liov
from ansible_collections.lightiov.nvme.plugins.module_utils import _nvme as nvme
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._extent import Extent
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_record import Made, note
from ansible_collections.lightiov.nvme.plugins.module_utils._namespace_store import Store, identity_of
from ansible_collections.lightiov.nvme.plugins.module_utils._nvme_status import EXTENTS, refused
from ansible_collections.lightiov.nvme.plugins.module_utils._runner import CommandError

# Whose an mdev is that reads or fills a namespace of a controller without a tenant.
TENANT = "lightiov"
Row = dict[str, Any]


@dataclass(frozen=True)
class Steps:
    """Of one controller."""

    host: Host
    store: Store

    @property
    def serial(self) -> str:
        return self.store.controller.serial

    def create(self, row: Row, made: Made, blocks: int, lba_format: int) -> None:
        """Written down before and after: a run that is cut short between leaves what the next one recognizes."""
        name = row["name"]
        note(self.host, self.serial, name, made)
        try:
            nsid = self._send(row, "was not made", nvme.create(blocks, lba_format))
        except LightiovError as error:
            # Only the controller knows that it was not made: one that did not answer in time may have made it.
            if isinstance(error.__cause__, nvme.CommandFailed):
                note(self.host, self.serial, name, None)
            raise
        identity = identity_of(self.host, self.store.controller, nsid)
        if not identity or identity in made.others:
            self._send(row, "was not deleted", nvme.delete(nsid))
            note(self.host, self.serial, name, None)
            raise LightiovError(
                f"{self._named(row)} was deleted as soon as it was made, because the controller gives namespaces no "
                f"identity of their own (NGUID or EUI-64), so nothing would tell whose it is: {EXTENTS}"
            )
        note(self.host, self.serial, name, replace(made, identity=identity, others=()))
        row.update(nsid=nsid, identity=identity)

    def attach(self, row: Row) -> None:
        self._send(row, "was not attached", nvme.attach(row["nsid"], self.store.id))

    def detach(self, row: Row) -> None:
        self._send(row, "was not detached", nvme.detach(row["nsid"], self.store.id))

    def delete(self, row: Row) -> None:
        self._send(row, "was not deleted", nvme.delete(row["nsid"]))
        note(self.host, self.serial, row["name"], None)

    def format(self, row: Row, lba_format: int) -> None:
        self._send(row, "was not formatted", nvme.format_nvm(row["nsid"], lba_format))

    def check_blank(self, row: Row) -> None:
        refusal = f"{self._named(row)} is only deleted or formatted when it is blank"
        remedy = (
            f"add {row['identity']} to lightiov_namespaces_destroy (option destroy) if what is on it may be lost, or "
            "keep it in lightiov_namespaces as it is"
        )
        self._liov(row, refusal, remedy, "blank")

    def fill(self, row: Row, image: str, made: Made) -> None:
        """What is overwritten is of a fill that was cut short, or what the controller shows of new blocks."""
        refusal = f"{self._named(row)} was not filled from {image}"
        self._liov(row, refusal, "see that it is a whole image", "copy-in", image, "--yes-destroy-data")
        note(self.host, self.serial, row["name"], replace(made, identity=row["identity"], others=(), image=""))

    def _liov(self, row: Row, refusal: str, remedy: str, command: str, *arguments: str) -> None:
        identity = row["identity"] if row["identity"].startswith("eui.") else ""
        extent = Extent(row["nsid"], identity)
        with blank.temporary(self.host, self.store.controller, extent, TENANT, refusal) as mdev:
            try:
                _liov.run(self.host, self._named(row), row["size"], command, mdev, *arguments)
            except CommandError as error:
                raise LightiovError(f"{refusal}: {remedy} ({error.output or error})") from error

    def _send(self, row: Row, failed: str, command: nvme.Command) -> int:
        try:
            return nvme.send(self.host, self.store.controller.admin, command)[0]
        except (nvme.CommandFailed, OSError) as error:
            raise refused(f"{self._named(row)} {failed}", command.opcode, error) from error

    def _named(self, row: Row) -> str:
        identity = f" ({row['identity']})" if row["identity"] else ""
        return f"Namespace {row['name']}{identity} of controller {self.store.controller}"
