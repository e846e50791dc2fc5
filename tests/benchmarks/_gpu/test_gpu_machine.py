"""What is recorded about the GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from _gpu import gpu_machine

CPU = torch.device("cpu")


def test_clocks_are_what_nvidia_smi_says(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "1980 MHz, 1980 MHz, 2619 MHz, 612.34 W, 700.00 W, 58, 97 %, P0, 0x0000000000000004\n"
    asked: list[list[str]] = []

    def smi(command: list[str], **_: Any) -> Any:
        asked.append(command)
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr(gpu_machine.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(gpu_machine.subprocess, "run", smi)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="12-34"))
    clocks = gpu_machine.clocks(torch.device("cuda", 0))
    assert clocks is not None
    assert (clocks["clocks.sm"], clocks["power.draw"], clocks["pstate"]) == ("1980 MHz", "612.34 W", "P0")
    assert asked[0][:3] == ["nvidia-smi", "-i", "GPU-12-34"]
    assert gpu_machine.clocks(CPU) is None
