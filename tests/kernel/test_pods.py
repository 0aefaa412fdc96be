"""Pods have the names of the kubelet's folders; what is no such folder names none."""

from pathlib import Path

import pytest

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
    assert list_pods(str(tmp_path)) == {
        UID: Pod("shop", "web-7c9d"),
        STATIC: Pod("kube-system", "etcd.node1"),
    }


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        list_pods(str(tmp_path / "missing"))
