"""The LSTM in plain NumPy: one sequence, one direction, one step after the other.

Letters of array axes: T tokens, I input width, H output width.
"""

import numpy as np


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def forward(x, Wx, Wh, b):
    """The outputs, (T, H), and what each step computed.

    x: (T, I). Wx, Wh, b: The weights of the gates o, i, f, c~, in this order:
        (4, I, H), (4, H, H), (4, H).
    """
    h, c, H, steps = np.zeros(Wh.shape[2]), np.zeros(Wh.shape[2]), [], []
    for x_t in x:
        o, i, f = (sigmoid(x_t @ Wx[k] + h @ Wh[k] + b[k]) for k in range(3))
        g = np.tanh(x_t @ Wx[3] + h @ Wh[3] + b[3])
        steps.append((x_t, h, c, o, i, f, g))
        c = f * c + i * g
        h = o * np.tanh(c)
        H.append(h)
    return np.array(H), steps


def backward(dH, steps, Wx, Wh):
    """The gradients of x, Wx, Wh and b, from the gradient of the outputs."""
    dx, dWx, dWh, db = [], np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(Wh.shape[::2])
    dh_later, dc_later = np.zeros(Wh.shape[2]), np.zeros(Wh.shape[2])
    for dh_t, step in zip(dH[::-1], steps[::-1], strict=True):
        x_t, h_before, c_before, o, i, f, g = step
        dh, tanh_c = dh_t + dh_later, np.tanh(f * c_before + i * g)
        dc = dh * o * (1 - tanh_c**2) + dc_later
        do, di, df, dg = dh * tanh_c, dc * g, dc * c_before, dc * i
        sums = [do * o * (1 - o), di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2)]
        ds = np.array(sums)
        dWx += x_t[:, None] * ds[:, None]
        dWh += h_before[:, None] * ds[:, None]
        db += ds
        dx.append(np.einsum("kih,kh->i", Wx, ds))
        dh_later, dc_later = np.einsum("kih,kh->i", Wh, ds), dc * f
    return np.array(dx[::-1]), dWx, dWh, db
