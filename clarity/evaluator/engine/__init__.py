"""The stages of the ear model compiled, hop by hop, four or eight bands at a time.

`comparison.CochlearComparison` computes what `ear_model.model` does behind the middle ear; `haaqi`
chooses between the two. The modules, from the outside in:

==================================  ================================================================
module                              what it holds
==================================  ================================================================
comparison                          both signals at the cochlea: threads, each with some bands
alignment, middle_ear               the whole signals, before they are split into bands
band_data                           what a thread needs for some bands, and what it finds
bands                               the two passes over the hops of some bands
cochlea                             the stages of a hop up to the compressed signals
gammatone, compression, adaptation  kernels of these stages
band_alignment                      the delay between the signals of a band
envelope, covariance                what the features are made of
noise, random_points,               noise at threshold: NumPy's own random stream, drawn band by
mersenne_twister                    band
rings                               the last hops of a signal, read at another place for each band
vector, elementary, estimates, fft  arithmetic on several bands at once
jit, constants                      how kernels are compiled, and numbers that only they need
==================================  ================================================================
"""
