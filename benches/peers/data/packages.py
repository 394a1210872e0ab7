"""Files out of Debian's and PyPI's packages, into a folder of one's own: nothing is installed, and no rights are needed."""
import glob
import os
import subprocess
import sys
import zipfile


class Debian:
    """What apt-get has for this system, read with lists of its own below `cache`."""

    def __init__(self, cache):
        self.cache = cache
        self.lists = os.path.join(cache, "lists")
        self.options = ["-qq", "-o", "Acquire::Languages=en", "-o", f"Dir::State::Lists={self.lists}"]
        if not glob.glob(os.path.join(self.lists, "*_Packages*")):
            os.makedirs(os.path.join(self.lists, "partial"), exist_ok=True)
            subprocess.run(["apt-get", *self.options, "update"], check=True)

    def unpacked(self, name):
        """The folder that holds a package's files."""
        folder = os.path.join(self.cache, name)
        if not os.path.isdir(os.path.join(folder, "usr")):
            os.makedirs(folder, exist_ok=True)
            subprocess.run(["apt-get", *self.options, "download", name], cwd=folder, check=True)
            [file] = glob.glob(os.path.join(folder, "*.deb"))
            subprocess.run(["dpkg-deb", "-x", file, folder], check=True)
            os.remove(file)
        return folder

    def texts(self, kind):
        """The contents of the lists of a kind, in a fixed order."""
        for file in sorted(glob.glob(os.path.join(self.lists, f"*{kind}*"))):
            yield subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", file], check=True, capture_output=True).stdout.decode("utf-8", "replace")


def wheel(cache, requirement):
    """The folder that holds a wheel's files, without what it depends on."""
    folder = os.path.join(cache, requirement)
    if not os.path.isdir(folder):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--dest", cache, requirement], check=True)
        [file] = glob.glob(os.path.join(cache, "*.whl"))
        with zipfile.ZipFile(file) as archive:
            archive.extractall(folder + ".part")
        os.rename(folder + ".part", folder)
        os.remove(file)
    return folder
