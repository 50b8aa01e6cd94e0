"""The ten classes of Fashion-MNIST, in label order (Xiao, Rasul, Vollgraf 2017)."""

from typing import Literal

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
N_CLASSES = len(CLASS_NAMES)
IMAGE_SHAPE = (28, 28)
N_PIXELS = 28 * 28
#: Positions of the labels in a table without column names.
LABEL_COLUMNS = ("first", "last", "none")
LabelColumn = Literal["first", "last", "none"]
