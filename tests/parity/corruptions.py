"""Our corruptions at 224 pixels beside those of the package imagecorruptions-imaug (PyPI), a port of the released code.

    corruptions.py PROGRAM [PICTURES]

Corruptions without random numbers are compared pixel by pixel. Of the others the mean, the deviation and the distance to
the clean picture are compared: means over the pictures must agree within four standard errors of their difference (of
1,425 comparisons, 0.1 would fall outside by chance), and what the two are known to do differently, listed below.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from imagecorruptions import corrupt, get_corruption_names

# Mean absolute difference over the pixels, in units of 1/255. Both cut off below the unit: where their numbers are whole, as
# a flat or a scaled picture's are, a difference in the last place shows as a unit. It was 0.23 at most.
EXACT = {
    "gaussian_blur": 0.3,
    "defocus_blur": 0.3,
    "brightness": 0.3,
    "contrast": 0,
    "saturate": 0.3,
    "pixelate": 0,
    # Another libjpeg: its inverse transform may round otherwise.
    "jpeg_compression": 1.0,
}
# Allowed beside four standard errors, on mean, deviation and distance.
SLACK = {
    "gaussian_noise": (0.1, 0.1, 0.1),
    "shot_noise": (0.1, 0.1, 0.1),
    "impulse_noise": (0.1, 0.1, 0.1),
    "speckle_noise": (0.1, 0.1, 0.1),
    "glass_blur": (0.5, 0.5, 0.5),
    "fog": (0.5, 0.5, 0.5),
    # Ours rounds to 8 bits as ImageMagick does, theirs cuts off: half a unit.
    "motion_blur": (0.6, 0.5, 0.5),
    # They keep the upper left of an enlarged picture where the released code keeps the middle: a pixel or two aside.
    "zoom_blur": (0.1, 0.1, 0.1),
    "snow": (1.0, 1.0, 1.0),  # the same rounding, of two layers
    "spatter": (2.0, 2.0, 2.0),  # OpenCV's fixed-point blur and distance
    # Their six photographs and our five textures: as far apart as two photographs may be.
    "frost": (40, 20, 40),
}
NOT_THE_PUBLISHED_ONE = {"elastic_transform"}  # they give it other parameters and no affine map


def per_picture(x, clean):
    x, clean = x.astype(float), clean.astype(float)
    axes = (1, 2, 3)
    return np.stack([x.mean(axes), x.std(axes), np.sqrt(((x - clean) ** 2).mean(axes))])


def main(program, pictures):
    np.random.seed(1)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        export = [program, "data", "export", "world:test", "--side", "224", "--count", str(pictures)]
        subprocess.run([*export, "--out", f"{work}/x.npy"], check=True, stdout=subprocess.DEVNULL)
        clean = np.load(work / "x.npy")
        for name in get_corruption_names("all"):
            if name in NOT_THE_PUBLISHED_ONE:
                continue
            command = [program, "corrupt", "--data", f"{work}/x.npy", "--corruption", name, "--format", "npy"]
            subprocess.run([*command, "--out", f"{work}/{name}"], check=True, stdout=subprocess.DEVNULL)
            ours = np.load(work / name / f"{name}.npy").reshape(5, *clean.shape)
            for severity in range(1, 6):
                theirs = np.stack([corrupt(x, severity=severity, corruption_name=name) for x in clean])
                mine = ours[severity - 1]
                if name in EXACT:
                    apart = np.abs(mine.astype(int) - theirs.astype(int))
                    good = apart.mean() <= EXACT[name]
                    text = f"mean |difference| {apart.mean():.3f}, largest {apart.max()}"
                else:
                    a, b = per_picture(mine, clean), per_picture(theirs, clean)
                    error = (a - b).std(1, ddof=1) / np.sqrt(pictures)  # paired by picture
                    apart = (a - b).mean(1)
                    good = bool((np.abs(apart) <= 4 * error + np.array(SLACK[name])).all())
                    text = "differences " + " ".join(f"{d:+.2f}" for d in apart)
                    text += ", standard errors " + " ".join(f"{e:.2f}" for e in error)
                failed += not good
                print(f"{'agrees' if good else 'DIFFERS':<8}{name} {severity}: {text}", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 40) else 0)
