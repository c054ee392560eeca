"""Makes the files beside this script: a small network with 1-bit weights, as PyTorch's converters write it.

Needs litert-torch 0.10.0 (with torch 2.14.1, torchao 0.18.0 and ai-edge-quantizer 0.10.0); takes no arguments.
"""

from __future__ import annotations

from pathlib import Path

import litert_torch
import torch
from ai_edge_quantizer import quantizer, recipe
from litert_torch.quantize import pt2e_quantizer, quant_config
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

HERE = Path(__file__).parent
SHAPE = (1, 3, 12, 12)


def one_bit(layer: nn.Module, per_channel: bool = False) -> nn.Module:
    """DoReFa: w becomes E|w| sign(w), the mean over the layer, or over each channel (as in XNOR-Net)."""
    with torch.no_grad():
        w = layer.weight
        axes = tuple(range(1, w.dim())) if per_channel else tuple(range(w.dim()))
        w.copy_(w.abs().mean(dim=axes, keepdim=True) * torch.where(w >= 0, 1.0, -1.0))
    return layer


class Network(nn.Module):
    """A many-valued stem and head; between them convolutions of all kinds, with batch norm, a shortcut and padding."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, stride=2, padding=1)
        self.plain = one_bit(nn.Conv2d(32, 32, 3, padding=1))
        self.norm = nn.BatchNorm2d(32)
        self.grouped = one_bit(nn.Conv2d(32, 32, 3, padding=1, groups=2), per_channel=True)
        self.depthwise = one_bit(nn.Conv2d(32, 32, 3, padding=1, groups=32), per_channel=True)
        self.strided = one_bit(nn.Conv2d(32, 40, 3, stride=2, padding=1))
        self.sequence = one_bit(nn.Conv1d(40, 40, 3, padding=2, dilation=2))
        self.dense = one_bit(nn.Linear(40, 33))
        self.head = nn.Linear(33, 10)
        for tensor, low, high in ((self.norm.weight, 0.5, 1.5), (self.norm.running_var, 0.5, 2.0)):
            nn.init.uniform_(tensor, low, high)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = x + torch.relu(self.norm(self.plain(x)))
        x = self.depthwise(torch.relu(self.grouped(x)))
        x = torch.relu(self.strided(x)).flatten(2)
        x = torch.relu(self.sequence(x)).mean(-1)
        return self.head(torch.relu(self.dense(x)))


def by_pytorch(model: nn.Module, samples: list[torch.Tensor], per_channel: bool) -> bytes:
    quantizer = pt2e_quantizer.PT2EQuantizer()
    quantizer.set_global(pt2e_quantizer.get_symmetric_quantization_config(is_per_channel=per_channel, is_dynamic=False))
    prepared = prepare_pt2e(torch.export.export(model, (samples[0],)).module(), quantizer)
    for sample in samples:
        prepared(sample)
    config = quant_config.QuantConfig(pt2e_quantizer=quantizer)
    return litert_torch.convert(convert_pt2e(prepared, fold_quantize=False), (samples[0],), quant_config=config)


def by_quantizer(float_path: Path, samples: list[torch.Tensor], made: list[dict]) -> bytes:
    file = quantizer.Quantizer(str(float_path), made)
    result = None
    if file.need_calibration:
        data = {"serving_default": [{"args_0": sample.numpy()} for sample in samples]}
        result = file.calibrate(data)
    return file.quantize(result).quantized_model


def main() -> None:
    torch.manual_seed(0)
    samples = [torch.randn(SHAPE) for _ in range(16)]
    model = Network().eval()
    by_pytorch(model, samples, per_channel=True).export(str(HERE / "per_channel.tflite"))
    by_pytorch(model, samples, per_channel=False).export(str(HERE / "per_tensor.tflite"))
    float_path = HERE / "float.tflite"
    litert_torch.convert(model, (samples[0],)).export(str(float_path))
    (HERE / "static.tflite").write_bytes(by_quantizer(float_path, samples, recipe.static_wi8_ai8()))
    (HERE / "dynamic.tflite").write_bytes(by_quantizer(float_path, samples, recipe.dynamic_wi8_afp32()))
    float_path.unlink()


if __name__ == "__main__":
    main()
