"""exp, log and quantiles made of + - * / only, so that every machine gives the same bits.

A maths library may use fused multiply-add on one machine and not on another; numba's
gamma functions differ from CPython's. Nothing else in the result path calls a library for
a transcendental function.
"""

import math

import numpy as np

from sim.model.jit import njit

LOG2_HIGH = 6.93147180369123816490e-01
LOG2_LOW = 1.90821492927058770002e-10
INVERSE_LOG2 = 1.44269504088896338700e00
POWERS_OF_TWO = np.array([math.ldexp(1.0, k) for k in range(-1022, 1024)])
SQRT_HALF = 0.7071067811865476


@njit
def exp(x: float) -> float:
    """Return e^x within 1 unit in the last place; 0 below -708, infinity above 709."""
    if x < -708.0:
        return 0.0
    if x > 709.0:
        return math.inf
    exponent = math.floor(x * INVERSE_LOG2 + 0.5)
    r = (x - exponent * LOG2_HIGH) - exponent * LOG2_LOW
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
    return float((1.0 + (r + r * r * series)) * POWERS_OF_TWO[int(exponent) + 1022])


@njit
def _log_ratio(f: float) -> float:
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
    """Return the natural logarithm of x > 0 within 2 units in the last place."""
    mantissa, exponent = math.frexp(x)
    if mantissa < SQRT_HALF:
        mantissa *= 2.0
        exponent -= 1
    return exponent * LOG2_HIGH + (_log_ratio(mantissa - 1.0) + exponent * LOG2_LOW)


@njit
def log1p(y: float) -> float:
    """Return log(1 + y) for y > -1, accurate near 0."""
    if -0.29 < y < 0.41:
        return _log_ratio(y)
    return log(1.0 + y)


@njit
def softplus(eta: float) -> float:
    """Return log(1 + e^eta): the cumulative hazard of a logistic probability."""
    if eta > 0.0:
        return eta + log1p(exp(-eta))
    return log1p(exp(eta))


@njit
def expit(eta: float) -> float:
    """Return 1 / (1 + e^-eta)."""
    if eta >= 0.0:
        return 1.0 / (1.0 + exp(-eta))
    odds = exp(eta)
    return odds / (1.0 + odds)


@njit
def power(x: float, exponent: float) -> float:
    """Return x^exponent for x >= 0."""
    if x == 0.0:
        return 1.0 if exponent == 0.0 else 0.0
    if exponent == 1.0:
        return x
    return exp(exponent * log(x))


@njit
def normal_quantile(u: float) -> float:
    """Return the standard normal quantile of 0 < u < 1 (Wichura, algorithm AS 241, PPND16)."""
    q = u - 0.5
    if abs(q) <= 0.425:
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
