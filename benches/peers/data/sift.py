"""sift.py OUT CACHE: a million SIFT descriptors (128 whole numbers of 0 to 255) of photographs that Debian's packages hold.

Writes base.u8 and queries.u8. Queries are descriptors of other photographs: every tenth gives queries only."""
import os
import re
import struct
import sys

import cv2
import numpy as np
from packages import Debian

OUT, CACHE = sys.argv[1:]
ROWS, QUERIES, SEED = 1_000_000, 10_000, 20240601
# the longer side is brought down to SIDE; a photograph gives its KEEP strongest keypoints at most
SIDE, LEAST_SIDE, KEEP, EVERY = 2048, 600, 30_000, 10
DETECTOR = cv2.SIFT_create(nfeatures=0, nOctaveLayers=3, contrastThreshold=0.01, edgeThreshold=10, sigma=1.6)

# Photographs only, picked by eye: the packages' other pictures are drawings, renderings or other sizes of these.
WALLPAPERS = {
    "lomiri-wallpapers-16.04": ("usr/share/backgrounds", """Bridge_by_Sander_Klootwijk.jpg Dragonfly_by_Bolly.jpg
        Picture_0B_by_freespace.jpg Picture_1A_by_freespace.jpg Wine_by_Jakkub_Mede.jpg aitzgorri_by_Aitzol_Berasategi.jpg
        free_by_Peter_Nerlich.jpg friends_by_Aitzol_Berasategi.jpg greentock_by_Peter_Nerlich.jpg
        life_by_Aitzol_Berasategi.jpg picosdeeuropa_by_Aitzol_Berasategi.jpg seeding_by_Clements_Engelhardt.jpg
        sunset_by_Aitzol_Berasategi.jpg"""),
    "lomiri-wallpapers-20.04": ("usr/share/backgrounds", "Kleiber_by_Lukas_Baubkus.jpg"),
    "mate-backgrounds": ("usr/share/backgrounds/mate/nature", """Aqua.jpg Blinds.jpg Dune.jpg FreshFlower.jpg Garden.jpg
        GreenMeadow.jpg LadyBird.jpg RainDrops.jpg Storm.jpg TwoWings.jpg Wood.jpg YellowFlower.jpg"""),
    "plasma-workspace-wallpapers": ("usr/share/wallpapers", " ".join(f"{name}/contents/images/2560x1600.jpg" for name in
        "BytheWater ColdRipple ColorfulCups DarkestHour EveningGlow FallenLeaf Grey Kite OneStandsOut Path summer_1am".split())),
    "lxqt-themes": ("usr/share/lxqt/wallpapers", """Butterfly-Kenneth-Wimer.jpg Valendas.png after-the-rain.jpg
        appleflower.png beam.png butterfly.png cloud.png drop.png flowers.png fog.jpg this-is-not-windows.jpg"""),
    "palapeli-data": ("usr/share/palapeli/collection", """castle-maintenon.jpg cincinnati-bridge.jpg citrus-fruits.jpg
        european-honey-bee.jpg panther-chameleon-female.jpg"""),
    "gcompris-qt-data": ("usr/share/gcompris-qt/rcc", """clickgame.rcc details.rcc erase.rcc explore_farm_animals.rcc
        explore_monuments.rcc explore_world_animals.rcc explore_world_music.rcc"""),
}
# within the Qt resource files: paintings and drawings
NO_PHOTOGRAPH = re.compile("Van_?Gogh|clickgame/resource/(?!sea)")


def resources(path):
    """(name, bytes) of each file that lies uncompressed in a binary resource file of Qt."""
    with open(path, "rb") as file:
        held = file.read()
    version, tree, data, names = struct.unpack(">4I", held[4:20])
    assert held[:4] == b"qres" and version in (1, 2, 3), path
    size = 14 if version == 1 else 22

    def node(number, prefix):
        start = tree + number * size
        at, flags = struct.unpack(">IH", held[start:start + 6])
        at += names
        name = held[at + 6:at + 6 + 2 * int.from_bytes(held[at:at + 2], "big")].decode("utf-16-be") if number else ""
        if flags & 2:  # a folder
            count, first = struct.unpack(">II", held[start + 6:start + 14])
            for child in range(first, first + count):
                yield from node(child, prefix + name + "/" if number else "")
        elif not flags & 5:  # neither of the two compressions
            from_ = data + int.from_bytes(held[start + 10:start + 14], "big")
            yield prefix + name, held[from_ + 4:from_ + 4 + int.from_bytes(held[from_:from_ + 4], "big")]

    return node(0, "")


def photographs():
    """The bytes of each, in a fixed order."""
    debian = Debian(CACHE)
    for package in sorted(WALLPAPERS):
        folder, names = WALLPAPERS[package]
        for name in sorted(names.split()):
            path = os.path.join(debian.unpacked(package), folder, name)
            if name.endswith(".rcc"):
                yield from (held for inner, held in sorted(resources(path)) if inner.endswith(".webp") and not NO_PHOTOGRAPH.search(inner))
            else:
                with open(path, "rb") as file:
                    yield file.read()


def describe(held):
    """Descriptors of a photograph, the strongest keypoint's first; None where it is small."""
    picture = cv2.imdecode(np.frombuffer(held, np.uint8), cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    if max(height, width) < LEAST_SIDE:
        return None
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    if max(height, width) > SIDE:
        scale = SIDE / max(height, width)
        grey = cv2.resize(grey, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    keypoints, descriptors = DETECTOR.detectAndCompute(grey, None)
    strength = np.array([keypoint.response for keypoint in keypoints], np.float32)
    return descriptors[np.argsort(-strength, kind="stable")[:KEEP]].astype(np.uint8)


def main():
    cv2.setNumThreads(1)
    described = [found for found in map(describe, photographs()) if found is not None]
    every = np.concatenate(described)
    owner = np.repeat(np.arange(len(described)), [len(found) for found in described])
    first = np.unique(np.ascontiguousarray(every).view("V128").ravel(), return_index=True)[1]
    kept = np.sort(first)  # of equal descriptors the first
    every, owner = every[kept], owner[kept]
    count = np.bincount(owner, minlength=len(described))
    asks = np.arange(len(described)) % EVERY == EVERY // 2
    # one limit on the descriptors of a photograph: the least that gives rows enough
    limit = next((n for n in range(1, KEEP + 1) if np.minimum(count[~asks], n).sum() >= ROWS), None)
    if limit is None:
        sys.exit(f"the photographs give {count[~asks].sum()} descriptors, fewer than {ROWS}")
    inside = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) < limit
    random = np.random.default_rng(SEED)
    for name, which, wanted in (("base", ~asks, ROWS), ("queries", asks, QUERIES)):
        every[random.permutation(np.flatnonzero(inside & which[owner]))[:wanted]].tofile(os.path.join(OUT, f"{name}.u8"))


main()
