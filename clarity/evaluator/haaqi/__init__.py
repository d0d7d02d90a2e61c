"""The hearing-aid audio quality index (HAAQI) of Kates & Arehart (2016).

The names are in ``__init__.pyi``; a module is imported when one of its names is first used, so that
``python -m clarity.evaluator.haaqi`` can end with one line while it is still importing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
