"""The rows of `make bench` in PyTorch, double precision, one thread: the same networks, batches and steps.
Run by `make bench` when a python3 with torch is there; medians in microseconds."""
import statistics
import time

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def network(sizes, activation):
    layers = []
    for i in range(len(sizes) - 1):
        layers.append(torch.nn.Linear(sizes[i], sizes[i + 1]))
        if i < len(sizes) - 2:
            layers.append(activation())
    return torch.nn.Sequential(*layers)


def median_us(step, turns=15, turn=0.02):
    repeat, start = 0, time.perf_counter()
    while repeat < 5 or time.perf_counter() - start < turn:
        step()
        repeat += 1
    times = []
    for _ in range(turns):
        start = time.perf_counter()
        for _ in range(repeat):
            step()
        times.append((time.perf_counter() - start) / repeat * 1e6)
    return statistics.median(times)


def training_step(sizes, activation, batch, adam):
    net = network(sizes, activation)
    x, target = torch.randn(batch, sizes[0]), torch.randn(batch, sizes[-1])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-9) if adam else None

    def step():
        net.zero_grad()
        torch.nn.functional.mse_loss(net(x), target).backward()
        if optimizer:
            optimizer.step()
    return step


def fisher_vector_product(batch):
    net = network([4, 64, 64, 2], torch.nn.Tanh)
    x = torch.randn(batch, 4)
    theta = list(net.parameters())
    v = [torch.randn_like(p) for p in theta]
    logpi = torch.log_softmax(net(x), dim=1)
    old = logpi.detach()
    kl = (old.exp() * (old - logpi)).sum() / batch
    grad = torch.autograd.grad(kl, theta, create_graph=True)

    def step():
        dot = sum((g * w).sum() for g, w in zip(grad, v))
        torch.autograd.grad(dot, theta, retain_graph=True)
    return step


def action():
    net = network([4, 64, 64, 2], torch.nn.Tanh)
    x = torch.randn(1, 4)

    def step():
        with torch.no_grad():
            torch.distributions.Categorical(logits=net(x)).sample()
    return step


print("\nPyTorch", torch.__version__, "in us")
for name, step in [
        ("4-64-64-2, batch 1, gradient", training_step([4, 64, 64, 2], torch.nn.Tanh, 1, False)),
        ("4-64-64-2, batch 64, step with Adam", training_step([4, 64, 64, 2], torch.nn.Tanh, 64, True)),
        ("4-64-64-2, batch 1024, gradient", training_step([4, 64, 64, 2], torch.nn.Tanh, 1024, False)),
        ("3-256-256-1 relu, batch 100, step with Adam", training_step([3, 256, 256, 1], torch.nn.ReLU, 100, True)),
        ("Fisher-vector, batch 1000, KL twice", fisher_vector_product(1000)),
        ("4-64-64-2, batch 1, action", action())]:
    print(f"{name:<44}{median_us(step):8.1f}")
