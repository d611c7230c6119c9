"""PPO on CartPole-v1 in PyTorch, at CleanRL's hyperparameters and in its order of work: 4 environments x 128 steps,
4 epochs of 4 minibatches, two 4-64-64 networks, single precision, one thread. Run by `make bench` beside the row of the
same name when a python3 with torch is there: steps per second of the whole loop, and of one without its updates.

    peer_ppo.py [STEPS]
"""
import math
import random
import sys
import time

import torch
from torch.distributions import Categorical

torch.set_num_threads(1)
N, T, EPOCHS, MINIBATCHES = 4, 128, 4, 4
GAMMA, LAMBDA, EPS, C_V, C_H, LR, NORM = 0.99, 0.95, 0.2, 0.5, 0.01, 2.5e-4, 0.5


class CartPole:
    """Gymnasium's CartPole-v1: dynamics, limits and rewards"""

    def reset(self):
        self.x = [random.uniform(-0.05, 0.05) for _ in range(4)]
        self.t = 0
        return self.x

    def step(self, action):
        x, v, angle, omega = self.x
        cos, sin = math.cos(angle), math.sin(angle)
        push = ((10 if action == 1 else -10) + 0.05 * omega * omega * sin) / 1.1
        alpha = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos * cos / 1.1))
        a = push - 0.05 * alpha * cos / 1.1
        self.x = [x + 0.02 * v, v + 0.02 * a, angle + 0.02 * omega, omega + 0.02 * alpha]
        self.t += 1
        terminated = abs(self.x[0]) > 2.4 or abs(self.x[2]) > 12 * math.pi / 180
        return self.x, terminated or self.t >= 500


def network(outputs, gain):
    def linear(k, n, g):
        layer = torch.nn.Linear(k, n)
        torch.nn.init.orthogonal_(layer.weight, g)
        torch.nn.init.zeros_(layer.bias)
        return layer
    tanh = torch.nn.Tanh
    return torch.nn.Sequential(linear(4, 64, 2 ** 0.5), tanh(), linear(64, 64, 2 ** 0.5), tanh(),
                               linear(64, outputs, gain))


def train(steps, epochs, seed=1):
    """Returns of the episodes, in their order"""
    torch.manual_seed(seed)
    random.seed(seed)
    pi, V = network(2, 0.01), network(1, 1.0)
    parameters = list(pi.parameters()) + list(V.parameters())
    adam = torch.optim.Adam(parameters, lr=LR, eps=1e-5)
    envs = [CartPole() for _ in range(N)]
    s, done = torch.tensor([e.reset() for e in envs]), torch.zeros(N)
    S, a = torch.zeros(T, N, 4), torch.zeros(T, N)
    logp_old, r, ends, values = (torch.zeros(T, N) for _ in range(4))
    returns, updates = [], steps // (N * T)
    for update in range(updates):
        adam.param_groups[0]["lr"] = (1 - update / updates) * LR
        for t in range(T):
            S[t], ends[t] = s, done
            with torch.no_grad():
                policy = Categorical(logits=pi(s))
                action = policy.sample()
                a[t], logp_old[t], values[t] = action, policy.log_prob(action), V(s).flatten()
            seen, over = [], []
            for e, u in zip(envs, action.tolist()):
                x, end = e.step(u)
                if end:
                    returns.append(e.t)
                    x = e.reset()
                seen.append(x)
                over.append(float(end))
            r[t] = 1
            s, done = torch.tensor(seen), torch.tensor(over)
        with torch.no_grad():
            following, A, last = V(s).flatten(), torch.zeros(T, N), torch.zeros(N)
            for t in reversed(range(T)):
                goes_on = 1 - (done if t == T - 1 else ends[t + 1])
                delta = r[t] + GAMMA * (following if t == T - 1 else values[t + 1]) * goes_on - values[t]
                A[t] = last = delta + GAMMA * LAMBDA * goes_on * last
            R = A + values
        flat = [x.reshape((N * T,) + x.shape[2:]) for x in (S, a, logp_old, A, R, values)]
        for _ in range(epochs):
            for which in torch.randperm(N * T).chunk(MINIBATCHES):
                fS, fa, flogp, fA, fR, fV = (x[which] for x in flat)
                policy = Categorical(logits=pi(fS))
                log_ratio = policy.log_prob(fa) - flogp
                ratio = log_ratio.exp()
                with torch.no_grad():
                    (ratio - 1 - log_ratio).mean(), ((ratio - 1).abs() > EPS).float().mean().item()
                fA = (fA - fA.mean()) / (fA.std() + 1e-8)
                L = torch.min(ratio * fA, ratio.clamp(1 - EPS, 1 + EPS) * fA).mean()
                new = V(fS).flatten()
                near = fV + (new - fV).clamp(-EPS, EPS)
                L_V = 0.5 * torch.max((new - fR) ** 2, (near - fR) ** 2).mean()
                loss = -L + C_V * L_V - C_H * policy.entropy().mean()
                adam.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, NORM)
                adam.step()
    return returns


if __name__ == "__main__":
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 30000
    for name, epochs in (("training", EPOCHS), ("acting alone", 0)):
        start = time.perf_counter()
        last = train(steps, epochs)[-100:]
        rate = steps / (time.perf_counter() - start)
        print(f"PPO on CartPole-v1 at CleanRL's settings, {name}: {rate:.0f} steps/s"
              f" (return of the last 100 episodes {sum(last) / len(last):.0f})")
