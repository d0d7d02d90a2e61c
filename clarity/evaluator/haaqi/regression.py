"""HAAQI's regression from features to the score (Kates & Arehart 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clarity.evaluator.ear_model.quality import (
    LOUDNESS_RANGE,
    NORMALISED_RANGE,
    combined_score,
    linear_term,
    nonlinear_term,
)


@dataclass(frozen=True)
class HaaqiResult:
    """Score of one signal and its parts.

    Attributes
    ----------
    score : float
        HAAQI, 0 to 1.
    nonlinear, linear : float
        Terms for noise and nonlinear distortion, and for linear filtering.
    cep_high : float
        Correlation of the cepstra's modulations above 20 Hz.
    bm_sync5 : float
        Covariance of basilar-membrane motion.
    d_loud, d_norm : float
        Likeness of the average spectra: 1 minus their scaled difference in loudness, and the same
        normalised by the loudness.
    """

    score: float
    nonlinear: float
    linear: float
    cep_high: float
    bm_sync5: float
    d_loud: float
    d_norm: float

    @property
    def raw(self) -> list[float]:
        """The four features: CepHigh, BMsync5, Dloud, Dnorm."""
        return [self.cep_high, self.bm_sync5, self.d_loud, self.d_norm]


def haaqi_result(
    cep_high: float, bm_sync5: float, loudness_difference: float, normalised_difference: float
) -> HaaqiResult:
    """Combine the features.

    Parameters
    ----------
    cep_high, bm_sync5 : float
        Features of the nonlinear term.
    loudness_difference, normalised_difference : float
        See `features.spectral_differences`.

    Returns
    -------
    HaaqiResult
        Score, terms and features.
    """
    d_loud = float(np.clip(1.0 - loudness_difference / LOUDNESS_RANGE, 0.0, 1.0))
    d_norm = float(np.clip(1.0 - normalised_difference / NORMALISED_RANGE, 0.0, 1.0))
    nonlinear = nonlinear_term(cep_high, bm_sync5)
    linear = linear_term(d_loud, d_norm)
    score = combined_score(nonlinear, linear)
    return HaaqiResult(score, nonlinear, linear, cep_high, bm_sync5, d_loud, d_norm)
