# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _dkms as dkms
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from fake_host import KERNEL, FakeHost

NEXT = "6.12.107+deb13-amd64"
PACKAGE = "lightiov-host/0.1.0"
USR_SRC = "/usr/src/lightiov-host-0.1.0"
OPTIONS = "/etc/modprobe.d/lightiov-host.conf"
LOAD = "/etc/modules-load.d/lightiov-host.conf"


def add_kernel(fake: FakeHost, release: str, headers: bool = True) -> None:
    fake.path(f"/lib/modules/{release}/kernel").mkdir(parents=True)
    if headers:
        fake.write(f"/lib/modules/{release}/build/Makefile", "")


def add_source(fake: FakeHost, version: str = "0.1.0", code: str = "int a;") -> None:
    conf = f'PACKAGE_NAME="lightiov-host"\nPACKAGE_VERSION="{version}"\nBUILT_MODULE_NAME[0]=lightiov_host\n'
    fake.write("/src/dkms/host.conf", conf)
    fake.write("/src/host/a.c", code)


@pytest.fixture
def ready(fake: FakeHost) -> FakeHost:
    """One kernel with headers, and a source."""
    add_kernel(fake, KERNEL)
    add_source(fake)
    fake.write("/etc/debian_version", "13.2\n")
    return fake


def make(host: Host, predict: bool = False, **changes: Any) -> Plan:
    options = {
        "name": "lightiov-host",
        "version": "0.1.0",
        "state": "present",
        "src": str(host.path("/src")),
        "conf": "dkms/host.conf",
        "exclude": [],
        "module": None,
        "parameters": {},
        "load": True,
        "reload": True,
        "kernels": None,
        **changes,
    }
    return dkms.plan(host, dkms.Wanted.parse(options), predict=predict)


def act(host: Host, **changes: Any) -> list[str]:
    plan = make(host, **changes)
    for step in plan.steps:
        step.run()
    return [step.action for step in plan.steps]


INSTALL = ["copy", "add", "build", "install", "write", "load"]


def test_from_nothing_and_then_nothing_is_left_to_do(host: Host, ready: FakeHost) -> None:
    assert act(host) == INSTALL
    assert ready.read(LOAD) == "lightiov_host"
    assert not ready.path(OPTIONS).exists()
    assert ready.path("/sys/module/lightiov_host").exists()
    plan = make(host)
    assert (plan.steps, plan.returned) == ([], {"kernels": [KERNEL], "loaded": True, "reload_needed": False})


def test_check_mode_foresees_everything_and_changes_nothing(host: Host, ready: FakeHost) -> None:
    before = ready.snapshot()
    plan = make(host, predict=True)
    assert [step.action for step in plan.steps] == INSTALL
    assert plan.steps[2].describe() == {"action": "build", "object": PACKAGE, "kernel": KERNEL}
    assert ready.snapshot() == before
    assert ready.log() == []


def test_check_mode_on_a_bare_host(host: Host, fake: FakeHost) -> None:
    for tool in ("dkms", "modinfo", "modprobe"):
        fake.remove_tool(tool)
    plan = make(host, predict=True)
    assert [step.action for step in plan.steps] == INSTALL
    assert len(plan.warnings) == 3


def test_both_the_running_and_the_next_kernel(host: Host, ready: FakeHost) -> None:
    add_kernel(ready, NEXT)
    act(host)
    assert ready.path(f"/lib/modules/{NEXT}/updates/dkms/lightiov_host.ko").exists()
    assert ready.path(f"/lib/modules/{KERNEL}/updates/dkms/lightiov_host.ko").exists()
    assert act(host) == []


def test_a_new_kernel_is_built_for_without_disturbing_the_loaded_module(host: Host, ready: FakeHost) -> None:
    act(host)
    add_kernel(ready, NEXT)
    assert act(host) == ["build", "install"]


def test_named_kernels(host: Host, ready: FakeHost) -> None:
    add_kernel(ready, NEXT, headers=False)
    assert make(host, kernels=[KERNEL]).returned["kernels"] == [KERNEL]


@pytest.mark.parametrize("predict", [False, True])
def test_missing_headers_name_their_package(host: Host, ready: FakeHost, predict: bool) -> None:
    add_kernel(ready, NEXT, headers=False)
    if predict:
        assert f"linux-headers-{NEXT}" in make(host, predict=True).warnings[0]
        return
    with pytest.raises(
        LightiovError, match=rf"kernel {NEXT}.*install the package linux-headers-{NEXT}".replace("+", r"\+")
    ):
        make(host)


def test_changed_source_is_built_anew_under_the_same_version(host: Host, ready: FakeHost) -> None:
    act(host)
    loaded = ready.read("/sys/module/lightiov_host/srcversion")
    add_source(ready, code="int b;")
    assert act(host) == ["remove", "copy", "add", "build", "install", "unload", "load"]
    assert ready.read("/sys/module/lightiov_host/srcversion") != loaded
    assert act(host) == []


def test_an_edited_copy_of_the_source_is_put_right(host: Host, ready: FakeHost) -> None:
    act(host)
    ready.write(f"{USR_SRC}/host/a.c", "int edited;")
    assert "build" in act(host)


def test_another_version_replaces_the_old_one(host: Host, ready: FakeHost) -> None:
    act(host)
    add_source(ready, version="0.2.0", code="int b;")
    plan = make(host, version="0.2.0")
    assert [step.action for step in plan.steps[:2]] == ["remove", "delete"]
    for step in plan.steps:
        step.run()
    assert not ready.path(USR_SRC).exists()
    assert act(host, version="0.2.0") == []


def test_a_package_of_a_similar_name_is_left_alone(host: Host, ready: FakeHost) -> None:
    ready.write("/usr/src/lightiov-host-extra-1.0/dkms.conf", 'PACKAGE_NAME="lightiov-host-extra"\n')
    assert dkms.versions(host, "lightiov-host") == []


def test_an_unfinished_run_is_finished(host: Host, ready: FakeHost) -> None:
    plan = make(host)
    for step in plan.steps[:3]:
        step.run()
    assert act(host) == ["install", "write", "load"]


def test_source_that_does_not_build(host: Host, ready: FakeHost) -> None:
    add_source(ready, code="broken")
    with pytest.raises(LightiovError, match=rf"{PACKAGE} does not build.*a\.c:1:1: error: expected"):
        act(host)


def test_a_deleted_source_is_put_back(host: Host, ready: FakeHost) -> None:
    act(host)
    shutil.rmtree(ready.path(USR_SRC))
    assert act(host)[:2] == ["remove", "copy"]
    assert act(host) == []


class TestLoadedModule:
    @pytest.fixture
    def loaded(self, host: Host, ready: FakeHost) -> FakeHost:
        act(host)
        return ready

    def test_parameters_reload_it(self, host: Host, loaded: FakeHost) -> None:
        assert act(host, parameters={"max_vectors": 8}) == ["write", "unload", "load"]
        assert loaded.read(OPTIONS) == "options lightiov_host max_vectors=8"
        assert loaded.read("/sys/module/lightiov_host/parameters/max_vectors") == "8"
        assert act(host, parameters={"max_vectors": 8}) == []
        assert act(host) == ["delete", "unload", "load"]

    def test_parameters_set_by_hand_are_put_right(self, host: Host, loaded: FakeHost) -> None:
        act(host, parameters={"max_vectors": 8})
        loaded.write("/sys/module/lightiov_host/parameters/max_vectors", "9\n")
        assert act(host, parameters={"max_vectors": 8}) == ["unload", "load"]

    def test_unknown_parameters_are_refused(self, host: Host, loaded: FakeHost) -> None:
        with pytest.raises(LightiovError, match="no parameter 'max_vector': choose from max_vectors"):
            act(host, parameters={"max_vector": 8})
        assert not loaded.path(OPTIONS).exists()

    def test_one_that_is_not_the_installed_one_is_reloaded(self, host: Host, loaded: FakeHost) -> None:
        loaded.write("/sys/module/lightiov_host/srcversion", "OLD\n")
        assert act(host) == ["unload", "load"]

    def test_in_use_refuses_before_anything_is_changed(self, host: Host, loaded: FakeHost) -> None:
        loaded.write("/sys/module/lightiov_host/refcnt", "1\n")
        add_source(loaded, code="int b;")
        before = loaded.snapshot()
        with pytest.raises(LightiovError, match=r"lightiov_host has to be unloaded, but it has 1 users"):
            make(host)
        assert loaded.snapshot() == before

    def test_unless_it_may_stay_until_later(self, host: Host, loaded: FakeHost) -> None:
        loaded.write("/sys/module/lightiov_host/refcnt", "1\n")
        add_source(loaded, code="int b;")
        plan = make(host, reload=False)
        assert plan.returned["reload_needed"] is True
        assert act(host, reload=False) == ["remove", "copy", "add", "build", "install"]
        # The remembered difference is found again, not only the change.
        assert make(host, reload=False).returned["reload_needed"] is True

    def test_not_to_be_loaded(self, host: Host, loaded: FakeHost) -> None:
        assert act(host, load=False) == ["delete"]
        assert loaded.path("/sys/module/lightiov_host").exists()

    def test_removed(self, host: Host, loaded: FakeHost) -> None:
        assert act(host, state="absent") == ["unload", "remove", "delete", "delete"]
        for gone in (LOAD, USR_SRC, "/var/lib/dkms/lightiov-host/0.1.0", "/sys/module/lightiov_host"):
            assert not loaded.path(gone).exists()
        assert act(host, state="absent") == []

    def test_not_removed_under_its_controllers(self, host: Host, loaded: FakeHost) -> None:
        loaded.path("/sys/module/lightiov_host/drivers/pci:lightiov/0000:01:00.0").mkdir(parents=True)
        with pytest.raises(LightiovError, match=r"0000:01:00\.0 are bound to it: release them"):
            make(host, state="absent")
        # In check mode the play has released them before.
        assert [step.action for step in make(host, state="absent", predict=True).steps][:2] == ["unload", "remove"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a/b"}, "'a/b' is no name"),
        ({"version": "../1"}, "no version"),
        ({"module": "a-b"}, "no name of a kernel module"),
        ({"parameters": {"a b": 1}}, "use a plain name"),
        ({"parameters": {"a": "1 install=/bin/sh"}}, "value without spaces"),
        ({"conf": "none.conf"}, "has no file none.conf"),
        ({"version": "0.3.0"}, "is that of lightiov-host/0.1.0"),
        ({"src": "/nowhere"}, "/nowhere is not a directory"),
    ],
)
def test_options_that_cannot_be(host: Host, ready: FakeHost, changes: dict[str, Any], message: str) -> None:
    before = ready.snapshot()
    with pytest.raises(LightiovError, match=message):
        make(host, **changes)
    assert ready.snapshot() == before


def test_booleans_as_the_kernel_writes_them(host: Host) -> None:
    assert dkms._parameter("m", "debug", True) == "Y"
    assert dkms._parameter("m", "debug", False) == "N"
