# Copyright: LightIOV contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import shutil
from typing import Any

import pytest
from ansible_collections.lightiov.nvme.plugins.module_utils import _dkms as dkms
from ansible_collections.lightiov.nvme.plugins.module_utils._errors import LightiovError
from ansible_collections.lightiov.nvme.plugins.module_utils._host import Host
from ansible_collections.lightiov.nvme.plugins.module_utils._plan import Plan
from fake_host import KERNEL, FakeHost

NEXT = "6.12.107+deb13-amd64"
DKMS = "/var/lib/dkms/lightiov-host"
OPTIONS = "/etc/modprobe.d/lightiov-host.conf"
LOAD = "/etc/modules-load.d/lightiov-host.conf"
STATES = ("built", "installed", "signed", "loaded", "current")


def add_kernel(fake: FakeHost, release: str, headers: bool = True) -> None:
    fake.path(f"/lib/modules/{release}/kernel").mkdir(parents=True)
    if headers:
        fake.write(f"/lib/modules/{release}/build/Makefile", "")


def add_source(fake: FakeHost, code: str = "int a;") -> None:
    fake.write("/src/dkms/host.conf", 'PACKAGE_NAME="lightiov-host"\nPACKAGE_VERSION="#MODULE_VERSION#"\n')
    fake.write("/src/host/a.c", code)


def packages(fake: FakeHost) -> list[str]:
    """Versions that dkms knows, and those whose source is there: the same, when all went well."""
    known = sorted(path.parent.name for path in fake.path(DKMS).glob("*/source"))
    sources = sorted(path.name[len("lightiov-host-") :] for path in fake.path("/usr/src").glob("lightiov-host-*"))
    assert known == sources
    return known


def loaded_version(fake: FakeHost) -> str:
    return fake.read("/sys/module/lightiov_host/srcversion")


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
        "reload": "always",
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
    (version,) = packages(ready)
    assert version.startswith("0.1.0+")
    assert plan.steps == []
    assert plan.before == plan.after
    assert plan.returned == {
        "version": version,
        "kernels": [KERNEL],
        "states": {KERNEL: {"built": True, "installed": True, "signed": False, "loaded": True, "current": True}},
        "loaded": True,
        "reload_needed": False,
        "waiting": [],
    }


def test_check_mode_foresees_everything_and_changes_nothing(host: Host, ready: FakeHost) -> None:
    before = ready.snapshot()
    plan = make(host, predict=True)
    assert [step.action for step in plan.steps] == INSTALL
    package = f"lightiov-host/{plan.returned['version']}"
    assert plan.steps[2].describe() == {"action": "build", "object": package, "kernel": KERNEL}
    assert ready.snapshot() == before
    assert ready.log() == []


def test_check_mode_on_a_bare_host(host: Host, fake: FakeHost) -> None:
    for tool in ("dkms", "modinfo", "modprobe"):
        fake.remove_tool(tool)
    plan = make(host, predict=True)
    assert [step.action for step in plan.steps] == INSTALL
    assert len(plan.unmet) == 3


def test_a_signed_module_says_so(host: Host, ready: FakeHost) -> None:
    ready.write("/var/lib/dkms/mok.key", "")
    plan = make(host)
    assert plan.after["kernels"][KERNEL]["signed"] is True
    act(host)
    assert make(host).before == plan.after


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
    shutil.rmtree(ready.path(f"/lib/modules/{KERNEL}/build"))
    if predict:
        assert f"linux-headers-{KERNEL}" in make(host, predict=True).unmet[0].sentence
        return
    with pytest.raises(LightiovError, match=rf"kernel {re.escape(KERNEL)}.*install the package linux-headers-[^ ]+$"):
        make(host)
    add_kernel(ready, NEXT)
    with pytest.raises(LightiovError, match=rf"or boot kernel {re.escape(NEXT)}, which has its headers"):
        make(host)


class TestNextKernelWithoutHeaders:
    @pytest.fixture
    def next_kernel(self, ready: FakeHost) -> FakeHost:
        add_kernel(ready, NEXT, headers=False)
        return ready

    def test_it_waits_and_the_running_one_does_not(self, host: Host, next_kernel: FakeHost) -> None:
        plan = make(host)
        assert [step.action for step in plan.steps] == INSTALL
        (sentence,) = plan.returned["waiting"]
        assert sentence.startswith(f"Kernel {NEXT}, which boots next, has no current module lightiov_host")
        assert f"install the package linux-headers-{NEXT}" in sentence
        assert plan.returned["kernels"] == [KERNEL]
        assert plan.after["kernels"][NEXT] == dict.fromkeys(STATES, False)
        assert act(host) == INSTALL
        again = make(host)
        assert (again.steps, again.returned["waiting"]) == ([], [sentence])

    def test_it_is_built_for_once_they_are_there(self, host: Host, next_kernel: FakeHost) -> None:
        act(host)
        next_kernel.write(f"/lib/modules/{NEXT}/build/Makefile", "")
        plan = make(host)
        assert [step.action for step in plan.steps] == ["build", "install"]
        assert plan.before["kernels"][NEXT]["built"] is False
        assert plan.after["kernels"][NEXT]["current"] is True
        assert plan.returned["waiting"] == []

    def test_it_keeps_the_version_that_it_has(self, host: Host, next_kernel: FakeHost) -> None:
        makefile = next_kernel.write(f"/lib/modules/{NEXT}/build/Makefile", "")
        act(host)
        (old,) = packages(next_kernel)
        makefile.unlink()
        add_source(next_kernel, code="int b;")
        assert "remove" not in act(host)
        assert old in packages(next_kernel)
        assert act(host) == []

    def test_unless_it_was_named(self, host: Host, next_kernel: FakeHost) -> None:
        with pytest.raises(LightiovError, match=f"install the package linux-headers-{re.escape(NEXT)}"):
            make(host, kernels=[KERNEL, NEXT])


SWITCH = ["copy", "add", "build", "install", "unload", "load", "remove", "delete"]


def test_changed_source_is_built_beside_what_is_installed_and_then_takes_its_place(host: Host, ready: FakeHost) -> None:
    act(host)
    loaded = loaded_version(ready)
    add_source(ready, code="int b;")
    assert act(host) == SWITCH
    assert loaded_version(ready) != loaded
    assert len(packages(ready)) == 1
    assert act(host) == []


def test_an_older_version_is_deployed_like_a_newer_one(host: Host, ready: FakeHost) -> None:
    act(host)
    loaded, (version,) = loaded_version(ready), packages(ready)
    add_source(ready, code="int b;")
    act(host, version="0.2.0")
    add_source(ready)
    assert act(host) == SWITCH
    assert (loaded_version(ready), packages(ready)) == (loaded, [version])


def test_an_edited_copy_of_the_source_is_put_right(host: Host, ready: FakeHost) -> None:
    act(host)
    (version,) = packages(ready)
    ready.write(f"/usr/src/lightiov-host-{version}/host/a.c", "int edited;")
    assert act(host) == ["copy", "build", "install", "unload", "load"]
    assert act(host) == []


@pytest.mark.parametrize("directory", [f"{DKMS}/*/{KERNEL}/*/module", f"/lib/modules/{KERNEL}/updates/dkms"])
def test_a_module_without_content_is_put_right(host: Host, ready: FakeHost, directory: str) -> None:
    """A power cut leaves such files."""
    act(host)
    (file,) = ready.root.glob(f"{directory}/*.ko".lstrip("/"))
    file.write_text("", encoding="utf-8")
    assert "install" in act(host)
    assert file.read_text(encoding="utf-8")
    assert act(host) == []


def test_a_package_of_a_similar_name_is_left_alone(host: Host, ready: FakeHost) -> None:
    ready.write("/usr/src/lightiov-host-extra-1.0/dkms.conf", 'PACKAGE_NAME="lightiov-host-extra"\n')
    assert dkms.versions(host, "lightiov-host") == []


def test_an_unfinished_run_is_finished(host: Host, ready: FakeHost) -> None:
    plan = make(host)
    for step in plan.steps[:3]:
        step.run()
    assert act(host) == ["install", "write", "load"]


def test_source_that_does_not_build_leaves_what_was_installed(host: Host, ready: FakeHost) -> None:
    act(host)
    before, loaded = packages(ready), loaded_version(ready)
    add_source(ready, code="broken")
    with pytest.raises(LightiovError, match=r"does not build.*what was installed stays.*a\.c:1:1: error: expected"):
        act(host)
    assert (packages(ready), loaded_version(ready)) == (before, loaded)
    assert "expected ';'" in ready.read("/var/log/lightiov-host-make.log")
    add_source(ready)
    assert act(host) == []


def test_a_module_that_does_not_load_gives_way_to_the_former_one(host: Host, ready: FakeHost) -> None:
    act(host, parameters={"max_vectors": 8})
    before, loaded = packages(ready), loaded_version(ready)
    add_source(ready, code="does not load")
    with pytest.raises(LightiovError, match=r"was not loaded.*Cannot allocate memory.*the former module was put back"):
        act(host, parameters={"max_vectors": 9})
    assert (packages(ready), loaded_version(ready)) == (before, loaded)
    assert ready.read("/sys/module/lightiov_host/parameters/max_vectors") == "8"
    assert ready.read(OPTIONS) == "options lightiov_host max_vectors=8"
    add_source(ready)
    assert act(host, parameters={"max_vectors": 8}) == []


def test_a_module_that_never_loaded_is_not_called_former(host: Host, ready: FakeHost) -> None:
    add_source(ready, code="does not load")
    with pytest.raises(LightiovError) as raised:
        act(host)
    assert "former" not in str(raised.value)


def test_a_deleted_source_is_put_back(host: Host, ready: FakeHost) -> None:
    act(host)
    (version,) = packages(ready)
    shutil.rmtree(ready.path(f"/usr/src/lightiov-host-{version}"))
    assert act(host) == ["copy", "build", "install", "unload", "load"]
    assert act(host) == []


def test_a_version_whose_source_was_deleted_is_removed(host: Host, ready: FakeHost) -> None:
    act(host)
    (version,) = packages(ready)
    shutil.rmtree(ready.path(f"/usr/src/lightiov-host-{version}"))
    add_source(ready, code="int b;")
    act(host)
    assert version not in packages(ready)
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
        assert act(host) == ["write", "delete", "unload", "load"]

    def test_parameters_set_by_hand_are_put_right(self, host: Host, loaded: FakeHost) -> None:
        act(host, parameters={"max_vectors": 8})
        loaded.write("/sys/module/lightiov_host/parameters/max_vectors", "9\n")
        assert act(host, parameters={"max_vectors": 8}) == ["unload", "load"]

    def test_unknown_parameters_are_refused(self, host: Host, loaded: FakeHost) -> None:
        with pytest.raises(LightiovError, match="no parameter 'max_vector': choose from max_vectors"):
            act(host, parameters={"max_vector": 8})
        assert not loaded.path(OPTIONS).exists()

    def test_unknown_parameters_are_refused_before_anything_is_done(self, host: Host, loaded: FakeHost) -> None:
        before = loaded.snapshot()
        for predict in (True, False):
            with pytest.raises(LightiovError, match="no parameter 'max_vector': "):
                make(host, predict, parameters={"max_vector": 8})
        assert loaded.snapshot() == before

    def test_unknown_parameters_of_what_is_built_first_leave_what_is_installed(
        self, host: Host, loaded: FakeHost
    ) -> None:
        installed = f"/lib/modules/{KERNEL}/updates/dkms/lightiov_host.ko"
        before = loaded.read(installed), loaded_version(loaded)
        add_source(loaded, code="int b;")
        for _run in (1, 2):
            with pytest.raises(LightiovError, match="no parameter 'max_vector': "):
                act(host, parameters={"max_vector": 8})
            assert (loaded.read(installed), loaded_version(loaded)) == before
        act(host, parameters={"max_vectors": 8})
        assert loaded.read(installed) != before[0]

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
        plan = make(host, reload="never")
        assert plan.returned["reload_needed"] is True
        assert act(host, reload="never") == ["copy", "add", "build", "install", "remove", "delete"]
        # The remembered difference is found again, not only the change.
        plan = make(host, reload="never")
        assert plan.returned["reload_needed"] is True
        assert plan.after["kernels"][KERNEL]["current"] is False

    def test_what_is_in_use_is_reloaded_later(self, host: Host, loaded: FakeHost) -> None:
        loaded.write("/sys/module/lightiov_host/refcnt", "1\n")
        add_source(loaded, code="int b;")
        assert act(host, reload="unused") == ["copy", "add", "build", "install", "remove", "delete"]
        assert make(host, reload="unused").returned["reload_needed"] is True
        loaded.write("/sys/module/lightiov_host/refcnt", "0\n")
        assert act(host, reload="unused") == ["unload", "load"]
        assert make(host, reload="unused").returned["reload_needed"] is False

    def test_a_dropped_parameter_is_remembered_until_then(self, host: Host, loaded: FakeHost) -> None:
        """The options tell of it no longer, and the module shows no default."""
        parameters = "/sys/module/lightiov_host/parameters/max_vectors"
        act(host, parameters={"max_vectors": 16})
        assert act(host, reload="never") == ["write", "delete"]
        assert make(host, reload="never").returned["reload_needed"] is True
        assert loaded.read(parameters) == "16"
        assert act(host) == ["unload", "load"]
        assert loaded.read(parameters) == "0"
        assert make(host, reload="never").returned["reload_needed"] is False

    def test_not_to_be_loaded(self, host: Host, loaded: FakeHost) -> None:
        assert act(host, load=False) == ["delete"]
        assert loaded.path("/sys/module/lightiov_host").exists()

    def test_removed(self, host: Host, loaded: FakeHost) -> None:
        assert act(host, state="absent") == ["unload", "remove", "delete", "delete"]
        assert packages(loaded) == []
        for gone in (LOAD, "/sys/module/lightiov_host"):
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
        ({"name": "lightiov-guest"}, 'has PACKAGE_NAME=lightiov-host: make it PACKAGE_NAME="lightiov-guest"'),
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
