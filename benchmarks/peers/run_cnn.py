"""A small convolutional network in PyTorch, trained on the processor.

Five 3x3 convolutions with batch normalisation, flipped and shifted images, SGD with momentum, and a
learning rate that rises and then falls with the share of the time that is used. 5,000 of the
training images are held out; the weights of the epoch that is most accurate on them predict.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from exchange import Task
from torch import nn

SEED = 20
HELD_OUT_ROWS = 5_000
BATCH_ROWS = 256
PEAK_LEARNING_RATE = 0.2
#: Share of the time in which the learning rate rises.
WARM_UP_SHARE = 0.2
FLIP_SHARE = 0.5
#: Pixels by which a training image may be shifted.
MAX_SHIFT = 2
#: Left for the last evaluation on the held-out images.
EVALUATION_SECONDS = 5


def main() -> None:
    """Train until the time is over and answer."""
    task = Task.from_command_line()
    torch.manual_seed(SEED)
    torch.set_num_threads(task.cores)
    rows = torch.randperm(len(task.X_train))
    images, labels = _images(task.X_train)[rows], torch.from_numpy(task.y_train).long()[rows]
    held_out = slice(0, min(HELD_OUT_ROWS, len(rows) // 10))
    fitted = slice(held_out.stop, None)
    network = _train(task, images[fitted], labels[fitted], images[held_out], labels[held_out])
    task.answer(lambda X: _predict(network, _images(X)).numpy(), "torch")


def _images(X: np.ndarray) -> torch.Tensor:
    """Return pixels as floats of zero mean, shape (n, 1, 28, 28)."""
    return (torch.from_numpy(X.reshape(-1, 1, 28, 28).astype(np.float32)) / 255 - 0.286) / 0.353


def _network() -> nn.Sequential:
    def convolution(n_in: int, n_out: int) -> list[nn.Module]:
        return [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]

    layers = [
        *convolution(1, 32),
        nn.MaxPool2d(2),
        *convolution(32, 64),
        *convolution(64, 64),
        nn.MaxPool2d(2),
        *convolution(64, 128),
        *convolution(128, 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, 10),
    ]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def _train(task, images, labels, held_out_images, held_out_labels) -> nn.Sequential:
    """Return the network of the epoch that was most accurate on the held-out images."""
    network = _network()
    optimizer = torch.optim.SGD(
        network.parameters(), PEAK_LEARNING_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    start, seconds = task.seconds, task.seconds_left - EVALUATION_SECONDS
    best, best_accuracy, epoch = network, -1.0, 0
    while task.seconds - start < seconds:
        network.train()
        for rows in torch.randperm(len(images)).split(BATCH_ROWS):
            used = (task.seconds - start) / seconds
            if used >= 1:
                break
            optimizer.param_groups[0]["lr"] = PEAK_LEARNING_RATE * _rate(used)
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                error = loss(network(_augment(images[rows])), labels[rows])
            error.backward()
            optimizer.step()
        epoch += 1
        accuracy = float((_predict(network, held_out_images) == held_out_labels).float().mean())
        print(f"epoch {epoch}: {accuracy:.4f} held out, {task.seconds:.0f} s", flush=True)
        if accuracy > best_accuracy:
            best, best_accuracy = copy.deepcopy(network), accuracy
    return best


def _rate(used: float) -> float:
    """Share of the peak learning rate: a linear rise, then half a cosine down to 0."""
    if used < WARM_UP_SHARE:
        return used / WARM_UP_SHARE
    return (1 + math.cos(math.pi * (used - WARM_UP_SHARE) / (1 - WARM_UP_SHARE))) / 2


def _augment(images: torch.Tensor) -> torch.Tensor:
    """Flip half of the images, and shift all of them by up to two pixels, the batch alike."""
    flipped = torch.where(torch.rand(len(images), 1, 1, 1) < FLIP_SHARE, images.flip(3), images)
    size = images.shape[-1]
    top, left = torch.randint(0, 2 * MAX_SHIFT + 1, (2,)).tolist()
    padded = nn.functional.pad(flipped, [MAX_SHIFT] * 4, value=float(images.min()))
    shifted = padded[..., top : top + size, left : left + size]
    return shifted.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def _predict(network: nn.Sequential, images: torch.Tensor) -> torch.Tensor:
    network.eval()
    return torch.cat([network(part).argmax(1) for part in images.split(1000)])


if __name__ == "__main__":
    main()
