"""Draw the features: their names, their sets, and what each shows of a stock's character."""

from __future__ import annotations

import numpy as np

from numebot_dagster.practice.market.randomness import Stream, WanderingSeries, generator

# The real counts are those of data version 5.3.
REAL_FEATURES = 3_555
# The groups that make up `all`, in the order in which they were released, with their real sizes.
GROUPS = {
    "intelligence": 35,
    "charisma": 290,
    "strength": 135,
    "dexterity": 51,
    "constitution": 335,
    "wisdom": 140,
    "agility": 145,
    "serenity": 95,
    "sunshine": 325,
    "rain": 666,
    "midnight": 244,
    "faith": 372,
    "quantum": 807,
}
# Sets chosen across the groups, each a part of the one named beside it.
SELECTIONS = {
    "v3_equivalent_features": (1_000, "all"),
    "v2_equivalent_features": (304, "v3_equivalent_features"),
    "fncv3_features": (400, "v3_equivalent_features"),
    "medium": (780, "all"),
    "small": (42, "medium"),
}
SMALLEST_SET = 3
# At least so many features of each group are in these sets, as in the real ones.
OF_EACH_GROUP = {"medium": 2, "small": 2}
# Days between the knots of a feature's own noise: half-lives of three weeks to eight months.
FEATURE_PERIODS = (22, 250)
# What features show; see `market.HIDDEN_PERIODS` for what they do not.
CHARACTERISTICS = 8
# Share of a feature's variance that comes from the characteristics.
COMMUNALITY = (0.45, 0.85)
MISSING_SHARE = 0.12
QUINTILES = (-0.841621, -0.253347, 0.253347, 0.841621)

# One word of each line makes a name.
WORDS = (
    "able amber ancient arctic bold brisk calm candid civil clever cosmic crimson daring distant"
    " eager earnest faint fierce gentle gilded hidden humble idle ivory jolly keen lively lunar"
    " mellow mighty nimble noble opaque patient quaint quiet rustic silent solar stoic tidy"
    " vivid wary zealous",
    "alpine baltic bronze cedar chalk cobalt copper coral cotton dusky ember fluted fossil"
    " granite hazel indigo jasper juniper knotted linen marble maple misty nordic oaken ochre"
    " pearly plaid quartz russet sandy scarlet silken slate spruce tawny thorny umber velvet"
    " walnut woolen",
    "acorn anchor badger beacon bellows canyon castle condor comet dolphin dune eagle falcon"
    " ferry garnet glacier harbor heron inlet island jackal kestrel ladder lantern lynx meadow"
    " monsoon nebula orchid otter panther pebble quail raven reef saddle sparrow summit thicket"
    " tundra vessel walrus willow",
)


def feature_names(seed: int, count: int) -> list[str]:
    """Return `count` different names of the form `feature_<word>_<word>_<word>`."""
    words = [line.split() for line in WORDS]
    sizes = tuple(len(choices) for choices in words)
    names = generator(seed, Stream.FEATURES, 0).choice(np.prod(sizes), count, replace=False)
    chosen = zip(*np.unravel_index(names, sizes), strict=True)
    return [
        "feature_" + "_".join(choices[i] for choices, i in zip(words, name, strict=True))
        for name in chosen
    ]


def feature_sets(seed: int, count: int) -> dict[str, list[int]]:
    """Return the 19 sets as sorted feature numbers.

    `small` has its real size, and `medium` a few more, as soon as there are features enough; all
    other sizes are in proportion to the real ones.
    """
    size = {name: _scaled(real, count) for name, real in GROUPS.items()}
    before_quantum = count - size["quantum"]
    sets: dict[str, list[int]] = {}
    start = 0
    for name in GROUPS:
        if name == "quantum":
            sets[name] = list(range(before_quantum, count))
            continue
        # The groups are a little larger than the whole together, so the last ones share the first.
        sets[name] = sorted((start + i) % before_quantum for i in range(size[name]))
        start += size[name]
    whole = {"all": list(range(before_quantum))}
    random = generator(seed, Stream.FEATURES, 1)
    sizes = _selection_sizes(count)
    groups = [sets[name] for name in GROUPS]
    for name, (_, parent) in SELECTIONS.items():
        shuffled = random.permutation({**whole, **sets}[parent]).tolist()
        count_of_group = OF_EACH_GROUP.get(name, 0)
        first = [
            feature
            for group in groups
            for feature in [number for number in shuffled if number in group][:count_of_group]
        ]
        sets[name] = sorted([*dict.fromkeys([*first, *shuffled])][: sizes[name]])
    sets["all"] = list(range(count))
    order = ["small", "medium", "all", "v2_equivalent_features", "v3_equivalent_features"]
    return {name: sets[name] for name in [*order, "fncv3_features", *GROUPS]}


def _selection_sizes(count: int) -> dict[str, int]:
    """Return the sizes of the sets that are chosen across the groups."""
    sizes = {name: _scaled(real, count) for name, (real, _) in SELECTIONS.items()}
    small, medium = SELECTIONS["small"][0], SELECTIONS["medium"][0]
    sizes["small"] = min(small, count // 2)
    sizes["medium"] = max(sizes["medium"], min(medium, sizes["small"] + count // 8))
    return sizes


def _scaled(real: int, count: int) -> int:
    return max(SMALLEST_SET, round(real * count / REAL_FEATURES))


class Features:
    """Every feature shows one to three characteristics of a stock, blurred by noise of its own."""

    def __init__(self, seed: int, count: int, characteristics: WanderingSeries) -> None:
        """Draw the features.

        Args:
            seed: the market's seed.
            count: number of features.
            characteristics: what drives returns; its vectors hold one value for each slot. The
                first CHARACTERISTICS of them show in features, the others in none.
        """
        random = generator(seed, Stream.FEATURES, 2)
        self.names = feature_names(seed, count)
        self.sets = feature_sets(seed, count)
        self._characteristics = characteristics
        self.loadings = _loadings(random, count, len(characteristics.periods))
        self.missing_early = random.permutation(count) < MISSING_SHARE * count
        shortest, longest = np.log(FEATURE_PERIODS)
        periods = np.exp(random.uniform(shortest, longest, count)).astype(np.int64)
        noise = np.sqrt(1.0 - (self.loadings**2).sum(axis=1))
        self.noise_variance = noise**2
        self._noise_scale = noise[:, None].astype(np.float32)
        self._noise = WanderingSeries(seed, Stream.FEATURE_NOISE, periods, characteristics.width)

    def on(self, day: int) -> np.ndarray:
        """Return the (features, slots) int8 values 0 to 4 known at the close of a day."""
        values = self._noise.on(day)
        values *= self._noise_scale
        # The loadings are sparse, and a multi-threaded matrix product this small is slower.
        characteristics = self._characteristics.on(day)
        for feature, shown in zip(*np.nonzero(self.loadings), strict=True):
            values[feature] += np.float32(self.loadings[feature, shown]) * characteristics[shown]
        bins = (values > QUINTILES[0]).view(np.int8)
        for threshold in QUINTILES[1:]:
            bins += (values > threshold).view(np.int8)
        return bins

    def knowledge(self, premia: np.ndarray, members: list[int]) -> np.ndarray:
        """Return the weights with which features best predict `premia @ characteristics`.

        The regression on standardised features in the population: with loadings L and noise
        variances D of the member features, `(L L' + D)^-1 L premia`; zero for other features.
        """
        loadings = self.loadings[members]
        # By Woodbury's identity as many equations as there are characteristics, not features:
        # (L L' + D)^-1 L = D^-1 L (1 + L' D^-1 L)^-1.
        weighted = loadings / self.noise_variance[members, None]
        inner = np.eye(loadings.shape[1]) + loadings.T @ weighted
        weights = np.zeros(len(self.names))
        weights[members] = weighted @ np.linalg.solve(inner, premia)
        return weights


def _loadings(random: np.random.Generator, count: int, characteristics: int) -> np.ndarray:
    """Draw (features, characteristics) loadings with one to three of them non-zero in a row."""
    loadings = np.zeros((count, characteristics))
    for row in loadings:
        shown = random.choice(CHARACTERISTICS, random.integers(1, 4), replace=False)
        mixture = random.standard_normal(len(shown)) * 0.5 ** np.arange(len(shown))
        share = random.uniform(*COMMUNALITY)
        row[shown] = mixture * np.sqrt(share / (mixture @ mixture))
    return loadings
