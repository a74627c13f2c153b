# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of the debug flavour: its configuration, and how its kernel gets into the images."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import debug_kernel, images, recipe
from lab.errors import LabError
from lab.progress import Progress


def test_options_are_read_in_both_forms() -> None:
    config = '# A comment\nCONFIG_KASAN=y\nCONFIG_MTTY=m\nCONFIG_NAME="-debug"\n# CONFIG_DRM is not set\n'
    assert debug_kernel.options(config) == {"KASAN": "y", "MTTY": "m", "NAME": '"-debug"', "DRM": "n"}


@pytest.mark.parametrize(
    ("fragment", "final", "lost"),
    [
        ("CONFIG_KASAN=y", "CONFIG_KASAN=y\nCONFIG_SMP=y", []),
        ("CONFIG_KASAN=y", "# CONFIG_KASAN is not set", ["KASAN"]),
        ("CONFIG_KASAN=y", "CONFIG_SMP=y", ["KASAN"]),
        ("CONFIG_VFIO_MDEV=y", "CONFIG_VFIO_MDEV=m", ["VFIO_MDEV"]),
        ("# CONFIG_DRM is not set", "CONFIG_DRM=y", ["DRM"]),
        ("# CONFIG_DRM is not set", "CONFIG_SMP=y", []),
    ],
)
def test_an_option_that_did_not_stick_is_found(fragment: str, final: str, lost: list[str]) -> None:
    assert debug_kernel.unmet(fragment, final) == lost


def test_the_fragment_states_each_option_once() -> None:
    text = debug_kernel.FRAGMENT.read_text()
    stated = [line for line in text.splitlines() if line.startswith("CONFIG_") or line.endswith(" is not set")]
    assert len(stated) == len(debug_kernel.options(text))


@pytest.mark.parametrize("option", ["KASAN", "PROVE_LOCKING", "DEBUG_ATOMIC_SLEEP", "DEBUG_KMEMLEAK", "DMA_API_DEBUG"])
def test_the_fragment_asks_for_what_finds_defects(option: str) -> None:
    assert debug_kernel.options(debug_kernel.FRAGMENT.read_text())[option] == "y"


def test_another_fragment_is_another_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = debug_kernel.packages()
    assert debug_kernel.packages() == before
    changed = tmp_path / "debug.config"
    changed.write_text(debug_kernel.FRAGMENT.read_text() + "CONFIG_KCOV=y\n")
    monkeypatch.setattr(debug_kernel, "FRAGMENT", changed)
    assert debug_kernel.packages() != before


def test_the_images_differ_in_the_kernel_only() -> None:
    stock = recipe.Recipe.load("host", "key")
    debug = stock.with_kernel(Path("/k/linux-image.deb"), Path("/k/linux-headers.deb"))
    assert set(stock.packages) - set(debug.packages) == {"linux-image-amd64", "linux-headers-amd64"}
    assert set(debug.debs) == {"/k/linux-image.deb", "/k/linux-headers.deb"}
    assert set(debug.files) - set(stock.files) == {"etc/kernel/postinst.d/zz-lab"}
    assert images.of_recipes("stock", [stock]) != images.of_recipes("stock", [debug])


def test_a_guest_gets_no_headers() -> None:
    guest = recipe.Recipe.load("guest", "key").with_kernel(Path("/k/linux-image.deb"), Path("/k/linux-headers.deb"))
    assert guest.debs == ("/k/linux-image.deb",)


def test_a_flavour_is_told_by_its_images() -> None:
    assert images.flavour("debug-0123456789abcdef") == "debug"


def test_an_unknown_flavour_is_refused_by_name() -> None:
    with pytest.raises(LabError, match="flavour 'fast': choose stock or debug"):
        images.ensure("fast", Progress(quiet=True))
