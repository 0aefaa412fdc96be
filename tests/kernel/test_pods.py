"""Pods have the names of the kubelet's folders; what is no such folder names none."""

import os
from pathlib import Path

import pytest

from exporter.kernel import pods
from exporter.kernel.pods import Pod, list_pods

UID = "0b1c2d3e-1111-2222-3333-444455556666"
STATIC = "0123456789abcdef0123456789abcdef"


def test_folders_are_pods(tmp_path: Path) -> None:
    for name in (
        f"shop_web-7c9d_{UID}",
        f"kube-system_etcd.node1_{STATIC}",
        "lost+found",
        f"A_b_{UID}",
        f"a_b_c_{UID}",
    ):
        (tmp_path / name).mkdir()
    assert list_pods(str(tmp_path)) == (
        {UID: Pod("shop", "web-7c9d"), STATIC: Pod("kube-system", "etcd.node1")},
        True,
    )


def test_names_that_the_kubelet_does_not_give_are_none(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path)
    for name in (b"a\nb_c_%b", b"a\xff_c_%b", b'a"_c_%b', b"a_..\\_%b", b"a_c_%b\n"):
        os.mkdir(os.path.join(folder, name % UID.encode()))
    assert list_pods(str(tmp_path)) == ({}, True)


def test_a_folder_of_very_many_entries_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pods, "MAX_PODS", 3)
    for number in range(5):
        (tmp_path / f"shop_web{number}_{number}{UID[1:]}").mkdir()
    found, is_complete = list_pods(str(tmp_path))
    assert (len(found), is_complete) == (3, False)


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        list_pods(str(tmp_path / "missing"))
