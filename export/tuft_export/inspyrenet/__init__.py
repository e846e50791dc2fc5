"""InSPyReNet, written for export; state-dict keys are those of transparent-background 1.3.4.

Architecture: T. Kim et al., "Revisiting Image Pyramid Structure for High Resolution Salient Object Detection",
ACCV 2022 (arXiv 2209.09475); backbone: Z. Liu et al., "Swin Transformer", ICCV 2021 (arXiv 2103.14030).
Both published under the MIT licence; see LICENSE beside this file.

Everything that depends on the picture's size is computed from static integers, every reshape leaves the batch
axis to -1, kernels are buffers, and nothing is patched at run time: `torch.export` sees plain tensor algebra.
"""

from tuft_export.architecture import SMALL, SWIN_B, NetworkConfig, SwinConfig
from tuft_export.inspyrenet.network import InSPyReNet, SaliencyPyramid

__all__ = ["SMALL", "SWIN_B", "InSPyReNet", "NetworkConfig", "SaliencyPyramid", "SwinConfig"]
