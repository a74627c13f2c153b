# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection that answers what a host has been recorded to answer: the machine that runs Ansible does all of its own
work, and no other does any."""

from __future__ import annotations

DOCUMENTATION = r"""
name: recorded
short_description: Answers from a recording
description:
  - A module's answer is that of its name in the recording, or what of it the task says that the module returns, with
    its parameters beside it unless the recording says otherwise.
  - Modules that the recording names as C(here) run, on the machine that runs Ansible.
author: LightIOV contributors
extends_documentation_fragment:
  - connection_pipelining
options:
  recording:
    description: File of the recording.
    type: path
    required: true
    vars:
      - name: recording
"""

import ast
import json
import re
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.connection import ConnectionBase

MODULE = re.compile(rb"^ansible_module='(?:[\w.]+\.)?(\w+)',$", re.MULTILINE)
PARAMETERS = re.compile(rb"^params=(.*),$", re.MULTILINE)
# Whatever a task says that its module returns.
KEPT = ("changed", "invocation")
SCRIPT = re.compile(r"/(\w+\.(?:py|sh))\b")


class Connection(ConnectionBase):
    transport = "recorded"
    has_pipelining = True

    @cached_property
    def recording(self) -> dict[str, Any]:
        return json.loads(Path(self.get_option("recording")).read_text(encoding="utf-8"))

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if in_data:
            name = MODULE.search(in_data)[1].decode()
            if name in self.recording.get("here", []):
                done = subprocess.run(cmd, shell=True, input=in_data, capture_output=True, check=False)
                return done.returncode, done.stdout, done.stderr
            return 0, json.dumps(self._module(name, in_data)).encode(), b""
        if "mkdir" in cmd:
            return 0, (re.search(r"ansible-tmp-[\w.-]+", cmd)[0] + "=/tmp/recorded\n").encode(), b""
        script = SCRIPT.search(cmd)
        return 0, self.recording["scripts"].get(script[1] if script else "", "").encode(), b""

    def _module(self, name: str, source: bytes) -> dict[str, Any]:
        if name not in self.recording["modules"]:
            return {"failed": True, "msg": f"the recording has no module {name}"}
        parameters = json.loads(ast.literal_eval(PARAMETERS.search(source)[1].decode()))["ANSIBLE_MODULE_ARGS"]
        arguments = {key: value for key, value in parameters.items() if not key.startswith("_ansible_")}
        told = self.recording["modules"][name]
        values = {key: value for key, value in told.items() if key in arguments.get("returns", told) or key in KEPT}
        return {"changed": False, "invocation": {"module_args": arguments}, **values}

    def put_file(self, in_path: str, out_path: str) -> None:
        pass

    def fetch_file(self, in_path: str, out_path: str) -> None:
        raise AnsibleError(f"{in_path} cannot be fetched: a recording has no files")

    def close(self) -> None:
        self._connected = False
