# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators have before they consent to anything: the lab's inventory consents to much."""

from __future__ import annotations

from fleet import Ansible, changed


def test_a_deployment_needs_no_consent_to_stay_as_it_is(ansible: Ansible) -> None:
    run = ansible.playbook("playbooks/deploy.yml", "-e", "{lightiov_allow: [], lightiov_verify_write: false}")
    assert run.returncode == 0, run.stdout[-4000:]
    assert set(changed(run).values()) == {0}, run.stdout[-4000:]
    assert "MiB read" in run.stdout
    assert "written and verified" not in run.stdout
