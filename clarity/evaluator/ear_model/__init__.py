"""The ear of Kates & Arehart, defined: plain NumPy on whole signals, one function a stage.

The stages in the order in which sound meets them. `model.compare_signals` runs them all; the engine
computes the same numbers hop by hop, in compiled kernels. To change a stage, change its function
here and try it with ``evaluate_haaqi(..., engine="reference")``; the tests of the stages then name
the kernel that no longer agrees. Parameters (constants, filters, knees and ratios of the gain curve)
are stated here only: the engine and `haaqi_torch`, whose functions have the same names, take them
over. The shape of a curve is computed again in both, and held to the one here by tests.

==================  ==================================  ================================  =============================  =================================
stage               function here                       kernel in the engine              pyClarity's haspi.eb           source
==================  ==================================  ================================  =============================  =================================
rate conversion     resampling.to_model_rate            the same                          resample_24khz                 Kates & Arehart 2016
bulk delay          alignment.bulk_delay                alignment.bulk_delay              input_align                    Kates 2013
silent ends         alignment.align_and_prune           the same                          input_align                    Kates 2013
middle ear          middle_ear.middle_ear               middle_ear.middle_ear             middle_ear                     Kates 1991, 2013
hearing loss        hearing_loss.hearing_loss           the same                          loss_parameters                Moore et al. 1999, Kates 2013
centre frequencies  gammatone.centre_frequencies_hz     the same                          center_frequency               Slaney 1993
control filter      gammatone.gammatone                 gammatone.control_block           gammatone_basilar_membrane     Zhang et al. 2001, Kates 2013
bandwidth           bandwidth.bandwidth_at_level        the same                          bandwidth_adjust               Baker & Rosen 2006, Kates 2013
main filter         gammatone.gammatone                 gammatone.main_block              gammatone_basilar_membrane     Cooke 1991, Patterson et al. 1992
compression         compression.compression_gain        compression.gain_block            env_compress_basilar_membrane  Kates 2013
gain smoothing      compression.smooth_gain             compression.gain_block            env_compress_basilar_membrane  Zhang et al. 2001
band alignment      band_alignment.align_bands          band_alignment.correlation_peaks  envelope_align                 Kates 2013
envelope in dB SL   sensation_level.sensation_level     adaptation.sensation_level_block  envelope_sl                    Kates 2013
adaptation          adaptation.adapt                    adaptation.adapt_block            inner_hair_cell_adaptation     Harris & Dallos 1979, Kates 1991
threshold noise     threshold_noise.threshold_noise     noise.draw_normals                basilar_membrane_add_noise     Kates 2013
group delay         group_delay.compensate_group_delay  bands.compare                     group_delay_compensate         Wojtczak et al. 2012, Kates 2013
average spectrum    spectrum.average_spectrum_db        the same                          convert_rms_to_sl              Kates & Arehart 2010
envelope frames     envelope.smooth_envelope            envelope.smooth_hop               env_smooth                     Kates & Arehart 2010, 2016
segment covariance  covariance.segment_covariance       covariance.covariance_hop         bm_covary                      Kates & Arehart 2014, 2016
==================  ==================================  ================================  =============================  =================================

Signals of bands have the shape (n_bands, samples), parameters of bands (n_bands,).

Every number is the one that pyClarity 0.9.0 computes with, and the tests hold it to that. A name and
a year behind a number say which publication pyClarity, or Kates's own program, gives for its stage;
they were not compared number by number with the printed texts.

References
----------
Baker, R. J. & Rosen, S. (2006). Auditory filter nonlinearity across frequency using simultaneous
notched-noise masking. Journal of the Acoustical Society of America 119(1), 454-462.
Cooke, M. P. (1991). Modelling auditory processing and organisation. PhD thesis, University of
Sheffield; Cambridge University Press 1993.
Glasberg, B. R. & Moore, B. C. J. (1990). Derivation of auditory filter shapes from notched-noise
data. Hearing Research 47(1-2), 103-138.
Harris, D. M. & Dallos, P. (1979). Forward masking of auditory nerve fiber responses. Journal of
Neurophysiology 42(4), 1083-1107.
Kates, J. M. (1991). A time-domain digital cochlear model. IEEE Transactions on Signal Processing
39(12), 2573-2592.
Kates, J. M. (2013). An auditory model for intelligibility and quality predictions. Proceedings of
Meetings on Acoustics 19, 050184.
Kates, J. M. & Arehart, K. H. (2010). The hearing-aid speech quality index (HASQI). Journal of the
Audio Engineering Society 58(5), 363-381.
Kates, J. M. & Arehart, K. H. (2014). The hearing-aid speech quality index (HASQI) version 2.
Journal of the Audio Engineering Society 62(3), 99-117.
Kates, J. M. & Arehart, K. H. (2016). The hearing-aid audio quality index (HAAQI). IEEE/ACM
Transactions on Audio, Speech, and Language Processing 24(2), 354-365.
Moore, B. C. J., Vickers, D. A., Plack, C. J. & Oxenham, A. J. (1999). Inter-relationship between
different psychoacoustic measures assumed to be related to the cochlear active mechanism. Journal of
the Acoustical Society of America 106(5), 2761-2778.
Patterson, R. D., Robinson, K., Holdsworth, J., McKeown, D., Zhang, C. & Allerhand, M. (1992).
Complex sounds and auditory images. In Cazals, Y., Demany, L. & Horner, K. (eds), Auditory Physiology
and Perception, Pergamon, 429-446.
Slaney, M. (1993). An efficient implementation of the Patterson-Holdsworth auditory filter bank.
Apple Computer Technical Report 35.
Wojtczak, M., Beim, J. A., Micheyl, C. & Oxenham, A. J. (2012). Perception of across-frequency
asynchrony and the role of cochlear delays. Journal of the Acoustical Society of America 131(1),
363-377.
Zhang, X., Heinz, M. G., Bruce, I. C. & Carney, L. H. (2001). A phenomenological model for the
responses of auditory-nerve fibers: I. Nonlinear tuning with compression and suppression. Journal of
the Acoustical Society of America 109(2), 648-670.
"""  # noqa: E501

from clarity.evaluator.ear_model import (
    adaptation,
    alignment,
    band_alignment,
    bandwidth,
    compression,
    constants,
    covariance,
    envelope,
    gammatone,
    group_delay,
    hearing_loss,
    levels,
    middle_ear,
    model,
    quality,
    resampling,
    sensation_level,
    spectrum,
    threshold_noise,
)
from clarity.evaluator.ear_model.model import Comparison, compare_signals

__all__ = [
    "Comparison",
    "adaptation",
    "alignment",
    "band_alignment",
    "bandwidth",
    "compare_signals",
    "compression",
    "constants",
    "covariance",
    "envelope",
    "gammatone",
    "group_delay",
    "hearing_loss",
    "levels",
    "middle_ear",
    "model",
    "quality",
    "resampling",
    "sensation_level",
    "spectrum",
    "threshold_noise",
]
