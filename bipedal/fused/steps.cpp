// Gradient steps on one of PPO's losses, for one network and one minibatch after another (ppo.py).

const float LOG_SQRT_2PI = 0.918938533204672742f;
const double BETA_MEAN = 0.9, BETA_SQUARE = 0.999;  // Adam's

struct Plan {
    Network network;
    Int minibatches, actions;           // no actions for the loss of the values
    const Int* sizes;                   // (minibatches,)
    const Int* index;                   // which samples of B, one minibatch after another
    const float* observations;          // (B, width[0])
    const float* targets;               // (B,) returns, or (B, A) actions
    const float* old_log_probs;         // (B,)
    const float* advantages;            // (B,)
    float clip_range, entropy_coefficient, max_grad_norm, adam_epsilon;
    float *losses, *entropies, *norms;  // (minibatches,) written
    float* log_ratios;                  // written, as many as there are in the index
    Int learns_log_std;
    const float* log_std_bounds;          // (2,)
    float *log_std, *log_std_gradient;    // (A,), among the parameters and the gradient
    Int size;                             // P, of the parameters of the network
    float *parameters, *gradient, *mean, *square;  // (P,), the last two are Adam's
    double* steps;                        // Adam's
    const double* rate;
};
Plan& todo = *(Plan*)plan;
const Int actions = todo.actions;
const Int* index = todo.index;
float* log_ratios = todo.log_ratios;
const float clip_range = todo.clip_range;

float* const gradients_start = free;
float* weight_gradient[MAX_LAYERS];  // (in, out), transposed
float* bias_gradient[MAX_LAYERS];
float* scale_gradient[MAX_LAYERS];
float* shift_gradient[MAX_LAYERS];
Int widest = 0;
for (Int l = 0; l < layers; ++l) {
    const Int in = width[l], out = padded(width[l + 1]);
    widest = out > widest ? out : widest;
    weight_gradient[l] = take(in * out);
    bias_gradient[l] = take(out);
    scale_gradient[l] = take(out);
    shift_gradient[l] = take(out);
}
float* const gradients_end = free;
float* slope = take(BLOCK * widest);  // of the loss by what a layer gives
float* slope_before = take(BLOCK * widest);

for (Int minibatch = 0; minibatch < todo.minibatches; ++minibatch) {

const Int samples = todo.sizes[minibatch];
const float share = 1.0f / samples;
clear(gradients_start, gradients_end);
load();

double loss = 0.0, advantage_mean = 0.0, advantage_square = 0.0;
float log_std[MAX_ACTIONS], inverse_std[MAX_ACTIONS], entropy = 0.0f;
if (actions) {
    for (Int i = 0; i < samples; ++i) advantage_mean += todo.advantages[index[i]];
    advantage_mean *= share;
    for (Int i = 0; i < samples; ++i) {
        const double difference = todo.advantages[index[i]] - advantage_mean;
        advantage_square += difference * difference;
    }
}
const float inverse_deviation = 1.0f / ((float)::sqrt(advantage_square * share) + 1e-8f);
for (Int a = 0; a < actions; ++a) {
    const float low = todo.log_std_bounds[0], high = todo.log_std_bounds[1];
    log_std[a] = todo.log_std[a] < low ? low : todo.log_std[a] > high ? high : todo.log_std[a];
    inverse_std[a] = ::expf(-log_std[a]);
    entropy += log_std[a] + 0.5f + LOG_SQRT_2PI;
    todo.log_std_gradient[a] = 0.0f;
}

for (Int first = 0; first < samples; first += BLOCK) {
    const Int rows = samples - first < BLOCK ? samples - first : BLOCK;
    for (Int i = 0; i < rows; ++i)
        for (Int j = 0; j < width[0]; ++j)
            input[i * width[0] + j] = todo.observations[index[first + i] * width[0] + j];
    forward(rows);

    // The loss (ppo.py), and its slope by what the last layer gives -------------------------------

    for (Int i = 0; i < rows; ++i) {
        const Int sample = index[first + i];
        const float* row = output[last] + i * outputs_padded;
        float* down = slope + i * outputs_padded;
        for (Int j = 0; j < outputs_padded; ++j) down[j] = 0.0f;
        if (!actions) {
            const float error = row[0] - todo.targets[sample];
            loss += 0.5 * error * error;
            down[0] = error * share;
            continue;
        }
        float log_prob = 0.0f, z[MAX_ACTIONS], mean[MAX_ACTIONS];
        for (Int a = 0; a < actions; ++a) {
            mean[a] = ::tanhf(row[a]);
            z[a] = (todo.targets[sample * actions + a] - mean[a]) * inverse_std[a];
            log_prob += -0.5f * z[a] * z[a] - log_std[a] - LOG_SQRT_2PI;
        }
        const float log_ratio = log_prob - todo.old_log_probs[sample], ratio = ::expf(log_ratio);
        const float difference = todo.advantages[sample] - (float)advantage_mean;
        const float advantage = difference * inverse_deviation;
        const float bound = advantage > 0.0f ? 1.0f + clip_range : 1.0f - clip_range;
        const bool clipped = advantage > 0.0f ? ratio > bound : ratio < bound;
        log_ratios[first + i] = log_ratio;
        loss -= (clipped ? bound : ratio) * advantage;
        const float by_log_prob = clipped ? 0.0f : -ratio * advantage * share;
        for (Int a = 0; a < actions; ++a) {
            down[a] = by_log_prob * z[a] * inverse_std[a] * (1.0f - mean[a] * mean[a]);
            todo.log_std_gradient[a] += by_log_prob * (z[a] * z[a] - 1.0f);
        }
    }

    // Backward ------------------------------------------------------------------------------------

    for (Int l = last; l >= 0; --l) {
        const Int in = width[l], out = width[l + 1], size = padded(out);
        const float* before = l ? output[l - 1] : input;
        add_product(weight_gradient[l], before, 1, in, slope, in, rows, size);
        for (Int i = 0; i < rows; ++i)
            for (Int j = 0; j < size; j += LANES)
                put(bias_gradient[l] + j, at(bias_gradient[l] + j) + at(slope + i * size + j));
        if (l == 0) break;
        for (Int i = 0; i < rows * in; i += LANES) put(slope_before + i, (Vector)(0.0f));
        add_product(slope_before, slope, size, 1, weight(l), rows, out, in);
        for (Int i = 0; i < rows; ++i) {  // ReLU and LayerNorm of the layer before
            const float *row = before + i * in, *ready = normal[l - 1] + i * in;
            float *up = slope_before + i * in, *down = slope + i * in;
            Vector sum = (Vector)(0.0f), products = (Vector)(0.0f);
            for (Int j = 0; j < in; j += LANES) {
                const Vector y = at(row + j) > 0.0f ? at(up + j) : (Vector)(0.0f);
                const Vector x = y * at(scale(l - 1) + j);
                float *by_scale = scale_gradient[l - 1] + j, *by_shift = shift_gradient[l - 1] + j;
                put(by_scale, at(by_scale) + y * at(ready + j));
                put(by_shift, at(by_shift) + y);
                put(up + j, x);
                sum += x;
                products += x * at(ready + j);
            }
            const float mean = total(sum) / in, lean = total(products) / in;
            for (Int j = 0; j < in; j += LANES)
                put(down + j, (at(up + j) - mean - at(ready + j) * lean) * precision[l - 1][i]);
        }
    }
}

// The step ----------------------------------------------------------------------------------------

for (Int l = 0; l < layers; ++l) {
    const Int in = width[l], out = width[l + 1];
    float** written = network.gradient + 4 * l;
    for (Int j = 0; j < out; ++j) {
        for (Int i = 0; i < in; ++i)
            written[0][j * in + i] = weight_gradient[l][i * padded(out) + j];
        written[1][j] = bias_gradient[l][j];
        if (l < last) {
            written[2][j] = scale_gradient[l][j];
            written[3][j] = shift_gradient[l][j];
        }
    }
}
for (Int a = 0; a < actions; ++a)
    if (todo.learns_log_std) todo.log_std_gradient[a] -= todo.entropy_coefficient;
    else todo.log_std_gradient[a] = 0.0f;

double squared = 0.0;
for (Int i = 0; i < todo.size; ++i) squared += (double)todo.gradient[i] * todo.gradient[i];
const float norm = (float)::sqrt(squared), limited = todo.max_grad_norm / (norm + 1e-6f);
const float factor = limited < 1.0f ? limited : 1.0f;
const bool finite = norm - norm == 0.0f;
const double steps = ++*todo.steps;
const float rate = (float)(*todo.rate / (1.0 - ::pow(BETA_MEAN, steps)));
const float correction = (float)(1.0 - ::pow(BETA_SQUARE, steps));
for (Int i = 0; i < todo.size; ++i) {  // Adam
    const float slope = finite ? todo.gradient[i] * factor : 0.0f;
    todo.gradient[i] = slope;
    todo.mean[i] += (float)(1.0 - BETA_MEAN) * (slope - todo.mean[i]);
    todo.square[i] = (float)BETA_SQUARE * todo.square[i] + (float)(1.0 - BETA_SQUARE) * slope * slope;
    const float deviation = ::sqrtf(todo.square[i] / correction) + todo.adam_epsilon;
    todo.parameters[i] -= todo.mean[i] * rate / deviation;
}
for (Int a = 0; a < actions; ++a) {
    const float low = todo.log_std_bounds[0], high = todo.log_std_bounds[1];
    float& value = todo.log_std[a];
    value = value < low ? low : value > high ? high : value;
}
todo.losses[minibatch] = (float)(loss * share);
todo.entropies[minibatch] = entropy;
todo.norms[minibatch] = norm;
index += samples;
log_ratios += samples;

}
