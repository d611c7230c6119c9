# Wald's sequential test of p0 = 0.05 against p1 = 0.5, of how often a run fails (Wald 1945): alpha = 1e-4, beta = 0.01,
# at most 60 runs. A pass adds log((1-p1)/(1-p0)), a failure log(p1/p0).
function verdict(n, fails,    S) {
    S = fails * log(0.5 / 0.05) + (n - fails) * log((1 - 0.5) / (1 - 0.05))
    return S <= log(0.01 / (1 - 1e-4)) ? "accepted" : S >= log((1 - 0.01) / 1e-4) ? "rejected" : n >= 60 ? "undecided" : ""
}

# What is no number, nan among it, fails
function fails(score, threshold) {
    return !(score ~ /^-?[0-9]+([.][0-9]*)?(e[-+]?[0-9]+)?$/ && score + 0 >= threshold + 0)
}

# How many of n calibration runs may lie below the threshold, so that the chance of a run to fail is at most p0 with
# confidence 0.95 (Clopper, Pearson 1934): the largest k with P(X <= k) <= 0.05, X ~ B(n, p0); -1: none
function below(n,    k, p, sum) {
    p = (1 - 0.05) ^ n
    for (k = 0; (sum += p) <= 0.05; k++) p *= (n - k) / (k + 1) * 0.05 / (1 - 0.05)
    return k - 1
}

# The threshold of x[1..n], which is put in order; "nan" where too few runs gave a number
function threshold(x, n,    i, j, y, numbers) {
    for (i = 1; i <= n; i++) if (!fails(x[i], -1e300)) {
        y = x[i]
        for (j = numbers++; j >= 1 && x[j] + 0 > y + 0; j--) x[j + 1] = x[j]
        x[j + 1] = y
    }
    i = below(n) + 1 - (n - numbers)            # those without a number are below
    return below(n) >= 0 && i >= 1 ? x[i] : "nan"
}
