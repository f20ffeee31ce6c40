// From observations to what the network sees, as ObservationNormalizer does it.

struct Normaliser {
    double epsilon, clip;
    const double *mean, *variance;  // (width[0],)
};
const auto normalise = [&](const Normaliser& by, const float* seen, float* shown) {
    for (Int j = 0; j < width[0]; ++j) {
        const double x = (seen[j] - by.mean[j]) / ::sqrt(by.variance[j] + by.epsilon);
        shown[j] = (float)(x < -by.clip ? -by.clip : x > by.clip ? by.clip : x);
    }
};
