"""Source separation of stereo music into stems.

- `base`: the stems' names, the mixture, and the protocol that every separator follows.
- `segmented`: a separator made of any torch module, on the overlap-add of `segments`.
- `hdemucs`, `openunmix`: pretrained models; `weights` finds, fetches and checks their files.
- `passthrough`: no separation, the floor; `hpss`: median filtering; `oracle`: the true stems, the
  ceiling; `ensemble`: the weighted mean of several separators.
- `checked`: what every separator must return; `fingerprint`: what identifies its stems;
  `cache`: stems kept on disk.

``python -m clarity.separation`` lists and downloads weights. The names of this package are in
``__init__.pyi``; a module is imported when one of its names is first used, because torch takes
seconds.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
