// Gradient steps on one of PPO's losses, for one network and one minibatch after another (ppo.py).
// This is the body of a function of `plan`, the address of what there is to do (steps.py), so its
// helpers are lambdas.
//
// 64 samples at a time go forward through all layers, through the loss and back, so that all of
// theirs stays in the cache. Matrices are row-major. Columns are padded to whole vectors.

typedef float Vector __attribute__((ext_vector_type(8), aligned(4)));
typedef long long Int;
const Int LANES = 8, BLOCK = 64, MAX_LAYERS = 16, MAX_ACTIONS = 64;
const float LAYER_NORM_EPSILON = 1e-5f, LOG_SQRT_2PI = 0.918938533204672742f;
const double BETA_MEAN = 0.9, BETA_SQUARE = 0.999;  // Adam's

// The plan ----------------------------------------------------------------------------------------

struct Plan {
    Int minibatches, layers, actions;  // no actions for the loss of the values
    const Int* sizes;                  // (minibatches,)
    const Int* index;                  // which samples of B, one minibatch after another
    const float* observations;         // (B, width[0])
    const float* targets;              // (B,) returns, or (B, A) actions
    const float* old_log_probs;        // (B,)
    const float* advantages;           // (B,)
    float clip_range, entropy_coefficient, max_grad_norm, adam_epsilon;
    float *losses, *entropies, *norms; // (minibatches,) written
    float* log_ratios;                 // written, as many as there are in the index
    Int learns_log_std;
    const float* log_std_bounds;       // (2,)
    float *log_std, *log_std_gradient; // (A,), among the parameters and the gradient
    Int size;                          // P, of the parameters of the network
    float *parameters, *gradient, *mean, *square;  // (P,), the last two are Adam's
    double *steps;                     // Adam's
    const double* rate;
    const Int* width;                  // of the input, and of what each layer gives
    float **layer, **layer_gradient;   // four a layer: weight, bias, scale and shift of LayerNorm
    float* room;                       // for what is in between
};
Plan& todo = *(Plan*)plan;
const Int layers = todo.layers, actions = todo.actions;
const Int *index = todo.index, *width = todo.width;
float* log_ratios = todo.log_ratios;

const auto weight = [&](Int layer) { return todo.layer[4 * layer]; };     // (out, in)
const auto bias = [&](Int layer) { return todo.layer[4 * layer + 1]; };   // (out,)
const auto scale = [&](Int layer) { return todo.layer[4 * layer + 2]; };  // (out,)
const auto shift = [&](Int layer) { return todo.layer[4 * layer + 3]; };  // (out,)

// Vectors and matrices ----------------------------------------------------------------------------

const auto at = [](const float* place) -> Vector { return *(const Vector*)place; };
const auto put = [](float* place, Vector value) { *(Vector*)place = value; };
const auto padded = [](Int count) { return (count + LANES - 1) / LANES * LANES; };
const auto total = [](Vector v) {
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
};

struct One { char size[1]; };
struct Two { char size[2]; };
struct Four { char size[4]; };

// Adds to a tile of c, some rows and some vectors of columns, that of the product a b. The element
// (i, p) of a is a[i * row + p * column]; b and c have rows `stride` apart.
const auto add_tile = [&](auto rows, auto vectors, float* c, const float* a, Int row, Int column,
                          const float* b, Int stride, Int depth)
    __attribute__((always_inline)) {
    constexpr int ROWS = sizeof(rows), VECTORS = sizeof(vectors);
    Vector tile[ROWS][VECTORS];
    #pragma unroll
    for (int i = 0; i < ROWS; ++i)
        #pragma unroll
        for (int j = 0; j < VECTORS; ++j) tile[i][j] = at(c + i * stride + j * LANES);
    for (Int p = 0; p < depth; ++p)
        #pragma unroll
        for (int j = 0; j < VECTORS; ++j) {
            const Vector right = at(b + p * stride + j * LANES);
            #pragma unroll
            for (int i = 0; i < ROWS; ++i) tile[i][j] += (Vector)(a[i * row + p * column]) * right;
        }
    #pragma unroll
    for (int i = 0; i < ROWS; ++i)
        #pragma unroll
        for (int j = 0; j < VECTORS; ++j) put(c + i * stride + j * LANES, tile[i][j]);
};

// Adds a b to c: (rows, depth) times (depth, columns), of which there are whole vectors.
const auto add_product = [&](float* c, const float* a, Int row, Int column, const float* b,
                             Int rows, Int depth, Int columns) {
    const auto add_rows = [&](auto some, Int i) __attribute__((always_inline)) {
        Int j = 0;
        for (; j + 2 * LANES <= columns; j += 2 * LANES)
            add_tile(some, Two{}, c + i * columns + j, a + i * row, row, column, b + j, columns,
                     depth);
        if (j < columns)
            add_tile(some, One{}, c + i * columns + j, a + i * row, row, column, b + j, columns,
                     depth);
    };
    Int i = 0;
    for (; i + 4 <= rows; i += 4) add_rows(Four{}, i);
    for (; i < rows; ++i) add_rows(One{}, i);
};

// Room --------------------------------------------------------------------------------------------

float* free = todo.room;
const auto take = [&](Int count) {  // zeros
    float* start = free;
    free += padded(count);
    for (float* place = start; place < free; ++place) *place = 0.0f;
    return start;
};
float* weight_gradient[MAX_LAYERS];  // (in, out), transposed
float* bias_gradient[MAX_LAYERS];
float* scale_gradient[MAX_LAYERS];
float* shift_gradient[MAX_LAYERS];
for (Int l = 0; l < layers; ++l) {
    const Int in = width[l], out = padded(width[l + 1]);
    weight_gradient[l] = take(in * out);
    bias_gradient[l] = take(out);
    scale_gradient[l] = take(out);
    shift_gradient[l] = take(out);
}
float* const gradients_end = free;
float* transposed[MAX_LAYERS];       // weights, (in, out)
float* first_output[MAX_LAYERS];     // biases
float* output[MAX_LAYERS];           // (BLOCK, out) of each layer, after its LayerNorm and ReLU
float* normal[MAX_LAYERS];           // (BLOCK, out) before LayerNorm's scale and shift
float* precision[MAX_LAYERS];        // (BLOCK,) reciprocals of LayerNorm's standard deviations
Int widest = 0;
for (Int l = 0; l < layers; ++l) {
    const Int in = width[l], out = padded(width[l + 1]);
    widest = out > widest ? out : widest;
    transposed[l] = take(in * out);
    first_output[l] = take(out);
    output[l] = take(BLOCK * out);
    normal[l] = take(BLOCK * out);
    precision[l] = take(BLOCK);
}
float* input = take(BLOCK * width[0]);
float* slope = take(BLOCK * widest);  // of the loss by what a layer gives
float* slope_before = take(BLOCK * widest);
const Int last = layers - 1, outputs = width[layers], outputs_padded = padded(outputs);
const float clip_range = todo.clip_range;

for (Int minibatch = 0; minibatch < todo.minibatches; ++minibatch) {

const Int samples = todo.sizes[minibatch];
const float share = 1.0f / samples;
for (float* place = todo.room; place < gradients_end; ++place) *place = 0.0f;
for (Int l = 0; l < layers; ++l) {
    const Int in = width[l], out = width[l + 1];
    for (Int j = 0; j < out; ++j) {
        first_output[l][j] = bias(l)[j];
        for (Int i = 0; i < in; ++i) transposed[l][i * padded(out) + j] = weight(l)[j * in + i];
    }
}

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

    // Forward -------------------------------------------------------------------------------------

    for (Int l = 0; l < layers; ++l) {
        const Int in = width[l], size = padded(width[l + 1]);
        for (Int i = 0; i < rows; ++i)
            for (Int j = 0; j < size; j += LANES)
                put(output[l] + i * size + j, at(first_output[l] + j));
        const float* before = l ? output[l - 1] : input;
        add_product(output[l], before, in, 1, transposed[l], rows, in, size);
        if (l == last) break;
        for (Int i = 0; i < rows; ++i) {  // LayerNorm and ReLU
            float *row = output[l] + i * size, *ready = normal[l] + i * size;
            Vector sum = (Vector)(0.0f), squares = (Vector)(0.0f);
            for (Int j = 0; j < size; j += LANES) sum += at(row + j);
            const float mean = total(sum) / size;
            for (Int j = 0; j < size; j += LANES) {
                const Vector difference = at(row + j) - mean;
                squares += difference * difference;
            }
            const float reciprocal = 1.0f / ::sqrtf(total(squares) / size + LAYER_NORM_EPSILON);
            precision[l][i] = reciprocal;
            for (Int j = 0; j < size; j += LANES) {
                const Vector x = (at(row + j) - mean) * reciprocal;
                const Vector y = x * at(scale(l) + j) + at(shift(l) + j);
                put(ready + j, x);
                put(row + j, y > 0.0f ? y : (Vector)(0.0f));
            }
        }
    }

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
    float** written = todo.layer_gradient + 4 * l;
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
