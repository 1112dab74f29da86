"""The CT prior that ships: 2.9 M parameters, 4.4 GMAC per 256x256 evaluation, meant for CPUs."""

from __future__ import annotations

from ..loop import LoopSettings
from .recipe import Recipe

RECIPE = Recipe(
    name="ct-triplet-256",
    network={"class": "TripletUNet", "widths": [48, 96, 160, 224], "blocks": [1, 1, 1, 1]},
    modality="CT",
    window=(-1000.0, 1600.0),
    sigma_data=0.3,
    mean=0.25,
    spacings=(0.6, 3.0),
    crop=128,
    held_out=0.03,
    settings=LoopSettings(steps=20_000, batch=16, learning_rate=7e-4, minutes=105.0),
    body_parts=("chest", "abdomen", "pelvis", "extremities"),
    training_data=(
        "LIDC-IDRI 10.7937/k9/tcia.2015.lo9ql9sx (CC BY 3.0)",
        "CMB-CRC 10.7937/djg7-gz87 (CC BY 4.0)",
        "RIDER Pilot 10.7937/m87f-mz83 (CC BY 4.0)",
        "ACRIN-FLT-Breast 10.7937/k9/tcia.2017.ol20zmxg (CC BY 3.0)",
        "Lung-Fused-CT-Pathology 10.7937/k9/tcia.2018.smt36lpn (CC BY 3.0)",
        "Colorectal-Liver-Metastases 10.7937/qxk2-qg03 (CC BY 4.0)",
        "CPTAC-PDA 10.7937/k9/tcia.2018.sc20fo18 (CC BY 4.0)",
        "TCGA-LUAD 10.7937/k9/tcia.2016.jgnihep5 and TCGA-LUSC 10.7937/k9/tcia.2016.tygkkfmq (CC BY 3.0)",
        "Soft-tissue-Sarcoma 10.7937/K9/TCIA.2015.7GO2GSKS (CC BY 3.0)",
        "pyradiomics lung1 (BSD-3-Clause)",
    ),
    licence="CC-BY-4.0",
    attribution=(
        "Trained on images from The Cancer Imaging Archive (Clark et al., J Digit Imaging 26:1045, 2013) and from "
        "pyradiomics, modified (clipped, averaged, cropped); the collections are named under training_data. "
        "Nobody may use it to identify a person."
    ),
)
