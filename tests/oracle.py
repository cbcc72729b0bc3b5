"""Plain NumPy, float64, brute force. Imports nothing from repro: what it says, repro must say too."""

import itertools

import numpy as np


def states(n):
    """All 2^n binary configurations, the first unit varying slowest."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def float64(params):
    return tuple(np.asarray(x, np.float64) for x in params)


# --- RBMs with binary visible and binary hidden units, by enumeration ---------------------------------


def joint(rbm):
    """p(v, h) for every pair, from exp(b.v + c.h + v.W.h)."""
    W, b, c = float64(rbm)
    V, H = states(len(b)), states(len(c))
    table = np.exp((V @ b)[:, None] + (H @ c)[None, :] + V @ W @ H.T)
    return table / table.sum()


def unnormalised_log_prob(rbm):
    """log ∑ₕ exp(-E(v, h)) for every v."""
    W, b, c = float64(rbm)
    V, H = states(len(b)), states(len(c))
    return np.log(np.exp((V @ b)[:, None] + (H @ c)[None, :] + V @ W @ H.T).sum(axis=1))


def gibbs_matrix(rbm):
    """T[v, v'] = ∑ₕ p(h | v) p(v' | h), conditionals read off the joint table."""
    p = joint(rbm)
    h_given_v = p / p.sum(axis=1, keepdims=True)
    v_given_h = (p / p.sum(axis=0, keepdims=True)).T
    return h_given_v @ v_given_h


def expectations(rbm, v_prob):
    """(<v h>, <v>, <h>) with v from v_prob over all states and h from p(h | v)."""
    p = joint(rbm)
    weights = v_prob[:, None] * p / p.sum(axis=1, keepdims=True)
    V, H = states(len(rbm[1])), states(len(rbm[2]))
    return V.T @ weights @ H, V.T @ weights.sum(axis=1), H.T @ weights.sum(axis=0)


def expected_cd(rbm, v_prob, k):
    """The exact expectation of the CD-k gradient: the negative phase is v_prob Tᵏ."""
    after = v_prob @ np.linalg.matrix_power(gibbs_matrix(rbm), k)
    return [m - d for m, d in zip(expectations(rbm, after), expectations(rbm, v_prob), strict=True)]


def expected_mean_field_cd1(rbm, v_prob):
    """The same for CD-1 whose reconstruction is left a probability: enumerate h, then E[v' | h]."""
    W, b, c = float64(rbm)
    p = joint(rbm)
    h_prob = v_prob @ (p / p.sum(axis=1, keepdims=True))
    v_new = sigmoid(b + states(len(c)) @ W.T)
    h_new = sigmoid(c + v_new @ W)
    model = (v_new.T * h_prob) @ h_new, v_new.T @ h_prob, h_new.T @ h_prob
    return [m - d for m, d in zip(model, expectations(rbm, v_prob), strict=True)]


def expected_cd1(units, rbm, cases, mean_field):
    """The expectation of the CD-1 gradient for units of any kind, case by case, hidden by visible states."""
    W, b, c = float64(rbm)
    total = [np.zeros(W.shape), np.zeros(b.shape), np.zeros(c.shape)]
    for case in cases:
        factor = case.sum() if units.visible == "count" and units.bias_per_word else 1
        chances = [(-1, case)]
        for chance_h, h in hidden_states(units, factor * c + case @ W):
            found = visible_states(units, b + W @ h, case.sum(), mean_field)
            chances += [(chance_h * chance_v, v) for chance_v, v in found]
        for chance, v in chances:
            h = factor * c + v @ W
            h = h if units.hidden == "real" else sigmoid(h)
            for sum_, one in zip(total, (np.outer(v, h), v, factor * h), strict=True):
                sum_ += chance * one / len(cases)
    return total


def hidden_states(units, received):
    """Pairs of a chance and hidden states."""
    if units.hidden == "real":
        return normal_states(received, 6)
    p = sigmoid(received)
    return [(np.prod(np.where(h == 1, p, 1 - p)), h) for h in states(len(p))]


def visible_states(units, received, n_words, mean_field):
    """Pairs of a chance and visible states, or the one pair of certainty and the mean."""
    if units.visible == "real":
        return [(1.0, received)] if mean_field else normal_states(received, 6)
    p = sigmoid(received) if units.visible == "binary" else np.exp(received) / np.exp(received).sum()
    if mean_field:
        return [(1.0, n_words * p if units.visible == "count" else p)]
    if units.visible == "binary":
        return [(np.prod(np.where(v == 1, p, 1 - p)), v) for v in states(len(p))]
    return [(np.prod(p[words]), v) for words, v in zip(*documents(int(n_words), len(p)), strict=True)]


def normal_states(mean, n):
    """Points and weights of Gauss-Hermite quadrature for N(mean, I), n in each dimension."""
    points, weights = np.polynomial.hermite_e.hermegauss(n)
    weights = weights / weights.sum()
    each = itertools.product(range(n), repeat=len(mean))
    return [(np.prod(weights[list(i)]), mean + points[list(i)]) for i in each]


# --- documents: RBMs over every sequence of words, by enumeration -------------------------------------


def documents(n_words, n_vocabulary):
    """All sequences of n_words words, and the word counts of each."""
    sequences = list(itertools.product(range(n_vocabulary), repeat=n_words))
    sequences = np.array(sequences, int).reshape(len(sequences), n_words)
    return sequences, np.stack([(sequences == word).sum(axis=1) for word in range(n_vocabulary)], axis=1)


def document_joint(rbm, n_words, bias_factor):
    """p(sequence, h): each word adds its b and W.h, the hidden units add bias_factor times c.h."""
    W, b, c = float64(rbm)
    sequences, _ = documents(n_words, len(b))
    table = np.empty((len(sequences), 2 ** len(c)))
    for i, words in enumerate(sequences):
        for j, h in enumerate(states(len(c))):
            table[i, j] = np.exp(sum(b[w] + W[w] @ h for w in words) + bias_factor * (c @ h))
    return table


# --- conjugate gradients after Rasmussen's description, as nested loops over numbers ------------------


def minimise(function, x, n_line_searches):
    """Polak-Ribière conjugate gradients; `function` returns value and gradient. Returns x, evaluations."""
    calls = 0

    def f(x):
        nonlocal calls
        calls += 1
        value, gradient = function(x)
        return float(value), np.asarray(gradient, np.float64)

    value, gradient = f(x)
    direction = -gradient
    slope = -(gradient @ gradient)
    step, failed = 1 / (1 - slope), False
    for _ in range(n_line_searches):
        found = wolfe_powell(lambda a, x=x, s=direction: f(x + a * s), direction, value, slope, step)
        if found is None:
            direction = -gradient
            slope = -(gradient @ gradient)
            step = 1 / (1 - slope)
            if failed:
                break
            failed = True
            continue
        length, value, new = found
        x = x + length * direction
        beta = (new @ new - gradient @ new) / (gradient @ gradient)
        direction, gradient = beta * direction - new, new
        new_slope = new @ direction
        if new_slope > 0:
            direction, new_slope = -new, -(new @ new)
        step = length * min(100.0, slope / (new_slope - np.finfo(float).tiny))
        slope, failed = new_slope, False
    return x, calls


def wolfe_powell(along, direction, value0, slope0, a):
    """(step, value, gradient) satisfying both conditions, or None after twenty more evaluations."""
    left_budget, limit = 20, None
    left = (0.0, value0, slope0)
    value, gradient = along(a)
    slope = gradient @ direction
    while True:
        while (not value <= value0 + a * 0.01 * slope0 or slope > -0.5 * slope0) and left_budget > 0:
            limit = a
            w = left[0] - a
            if value > value0:
                move = w - 0.5 * left[2] * w * w / (left[2] * w + value - left[1])
            else:
                A = 6 * (value - left[1]) / w + 3 * (slope + left[2])
                B = 3 * (left[1] - value) - w * (left[2] + 2 * slope)
                root = B * B - A * slope * w * w
                move = (np.sqrt(root) - B) / A if root >= 0 and A != 0 else np.nan
            if not np.isfinite(move):
                move = w / 2
            a += max(min(move, 0.1 * w), 0.9 * w)
            value, gradient = along(a)
            slope = gradient @ direction
            left_budget -= 1
        if not value <= value0 + a * 0.01 * slope0 or slope > -0.5 * slope0:
            return None
        if slope > 0.5 * slope0:
            return a, value, gradient
        if left_budget == 0:
            return None
        w = left[0] - a
        A = 6 * (value - left[1]) / w + 3 * (slope + left[2])
        B = 3 * (left[1] - value) - w * (left[2] + 2 * slope)
        root = B * B - A * slope * w * w
        move = -slope * w * w / (B + np.sqrt(root)) if root >= 0 else np.nan
        if not np.isfinite(move) or move < 0:
            move = 2 * a if limit is None else (limit - a) / 2
        elif limit is not None and a + move > limit:
            move = (limit - a) / 2
        elif limit is None and a + move > 3 * a:
            move = 2 * a
        elif move < -0.1 * w:
            move = -0.1 * w
        elif limit is not None and move < 0.9 * (limit - a):
            move = 0.9 * (limit - a)
        left = (a, value, slope)
        a += move
        value, gradient = along(a)
        slope = gradient @ direction
        left_budget -= 1


# --- retrieval: every case looks for the others ------------------------------------------------------


def cosine(a, b):
    """Of the angle between two codes; 0 if one of them has no length."""
    lengths = np.sqrt(sum(x * x for x in a)) * np.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths > 0 else 0.0


def precision_at(codes, labels, k):
    """Which fraction of the k cases at the smallest angles to a case is of its class; mean over all cases."""
    codes = np.asarray(codes, np.float64).tolist()
    fractions = []
    for query, code in enumerate(codes):
        others = [i for i in range(len(codes)) if i != query]
        nearest = sorted(others, key=lambda i, code=code: -cosine(code, codes[i]))[:k]  # sorted is stable
        fractions.append(sum(labels[i] == labels[query] for i in nearest) / k)
    return sum(fractions) / len(fractions)


# --- deep Boltzmann machines and deep belief networks, an axis of states for each layer ----------------


def log_table(weights, biases):
    """b.x of every layer and x.W.y of every two neighbours, added up: -E of every configuration."""
    every = [states(len(b)) for b in biases]
    table = np.zeros([len(x) for x in every])
    for i, at in np.ndenumerate(table):
        x = [each[j] for each, j in zip(every, i, strict=True)]
        at = sum(np.asarray(b) @ one for b, one in zip(biases, x, strict=True))
        table[i] = at + sum(x[d] @ np.asarray(W) @ x[d + 1] for d, W in enumerate(weights))
    return table


def belief_joint(stack):
    """p(v, h₁, h₂, ...): the uppermost RBM's p of its two layers, times p(below | above) down to v."""
    p = joint(stack[-1])
    for rbm in stack[-2::-1]:
        below = joint(rbm) / joint(rbm).sum(axis=0)
        p = below.reshape(*below.shape, *[1] * (p.ndim - 1)) * p
    return p
