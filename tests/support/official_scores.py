"""Compute the official scores of one era by numerai-tools: arrays in, floats out.

Rows are aligned by position. Rows whose target is NaN are left out, as numerai-tools does, which
refuses when more than a fifth of them is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def corr(predictions: ArrayLike, target: ArrayLike) -> float:
    """Return Numerai's CORR: Pearson's correlation of tail-weighted ranks and target.

    Source: `numerai_tools.scoring.numerai_corr`.
    """
    import pandas as pd
    from numerai_tools.scoring import numerai_corr

    frame = pd.DataFrame({"prediction": predictions})
    return float(numerai_corr(frame, pd.Series(target, name="target"))["prediction"])


def mmc(predictions: ArrayLike, meta_model: ArrayLike, target: ArrayLike) -> float:
    """Return Numerai's MMC: the contribution beyond what the meta model contains.

    With benchmark predictions in place of the meta model it is BMC.
    Source: `numerai_tools.scoring.correlation_contribution`.
    """
    import pandas as pd
    from numerai_tools.scoring import correlation_contribution

    frame = pd.DataFrame({"prediction": predictions})
    meta = pd.Series(meta_model, name="meta_model")
    scores = correlation_contribution(frame, meta, pd.Series(target, name="target"))
    return float(scores["prediction"])
