"""Profiles of Hypothesis: `HYPOTHESIS_PROFILE=hunt` finds a failure and does not shrink it."""

import os

from hypothesis import Phase, settings

settings.register_profile("default", deadline=None)
settings.register_profile("hunt", deadline=None, phases=[Phase.explicit, Phase.generate])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
