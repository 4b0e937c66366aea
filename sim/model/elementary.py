"""exp, log and quantiles made of + - * / only, so that every machine gives the same bits.

A maths library may use fused multiply-add on one machine and not on another; numba's
gamma functions differ from CPython's. Nothing else in the result path calls a library for
a transcendental function.

exp, log and the pieces of the normal quantile are free of branches, so that a loop over a
column of numbers becomes vector code and gives the bits of the single call.
"""

import math

import numpy as np

from sim.model.jit import inlined, njit

LOG2_HIGH = 6.93147180369123816490e-01
LOG2_LOW = 1.90821492927058770002e-10
INVERSE_LOG2 = 1.44269504088896338700e00
EXPONENT_PLACE = 52  # of a double: sign, 11 bits of exponent, 52 of mantissa
EXPONENT_OF_ONE = 1023
MANTISSA = (1 << EXPONENT_PLACE) - 1
SQRT_HALF = 0.7071067811865476
DE_BRUIJN = 0x03F79D71B4CB0A89  # shifted by 0 to 63 its highest six bits are all different
CENTRAL = 0.425  # half the width of the middle piece of the normal quantile


def _places_of_bits() -> tuple[int, ...]:
    places = [0] * 64
    for bit in range(64):
        places[((1 << bit) * DE_BRUIJN >> 58) & 63] = bit
    return tuple(places)


PLACE_OF_BIT = _places_of_bits()


@inlined
def lowest_bit(bits: int) -> int:
    """Return the place, from 0, of the lowest bit set in a 64-bit integer that is not 0."""
    whole = int(bits)
    return PLACE_OF_BIT[((whole & -whole) * DE_BRUIJN >> 58) & 63]


@njit
def exp(x: float) -> float:
    """Return e^x within 1 unit in the last place; 0 below -708, infinity above 709."""
    inside = min(max(x, -708.0), 709.0)
    exponent = math.floor(inside * INVERSE_LOG2 + 0.5)
    r = (inside - exponent * LOG2_HIGH) - exponent * LOG2_LOW
    series = 1.6059043836821613e-10
    series = series * r + 2.0876756987868099e-09
    series = series * r + 2.5052108385441719e-08
    series = series * r + 2.7557319223985891e-07
    series = series * r + 2.7557319223985893e-06
    series = series * r + 2.4801587301587302e-05
    series = series * r + 1.9841269841269841e-04
    series = series * r + 1.3888888888888889e-03
    series = series * r + 8.3333333333333333e-03
    series = series * r + 4.1666666666666667e-02
    series = series * r + 1.6666666666666667e-01
    series = series * r + 0.5
    power_of_two = np.int64((np.int64(exponent) + EXPONENT_OF_ONE) << EXPONENT_PLACE)
    value = (1.0 + (r + r * r * series)) * power_of_two.view(np.float64)
    at_most = 0.0 if x < -708.0 else value
    return math.inf if x > 709.0 else at_most


@inlined
def log_near_one(f: float) -> float:
    """Return log(1 + f) for |f| < 0.42 by the series of artanh."""
    s = f / (2.0 + f)
    square = s * s
    series = 1.0 / 23.0
    series = series * square + 1.0 / 21.0
    series = series * square + 1.0 / 19.0
    series = series * square + 1.0 / 17.0
    series = series * square + 1.0 / 15.0
    series = series * square + 1.0 / 13.0
    series = series * square + 1.0 / 11.0
    series = series * square + 1.0 / 9.0
    series = series * square + 1.0 / 7.0
    series = series * square + 1.0 / 5.0
    series = series * square + 1.0 / 3.0
    return 2.0 * s + 2.0 * s * square * series


@njit
def log(x: float) -> float:
    """Return the natural logarithm of a normal x > 0 within 2 units in the last place."""
    bits = np.float64(x).view(np.int64)
    half_to_one = np.int64((bits & MANTISSA) | ((EXPONENT_OF_ONE - 1) << EXPONENT_PLACE))
    mantissa = half_to_one.view(np.float64)
    exponent = (bits >> EXPONENT_PLACE) - (EXPONENT_OF_ONE - 1)
    is_small = mantissa < SQRT_HALF
    mantissa = mantissa * 2.0 if is_small else mantissa
    exponent = exponent - 1 if is_small else exponent
    return exponent * LOG2_HIGH + (log_near_one(mantissa - 1.0) + exponent * LOG2_LOW)


@njit
def log1p(y: float) -> float:
    """Return log(1 + y) for y > -1, accurate near 0."""
    if -0.29 < y < 0.41:
        return log_near_one(y)
    return log(1.0 + y)


@njit
def softplus(eta: float) -> float:
    """Return log(1 + e^eta): the cumulative hazard of a logistic probability."""
    if eta > 0.0:
        return eta + log1p(exp(-eta))
    return log1p(exp(eta))


@njit
def fill_softplus(eta, odds, near, hazard):
    """Fill log(1 + e^eta) of a column with the bits of `softplus`; odds and near are scratch.

    Loop by loop, because a choice between two sums within one loop would stop vector code.
    """
    for j in range(eta.shape[0]):
        odds[j] = exp(-abs(eta[j]))
    for j in range(eta.shape[0]):
        near[j] = log_near_one(odds[j])
    for j in range(eta.shape[0]):
        hazard[j] = log(1.0 + odds[j])
    for j in range(eta.shape[0]):
        small = near[j] if odds[j] < 0.41 else hazard[j]
        hazard[j] = max(eta[j], 0.0) + small


@njit
def expit(eta: float) -> float:
    """Return 1 / (1 + e^-eta)."""
    odds = exp(-abs(eta))
    return (1.0 if eta >= 0.0 else odds) / (1.0 + odds)


@njit
def power(x: float, exponent: float) -> float:
    """Return x^exponent for x >= 0."""
    if x == 0.0:
        return 1.0 if exponent == 0.0 else 0.0
    if exponent == 1.0:
        return x
    return exp(exponent * log(x))


@inlined
def central_normal_quantile(q: float) -> float:
    """Return the standard normal quantile of 1/2 + q for |q| <= 0.425 (AS 241, PPND16)."""
    r = 0.180625 - q * q
    top = 2.5090809287301226727e3
    top = top * r + 3.3430575583588128105e4
    top = top * r + 6.7265770927008700853e4
    top = top * r + 4.5921953931549871457e4
    top = top * r + 1.3731693765509461125e4
    top = top * r + 1.9715909503065514427e3
    top = top * r + 1.3314166789178437745e2
    top = top * r + 3.3871328727963666080e0
    low = 5.2264952788528545610e3
    low = low * r + 2.8729085735721942674e4
    low = low * r + 3.9307895800092710610e4
    low = low * r + 2.1213794301586595867e4
    low = low * r + 5.3941960214247511077e3
    low = low * r + 6.8718700749205790830e2
    low = low * r + 4.2313330701600911252e1
    low = low * r + 1.0
    return q * top / low


@njit
def _tail_normal_quantile(u: float) -> float:
    q = u - 0.5
    r = math.sqrt(-log(u if q < 0.0 else 1.0 - u))
    if r <= 5.0:
        r -= 1.6
        top = 7.74545014278341407640e-4
        top = top * r + 2.27238449892691845833e-2
        top = top * r + 2.41780725177450611770e-1
        top = top * r + 1.27045825245236838258e0
        top = top * r + 3.64784832476320460504e0
        top = top * r + 5.76949722146069140550e0
        top = top * r + 4.63033784615654529590e0
        top = top * r + 1.42343711074968357734e0
        low = 1.05075007164441684324e-9
        low = low * r + 5.47593808499534494600e-4
        low = low * r + 1.51986665636164571966e-2
        low = low * r + 1.48103976427480074590e-1
        low = low * r + 6.89767334985100004550e-1
        low = low * r + 1.67638483018380384940e0
        low = low * r + 2.05319162663775882187e0
        low = low * r + 1.0
    else:
        r -= 5.0
        top = 2.01033439929228813265e-7
        top = top * r + 2.71155556874348757815e-5
        top = top * r + 1.24266094738807843860e-3
        top = top * r + 2.65321895265761230930e-2
        top = top * r + 2.96560571828504891230e-1
        top = top * r + 1.78482653991729133580e0
        top = top * r + 5.46378491116411436990e0
        top = top * r + 6.65790464350110377720e0
        low = 2.04426310338993978564e-15
        low = low * r + 1.42151175831644588870e-7
        low = low * r + 1.84631831751005468180e-5
        low = low * r + 7.86869131145613259100e-4
        low = low * r + 1.48753612908506148525e-2
        low = low * r + 1.36929880922735805310e-1
        low = low * r + 5.99832206555887937690e-1
        low = low * r + 1.0
    z = top / low
    return -z if q < 0.0 else z


@njit
def normal_quantile(u: float) -> float:
    """Return the standard normal quantile of 0 < u < 1 (Wichura, algorithm AS 241, PPND16)."""
    q = u - 0.5
    if abs(q) <= CENTRAL:
        return central_normal_quantile(q)
    return _tail_normal_quantile(u)


@njit
def gamma_distribution(x: float, shape: float, log_gamma_of_shape: float) -> float:
    """Return P(X <= x) for a gamma variable with this shape and scale 1."""
    if x <= 0.0:
        return 0.0
    front = exp(shape * log(x) - x - log_gamma_of_shape)
    if x < shape + 1.0:
        term = 1.0 / shape
        total = term
        n = shape
        while term > total * 1e-17:
            n += 1.0
            term *= x / n
            total += term
        return total * front
    b = x + 1.0 - shape
    c = 1e300
    d = 1.0 / b
    fraction = d
    for i in range(1, 500):
        an = -i * (i - shape)
        b += 2.0
        d = an * d + b
        if abs(d) < 1e-300:
            d = 1e-300
        c = b + an / c
        if abs(c) < 1e-300:
            c = 1e-300
        d = 1.0 / d
        step = d * c
        fraction *= step
        if abs(step - 1.0) < 1e-16:
            break
    return 1.0 - fraction * front


@njit
def gamma_quantile(u: float, shape: float, log_gamma_of_shape: float) -> float:
    """Return x with P(X <= x) = u, for a gamma variable with scale 1, by bisection of log x.

    Bisection because it can neither leave the range nor depend on a derivative that
    underflows for shapes far below 1; 200 halvings reach the last bit.
    """
    low = -745.0 / min(shape, 1.0)
    low = max(low, -700.0)
    high = log(shape + 10.0 * math.sqrt(shape) + 50.0)
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if gamma_distribution(exp(middle), shape, log_gamma_of_shape) < u:
            low = middle
        else:
            high = middle
    return exp(0.5 * (low + high))
