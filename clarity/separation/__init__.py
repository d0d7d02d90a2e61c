"""Source separation of stereo music into stems.

- `base`: the stems' names, the mixture, and the protocol that every separator follows.
- `segmented`: a separator made of any torch module, on the overlap-add of `segments`.
- `hdemucs`, `openunmix`: pretrained models; `weights` finds, fetches and checks their files.
- `hpss`: median filtering, the floor; `oracle`: the true stems, the ceiling.
- `cache`: stems kept on disk.

``python -m clarity.separation`` lists and downloads weights.
"""
