"""The auditory periphery of Kates & Arehart: one module a stage.

In the order in which a signal meets them: `resampling` to 24 kHz, `alignment` of the two signals,
`middle_ear`, `gammatone` filter bank with `hearing_loss`, outer-hair-cell `compression`,
`band_alignment`, inner-hair-cell `adaptation`, threshold `noise`. `cochlea` runs them hop by hop,
four bands at a time, so that nothing of the size bands x samples is ever held in memory.

References
----------
Kates, J. M. & Arehart, K. H. (2016). The hearing-aid audio quality index (HAAQI). IEEE/ACM
Transactions on Audio, Speech, and Language Processing 24(2), 354-365.
Kates, J. M. (2013). An auditory model for intelligibility and quality predictions. Proceedings of
Meetings on Acoustics 19, 050184.
"""
