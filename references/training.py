"""Weight gradients and steps of training, by PyTorch in double precision.

    python references/training.py            # computes and writes training.npz
    python references/training.py --check    # computes and compares with the stored file

Needs references/requirements.txt. Small networks of every architecture, written here in PyTorch a second time, with
weights, images and labels from seeded random numbers. The file holds for each ARCHITECTURE, in float32:
    ARCHITECTURE/image [2·8, C, H, W], ARCHITECTURE/label [8] (int64), ARCHITECTURE/weight/NAME;
    ARCHITECTURE/OBJECTIVE/loss [8], and ARCHITECTURE/OBJECTIVE/gradient/NAME, the derivative of the sum of the losses;
    ARCHITECTURE/mean/NAME and ARCHITECTURE/variance/NAME, the statistics of the first eight images (divided by n);
    ARCHITECTURE/steps/NAME, the weights and running statistics after ten steps of torch.optim.SGD on the mean
    cross-entropy of the first eight images: rate 0.02, momentum 0.9, decay 0.01 of tensors with two or more axes.
Of wrn10-1, which is large, there is the objective `standard` and no step.
Of mlp, cnn and cnn4, which have no normalisations, there are the objectives `ibp` and `crown-ibp` too, at the numbers of CERTIFIED.
Normalisations are in training mode throughout. Objectives with pairs see the first eight images beside the last eight.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
N, CLASSES = 8, 4
NETWORKS = {"mlp:12,8": (1, 3, 4), "cnn:4": (1, 8, 8), "cnn4:2": (1, 8, 8), "resnet8:4": (3, 8, 8), "wrn10-1": (3, 8, 8),
            "vit:1,8": (3, 8, 8)}
OBJECTIVES = ["standard", "smoothing", "trades", "mart", "conjugate", "logitreg"]
CERTIFIED = {"ibp": (0.05, 0.5, 0.0), "crown-ibp": (0.05, 0.5, 0.3)}  # epsilon, kappa, beta


class Weights:
    """Draws each weight when it is first asked for, and gives the same one from then on."""

    def __init__(self, generator: torch.Generator):
        self.tensors: dict[str, torch.Tensor] = {}
        self.running: dict[str, torch.Tensor] = {}
        self.seen: dict[str, torch.Tensor] = {}
        self.generator = generator

    def __call__(self, name: str, *shape: int) -> torch.Tensor:
        if name not in self.tensors:
            size = 0.3 if len(shape) == 1 else (2 / np.prod(shape[1:])) ** 0.5
            base = 1.0 if len(shape) == 1 and "norm" in name and name.endswith("weight") else 0.0
            value = base + size * torch.randn(shape, generator=self.generator)
            self.tensors[name] = value.float().double().requires_grad_()
        return self.tensors[name]

    def batch_norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        c = x.shape[1]
        mean = self.running.setdefault(f"{name}.running_mean", torch.zeros(c))
        variance = self.running.setdefault(f"{name}.running_var", torch.ones(c))
        self.seen[f"mean/{name}"] = x.detach().mean((0, 2, 3))
        self.seen[f"variance/{name}"] = x.detach().var((0, 2, 3), unbiased=False)
        return F.batch_norm(x, mean, variance, self(f"{name}.weight", c), self(f"{name}.bias", c), training=True)


def dense(w: Weights, name: str, x: torch.Tensor, out: int) -> torch.Tensor:
    return F.linear(x, w(f"{name}.weight", out, x.shape[-1]), w(f"{name}.bias", out))


def project(w: Weights, name: str, x: torch.Tensor, out: int) -> torch.Tensor:
    return x @ w(f"{name}.weight", x.shape[-1], out) + w(f"{name}.bias", out)


def conv(w: Weights, name: str, x: torch.Tensor, out: int, k: int, stride: int, pad: int, bias: bool) -> torch.Tensor:
    b = w(f"{name}.bias", out) if bias else None
    return F.conv2d(x, w(f"{name}.weight", out, x.shape[1], k, k), b, stride, pad)


def mlp(w, x):
    for i, width in enumerate([12, 8]):
        x = F.relu(dense(w, f"dense{i + 1}", x.flatten(1), width))
    return dense(w, "logits", x, CLASSES)


def cnn(w, x):
    x = F.relu(conv(w, "conv1", x, 4, 4, 2, 1, True))
    x = F.relu(conv(w, "conv2", x, 8, 4, 2, 1, True))
    return dense(w, "logits", F.relu(dense(w, "dense1", x.flatten(1), 25)), CLASSES)


def cnn4(w, x):
    for i, channels in enumerate([2, 4]):
        x = F.relu(conv(w, f"conv{2 * i + 1}", x, channels, 3, 1, 1, True))
        x = F.relu(conv(w, f"conv{2 * i + 2}", x, channels, 4, 2, 1, True))
    x = F.relu(dense(w, "dense1", x.flatten(1), 32))
    return dense(w, "logits", F.relu(dense(w, "dense2", x, 32)), CLASSES)


def resnet(w, x):
    x = F.relu(w.batch_norm("norm1", conv(w, "conv1", x, 4, 3, 1, 1, False)))
    for stage in range(3):
        name, stride, out = f"stage{stage + 1}.block1", 1 if stage == 0 else 2, 4 << stage
        y = F.relu(w.batch_norm(f"{name}.norm1", conv(w, f"{name}.conv1", x, out, 3, stride, 1, False)))
        y = w.batch_norm(f"{name}.norm2", conv(w, f"{name}.conv2", y, out, 3, 1, 1, False))
        if stage > 0:
            x = w.batch_norm(f"{name}.shortcut.norm", conv(w, f"{name}.shortcut.conv", x, out, 1, stride, 0, False))
        x = F.relu(x + y)
    return dense(w, "logits", x.mean((2, 3)), CLASSES)


def wide(w, x):
    x = conv(w, "conv1", x, 16, 3, 1, 1, False)
    for stage in range(3):
        name, stride, out = f"stage{stage + 1}.block1", 1 if stage == 0 else 2, 16 << stage
        ready = F.relu(w.batch_norm(f"{name}.norm1", x))
        y = F.relu(w.batch_norm(f"{name}.norm2", conv(w, f"{name}.conv1", ready, out, 3, stride, 1, False)))
        y = conv(w, f"{name}.conv2", y, out, 3, 1, 1, False)
        x = y + (x if stage == 0 else conv(w, f"{name}.shortcut", ready, out, 1, stride, 0, False))
    return dense(w, "logits", F.relu(w.batch_norm("norm", x)).mean((2, 3)), CLASSES)


def transformer(w, x):
    d, heads = 8, 4
    x = conv(w, "patches", x, d, 4, 4, 0, True).flatten(2).transpose(1, 2)
    n = x.shape[1]
    x = x + w("positions", n, d)
    norm = lambda name, x: F.layer_norm(x, (d,), w(f"{name}.weight", d), w(f"{name}.bias", d))
    y = norm("layer1.norm1", x)
    q, k, v = (project(w, f"layer1.{part}", y, d).reshape(-1, n, heads, d // heads).transpose(1, 2) for part in ["query", "key", "value"])
    y = (q @ k.transpose(-1, -2) / (d // heads) ** 0.5).softmax(-1) @ v  # the built-in one has no second derivative
    y = y.transpose(1, 2).reshape(-1, n, d)
    x = x + project(w, "layer1.mix", y, d)
    y = F.gelu(project(w, "layer1.widen", norm("layer1.norm2", x), 2 * d))
    x = x + project(w, "layer1.narrow", y, d)
    return dense(w, "logits", norm("norm", x).mean(1), CLASSES)


NETS = {"mlp": mlp, "cnn": cnn, "cnn4": cnn4, "resnet8": resnet, "wrn10-1": wide, "vit": transformer}


def linear_maps(name: str, w: Weights, n: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Matrix and bias of what stands between the ReLUs of mlp, cnn and cnn4, of flat samples of n elements."""
    if name.startswith("mlp"):
        parts = [lambda x: dense(w, "dense1", x, 12), lambda x: dense(w, "dense2", x, 8)]
    elif name.startswith("cnn4"):
        parts = [
            lambda x: conv(w, "conv1", x.reshape(-1, 1, 8, 8), 2, 3, 1, 1, True).flatten(1),
            lambda x: conv(w, "conv2", x.reshape(-1, 2, 8, 8), 2, 4, 2, 1, True).flatten(1),
            lambda x: conv(w, "conv3", x.reshape(-1, 2, 4, 4), 4, 3, 1, 1, True).flatten(1),
            lambda x: conv(w, "conv4", x.reshape(-1, 4, 4, 4), 4, 4, 2, 1, True).flatten(1),
            lambda x: dense(w, "dense1", x, 32),
            lambda x: dense(w, "dense2", x, 32),
        ]
    else:
        parts = [
            lambda x: conv(w, "conv1", x.reshape(-1, 1, 8, 8), 4, 4, 2, 1, True).flatten(1),
            lambda x: conv(w, "conv2", x.reshape(-1, 4, 4, 4), 8, 4, 2, 1, True).flatten(1),
            lambda x: dense(w, "dense1", x, 25),
        ]
    maps = []
    for part in [*parts, lambda x: dense(w, "logits", x, CLASSES)]:
        bias = part(torch.zeros(1, n))
        maps.append(((part(torch.eye(n)) - bias).T, bias[0]))
        n = maps[-1][0].shape[0]
    return maps


def certified(name: str, kind: str, net, w: Weights, images: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The loss of interval bounds, and mixed with CROWN's over intervals; images in [0, 1]."""
    epsilon, natural, share = CERTIFIED[kind]
    x = images[:N].flatten(1)
    maps = linear_maps(name, w, x.shape[1])
    box = (x - epsilon).clamp(min=0), (x + epsilon).clamp(max=1)
    spec = torch.eye(CLASSES) - F.one_hot(y, CLASSES)[:, None, :]
    above = lambda rows, low, high: (rows * (low + high)[:, None] / 2 + rows.abs() * (high - low)[:, None] / 2).sum(-1)

    (low, high), hidden = box, []
    for matrix, bias in maps[:-1]:
        centre, radius = (low + high) / 2 @ matrix.T + bias, (high - low) / 2 @ matrix.abs().T
        hidden.append((centre - radius, centre + radius))
        low, high = (end.relu() for end in hidden[-1])
    matrix, bias = maps[-1]
    margins = above(spec @ matrix, low, high) + spec @ bias

    rows, constant = spec @ matrix, spec @ bias
    for (low, high), (matrix, bias) in zip(reversed(hidden), reversed(maps[:-1])):
        mixed = (low < 0) & (high > 0)
        chord = torch.where(mixed, high / (high - low), (low >= 0).double())
        tangent = torch.where(mixed, (high > -low).double(), (low >= 0).double())
        up, down = rows.clamp(min=0), rows.clamp(max=0)
        constant = constant + (up * torch.where(mixed, -chord * low, torch.zeros_like(low))[:, None]).sum(-1)
        rows = up * chord[:, None] + down * tangent[:, None]
        rows, constant = rows @ matrix, constant + rows @ bias
    margins = share * (above(rows, *box) + constant) + (1 - share) * margins
    worst = F.cross_entropy(margins, y, reduction="none")
    return natural * F.cross_entropy(net(w, images[:N]), y, reduction="none") + (1 - natural) * worst


def objective(kind: str, net, w: Weights, images: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One number per sample."""
    x = images[:N]
    if kind in ("standard", "smoothing"):
        return F.cross_entropy(net(w, x), y, reduction="none", label_smoothing=0.1 if kind == "smoothing" else 0.0)
    if kind in ("trades", "mart"):
        z, adversarial = net(w, images).chunk(2)
        p, q = z.softmax(1), adversarial.softmax(1)
        divergence = F.kl_div(adversarial.log_softmax(1), p, reduction="none").sum(1)
        if kind == "trades":
            return F.cross_entropy(z, y, reduction="none") + 6 * divergence
        own = F.one_hot(y, CLASSES).bool()
        other = q.masked_fill(own, -1).amax(1)
        boosted = F.cross_entropy(adversarial, y, reduction="none") - (1.0001 - other).log()
        return boosted + 5 * divergence * (1.0000001 - p[own])
    if kind == "conjugate":
        x = x.clone().requires_grad_()
        l = F.cross_entropy(net(w, x), y, reduction="none")
        (g,) = torch.autograd.grad(l.log().sum(), x, create_graph=True)
        return l + 0.01 * (g * g).flatten(1).sum(1)
    z = net(w, x)
    return F.cross_entropy(z, y, reduction="none") + 0.1 * (z * z).mean(1)


def compute() -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    put = lambda key, value: found.__setitem__(key, np.ascontiguousarray(value.detach().numpy(), np.float32))
    for name, shape in NETWORKS.items():
        generator = torch.Generator().manual_seed(0)
        net, w = NETS[name.split(":")[0]], Weights(generator)
        images = torch.rand((2 * N, *shape), generator=generator).float().double()
        labels = torch.randint(0, CLASSES, (N,), generator=generator)
        put(f"{name}/image", images)
        found[f"{name}/label"] = labels.numpy()
        net(w, images[:N])
        for key, value in w.tensors.items():
            put(f"{name}/weight/{key}", value)
        for key, value in w.seen.items():
            put(f"{name}/{key}", value)
        small = name != "wrn10-1"  # of the large one the gradient is enough
        bounded = list(CERTIFIED) if name.startswith(("mlp", "cnn")) else []
        for kind in OBJECTIVES + bounded if small else ["standard"]:
            if kind in CERTIFIED:
                losses = certified(name, kind, net, w, images, labels)
            else:
                losses = objective(kind, net, w, images, labels)
            gradients = torch.autograd.grad(losses.sum(), list(w.tensors.values()), allow_unused=True)
            put(f"{name}/{kind}/loss", losses)
            for key, gradient in zip(w.tensors, gradients):
                put(f"{name}/{kind}/gradient/{key}", torch.zeros(()) if gradient is None else gradient)
        if not small:
            continue
        for running in w.running:
            w.running[running].fill_(1.0 if running.endswith("var") else 0.0)
        two = [t for t in w.tensors.values() if t.ndim > 1]
        one = [t for t in w.tensors.values() if t.ndim < 2]
        groups = [{"params": two, "weight_decay": 0.01}, {"params": one}]
        optimizer = torch.optim.SGD(groups, lr=0.02, momentum=0.9)
        for _ in range(10):
            optimizer.zero_grad()
            F.cross_entropy(net(w, images[:N]), labels).backward()
            optimizer.step()
        for key, value in [*w.tensors.items(), *w.running.items()]:
            put(f"{name}/steps/{key}", value)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    place = Path(__file__).with_suffix(".npz")
    found = compute()
    if parser.parse_args().check:
        stored = np.load(place)
        assert set(stored) == set(found)
        worst = max(np.abs(stored[key] - found[key]).max() for key in found)
        print(f"the stored file differs by at most {worst:.1e}")
        assert worst < 1e-5
    else:
        np.savez_compressed(place, **found)
        print(f"{place}: {place.stat().st_size} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
