"""DDPG and TD3 on Pendulum-v1 in PyTorch, at Spinning Up's settings and in its order of work: networks of 256 x 256
relu, batch 100, 50 steps and then 50 updates; one thread. Run by `make bench` beside the rows of the same names when a
python3 with torch is there: steps per second of the whole loop from the first update on, in double and single
precision.

    peer_ddpg.py [STEPS]
"""
import copy
import itertools
import math
import random
import sys
import time

import torch

torch.set_num_threads(1)
WIDTH, BATCH, CAPACITY, EVERY, FIRST = 256, 100, 200000, 50, 100
GAMMA, RHO, LR, NOISE, NOISE_TARG, CLIP, DELAY, BOUND = 0.99, 0.995, 1e-3, 0.1, 0.2, 0.5, 2, 2.0


class Pendulum:
    """Gymnasium's Pendulum-v1: dynamics, limits and rewards"""

    def see(self):
        return [math.cos(self.angle), math.sin(self.angle), self.omega]

    def reset(self):
        self.angle, self.omega, self.t = random.uniform(-math.pi, math.pi), random.uniform(-1, 1), 0
        return self.see()

    def step(self, u):
        near = (self.angle + math.pi) % (2 * math.pi) - math.pi
        reward = -(near ** 2 + 0.1 * self.omega ** 2 + 0.001 * u ** 2)
        self.omega = min(max(self.omega + (15 * math.sin(self.angle) + 3 * u) * 0.05, -8), 8)
        self.angle += self.omega * 0.05
        self.t += 1
        return self.see(), reward, self.t >= 200


def network(inputs, *last):
    linear, relu = torch.nn.Linear, torch.nn.ReLU
    return torch.nn.Sequential(linear(inputs, WIDTH), relu(), linear(WIDTH, WIDTH), relu(), linear(WIDTH, 1), *last)


class Learner:
    def __init__(self, twins):
        self.twins = twins
        self.mu, self.Q = network(3, torch.nn.Tanh()), [network(4) for _ in range(2 if twins else 1)]
        self.nets = torch.nn.ModuleList([self.mu, *self.Q])
        self.targets = copy.deepcopy(self.nets)
        for x in self.targets.parameters():
            x.requires_grad = False
        self.of_Q = list(itertools.chain(*(Q.parameters() for Q in self.Q)))
        self.adam_mu = torch.optim.Adam(self.mu.parameters(), lr=LR)
        self.adam_Q = torch.optim.Adam(self.of_Q, lr=LR)
        self.D = [torch.zeros(CAPACITY, n) for n in (3, 1, 1, 3, 1)]            # s, a, r, s', d
        self.stored = self.updates = 0

    def act(self, s):
        with torch.no_grad():
            a = BOUND * self.mu(torch.tensor(s))
        return min(max(float(a) + NOISE * BOUND * random.gauss(0, 1), -BOUND), BOUND)

    def store(self, *transition):
        for column, x in zip(self.D, transition):
            column[self.stored % CAPACITY] = torch.tensor(x)
        self.stored += 1

    def y(self, r, s1, d):
        with torch.no_grad():
            a1 = BOUND * self.targets[0](s1)
            if self.twins:
                noise = (torch.randn_like(a1) * NOISE_TARG * BOUND).clamp(-CLIP * BOUND, CLIP * BOUND)
                a1 = (a1 + noise).clamp(-BOUND, BOUND)
            x1 = torch.cat([s1, a1], dim=-1)
            Q1 = self.targets[1](x1)
            if self.twins:
                Q1 = torch.min(Q1, self.targets[2](x1))
            return r + GAMMA * (1 - d) * Q1

    def update(self):
        which = torch.randint(0, min(self.stored, CAPACITY), (BATCH,))
        s, a, r, s1, d = (x[which] for x in self.D)
        self.adam_Q.zero_grad()
        x = torch.cat([s, a], dim=-1)
        values, y = [Q(x) for Q in self.Q], self.y(r, s1, d)
        sum(((value - y) ** 2).mean() for value in values).backward()
        self.adam_Q.step()
        self.updates += 1
        if self.twins and self.updates % DELAY:
            return
        for x in self.of_Q:                                                     # no gradient of theirs is needed
            x.requires_grad = False
        self.adam_mu.zero_grad()
        (-self.Q[0](torch.cat([s, BOUND * self.mu(s)], dim=-1)).mean()).backward()
        self.adam_mu.step()
        for x in self.of_Q:
            x.requires_grad = True
        with torch.no_grad():
            for x, target in zip(self.nets.parameters(), self.targets.parameters()):
                target.mul_(RHO)
                target.add_((1 - RHO) * x)


def train(twins, steps, seed=1):
    """Seconds for `steps` steps with an update each, after FIRST random ones"""
    torch.manual_seed(seed)
    random.seed(seed)
    learner, env = Learner(twins), Pendulum()
    s = env.reset()
    for t in range(FIRST + steps):
        if t == FIRST:
            start = time.perf_counter()
        a = learner.act(s) if t >= FIRST else random.uniform(-BOUND, BOUND)
        s1, r, over = env.step(a)
        learner.store(s, [a], [r], s1, [0.0])                                   # its only end is the time limit
        s = env.reset() if over else s1
        if t >= FIRST and (t + 1) % EVERY == 0:
            for _ in range(EVERY):
                learner.update()
    return time.perf_counter() - start


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    for name, twins in (("DDPG", False), ("TD3", True)):
        for kind in (torch.float64, torch.float32):
            torch.set_default_dtype(kind)
            print(f"{name} on Pendulum-v1, 256x256, batch 100, {str(kind)[6:]}: {steps / train(twins, steps):.0f}"
                  " steps/s", flush=True)
