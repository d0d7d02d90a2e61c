"""The auditory periphery of Kates & Arehart: one module a stage.

`hearing_loss` and `resampling` are here; the other stages are in `clarity.evaluator.engine`.

References
----------
Kates, J. M. & Arehart, K. H. (2016). The hearing-aid audio quality index (HAAQI). IEEE/ACM
Transactions on Audio, Speech, and Language Processing 24(2), 354-365.
Kates, J. M. (2013). An auditory model for intelligibility and quality predictions. Proceedings of
Meetings on Acoustics 19, 050184.
"""
